// The driver of reverse mode. It copies the nodes between what gradients are asked for and what they are of, notes how to go back
// through each, and goes back. What an operator's gradient is, a row says; what a row cannot know is here: which values have a gradient,
// sums over several readers, broadcasting, types.
import { ModelError } from '../../errors.ts';
import { type Attributes, type FunctionDefinition, type Node, subgraphs, type Value } from '../../ir/graph.ts';
import { valuesOf } from '../../ops/attributes.ts';
import { type Builder, newBuilder } from '../../ops/builder.ts';
import { named } from '../../ops/plan-node.ts';
import { newestSchema, type OpSchema } from '../../ops/schema.ts';
import { resolve } from '../../passes/inline.ts';
import { copyNodes, emitAgain, rebuild, type Visit } from '../../passes/rebuild.ts';
import { zerosLike } from './broadcast.ts';
import { throughIf } from './control.ts';
import type { OwnFunctions } from './functions.ts';
import { takenOut } from './items.ts';
import { throughRounds } from './rounds.ts';
import type { CutRow, FunctionRow, GradientRow } from './row.ts';
import { gradientRowOf } from './rows/index.ts';
import { bodyOfNode, byFormula, byRule, type Gradients, isReal, type Recorded, settled } from './steps.ts';

/** What all tapes of a derivation share. */
export interface Environment {
  readonly own: OwnFunctions;
  /** The function that a node calls. */
  called(node: Node): FunctionDefinition | undefined;
}

interface Entry {
  readonly outputs: readonly (Value | undefined)[];
  readonly place: Node;
  readonly pull: Recorded['pull'];
}

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
      const before = target.nodes.length;
      const isOnPath = node.outputs.some(v => v && leads.has(v)) && this.#reads(inputs, attributes);
      const made = isOnPath ? this.#differentiate(node, inputs, attributes, target, leads) : emitAgain(node, inputs, attributes, target);
      node.outputs.forEach((v, i) => {
        const copy = made[i];
        if (!v || !copy) return;
        if (wanted.has(v)) this.active.add(copy);
        // What takes the place of a node keeps the names of its outputs.
        if (v.name && copy.producer && target.nodes.indexOf(copy.producer, before) >= 0) copy.name = v.name;
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
      const recorded =
        row.kind === 'formula'
          ? byFormula(row, node, inputs, at, again())
          : byRule(row, schema, inputs, at, again, b, { own: this.#env.own, active: this.active });
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
}

const isCut = (row: GradientRow): row is CutRow => row.kind === 'zero' || row.kind === 'none' || row.kind === 'gap';

const within = (error: unknown, node: Node): unknown =>
  error instanceof ModelError ? error.within({ offset: node.meta.at, node: { op: node.qualifiedName, name: node.name } }) : error;
