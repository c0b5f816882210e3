// Images: tensors whose channels operators such as convolutions take from the second axis, and all that layouts flow to from there.
import type { Graph, Node, Value } from '../../ir/graph.ts';
import { range } from '../../ops/shapes.ts';
import { inverse, type Layout, plain, through } from './layout.ts';
import { behind, Costs, type Source, Sources } from './network.ts';
import { type Flows, type Seed, spread } from './spread.ts';

/** Where the channels of an image are: its second axis, or its last. */
export type ChannelOrder = 'nchw' | 'nhwc';

/** The operators whose first input and output are images with channels second. */
const channelsSecond: ReadonlySet<string> = new Set([
  ...['AveragePool', 'BatchNormalization', 'Conv', 'ConvInteger', 'ConvTranspose', 'DeformConv', 'DepthToSpace', 'GlobalAveragePool'],
  ...['GlobalLpPool', 'GlobalMaxPool', 'GridSample', 'GroupNormalization', 'InstanceNormalization', 'LRN', 'LpPool', 'MaxPool'],
  ...['MaxRoiPool', 'MaxUnpool', 'QLinearConv', 'RoiAlign', 'SpaceToDepth', 'Upsample'],
]);

/** The permutation that brings an image of the other order into this one. */
export const intoOrder = (order: ChannelOrder, rank: number): number[] =>
  order === 'nhwc' ? [0, ...range(rank - 2, 2), 1] : [0, rank - 1, ...range(rank - 2, 1)];

/** The layouts in which inputs and outputs that are images have this order. Those that have it already have the identity. */
export interface Images {
  readonly inputs: ReadonlyMap<Value, Layout>;
  /** By place among the outputs. */
  readonly outputs: ReadonlyMap<number, Layout>;
}

export function imagesOf(graph: Graph, flows: Flows, order: ChannelOrder): Images {
  const sources = new Sources(graph);
  const seeds = new Map<number, Seed[]>();
  for (const source of sources.all.values())
    for (const [rank, seed] of seedsOf(source, order)) seeds.set(rank, [...(seeds.get(rank) ?? []), seed]);
  const costs = new Costs(graph);
  const inputs = new Map<Value, Layout>();
  const outputs = new Map<number, Layout>();
  for (const [rank, own] of seeds) {
    const preferred = plain(order === 'nhwc' ? intoOrder(order, rank) : range(rank));
    const { layouts } = spread(sources, flows, { seeds: own, preferred, isFree: v => costs.isFree(v), still: true });
    for (const v of graph.inputs) {
      const layout = layouts.get(v);
      if (v.shape?.length === rank && layout) inputs.set(v, layout);
    }
    for (const [i, { value }] of graph.outputs.entries()) {
      const { root, perm } = sources.rootOf(value);
      const layout = layouts.get(root);
      if (value.shape?.length === rank && layout) outputs.set(i, perm ? through(inverse(perm), layout) : layout);
    }
  }
  return { inputs, outputs };
}

const isImageOf = (node: Node | undefined, place: number): boolean =>
  node !== undefined && place === 0 && node.domain === '' && channelsSecond.has(node.op);

/** What operators with channels second read or make, by the rank. */
function* seedsOf(source: Source, order: ChannelOrder): Generator<readonly [rank: number, Seed]> {
  const { value, readers } = source;
  const wanted = (rank: number): Layout => plain(order === 'nhwc' ? intoOrder(order, rank) : range(rank));
  const own = value.shape?.length;
  if (own !== undefined && own >= 3 && isImageOf(value.producer, value.index)) yield [own, { source, layout: wanted(own) }];
  for (const reader of readers) {
    const rank = reader.perm?.length ?? own;
    if (rank !== undefined && rank >= 3 && isImageOf(reader.node, reader.input))
      yield [rank, { source, layout: behind(reader, wanted(rank)) }];
  }
}
