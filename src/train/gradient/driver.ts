// The driver of reverse mode. It copies the nodes between what gradients are asked for and what they are of, notes how to go back
// through each, and goes back. What an operator's gradient is, a row says; what a row cannot know is here: which values have a gradient,
// sums over several readers, broadcasting, types.
import { fail, ModelError } from '../../errors.ts';
import { derivativesOf } from '../../expr/derivative.ts';
import { input } from '../../expr/expr.ts';
import { type Attributes, type FunctionDefinition, type Node, subgraphs, type Value } from '../../ir/graph.ts';
import { isFloat } from '../../ir/types.ts';
import { computeType } from '../../kernels/storage.ts';
import { valuesOf } from '../../ops/attributes.ts';
import { type Builder, newBuilder } from '../../ops/builder.ts';
import { rowOf } from '../../ops/index.ts';
import { lowerNode } from '../../ops/infer.ts';
import type { OpName } from '../../ops/names.gen.ts';
import { expressionOf, named } from '../../ops/plan-node.ts';
import { bodyOf } from '../../ops/row.ts';
import { nodesOf } from '../../ops/scalar-nodes.ts';
import { newestSchema, type OpSchema } from '../../ops/schema.ts';
import { resolve } from '../../passes/inline.ts';
import { copyNodes, emitAgain, rebuild, type Visit } from '../../passes/rebuild.ts';
import { inShapeOf, unbroadcast, zerosLike } from './broadcast.ts';
import { throughIf } from './control.ts';
import type { OwnFunctions } from './functions.ts';
import { takenOut } from './items.ts';
import { throughRounds } from './rounds.ts';
import type { CutRow, FormulaRow, FunctionRow, GradientRow, Pulled, RuleRow, Slots } from './row.ts';
import { gradientRowOf } from './rows/index.ts';

/** What all tapes of a derivation share. */
export interface Environment {
  readonly own: OwnFunctions;
  /** The function that a node calls. */
  called(node: Node): FunctionDefinition | undefined;
}

type Gradients = Iterable<readonly [Value, Value]>;
interface Entry {
  readonly outputs: readonly (Value | undefined)[];
  readonly place: Node;
  pull(gs: readonly (Value | undefined)[], b: Builder): Gradients;
}

/** A copied node: what stands for its outputs, and the way back. */
export interface Recorded {
  readonly outputs: readonly (Value | undefined)[];
  readonly pull: Entry['pull'];
}

/** Whether a value is a tensor of floats. */
export const isReal = (v: Value | undefined): boolean => v?.element !== undefined && isFloat(v.element);

/** The values that lead to `ends` through these nodes. */
export function leadingTo(nodes: readonly Node[], ends: Iterable<Value>): Set<Value> {
  const leads = new Set(ends);
  for (const node of [...nodes].reverse()) {
    if (!node.outputs.some(v => v && leads.has(v))) continue;
    for (const v of readBy(node)) leads.add(v);
  }
  return leads;
}

/** What a node reads, in nested graphs too. */
export function* readBy(node: Node): Generator<Value> {
  for (const v of node.inputs) if (v) yield v;
  for (const [, inner] of subgraphs(node)) {
    for (const each of inner.nodes) yield* readBy(each);
    for (const o of inner.outputs) yield o.value;
  }
}

export class Tape {
  /** Values with a path of differentiable operators to what gradients are asked for. */
  readonly active: Set<Value>;
  readonly #entries: Entry[] = [];
  readonly #env: Environment;

  constructor(env: Environment, active: Iterable<Value>) {
    this.#env = env;
    this.active = new Set(active);
  }

  /**
   * Copy nodes into `b`. `now` says what stands for the values that they read, and gets what stands for theirs; `leads` are those that a
   * gradient may come back to, and `wanted` those, beside what is active, that gradients are asked for.
   */
  record(
    nodes: readonly Node[],
    now: Map<Value, Value | undefined>,
    b: Builder,
    leads: ReadonlySet<Value>,
    wanted: ReadonlySet<Value> = new Set(),
    caller?: Attributes,
  ): void {
    const visit: Visit = (node, inputs, given, target) => {
      const attributes = caller ? resolve(given, caller) : given;
      const isOnPath = node.outputs.some(v => v && leads.has(v)) && this.#reads(inputs, attributes);
      const made = isOnPath ? this.#differentiate(node, inputs, attributes, target, leads) : emitAgain(node, inputs, attributes, target);
      node.outputs.forEach((v, i) => {
        const copy = made[i];
        if (v && copy && wanted.has(v)) this.active.add(copy);
      });
      return made;
    };
    // Nested graphs are copied as they are; the rows of control flow look into the copies.
    const scope = now as Map<Value, Value>;
    copyNodes(nodes, now, visit, b, { nest: (_node, _inputs, inner) => rebuild(inner, new Map(), emitAgain, scope) });
  }

