// Which operators are turned: a permutation that occurs is carried as far as layouts flow, and of the operators that it reaches those
// are turned that make the transposes cheapest, by a minimum cut.
import type { Node, Value } from '../../ir/graph.ts';
import { range } from '../../ops/shapes.ts';
import { first, Network, second } from './cut.ts';
import { type Flow, isStill, type Turn, turnFrom } from './flow.ts';
import { inverse, isIdentity, isNatural, keyOf, type Layout, plain, through } from './layout.ts';
import { behind, type Costs, type Reader, type Source, type Sources } from './network.ts';

export interface Flows {
  /** The node as rows see it; undefined for one that has its tensors as they are. */
  of(node: Node): { readonly node: Node; readonly flow: Flow } | undefined;
  /** Whether the node can be turned in its opset. */
  can(node: Node, turn: Turn): boolean;
}

/** The turns that are worth it for one of the permutations of the graph; none where the transposes stand as cheap as they can. */
export function chooseTurns(sources: Sources, flows: Flows, costs: Costs): ReadonlyMap<Node, Turn> {
  for (const layout of candidates(sources, costs)) {
    const turns = spread(sources, flows, { seeds: seedsFor(sources, layout), preferred: layout, isFree: v => costs.isFree(v) });
    for (;;) {
      const chosen = cheapest(sources, turns, costs);
      const refused = [...chosen].filter(([node, turn]) => !flows.can(node, turn));
      if (chosen.size > 0 && refused.length === 0) return chosen;
      if (refused.length === 0) break;
      for (const [node] of refused) turns.delete(node);
    }
  }
  return new Map();
}

/** Layouts in which some value would need no transpose, those of the costliest transposes first. */
function candidates(sources: Sources, costs: Costs): Layout[] {
  const weights = new Map<string, { readonly layout: Layout; weight: number }>();
  for (const { value, readers } of sources.all.values())
    for (const { perm } of readers) {
      if (!perm || isNatural(perm)) continue;
      const layout = plain(perm);
      const weight = costs.of(value, plain(range(perm.length)), layout);
      for (const wanted of [layout, plain(inverse(perm))]) {
        const entry = weights.get(keyOf(wanted)) ?? { layout: wanted, weight: 0 };
        entry.weight += weight;
        weights.set(keyOf(wanted), entry);
      }
    }
  return [...weights.values()].sort((a, b) => b.weight - a.weight).map(entry => entry.layout);
}

/** A tensor of a node, or a whole source, and the layout that it is to have. */
type Seed = { readonly reader: Reader; readonly layout: Layout } | { readonly source: Source; readonly layout: Layout };

function seedsFor(sources: Sources, layout: Layout): Seed[] {
  const [asIs, opposite] = [String(layout.perm), String(inverse(layout.perm))];
  const seeds: Seed[] = [];
  for (const source of sources.all.values())
    for (const reader of source.readers) {
      if (!reader.perm) continue;
      const text = String(reader.perm);
      if (text === asIs) seeds.push({ source, layout });
      if (text === opposite) seeds.push({ reader, layout });
    }
  return seeds;
}

interface Spread {
  readonly seeds: readonly Seed[];
  /** Where an operator leaves a choice. */
  readonly preferred: Layout;
  readonly isFree: (v: Value) => boolean;
}

/** The turn of every operator that a layout reaches from its seeds, the nearest first. */
function spread(sources: Sources, flows: Flows, { seeds, preferred, isFree }: Spread): Map<Node, Turn> {
  const turns = new Map<Node, Turn>();
  const seen = new Set<Value>();
  const pending = [...seeds];
  const reach = (node: Node, side: 'inputs' | 'outputs', index: number, layout: Layout): void => {
    const found = turns.has(node) ? undefined : flows.of(node);
    const axes = found?.flow[side][index];
    const turn = axes && turnFrom(found.node, found.flow, { axes, layout }, preferred);
    if (!turn || isStill(turn)) return;
    turns.set(node, turn);
    turn.inputs.forEach((wanted, i) => {
      const v = node.inputs[i];
      if (!wanted || !v) return;
      const { root, perm } = sources.rootOf(v);
      pending.push({ source: sources.all.get(root)!, layout: perm ? through(perm, wanted) : wanted });
    });
    turn.outputs.forEach((made, i) => {
      const source = node.outputs[i] && sources.all.get(node.outputs[i]);
      if (made && source) pending.push({ source, layout: made });
    });
  };
  for (const seed of pending) {
    if ('reader' in seed) {
      if (seed.reader.node) reach(seed.reader.node, 'inputs', seed.reader.input, seed.layout);
      continue;
    }
    const { value, readers } = seed.source;
    if (isIdentity(seed.layout) || isFree(value) || seen.has(value)) continue;
    seen.add(value);
    const producer = sources.producer(value);
    if (producer) reach(producer, 'outputs', value.index, seed.layout);
    for (const reader of readers) {
      const layout = reader.perm ? through(inverse(reader.perm), seed.layout) : seed.layout;
      if (reader.node && !isIdentity(layout)) reach(reader.node, 'inputs', reader.input, layout);
    }
  }
  return turns;
}

