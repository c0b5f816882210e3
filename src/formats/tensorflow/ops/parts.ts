// Parts of tensors, tensors joined, padded, turned round.
import { divideExactly } from '../../../ir/dims.ts';
import type { Value } from '../../../ir/graph.ts';
import type { Builder, Size } from '../../../ops/builder.ts';
import { axesOf, axisOf, contentsOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { addSizes, iota, sizeValue, toTheEnd } from '../../../ops/sizing.ts';
import { type Call, sizesIn, type TfRow, type TfRows } from '../call.ts';

const slice: TfRow = (x, b) => {
  const [begin, sizes] = [x.sizes('begin', b), x.sizes('size', b)];
  const end = (start: Size, size: Size): Size => {
    if (size === -1) return toTheEnd;
    if (typeof size === 'number') return addSizes(b, start, size);
    return b.Where(b.Less(size, b.ints([0])), b.ints([toTheEnd]), sizeValue(b, addSizes(b, start, size)));
  };
  return b.Slice(x.tensor('input'), { axes: range(begin.length), starts: begin, ends: begin.map((s, i) => end(s, sizes[i]!)) });
};

/** One entry of a strided slice, by the masks that its place has a bit in. */
interface Entry {
  readonly begin: Size;
  readonly end: Size;
  readonly step: number;
  readonly kind: 'range' | 'new' | 'one';
}

function entriesOf(x: Call, b: Builder, rank: number): Entry[] {
  const [begin, end] = [x.sizes('begin', b), x.sizes('end', b)];
  const steps = x.ints('strides');
  const has = (name: string, i: number): boolean => ((x.number(name) >> i) & 1) === 1;
  const entries: (Entry | 'rest')[] = begin.map((start, i) => {
    if (has('ellipsis_mask', i)) return 'rest';
    const step = steps[i]!;
    if (has('new_axis_mask', i)) return { begin: 0, end: 0, step: 1, kind: 'new' };
    if (has('shrink_axis_mask', i)) return { begin: start, end: 0, step: 1, kind: 'one' };
    const [first, last] = step > 0 ? [0, toTheEnd] : [toTheEnd, Number.MIN_SAFE_INTEGER];
    return { begin: has('begin_mask', i) ? first : start, end: has('end_mask', i) ? last : end[i]!, step, kind: 'range' };
  });
  const whole: Entry = { begin: 0, end: toTheEnd, step: 1, kind: 'range' };
  const named = entries.filter(e => e !== 'rest' && e.kind !== 'new').length;
  const rest = range(Math.max(0, rank - named)).map(() => whole);
  const at = entries.indexOf('rest');
  return at < 0 ? ([...entries, ...rest] as Entry[]) : ([...entries.slice(0, at), ...rest, ...entries.slice(at + 1)] as Entry[]);
}

const stridedSlice: TfRow = (x, b) => {
  const input = x.tensor('input');
  const entries = entriesOf(x, b, rankOf(input));
  const kept = entries.filter(e => e.kind !== 'new');
  const cut = kept.flatMap((e, axis) => (e.kind === 'range' && !isWhole(e) ? [{ ...e, axis }] : []));
  let y = input;
  if (cut.length > 0)
    y = b.Slice(y, {
      axes: cut.map(e => e.axis),
      starts: cut.map(e => e.begin),
      ends: cut.map(e => e.end),
      ...(cut.some(e => e.step !== 1) ? { steps: cut.map(e => e.step) } : {}),
    });
  for (const [axis, e] of [...kept.entries()].reverse()) {
    if (e.kind !== 'one') continue;
    const index = typeof e.begin === 'number' ? b.constant(BigInt(e.begin), 'int64') : b.Squeeze(e.begin, [0]);
    y = b.Gather(y, index, axis);
  }
  const result = entries.filter(e => e.kind !== 'one');
  const added = result.flatMap((e, i) => (e.kind === 'new' ? [i] : []));
  if (added.length > 0) y = b.Unsqueeze(y, added);
  return y === input ? b.Identity(input) : y;
};

const isWhole = ({ begin, end, step }: Entry): boolean => begin === 0 && end === toTheEnd && step === 1;

const join =
  (values: string, axis: string): TfRow =>
  (x, b) => {
    const all = x.tensors(values);
    return all.length === 1 ? b.Identity(all[0]!) : b.Concat(all, axisOf(x.int(axis), rankOf(all[0]!)));
  };

const pack: TfRow = (x, b) => {
  const all = x.tensors('values');
  const axis = axisOf(x.number('axis'), rankOf(all[0]!) + 1);
  const rows = all.map(v => b.Unsqueeze(v, [axis]));
  return rows.length === 1 ? rows[0]! : b.Concat(rows, axis);
};

const parallelConcat: TfRow = (x, b) => b.Concat(x.tensors('values'), 0);

const unpack: TfRow = (x, b) => {
  const value = x.tensor('value');
  const axis = axisOf(x.number('axis'), rankOf(value));
  const count = x.number('num');
  if (count === 1) return b.Squeeze(value, [axis]);
  return range(count).map(i => b.Gather(value, b.constant(BigInt(i), 'int64'), axis));
};

const split: TfRow = (x, b) => {
  const value = x.tensor('value');
  const axis = axisOf(x.int('split_dim'), rankOf(value));
  const count = x.number('num_split');
  if (count === 1) return b.Identity(value);
  const part = divideExactly(shapeOf(value)[axis]!, count);
  if (typeof part === 'number')
    return b.Split(
      value,
      range(count).map(() => part),
      axis,
    );
  const outputs = range(count).map(i => `split_${i}`);
  return b.emit('Split', [value], { axis, num_outputs: count }, { outputs }) as readonly Value[];
};

/** Parts of given sizes, one of which may be -1: what is left. */
const splitBySizes: TfRow = (x, b) => {
  const value = x.tensor('value');
  const axis = axisOf(x.int('split_dim'), rankOf(value));
  const sizes = x.sizes('size_splits', b);
  if (sizes.length === 1) return b.Identity(value);
  const whole = shapeOf(value)[axis]!;
  const known = sizes.every((s): s is number => typeof s === 'number');
  const rest = known && typeof whole === 'number' ? whole - sizes.reduce((n, s) => n + Math.max(s, 0), 0) : undefined;
  if (known && (rest !== undefined || !sizes.includes(-1)))
    return b.Split(
      value,
      sizes.map(s => (s < 0 ? rest! : s)),
      axis,
    );
  const open = sizes.indexOf(-1);
  const sum = (list: readonly Size[]): Size => list.reduce<Size>((n, s) => addSizes(b, n, s), 0);
  const negated = (s: Size): Size => (typeof s === 'number' ? (s === 0 ? toTheEnd : -s) : b.Neg(s));
  return sizes.map((_, i) => {
    const fromEnd = open >= 0 && i > open;
    const start = fromEnd ? negated(sum(sizes.slice(i))) : sum(sizes.slice(0, i));
    const end = open >= 0 && i >= open ? negated(sum(sizes.slice(i + 1))) : sum(sizes.slice(0, i + 1));
    return b.Slice(value, { axes: [axis], starts: [start], ends: [end] });
  });
};

/** Pads as ONNX has them: all before the axes, then all after. */
export function padsOf(x: Call, b: Builder, name: string): Value {
  const paddings = x.tensor(name);
  const known = contentsOf(paddings);
  if (known?.every((d): d is number => typeof d === 'number')) {
    const pairs = known as readonly number[];
    return b.ints([...pairs.filter((_, i) => i % 2 === 0), ...pairs.filter((_, i) => i % 2 === 1)]);
  }
  return b.Reshape(b.Transpose(b.Cast(paddings, 'int64'), [1, 0]), [-1]);
}

const pad: TfRow = (x, b) => {
  const input = x.tensor('input');
  const value = x.op === 'PadV2' ? x.tensor('constant_values') : undefined;
  return b.Pad({ data: input, pads: padsOf(x, b, 'paddings'), constant_value: value });
};

/** Mirrored with the edge once or twice; ONNX has the first. */
const mirrorPad: TfRow = (x, b) => {
  const input = x.tensor('input');
  if (x.string('mode') === 'REFLECT') return b.Pad({ data: input, pads: padsOf(x, b, 'paddings') }, { mode: 'reflect' });
  const pairs = x.ints('paddings');
  return range(rankOf(input)).reduce((y, axis) => {
    const [before, after] = [pairs[2 * axis]!, pairs[2 * axis + 1]!];
    const turned = (start: number, end: number): Value => b.Slice(y, { axes: [axis], starts: [start], ends: [end], steps: [-1] });
    const parts = [...(before > 0 ? [turned(before - 1, Number.MIN_SAFE_INTEGER)] : []), y, ...(after > 0 ? [turned(-1, -1 - after)] : [])];
    return parts.length === 1 ? y : b.Concat(parts, axis);
  }, input);
};

export function reversed(b: Builder, v: Value, axes: readonly number[]): Value {
  if (axes.length === 0) return b.Identity(v);
  const each = (n: number): number[] => axes.map(() => n);
  return b.Slice(v, { axes, starts: each(-1), ends: each(Number.MIN_SAFE_INTEGER), steps: each(-1) });
}

const reverse: TfRow = (x, b) => reversed(b, x.tensor('tensor'), axesOf(x.ints('axis'), rankOf(x.tensor('tensor'))));
const reverseFlags: TfRow = (x, b) =>
  reversed(
    b,
    x.tensor('tensor'),
    x.ints('dims').flatMap((flag, axis) => (flag ? [axis] : [])),
  );

/** The first so many elements of each example in reverse order. */
const reverseSequence: TfRow = (x, b) => {
  const input = x.tensor('input');
  const [time, batch] = [x.number('seq_dim'), axisOf(x.number('batch_dim'), rankOf(input))];
  const lengths = b.Cast(x.tensor('seq_lengths'), 'int64');
  if (time < 2 && batch < 2) return b.ReverseSequence({ input, sequence_lens: lengths }, { time_axis: time, batch_axis: batch });
  const perm = [batch, time, ...range(rankOf(input)).filter(a => a !== batch && a !== time)];
  const turned = b.ReverseSequence({ input: b.Transpose(input, perm), sequence_lens: lengths }, { time_axis: 1, batch_axis: 0 });
  return b.Transpose(
    turned,
    range(perm.length).map(a => perm.indexOf(a)),
  );
};

/** Element i of an axis comes from place i - shift, counted round. */
const roll: TfRow = (x, b) => {
  const shifts = sizesIn(b, x.tensor('shift'), 'shift');
  const axes = axesOf(x.ints('axis'), rankOf(x.tensor('input')));
  return axes.reduce((y, axis, i) => {
    const size = b.dim(y, axis);
    const places = b.Sub(iota(b, size), sizeValue(b, shifts[i]!));
    // An empty axis has nothing to divide by.
    const divisor = typeof size === 'number' ? b.ints([Math.max(size, 1)]) : b.Max(size, b.ints([1]));
    return b.Gather(y, b.Mod({ A: places, B: divisor }), axis);
  }, x.tensor('input'));
};

export const parts: TfRows = {
  Slice: slice,
  StridedSlice: stridedSlice,
  Concat: join('values', 'concat_dim'),
  ConcatV2: join('values', 'axis'),
  Pack: pack,
  ParallelConcat: parallelConcat,
  Unpack: unpack,
  Split: split,
  SplitV: splitBySizes,
  Pad: pad,
  PadV2: pad,
  MirrorPad: mirrorPad,
  ReverseV2: reverse,
  Reverse: reverseFlags,
  ReverseSequence: reverseSequence,
  Roll: roll,
};