  /** Go back from seeds: the gradients of all that is active. */
  pull(seeds: Gradients, b: Builder): ReadonlyMap<Value, Value> {
    const parts = new Map<Value, Value[]>();
    const totals = new Map<Value, Value>();
    const give = ([v, g]: readonly [Value, Value]): void => {
      const list = parts.get(v);
      if (list) list.push(g);
      else parts.set(v, [g]);
    };
    const total = (v: Value | undefined): Value | undefined => {
      const list = v && parts.get(v);
      if (!v || !list) return undefined;
      const sum = list.reduce((x, y) => b.Add(x, y));
      parts.set(v, [sum]);
      totals.set(v, sum);
      return sum;
    };
    for (const seed of seeds) give(seed);
    for (const { outputs, pull, place } of [...this.#entries].reverse()) {
      const gs = outputs.map(total);
      if (gs.every(g => g === undefined)) continue;
      try {
        for (const [v, g] of pull(gs, b)) if (this.active.has(v)) give([v, g]);
      } catch (error) {
        throw within(error, place);
      }
    }
    for (const v of parts.keys()) total(v);
    return totals;
  }

  #reads(inputs: readonly (Value | undefined)[], attributes: Attributes): boolean {
    if (inputs.some(v => v && this.active.has(v))) return true;
    for (const a of attributes.values()) {
      const graphs = a.kind === 'graph' ? [a.value] : a.kind === 'graphs' ? a.value : [];
      for (const graph of graphs) {
        if (graph.outputs.some(o => this.active.has(o.value))) return true;
        for (const node of graph.nodes) for (const v of readBy(node)) if (this.active.has(v)) return true;
      }
    }
    return false;
  }