/**
 * The turns that together cost least, where that is less than it costs now. On the first side of the cut are the operators that turn.
 * What a cut cannot say (one operator wants what the other would only have unturned) is replaced by a bound from above that is exact
 * for the graph as it is, so that a gain here is one there.
 */
function cheapest(sources: Sources, turns: ReadonlyMap<Node, Turn>, costs: Costs): ReadonlyMap<Node, Turn> {
  const network = new Network();
  const vertices = new Map([...turns.keys()].map(node => [node, network.vertex()] as const));
  let now = 0;
  for (const source of sources.all.values()) {
    if (costs.isFree(source.value)) continue;
    for (const demand of demandsOf(source, turns, costs)) now += charge(network, demand, vertices);
  }
  const { cost, side } = network.cut();
  return cost < now ? new Map([...turns].filter(([node]) => side.has(vertices.get(node)!))) : new Map();
}

/** A layout of a value, who wants it when, and its price while its producer is as it is, and turned. */
interface Demand {
  readonly producer: Node | undefined;
  readonly price: readonly [asIs: number, turned: number];
  always: boolean;
  /** Wanted unless all of these are turned. */
  readonly asIs: Node[];
  /** Wanted if one of these is turned. */
  readonly turned: Node[];
}

function demandsOf({ value, readers }: Source, turns: ReadonlyMap<Node, Turn>, costs: Costs): Iterable<Demand> {
  const identity = plain(range(value.shape?.length ?? readers.find(r => r.perm)?.perm?.length ?? 0));
  const made = value.producer && turns.get(value.producer)?.outputs[value.index];
  const demands = new Map<string, Demand>();
  const demand = (layout: Layout): Demand => {
    const key = keyOf(layout);
    const known = demands.get(key);
    if (known) return known;
    const asIs = costs.of(value, identity, layout);
    const entry: Demand = {
      producer: made && value.producer,
      price: [asIs, made ? costs.of(value, made, layout) : asIs],
      always: false,
      asIs: [],
      turned: [],
    };
    demands.set(key, entry);
    return entry;
  };
  for (const reader of readers) {
    const turn = reader.node && turns.get(reader.node);
    const wanted = turn?.inputs[reader.input];
    const before = demand(behind(reader, identity));
    const after = wanted ? demand(behind(reader, wanted)) : before;
    if (before === after) before.always = true;
    else {
      before.asIs.push(reader.node!);
      after.turned.push(reader.node!);
    }
  }
  return demands.values();
}

/** Put what a demand costs into the network; what it costs while nothing is turned. */
function charge(network: Network, { producer, price, always, asIs, turned }: Demand, vertices: ReadonlyMap<Node, number>): number {
  const [before, after] = price;
  const maker = producer && vertices.get(producer)!;
  if (always) {
    network.arc(first, maker ?? second, before);
    if (maker !== undefined) network.arc(maker, second, after);
    return before;
  }
  if (turned.length > 0) {
    const wanted = network.vertex();
    for (const node of turned) network.arc(vertices.get(node)!, wanted, Number.POSITIVE_INFINITY);
    network.arc(wanted, second, maker === undefined ? before : after);
    if (maker !== undefined) network.arc(wanted, maker, before - after);
  }
  if (asIs.length === 0) return 0;
  const unwanted = network.vertex();
  for (const node of asIs) network.arc(unwanted, vertices.get(node)!, Number.POSITIVE_INFINITY);
  network.arc(first, unwanted, maker === undefined ? before : Math.min(before, after));
  if (maker !== undefined) {
    network.arc(maker, unwanted, after - before);
    network.arc(first, maker, before - after);
  }
  return before;
}
