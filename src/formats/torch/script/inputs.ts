// Types of a program's inputs where the archive does not say them: guesses by the first use of each, tried in order until the program
// fits. PyTorch itself knows the types at the first call only.
import { symbol } from '../../../ir/dims.ts';
import { type DataType, type TensorType, tensorType } from '../../../ir/types.ts';
import { TensorRef } from '../memory.ts';
import type { Use } from './interpret.ts';
import type { FunctionDef } from './parse.ts';
import type { Host } from './values.ts';

/** Names that people give to whole numbers. */
const whole = /(?:^|_)(?:ids?|tokens?|idx|index|indices|lengths?|labels?|positions?|offsets?|steps?)(?:_|$)|^[ijkn]$/;

/** Operators that take whole numbers at a place. */
const takesIndices: Readonly<Record<string, number | undefined>> = {
  embedding: 1,
  embedding_bag: 1,
  gather: 2,
  index_select: 2,
  scatter: 2,
  scatter_add: 2,
  one_hot: 0,
  bincount: 0,
};

/** Ranks by operator, the likely one first. */
function ranksFor({ op, args, module }: Use): readonly number[] {
  const pooled = /(?:^|_)(?:pool|conv|batch_norm|instance_norm|pad|upsample\w*|fold|shuffle)\w*?([123])d(?:_|$)/.exec(op)?.[1];
  const n = Number(pooled);
  if (pooled !== undefined) return [n + 2, n + 1];
  if (/conv/.test(op)) return ranksOf(args[1]);
  if (/^(?:batch_norm|instance_norm|pixel_shuffle)/.test(op)) return [4, 3, 2, 5];
  if (/^(?:lstm|gru|rnn_\w+)$/.test(op)) return [3, 2];
  if (/^(?:item|int|float|bool|_local_scalar_dense)$/.test(op)) return [0, 1];
  if (/^embedding/.test(op)) return [2, 1, 3];
  const usual = usualRanks.find(([name]) => name.test(module))?.[1] ?? [];
  return [...usual, ...ranksOf(args.find(arg => rankOf(arg) !== undefined && rankOf(arg) !== 0 && !isWeight(arg))), 2, 3, 4, 1, 5, 0];
}

/** Ranks of what modules take, with a batch. */
const usualRanks: readonly (readonly [RegExp, readonly number[]])[] = [
  [/\.(?:LSTM|GRU|RNN|MultiheadAttention|Transformer\w*)$/, [3]],
  [/\.Embedding(?:Bag)?$/, [2]],
  [/(?:1d|1D)$/, [3]],
  [/(?:2d|2D)$/, [4]],
  [/(?:3d|3D)$/, [5]],
];

const isWeight = (v: Host): boolean => v instanceof TensorRef && !v.memory.value.producer && v.memory.value.tensor !== undefined;
const rankOf = (v: Host | undefined): number | undefined => (v instanceof TensorRef ? v.memory.value.shape?.length : undefined);
const ranksOf = (v: Host | undefined): number[] => {
  const rank = rankOf(v);
  return rank === undefined ? [] : [rank];
};

/** Whether the module that runs looks its inputs up. */
const isEmbedding = ({ module }: Use): boolean => /\.Embedding(?:Bag)?$/.test(module);

/** Types that an input may have, the likely one first. */
export function typesFor(name: string, use: Use, { ranks: likely, sizes, element }: Said): readonly TensorType[] {
  const isWhole = takesIndices[use.op] === use.position || use.op === 'item' || use.op === 'int' || whole.test(name) || isEmbedding(use);
  const elements: readonly DataType[] = element ? [element] : isWhole ? ['int64', 'float32'] : ['float32', 'int64', 'bool'];
  if (sizes) return elements.map(e => givenType(e, sizes));
  const ranks = [
    ...new Set([
      ...ranksFor(use)
        .slice(0, 1)
        .filter(rank => rank === 0),
      ...likely,
      ...ranksFor(use),
    ]),
  ];
  return elements.flatMap(e => ranks.map(rank => openType(name, e, rank)));
}

/** What is known of an input beside its first use. */
export interface Said {
  /** Ranks that the program makes likely. */
  readonly ranks: readonly number[];
  /** Sizes that somebody gave. */
  readonly sizes: readonly (number | string)[] | undefined;
  /** The element type that somebody gave. */
  readonly element: DataType | undefined;
}

export const givenType = (element: DataType, sizes: readonly (number | string)[]): TensorType =>
  tensorType(
    element,
    sizes.map(size => (typeof size === 'string' ? symbol(size) : size)),
  );

/** The rank that the first operator of a function that has a usual one makes likely: of frozen programs the modules are gone. */
export function likelyRanks({ body }: FunctionDef): readonly number[] {
  for (const op of operatorsOf(body)) {
    const rank = usualOfOperator.find(([name]) => name.test(op))?.[1];
    if (rank !== undefined) return [rank];
  }
  return [];
}

const usualOfOperator: readonly (readonly [RegExp, number])[] = [
  [/^(?:lstm|gru|rnn_\w+|conv\w*1d|max_pool1d|avg_pool1d|_transformer_encoder_layer_fwd|_native_multi_head_attention)$/, 3],
  [/^(?:conv\w*2d|max_pool2d|avg_pool2d|adaptive_avg_pool2d|pixel_shuffle)$/, 4],
  [/^(?:conv\w*3d|max_pool3d|avg_pool3d|adaptive_avg_pool3d)$/, 5],
  [/^(?:linear|addmm|embedding(?:_bag)?)$/, 2],
];

/** The names of the operators that code calls, in order. */
function* operatorsOf(part: unknown): Generator<string> {
  if (Array.isArray(part)) for (const item of part) yield* operatorsOf(item);
  else if (typeof part === 'object' && part !== null) {
    const { kind, of, name } = part as { kind?: string; of?: { kind?: string; name?: string }; name?: string };
    for (const inner of Object.values(part)) yield* operatorsOf(inner);
    if (kind === 'attribute' && of?.kind === 'name' && of.name === 'torch' && name) yield name;
  }
}

/** A type of which only the rank is said; every size has a name. */
export const openType = (name: string, element: DataType, rank: number): TensorType =>
  tensorType(
    element,
    Array.from({ length: rank }, (_, axis) => symbol(`${name}_${axis}`)),
  );

/** How far the sizes that a program was traced with are taken for its own. */
export type Openness = 'all' | 'first' | 'none';

/** The type of a traced input: sizes of 1 other than the first are part of the program, as in torch.export. */
export function tracedType(name: string, { element, shape }: TensorType, open: Openness): TensorType {
  const isOpen = (size: unknown, axis: number): boolean => (open === 'all' ? axis === 0 || size !== 1 : open === 'first' && axis === 0);
  return tensorType(
    element,
    shape!.map((size, axis) => (isOpen(size, axis) ? symbol(`${name}_${axis}`) : size)),
  );
}
