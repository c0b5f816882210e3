// Resize: along one axis after the other, elements at computed places times weights. Places and weights are constants where the
// sizes are known before execution, in float64; else every run computes them from the sizes, in float32.
import { fail } from '../errors.ts';
import type { Value } from '../ir/graph.ts';
import { numbersOf } from '../ir/tensor.ts';
import { type DataType, isInteger } from '../ir/types.ts';
import type { Builder, Size } from './builder.ts';
import { folded, sizeIn } from './folded.ts';
import { gapTypes, scaleFraction } from './gap-types.ts';
import { count } from './generate.ts';
import type { At, Family, Inputs } from './row.ts';
import { axesOf, elementOf, range, rankOf } from './shapes.ts';

type Attributes = At<'Resize'>;

export const resizing = {
  Resize: {
    known: ['roi', 'scales', 'sizes'],
    infer: gapTypes.Resize,
    lower(x, at, b) {
      const isNearest = at.mode === 'nearest';
      if (isNearest && at.antialias) throw fail('E3004', 'Resize: antialias has no meaning for the mode nearest');
      const element = elementOf(x.X);
      const wide = isNearest ? x.X : b.Cast(x.X, floatFor(element));
      const y = axesToResize(x, at, b).reduce((v, axis) => resizeAxis(v, axis, at, b), wide);
      // Integers are rounded, as the standard's own implementation has it.
      return b.Cast(isNearest || !isInteger(element) ? y : b.Round(y), element);
    },
  },
} satisfies Family;

/** The type to interpolate in. */
const floatFor = (element: DataType): DataType => {
  if (element === 'float32' || element === 'float64') return element;
  return /^u?int(32|64)$/.test(element) ? 'float64' : 'float32';
};

interface Axis {
  readonly axis: number;
  readonly from: Size;
  readonly to: Size;
  /** Sizes as floats in the type that places are computed in, one element each. */
  readonly input: Value;
  readonly output: Value;
  readonly scale: Value;
  /** The size of the output before it is rounded. */
  readonly length: Value;
  /** Where the part begins and ends that is seen, of a whole of 1; a scalar each, and none where it is the whole. */
  readonly roi?: readonly [Value, Value] | undefined;
}

/** The axes that change, with their sizes before and after. */
function axesToResize({ X, roi, scales, sizes }: Inputs<'Resize'>, at: Attributes, b: Builder): Axis[] {
  const axes = axesOf(at.axes ?? range(rankOf(X)), rankOf(X));
  const isCrop = at.coordinate_transformation_mode === 'tf_crop_and_resize';
  // With sizes, the part that is seen may come from the run.
  const isOpen = isCrop && roi !== undefined && !roi.tensor?.isResident && sizes !== undefined;
  const regions = isCrop && !isOpen ? numbersIn(roi, 'roi') : [...axes.map(() => 0), ...axes.map(() => 1)];
  const by = sizes && sizes.tensor?.size !== 0 ? undefined : numbersIn(scales, 'scales');
  if (regions.length !== 2 * axes.length || (by && by.length !== axes.length))
    throw fail('E1305', `Resize: ${by ? `${by.length} scales and ` : ''}${regions.length} numbers in roi for ${axes.length} axes`);
  return folded(b, f => {
    const from = axes.map(axis => f.dim(X, axis));
    const targets = by ? undefined : axes.map((_, i) => sizeIn(f.Slice(sizes!, { axes: [0], starts: [i], ends: [i + 1] })));
    const isKnown = [...from, ...(targets ?? [])].every(size => typeof size === 'number');
    const exact: DataType = isKnown ? 'float64' : 'float32';
    const float = (n: Size): Value => (typeof n === 'number' ? f.constant(n, exact) : f.Cast(n, exact));
    const shared = targets && sharedScale(targets.map(float), from.map(float), at.keep_aspect_ratio_policy, f);
    return axes.flatMap((axis, i): Axis[] => {
      const crop = [regions[i]!, regions[axes.length + i]!] as const;
      const input = float(from[i]!);
      const to = targets
        ? shared
          ? sizeIn(f.Cast(f.Floor(f.Add(f.Mul(input, shared), float(0.5))), 'int64'))
          : targets[i]!
        : scaledSize(from[i]!, by![i]! * (crop[1] - crop[0]), f);
      if (isSame(from[i]!, to) && (!by || by[i] === 1) && !isOpen && crop[0] === 0 && crop[1] === 1) return [];
      const output = float(to);
      const scale = by ? float(by[i]!) : (shared ?? f.Div(output, input));
      const length = (by && !isCrop) || shared ? f.Mul(scale, input) : output;
      const at = (n: number): Value => f.Cast(f.Gather(roi!, f.constant(n, 'int64'), 0), exact);
      const region = isOpen ? ([at(i), at(axes.length + i)] as const) : ([f.constant(crop[0], exact), f.constant(crop[1], exact)] as const);
      return [{ axis, from: from[i]!, to, input, output, scale, length, roi: isCrop ? region : undefined }];
    });
  });
}

