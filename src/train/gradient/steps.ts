// One node on the way back: by its rule, by its formula, or by its body.
import { fail } from '../../errors.ts';
import { derivativesOf } from '../../expr/derivative.ts';
import { input } from '../../expr/expr.ts';
import type { Attributes, Node, Value } from '../../ir/graph.ts';
import { isFloat } from '../../ir/types.ts';
import { computeType } from '../../kernels/storage.ts';
import { type Builder, newBuilder } from '../../ops/builder.ts';
import { rowOf } from '../../ops/index.ts';
import { lowerNode } from '../../ops/infer.ts';
import type { OpName } from '../../ops/names.gen.ts';
import { expressionOf, named } from '../../ops/plan-node.ts';
import { bodyOf } from '../../ops/row.ts';
import { nodesOf } from '../../ops/scalar-nodes.ts';
import type { OpSchema } from '../../ops/schema.ts';
import { inShapeOf, unbroadcast } from './broadcast.ts';
import type { OwnFunctions } from './functions.ts';
import type { FormulaRow, Pulled, RuleRow, Slots } from './row.ts';

/** Values and their gradients. */
export type Gradients = Iterable<readonly [Value, Value]>;

/** A copied node: what stands for its outputs, and the way back. */
export interface Recorded {
  readonly outputs: readonly (Value | undefined)[];
  /** The gradients of what it reads, from those of its outputs. */
  pull(gs: readonly (Value | undefined)[], b: Builder): Gradients;
}

/** Whether a value is a tensor of floats. */
export const isReal = (v: Value | undefined): boolean => v?.element !== undefined && isFloat(v.element);

/** The node by a rule of its operator. */
export function byRule(
  row: RuleRow<OpName>,
  schema: OpSchema,
  inputs: readonly (Value | undefined)[],
  at: Readonly<Record<string, unknown>>,
  again: () => readonly (Value | undefined)[],
  b: Builder,
  { own, active }: { readonly own: OwnFunctions; readonly active: ReadonlySet<Value> },
): Recorded {
  const x = named(schema, inputs);
  const outputs = row.keep?.(x as never, at as never, b) ?? again();
  return {
    outputs,
    pull: (gs, back) => {
      const c = {
        x,
        at,
        y: outputs,
        g: gs[0],
        gs,
        b: back,
        call: (name: string, values: never, facts: never, body: never) => own.call(back, name, values, facts, body),
        // The cast: rows are looked up by names that only the run knows.
      } as unknown as Pulled<OpName>;
      return slotsOf(row.pull(c), schema, inputs, active, (g, v) => settled(back, g, v, row.broadcasts));
    },
  };
}

/** The body of a node in the types of its inputs. */
export function bodyOfNode(node: Node, schema: OpSchema, inputs: readonly (Value | undefined)[], attributes: Attributes) {
  const row = rowOf(node.op, node.domain);
  const outputs = node.outputs.map(v => v?.name);
  const made = newBuilder().emit(node.op, inputs, attributes, { domain: node.domain, outputs });
  const whole = made.find(v => v?.producer)?.producer;
  if (!whole) return { nodes: [], ends: made };
  const scratch = newBuilder();
  const ends = row && bodyOf(row) && lowerNode(row, schema, whole, scratch);
  if (!ends) throw fail('E6003', `${node.op}: the gradient of this form is not said here, and the operator has no body`);
  return { nodes: scratch.nodes, ends };
}

/** The gradients that a rule has for those inputs that want one. */
function* slotsOf(
  slots: Slots<OpName>,
  schema: OpSchema,
  inputs: readonly (Value | undefined)[],
  active: ReadonlySet<Value>,
  settle: (g: Value, v: Value) => Value,
): Gradients {
  // The cast: the schema's names are the keys.
  const byName = slots as Readonly<Record<string, ((i: number) => Value | undefined) | undefined>>;
  for (const [i, v] of inputs.entries()) {
    if (!v || !active.has(v)) continue;
    const last = schema.inputs.length - 1;
    const { name } = schema.inputs[Math.min(i, last)]!;
    const slot = byName[name];
    if (!slot) throw fail('E6003', `${schema.name}: the gradient by its input ${name} is not said here`, { argument: name });
    const g = slot(i - Math.min(i, last));
    if (g) yield [v, settle(g, v)];
  }
}

/** A gradient in the type and shape of what it is of. */
export function settled(b: Builder, g: Value, v: Value, broadcasts = false): Value {
  const whole = broadcasts ? unbroadcast(b, g, v) : inShapeOf(b, g, v);
  return b.Cast(whole, v.element!);
}

/** A map by its formula: the derivative's formula over inputs, result and gradient as nodes. */
export function byFormula(
  row: FormulaRow<OpName>,
  node: Node,
  inputs: readonly (Value | undefined)[],
  at: Readonly<Record<string, unknown>>,
  outputs: readonly (Value | undefined)[],
): Recorded {
  const map = rowOf(node.op, node.domain);
  const x = inputs as readonly Value[];
  const pull: Recorded['pull'] = ([g], b) => {
    if (!g || !map || !('map' in map)) return [];
    const formula = expressionOf(
      map,
      x.map(v => v.element!),
      at,
    );
    const element = outputs[0]!.element!;
    const scalar = computeType(element)!;
    const args = x.map((v, i) => input(i, computeType(v.element!)!));
    const [y, gradient] = [input(x.length, scalar), input(x.length + 1, scalar)];
    const parts = row.by?.(args, at as never, y, gradient) ?? derivativesOf(formula, x.length, gradient, y);
    const made = nodesOf(b, parts, [...x, outputs[0]!, g], element);
    return x.flatMap((v, i) => (made[i] && isReal(v) ? [[v, settled(b, made[i], v, true)] as const] : []));
  };
  return { outputs, pull };
}
