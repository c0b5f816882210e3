// Sparse tensors as dense ones. Axes, and axes of blocks inside of them, are levels in an order of their own; each level is dense, or a
// compressed list of the places that have content.
import type { ByteRange } from '../../codec/source.ts';
import { Tensor } from '../../ir/tensor.ts';
import { byteLength, type DataType, elementTypes } from '../../ir/types.ts';
import type { DimensionMetadata, SparsityParameters } from './schema.gen.ts';

type Wrong = (code: 'E1009' | 'E1202' | 'E1203', message: string) => Error;

interface Level {
  /** The axis, or after those the axis of blocks, that the level runs along. */
  readonly axis: number;
  readonly size: number;
  /** Where the places of each item of the level above begin and end, and the places. Absent for dense levels. */
  readonly list?: { readonly segments: readonly number[]; readonly indices: readonly number[] } | undefined;
}

/** Most bytes of a dense tensor: the file says only how large it is, and holds less. */
const mostBytes = 2 ** 31;

/**
 * The dense tensor, filled when it is read.
 * @throws what `wrong` makes for levels, segments and places that contradict the shape or the content
 */
export async function densified(
  sparsity: SparsityParameters,
  element: DataType,
  shape: readonly number[],
  range: ByteRange,
  wrong: Wrong,
): Promise<Tensor> {
  const { bits } = elementTypes[element];
  if (bits < 8) throw wrong('E1202', `a sparse tensor of ${element}`);
  const length = byteLength(
    element,
    shape.reduce((n, d) => n * d, 1),
  );
  if (length > mostBytes) throw wrong('E1009', `a sparse tensor of ${length} bytes, the limit is ${mostBytes}`);
  const levels = await levelsOf(sparsity, shape, wrong);
  const width = bits / 8;
  const stored = countStored(levels, wrong);
  if (range.length !== stored * width)
    throw wrong('E1203', `${stored} elements of ${element} are stored sparsely, the buffer has ${range.length} bytes`);
  const fill = async (): Promise<Uint8Array> => {
    const from = await range.read();
    const dense = new Uint8Array(length);
    let next = 0;
    for (const place of places(levels, sparsity.block_map, shape)) {
      dense.set(from.subarray(next, next + width), place * width);
      next += width;
    }
    return dense;
  };
  const read = async (offset = 0, count = length - offset): Promise<Uint8Array> => (await fill()).subarray(offset, offset + count);
  return new Tensor(element, { length, read }, shape);
}

async function levelsOf(
  { traversal_order: order, block_map: blocks, dim_metadata: metadata }: SparsityParameters,
  shape: readonly number[],
  wrong: Wrong,
): Promise<Level[]> {
  const rank = shape.length;
  const isPermutation =
    order.length === rank + blocks.length && new Set(order).size === order.length && order.every(a => a >= 0 && a < order.length);
  if (!isPermutation || metadata.length !== order.length || blocks.some(axis => axis < 0 || axis >= rank))
    throw wrong('E1202', `the levels [${order}] with blocks [${blocks}] and ${metadata.length} sizes do not fit [${shape}]`);
  const sizeOfBlock = blocks.map((_, i) => metadata[order.indexOf(rank + i)]!.dense_size);
  const sizes = [...shape.map((d, axis) => d / blocks.reduce((n, of, i) => (of === axis ? n * sizeOfBlock[i]! : n), 1)), ...sizeOfBlock];
  const levels: Level[] = [];
  for (const [i, axis] of order.entries()) {
    const size = sizes[axis]!;
    const { format, dense_size } = metadata[i]!;
    if (!Number.isInteger(size) || (format === 'DENSE' && dense_size !== size))
      throw wrong('E1202', `level ${i} has ${dense_size} places of ${size} in [${shape}]`);
    levels.push({ axis, size, list: format === 'DENSE' ? undefined : await listOf(metadata[i]!) });
  }
  return levels;
}

const listOf = async ({ array_segments, array_segments_type, array_indices, array_indices_type }: DimensionMetadata) => ({
  segments: await numbersIn(array_segments_type, array_segments),
  indices: await numbersIn(array_indices_type, array_indices),
});

async function numbersIn(type: string | undefined, vector: object | undefined): Promise<readonly number[]> {
  // The cast: the type of the union says which of its tables this is.
  const { values } = (vector ?? {}) as { values?: ByteRange | readonly number[] };
  return type === 'Uint8Vector' ? [...((await (values as ByteRange | undefined)?.read()) ?? [])] : ((values as readonly number[]) ?? []);
}

/** How many elements the levels hold; proves that every segment and place fits. */
function countStored(levels: readonly Level[], wrong: Wrong): number {
  let items = 1;
  levels.forEach(({ size, list }, i) => {
    if (!list) items *= size;
    else {
      const { segments, indices } = list;
      const fits =
        segments.length === items + 1 && segments.every((s, j) => s >= (segments[j - 1] ?? 0)) && segments.at(-1)! <= indices.length;
      if (!fits) throw wrong('E1202', `level ${i} has ${segments.length} segments for ${items} items and ${indices.length} places`);
      const beyond = indices.find(place => place < 0 || place >= size);
      if (beyond !== undefined) throw wrong('E1202', `level ${i} has the place ${beyond} of ${size}`);
      items = segments.at(-1)!;
    }
  });
  return items;
}

/** Where each stored element lies in the dense tensor, in the order in which they are stored. */
function* places(levels: readonly Level[], blocks: readonly number[], shape: readonly number[]): Generator<number> {
  const rank = shape.length;
  const at = new Array<number>(levels.length).fill(0);
  const sizes = new Map(levels.map(({ axis, size }) => [axis, size]));
  const flat = (): number => {
    const axes = at.slice(0, rank);
    blocks.forEach((axis, i) => {
      axes[axis] = axes[axis]! * sizes.get(rank + i)! + at[rank + i]!;
    });
    return axes.reduce((n, place, axis) => n * shape[axis]! + place, 0);
  };
  function* level(depth: number, item: number): Generator<number> {
    const here = levels[depth];
    if (!here) yield flat();
    else if (!here.list)
      for (let i = 0; i < here.size; i++) {
        at[here.axis] = i;
        yield* level(depth + 1, item * here.size + i);
      }
    else
      for (let i = here.list.segments[item]!; i < here.list.segments[item + 1]!; i++) {
        at[here.axis] = here.list.indices[i]!;
        yield* level(depth + 1, i);
      }
  }
  yield* level(0, 0);
}