const isSame = (a: Size, b: Size): boolean => {
  if (typeof a === 'number' || typeof b === 'number') return a === b;
  return a.contents !== undefined && b.contents !== undefined && String(a.contents) === String(b.contents);
};

/** The one scale that keeps the ratios of the sizes; undefined where they may change. */
function sharedScale(to: readonly Value[], from: readonly Value[], policy: string, f: Builder): Value | undefined {
  if (policy === 'stretch') return undefined;
  const scales = to.map((size, i) => f.Div(size, from[i]!));
  return policy === 'not_larger' ? f.Min(...scales) : f.Max(...scales);
}

/** floor(size * scale), the product rounded to float32. */
function scaledSize(size: Size, scale: number, f: Builder): Size {
  if (typeof size === 'number') return Math.floor(Math.fround(size * scale));
  const fraction = scaleFraction(scale);
  if (!fraction) return f.Cast(f.Floor(f.Mul(f.Cast(size, 'float32'), f.constant(scale, 'float32'))), 'int64');
  return f.Div(f.Mul(size, f.ints([fraction[0]])), f.ints([fraction[1]]));
}

function numbersIn(v: Value | undefined, what: string): readonly number[] {
  if (!v) throw fail('E1303', `Resize: the input ${what} is missing`);
  if (v.tensor?.isResident) return numbersOf(v.tensor);
  throw fail('E3009', `the content of ${v.name} must be known before execution`);
}

/** Places in the input for those of the output, as the standard defines each mode. */
const transformations: Readonly<Record<string, (p: Value, axis: Axis, f: Builder) => Value>> = {
  half_pixel: halfPixel,
  asymmetric: (p, { scale }, f) => f.Div(p, scale),
  // Of opset 11 only; files of tf2onnx have it in later ones too, and ONNX Runtime reads them.
  tf_half_pixel_for_nn: (p, { scale }, f) => f.Div(f.Add(p, f.like(0.5, p)), scale),
  pytorch_half_pixel: (p, axis, f) => f.Where(f.Less(f.like(1, p), axis.length), halfPixel(p, axis, f), f.like(0, p)),
  half_pixel_symmetric(p, axis, f) {
    const missing = f.Sub(f.like(1, p), f.Div(axis.output, axis.length));
    return f.Add(f.Mul(f.Mul(axis.input, f.like(0.5, p)), missing), halfPixel(p, axis, f));
  },
  align_corners(p, { input, length }, f) {
    const one = f.like(1, p);
    return f.Where(f.Equal(length, one), f.like(0, p), f.Div(f.Mul(p, f.Sub(input, one)), f.Sub(length, one)));
  },
  tf_crop_and_resize(p, { input, length, roi }, f) {
    const [start, end] = roi!;
    const one = f.like(1, p);
    const last = f.Sub(input, one);
    const step = f.Div(f.Mul(f.Sub(end, start), last), f.Sub(length, one));
    const middle = f.Mul(f.Mul(f.Add(start, end), f.like(0.5, p)), last);
    return f.Where(f.Less(one, length), f.Add(f.Mul(start, last), f.Mul(p, step)), middle);
  },
};

function halfPixel(p: Value, { scale }: Axis, f: Builder): Value {
  return f.Sub(f.Div(f.Add(p, f.like(0.5, p)), scale), f.like(0.5, p));
}

const roundings: Readonly<Record<string, (x: Value, f: Builder) => Value>> = {
  round_prefer_floor: (x, f) => f.Ceil(f.Sub(x, f.like(0.5, x))),
  round_prefer_ceil: (x, f) => f.Floor(f.Add(x, f.like(0.5, x))),
  floor: (x, f) => f.Floor(x),
  ceil: (x, f) => f.Ceil(x),
};

function resizeAxis(v: Value, axis: Axis, at: Attributes, b: Builder): Value {
  const trailing = range(rankOf(v) - 1 - axis.axis, 1);
  const spread = (w: Value): Value =>
    trailing.length > 0
      ? b.Unsqueeze(
          w,
          trailing.map(d => d + rankOf(w) - 1),
        )
      : w;
  const { taps, places, outside } = folded(b, f => {
    const transform = chosen(transformations, at.coordinate_transformation_mode, 'coordinate_transformation_mode');
    const p = f.Cast(count(f, axis.to), elementOf(axis.input));
    const places = transform(p, axis, f);
    const isCrop = at.coordinate_transformation_mode === 'tf_crop_and_resize';
    const beyond = (): Value => f.Or(f.Less(places, f.like(0, p)), f.Less(f.Sub(axis.input, f.like(1, p)), places));
    return {
      places,
      outside: isCrop ? beyond() : undefined,
      taps: at.mode === 'nearest' ? undefined : tapsAt(places, axis, at, elementOf(v), f),
    };
  });
  const y = taps
    ? weighted(v, axis.axis, taps, spread, b)
    : b.Gather(
        v,
        folded(b, f => within(f.Cast(chosen(roundings, at.nearest_mode, 'nearest_mode')(places, f), 'int64'), axis, f)),
        axis.axis,
      );
  return outside ? b.Where(spread(outside), b.like(at.extrapolation_value, v), y) : y;
}

