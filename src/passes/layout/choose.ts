// Which operators are turned: a permutation that occurs is carried as far as layouts flow, and of the operators that it reaches those
// are turned that make the transposes cheapest, by a minimum cut.
import type { Graph, Node } from '../../ir/graph.ts';
import { range } from '../../ops/shapes.ts';
import { first, Network, second } from './cut.ts';
import type { Turn } from './flow.ts';
import { inverse, isNatural, keyOf, type Layout, plain } from './layout.ts';
import { behind, Costs, type Source, Sources } from './network.ts';
import { type Flows, type Seed, spread } from './spread.ts';

/** Whether a node can be turned in its opset. */
export type CanTurn = (node: Node, turn: Turn) => boolean;

/** The turns that are worth it for one of the permutations of the graph; none where the transposes stand as cheap as they can. */
export function chooseTurns(graph: Graph, flows: Flows, canTurn: CanTurn): ReadonlyMap<Node, Turn> {
  const sources = new Sources(graph);
  const costs = new Costs(graph);
  for (const layout of candidates(sources, costs)) {
    const { turns } = spread(sources, flows, { seeds: seedsFor(sources, layout), preferred: layout, isFree: v => costs.isFree(v) });
    for (;;) {
      const chosen = cheapest(sources, turns, costs);
      const refused = [...chosen].filter(([node, turn]) => !canTurn(node, turn));
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

/**
 * The turns that together cost least, where that is less than it costs now. On the first side of the cut are the operators that turn.
 * What a cut cannot say (one operator wants what the other would only have unturned) is replaced by a bound from above that is exact
 * for the graph as it is, so that a gain here is one there: one that is exact where the producer of
 * a value is turned, or one that is where it stays.
 */
function cheapest(sources: Sources, turns: ReadonlyMap<Node, Turn>, costs: Costs): ReadonlyMap<Node, Turn> {
  const demands = [...sources.all.values()].flatMap(source => (costs.isFree(source.value) ? [] : [...demandsOf(source, turns, costs)]));
  const [one, other] = bounds.map(bound => cutFor(demands, turns, bound)) as [Chosen, Chosen];
  return (one.gain >= other.gain ? one : other).turns;
}

/** Where such a bound is exact too: where the producer of a value is turned, or where it stays. */
const bounds = ['turned', 'still'] as const;
type Bound = (typeof bounds)[number];

interface Chosen {
  readonly gain: number;
  readonly turns: ReadonlyMap<Node, Turn>;
}

function cutFor(demands: readonly Demand[], turns: ReadonlyMap<Node, Turn>, bound: Bound): Chosen {
  const network = new Network();
  const vertices = new Map([...turns.keys()].map(node => [node, network.vertex()] as const));
  const now = demands.reduce((sum, demand) => sum + charge(network, demand, vertices, bound), 0);
  const { cost, side } = network.cut();
  if (cost >= now) return { gain: 0, turns: new Map() };
  return { gain: now - cost, turns: new Map([...turns].filter(([node]) => side.has(vertices.get(node)!))) };
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
function charge(
  network: Network,
  { producer, price, always, asIs, turned }: Demand,
  vertices: ReadonlyMap<Node, number>,
  bound: Bound,
): number {
  const [before, after] = price;
  const maker = producer && vertices.get(producer)!;
  const isStill = maker !== undefined && bound === 'still';
  if (always) {
    network.arc(first, maker ?? second, before);
    if (maker !== undefined) network.arc(maker, second, after);
    return before;
  }
  if (turned.length > 0) {
    const wanted = network.vertex();
    for (const node of turned) network.arc(vertices.get(node)!, wanted, Number.POSITIVE_INFINITY);
    const dearer = isStill ? Math.max(after - before, 0) : 0;
    network.arc(wanted, second, maker === undefined ? before : after - dearer);
    if (maker !== undefined) {
      network.arc(wanted, maker, before - after);
      network.arc(maker, second, dearer);
    }
  }
  if (asIs.length === 0) return 0;
  const unwanted = network.vertex();
  for (const node of asIs) network.arc(unwanted, vertices.get(node)!, Number.POSITIVE_INFINITY);
  network.arc(first, unwanted, maker === undefined || isStill ? before : Math.min(before, after));
  if (maker !== undefined) {
    network.arc(maker, unwanted, after - before);
    network.arc(first, maker, isStill ? 0 : before - after);
  }
  return before;
}
