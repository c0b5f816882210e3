// How far a layout flows: from some tensors through the operators that can be said in it, to others and on.
import type { Node, Value } from '../../ir/graph.ts';
import { type Flow, isStill, type Turn, turnFrom } from './flow.ts';
import { inverse, isIdentity, isNatural, type Layout, through } from './layout.ts';
import type { Reader, Source, Sources } from './network.ts';

export interface Flows {
  /** The node as rows see it; undefined for one that has its tensors as they are. */
  of(node: Node): { readonly node: Node; readonly flow: Flow } | undefined;
}

/** A tensor of a node, or a whole source, and the layout that it is to have. */
export type Seed = { readonly reader: Reader; readonly layout: Layout } | { readonly source: Source; readonly layout: Layout };

export interface Spread {
  readonly seeds: readonly Seed[];
  /** Where an operator leaves a choice. */
  readonly preferred: Layout;
  /** Values that a layout does not flow through, because they can have any. */
  readonly isFree: (v: Value) => boolean;
  /** Whether tensors that stay as they are hand that on too. */
  readonly still?: boolean;
}

export interface Reached {
  /** What every operator on the way becomes. */
  readonly turns: Map<Node, Turn>;
  /** The layouts of values that no transpose makes. */
  readonly layouts: ReadonlyMap<Value, Layout>;
}

/** Everything that a layout reaches from its seeds, the nearest first. */
export function spread(sources: Sources, flows: Flows, { seeds, preferred, isFree, still = false }: Spread): Reached {
  const turns = new Map<Node, Turn>();
  const layouts = new Map<Value, Layout>();
  const pending = [...seeds];
  const want = (v: Value | undefined, layout: Layout | undefined): void => {
    const { root, perm } = (v && sources.rootOf(v)) ?? {};
    const source = root && sources.all.get(root);
    if (source && layout) pending.push({ source, layout: perm ? through(perm, layout) : layout });
  };
  /** Whether a transpose stands between elements that are mixed within an axis and what makes them. */
  const isTorn = (v: Value, layout: Layout | undefined): boolean =>
    layout !== undefined && layout.mixed.size > 0 && !isNatural(sources.rootOf(v).perm ?? []) && !isFree(sources.rootOf(v).root);
  const reach = (node: Node, side: 'inputs' | 'outputs', index: number, layout: Layout): void => {
    const found = turns.has(node) ? undefined : flows.of(node);
    const axes = found?.flow[side][index];
    const turn = axes && turnFrom(found.node, found.flow, { axes, layout }, preferred);
    if (!turn || (!still && isStill(turn)) || node.inputs.some((v, i) => v && isTorn(v, turn.inputs[i]))) return;
    turns.set(node, turn);
    turn.inputs.forEach((wanted, i) => {
      want(node.inputs[i], wanted);
    });
    turn.outputs.forEach((made, i) => {
      want(node.outputs[i], made);
    });
  };
  for (const seed of pending) {
    if ('reader' in seed) {
      if (seed.reader.node) reach(seed.reader.node, 'inputs', seed.reader.input, seed.layout);
      continue;
    }
    const { value, readers } = seed.source;
    if ((!still && isIdentity(seed.layout)) || isFree(value) || layouts.has(value)) continue;
    layouts.set(value, seed.layout);
    const producer = sources.producer(value);
    if (producer) reach(producer, 'outputs', value.index, seed.layout);
    for (const reader of readers) {
      const layout = reader.perm ? through(inverse(reader.perm), seed.layout) : seed.layout;
      if (reader.node && (still || !isIdentity(layout))) reach(reader.node, 'inputs', reader.input, layout);
    }
  }
  return { turns, layouts };
}
