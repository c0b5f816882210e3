// What rows over windows share: examples without a batch, and windows as data, which are the positions along an axis that each output
// element reads, with weights for them, where no ONNX operator has such windows.
import type { Value } from '../../../ir/graph.ts';
import type { DataType } from '../../../ir/types.ts';
import { bfloat16, float16 } from '../../../kernels/storage.ts';
import type { Builder } from '../../../ops/builder.ts';
import { elementOf, range, rankOf } from '../../../ops/shapes.ts';
import { reshapeTo, sizesOf } from '../../../ops/sizing.ts';

/** Positions along an axis that each output element reads; none is empty. */
export type Taps = readonly (readonly number[])[];

/** A row of weights over the whole axis for each output element. */
export type Weights = readonly (readonly number[])[];

/** `run` over a tensor of a rank; a single example gets a batch axis for the while. */
export function batched(b: Builder, self: Value, rank: number, run: (x: Value) => readonly Value[]): readonly Value[] {
  if (rankOf(self) === rank) return run(self);
  return run(b.Unsqueeze(self, [0])).map(y => b.Squeeze(y, [0]));
}

/** Weighted sums along an axis: element i of it becomes the sum of `weights[i][j]` times element j. */
export function weighAxis(b: Builder, x: Value, axis: number, weights: Weights): Value {
  const [rank, type] = [rankOf(x), elementOf(x)];
  if (axis === rank - 1) {
    const columns = weights[0]!.map((_, j) => weights.map(row => row[j]!));
    return b.MatMul(x, matrix(b, columns, type));
  }
  return weighInner(b, x, axis, matrix(b, weights, type), weights.length);
}

/** The same by a matrix of `count` rows that only the run knows. */
export function weighAxisBy(b: Builder, x: Value, axis: number, weights: Value, count: number): Value {
  return axis === rankOf(x) - 1 ? b.MatMul(x, b.Transpose(weights, [1, 0])) : weighInner(b, x, axis, weights, count);
}

function weighInner(b: Builder, x: Value, axis: number, weights: Value, count: number): Value {
  const sizes = sizesOf(b, x);
  const y = b.MatMul(weights, reshapeTo(b, x, [...sizes.slice(0, axis + 1), -1]));
  return reshapeTo(b, y, [...sizes.slice(0, axis), count, ...sizes.slice(axis + 1)]);
}

function matrix(b: Builder, rows: Weights, type: DataType): Value {
  const storage = type === 'float16' ? float16 : type === 'bfloat16' ? bfloat16 : undefined;
  const numbers = rows.flat();
  return b.constant(storage ? Uint16Array.from(numbers, storage.encode) : numbers, type, [rows.length, rows[0]!.length]);
}

/** The maximum of each window of taps on the last axes of [N, C, ...sizes], and its place counted within one plane. */
export function maximumOfTaps(b: Builder, x: Value, sizes: readonly number[], taps: readonly Taps[]): [Value, Value] {
  const windows = taps.reduce<Taps>((table, axis, i) => nested(table, repeatedLast(axis), sizes[i]!), [[0]]);
  const count = windows[0]!.length;
  const lead = sizesOf(b, x).slice(0, 2);
  const plane = reshapeTo(b, x, [...lead, sizes.reduce((n, d) => n * d, 1)]);
  const read = b.Gather(plane, b.constant(windows.flat(), 'int64', [windows.length, count]), 2);
  const first = b.ints(windows.map((_, i) => i * count));
  const best = b.Add(b.ArgMax({ data: read }, { axis: 3, keepdims: 0 }), first);
  const output = [...lead, ...taps.map(axis => axis.length)];
  const maximum = reshapeTo(b, b.ReduceMax(read, { axes: [3], keepdims: 0 }), output);
  return [maximum, reshapeTo(b, b.Gather(b.ints(windows.flat()), best, 0), output)];
}

/** Windows of one length: a maximum does not change when its last element counts twice. */
function repeatedLast(taps: Taps): Taps {
  const longest = Math.max(...taps.map(t => t.length));
  return taps.map(t => [...t, ...range(longest - t.length).map(() => t.at(-1)!)]);
}

/** Windows over one more axis of `size` elements, inside the others. */
const nested = (outer: Taps, inner: Taps, size: number): Taps =>
  outer.flatMap(o => inner.map(i => o.flatMap(place => i.map(tap => place * size + tap))));
