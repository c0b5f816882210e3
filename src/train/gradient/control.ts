// The way back through nested graphs: what all of them share, and If, which goes back in an If whose branches compute again what they need.
import { fail } from '../../errors.ts';
import { type Attributes, Graph, type Node, type Value } from '../../ir/graph.ts';
import type { ValueType } from '../../ir/types.ts';
import { type Builder, newBuilder } from '../../ops/builder.ts';
import { zerosLike } from './broadcast.ts';
import { type Environment, leadingTo, readBy, Tape } from './driver.ts';
import { isReal, type Recorded } from './steps.ts';

/** A node of control flow as it is copied. */
export interface Nested {
  readonly node: Node;
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes: Attributes;
  /** Outside values with a gradient. */
  readonly active: ReadonlySet<Value>;
  /** Whether output `i` leads to what is differentiated. */
  leads(i: number): boolean;
}

export const graphIn = (attributes: Attributes, name: string): Graph => {
  const a = attributes.get(name);
  if (a?.kind === 'graph') return a.value;
  throw fail('E1303', 'expected a graph attribute');
};

/** The active values from outside that a graph reads, in the order in which it does. */
export function capturedBy(graphs: readonly Graph[], active: ReadonlySet<Value>): Value[] {
  const read = graphs.flatMap(graph => [...graph.nodes.flatMap(node => [...readBy(node)]), ...graph.outputs.map(o => o.value)]);
  return [...new Set(read.filter(v => active.has(v)))];
}

/** `v` as a value of a type that says more of it. */
function typedAs(b: Builder, v: Value, type: ValueType | undefined): Value {
  const same = b.Identity(v);
  if (type && !same.tensor) same.type = type;
  return same;
}

export const graphOf = (name: string, inputs: Value[], outputs: readonly Value[], b: Builder): Graph =>
  new Graph(name, { inputs, outputs: outputs.map((value, i) => ({ name: `${name}_${i}`, value })), nodes: b.nodes });

export function throughIf(env: Environment, { attributes, active, inputs }: Nested, outputs: readonly (Value | undefined)[]): Recorded {
  const branches = ['then_branch', 'else_branch'].map(name => [name, graphIn(attributes, name)] as const);
  const captured = capturedBy(
    branches.map(([, graph]) => graph),
    active,
  );
  const pull: Recorded['pull'] = (gs, b) => {
    const back = branches.map(([name, graph]) => {
      const inner = newBuilder();
      const tape = new Tape(env, captured);
      const now = new Map<Value, Value | undefined>();
      const ends = graph.outputs.map(o => o.value);
      tape.record(graph.nodes, now, inner, leadingTo(graph.nodes, ends));
      const seeds = ends.flatMap((end, i) => {
        const at = now.get(end) ?? end;
        const g = gs[i];
        return g && isReal(at) ? [[at, typedAs(inner, g, at.type)] as const] : [];
      });
      const totals = tape.pull(seeds, inner);
      return [
        name,
        graphOf(
          'back',
          [],
          captured.map(v => owned(inner, totals.get(v) ?? zerosLike(inner, v))),
          inner,
        ),
      ] as const;
    });
    const made = b.emit('If', [inputs[0]], Object.fromEntries(back), { outputs: captured.map(v => `${v.name}_grad`) }) as readonly Value[];
    return captured.map((v, i) => [v, typed(made[i]!, v.type)] as const);
  };
  return { outputs, pull };
}

/** A value that the nodes of the graph make, as files ask of its outputs. */
export const owned = (b: Builder, v: Value): Value => (v.producer && b.nodes.includes(v.producer) ? v : b.Identity(v));

export function typed(v: Value, type: ValueType | undefined): Value {
  if (!v.tensor) v.type = type;
  return v;
}