  #differentiate(
    node: Node,
    inputs: readonly (Value | undefined)[],
    attributes: Attributes,
    b: Builder,
    leads: ReadonlySet<Value>,
  ): readonly (Value | undefined)[] {
    try {
      const called = this.#env.called(node);
      if (called) return this.#through(called, inputs, attributes, b);
      const row = gradientRowOf(node.op, node.domain);
      const schema = newestSchema(node.domain, node.op);
      const again = (): readonly (Value | undefined)[] => emitAgain(node, inputs, attributes, b);
      if (!schema || isCut(row)) return again();
      if (row.kind === 'control') {
        const nested = { node, inputs, attributes, active: this.active, leads: (i: number) => leads.has(node.outputs[i] as Value) };
        return this.#note(node, node.op === 'If' ? throughIf(this.#env, nested, again()) : throughRounds(this.#env, nested, b));
      }
      if (row.kind === 'function' && !this.#env.own.isInline)
        return this.#note(node, this.#byFunction(row, node, inputs, attributes, again()));
      const at = valuesOf(attributes, schema);
      if (row.kind === 'items') return this.#throughItems(node, inputs, at, again, b);
      const beyond = row.kind === 'rule' ? (row.outputs ?? 1) : 1;
      const isBeyond = node.outputs.some((v, i) => v && i >= beyond && isReal(v) && leads.has(v));
      const isSaid = row.kind !== 'rule' || !row.says || row.says(named(schema, inputs) as never, at as never);
      if (row.kind === 'body' || row.kind === 'function' || !isSaid || isBeyond) return this.#lowered(node, schema, inputs, attributes, b);
      const recorded = row.kind === 'formula' ? byFormula(row, node, inputs, at, again()) : this.#byRule(row, schema, inputs, at, again, b);
      return this.#note(node, recorded);
    } catch (error) {
      throw within(error, node);
    }
  }

  #note(place: Node, { outputs, pull }: Recorded): readonly (Value | undefined)[] {
    for (const v of outputs) if (v && isReal(v)) this.active.add(v);
    this.#entries.push({ outputs, pull, place });
    return outputs;
  }

  #through(
    called: FunctionDefinition,
    inputs: readonly (Value | undefined)[],
    attributes: Attributes,
    b: Builder,
  ): readonly (Value | undefined)[] {
    const { body } = called;
    const now = new Map<Value, Value | undefined>(body.inputs.map((v, i) => [v, inputs[i]]));
    const ends = body.outputs.map(o => o.value);
    this.record(body.nodes, now, b, leadingTo(body.nodes, ends), new Set(), new Map([...called.defaults, ...attributes]));
    return ends.map(v => (now.has(v) ? now.get(v) : v));
  }

  /** What is put in a sequence or an optional passes its gradient on where it is taken out. */
  #throughItems(
    node: Node,
    inputs: readonly (Value | undefined)[],
    at: Readonly<Record<string, unknown>>,
    again: () => readonly (Value | undefined)[],
    b: Builder,
  ): readonly (Value | undefined)[] {
    const scratch = newBuilder();
    const taken = takenOut(node.op, inputs, at, scratch);
    if (taken) return this.#recorded(scratch.nodes, [taken], b);
    const outputs = again();
    for (const v of outputs) if (v) this.active.add(v);
    return outputs;
  }

  /** Nodes that take the place of one, and what stands for its outputs. */
  #recorded(nodes: readonly Node[], ends: readonly (Value | undefined)[], b: Builder): readonly (Value | undefined)[] {
    const now = new Map<Value, Value | undefined>();
    const given = ends.filter((v): v is Value => v !== undefined);
    this.record(nodes, now, b, leadingTo(nodes, given));
    return ends.map(v => (v && now.has(v) ? now.get(v) : v));
  }

  /** By the body of the operator, which takes its place. */
  #lowered(
    node: Node,
    schema: OpSchema,
    inputs: readonly (Value | undefined)[],
    attributes: Attributes,
    b: Builder,
  ): readonly (Value | undefined)[] {
    const { nodes, ends } = bodyOfNode(node, schema, inputs, attributes);
    return this.#recorded(nodes, ends, b);
  }

  /** The way back through the body in a function of our own. */
  #byFunction(
    row: FunctionRow,
    node: Node,
    inputs: readonly (Value | undefined)[],
    attributes: Attributes,
    outputs: readonly (Value | undefined)[],
  ): Recorded {
    const reals = inputs.filter((v): v is Value => isReal(v));
    const pull: Recorded['pull'] = (gs, b) => {
      const made = this.#env.own.call(b, row.name, [...gs, ...inputs], Object.fromEntries(attributes), (inner, ...all) => {
        const x = all.slice(gs.length);
        const { nodes, ends } = bodyOfNode(node, newestSchema(node.domain, node.op)!, x, attributes);
        const active = x.filter((v): v is Value => isReal(v));
        const tape = new Tape({ ...this.#env, own: this.#env.own.inlined }, active);
        const now = new Map<Value, Value | undefined>();
        tape.record(
          nodes,
          now,
          inner,
          leadingTo(
            nodes,
            ends.filter((v): v is Value => v !== undefined),
          ),
        );
        const seeds = ends.flatMap((v, i) => {
          const end = v && (now.get(v) ?? v);
          const g = i < gs.length ? all[i] : undefined;
          return end && g && isReal(end) ? [[end, g] as const] : [];
        });
        const totals = tape.pull(seeds, inner);
        return active.map(v => totals.get(v) ?? zerosLike(inner, v));
      });
      return reals.map((v, i) => [v, settled(b, made[i]!, v)] as const);
    };
    return { outputs, pull };
  }

  #byRule(
    row: RuleRow<OpName>,
    schema: OpSchema,
    inputs: readonly (Value | undefined)[],
    at: Readonly<Record<string, unknown>>,
    again: () => readonly (Value | undefined)[],
    b: Builder,
  ): Recorded {
    const x = named(schema, inputs);
    const outputs = row.keep?.(x as never, at as never, b) ?? again();
    const { own } = this.#env;
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
        return slotsOf(row.pull(c), schema, inputs, this.active, (g, v) => settled(back, g, v, row.broadcasts));
      },
    };
  }
}

const isCut = (row: GradientRow): row is CutRow => row.kind === 'zero' || row.kind === 'none' || row.kind === 'gap';

/** The body of a node in the types of its inputs. */
function bodyOfNode(node: Node, schema: OpSchema, inputs: readonly (Value | undefined)[], attributes: Attributes) {
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

const within = (error: unknown, node: Node): unknown =>
  error instanceof ModelError ? error.within({ offset: node.meta.at, node: { op: node.qualifiedName, name: node.name } }) : error;

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
function settled(b: Builder, g: Value, v: Value, broadcasts = false): Value {
  const whole = broadcasts ? unbroadcast(b, g, v) : inShapeOf(b, g, v);
  return b.Cast(whole, v.element!);
}

/** A map by its formula: the derivative's formula over inputs, result and gradient as nodes. */
function byFormula(
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