interface Taps {
  /** [places, taps] or, where their number is small, [places] each. */
  readonly indices: readonly Value[];
  readonly weights: readonly Value[];
}

/** Most taps that are added up one by one. */
const fewTaps = 4;

/** The taps of each place: elements nearer than the radius of the kernel, which antialiasing widens by the scale. */
function tapsAt(places: Value, { input, scale, ...axis }: Axis, at: Attributes, element: DataType, f: Builder): Taps {
  const { radius, kernel } = chosen(kernels, at.mode, 'mode');
  const one = f.like(1, places);
  const narrow = at.antialias ? f.Min(scale, one) : one;
  const reach = sizeIn(f.Cast(f.Ceil(f.Div(f.like(radius, places), narrow)), 'int64'));
  const many = typeof reach === 'number' ? 2 * reach : f.Mul(reach, f.ints([2]));
  const offsets = count(f, many, typeof reach === 'number' ? 1 - reach : f.Sub(f.ints([1]), reach));
  const before = f.Floor(places);
  const distance = f.Sub(f.Cast(offsets, elementOf(places)), f.Unsqueeze(f.Sub(places, before), [1]));
  const raw = kernel(f.Abs(f.Mul(distance, narrow)), at.cubic_coeff_a, f);
  const reached = f.Add(f.Unsqueeze(f.Cast(before, 'int64'), [1]), offsets);
  const indices = within(reached, axis, f);
  const kept = at.exclude_outside ? f.Where(f.Equal(reached, indices), raw, f.like(0, raw)) : raw;
  const weights = f.Cast(at.exclude_outside || at.antialias ? normalised(kept, f) : kept, element);
  if (typeof many !== 'number' || many > fewTaps) return { indices: [indices], weights: [weights] };
  const columns = (v: Value): Value[] =>
    f
      .Split(
        v,
        range(many).map(() => 1),
        1,
      )
      .map(part => f.Squeeze(part, [1]));
  return { indices: columns(indices), weights: columns(weights) };
}

function normalised(weights: Value, f: Builder): Value {
  const total = f.ReduceSum(weights, { axes: [1] });
  return f.Div(weights, f.Where(f.Equal(total, f.like(0, total)), f.like(1, total), total));
}

/** Indices held inside the axis: what is beyond an end repeats it. */
function within(indices: Value, { from }: Pick<Axis, 'from'>, f: Builder): Value {
  const last = typeof from === 'number' ? f.constant(from - 1, 'int64') : f.Sub(from, f.ints([1]));
  return f.Min(f.Max(indices, f.constant(0, 'int64')), last);
}

function weighted(v: Value, axis: number, { indices, weights }: Taps, spread: (w: Value) => Value, b: Builder): Value {
  const terms = indices.map((index, i) => b.Mul(b.Gather(v, index, axis), spread(weights[i]!)));
  return rankOf(indices[0]!) === 2
    ? b.ReduceSum(terms[0]!, { axes: [axis + 1], keepdims: 0 })
    : terms.reduce((sum, term) => b.Add(sum, term));
}

interface Interpolation {
  readonly radius: number;
  /** The weight of an element at a distance. */
  kernel(distance: Value, a: number, f: Builder): Value;
}

const kernels: Readonly<Record<string, Interpolation>> = {
  linear: { radius: 1, kernel: (d, _a, f) => f.Max(f.Sub(f.like(1, d), d), f.like(0, d)) },
  cubic: { radius: 2, kernel: cubic },
};

/** The cubic convolution of Keys: two polynomials, for distances to 1 and from 1 to 2. */
export function cubic(d: Value, a: number, f: Builder): Value {
  const polynomial = (...coefficients: readonly number[]): Value =>
    coefficients.map(c => f.like(c, d)).reduce((sum, c) => f.Add(f.Mul(sum, d), c));
  const near = polynomial(a + 2, -(a + 3), 0, 1);
  const far = f.Where(f.Less(d, f.like(2, d)), polynomial(a, -5 * a, 8 * a, -4 * a), f.like(0, d));
  return f.Where(f.Less(f.like(1, d), d), far, near);
}

function chosen<T>(table: Readonly<Record<string, T>>, name: string, attribute: string): T {
  if (Object.hasOwn(table, name)) return table[name]!;
  throw fail('E1303', `Resize: ${attribute} ${name} is none of ${Object.keys(table).join(', ')}`);
}
