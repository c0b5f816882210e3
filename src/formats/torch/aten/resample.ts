// ATen overloads that resample images: to other sizes here, at computed places by GridSample.
import { sameDim } from '../../../ir/dims.ts';
import type { Value } from '../../../ir/graph.ts';
import { isFloat } from '../../../ir/types.ts';
import type { Builder, Size } from '../../../ops/builder.ts';
import { elementOf, range, shapeOf } from '../../../ops/shapes.ts';
import { dimOf, settled } from '../../../ops/sizing.ts';
import { type Axis, type Kernel, nearestTaps, resampleWeights, resizesBy, resizesNearestAlike } from './interpolate.ts';
import { perAxis } from './layers.ts';
import { type Args, type AtenRow, type AtenRows, unsupported } from './row.ts';
import { weighAxis } from './taps.ts';

/** An axis to resample, whose sizes may be open; `factor` is what the caller scales by, where it is given. */
interface Goal {
  readonly size: Size;
  /** Undefined where only the factor says it. */
  readonly out: Size | undefined;
  readonly factor: number | undefined;
}

const suffixes = [[], [''], ['_h', '_w'], ['_d', '_h', '_w']] as const;

/** Goals of `.default`, which states sizes and perhaps factors, and of `.vec`, which states one of the two. */
function goalsOf(x: Args, self: Value, rank: number, b: Builder): Goal[] {
  const sizes = range(rank, 2).map(axis => b.dim(self, axis));
  const wanted = x.has('output_size') ? x.sizes('output_size') : undefined;
  const shared = x.has('scale_factors') ? perAxis(x.numbers('scale_factors'), rank) : undefined;
  return sizes.map((size, i) => {
    const own = x.optionalNumber(`scales${suffixes[rank as 1 | 2 | 3][i]!}`);
    const factor = shared?.[i] ?? (own !== undefined && own > 0 ? own : undefined);
    const given = wanted?.[wanted.length === rank ? i : 0];
    const out = given === undefined ? (typeof size === 'number' ? Math.trunc(size * factor!) : undefined) : settled(given);
    return { size, out: out !== undefined && sameDim(dimOf(out), shapeOf(self)[i + 2]!) ? size : out, factor };
  });
}

const upsample =
  (rank: number, mode: Kernel['mode'], antialias = false): AtenRow =>
  (x, b) => {
    const self = x.optional('self') ?? x.tensor('input');
    const kernel: Kernel = { mode, antialias, alignCorners: x.has('align_corners') && x.boolean('align_corners') };
    const isNearest = mode === 'nearest' || mode === 'nearest-exact';
    if (!isNearest && !isFloat(elementOf(self))) throw unsupported(`${mode} interpolation of ${elementOf(self)}`);
    const goals = goalsOf(x, self, rank, b);
    const axes = goals.map(staticAxis);
    if (axes.every(axis => axis !== undefined))
      return isNearest ? nearest(b, self, goals, axes, kernel) : weighted(b, self, goals, axes, kernel);
    if (!hasResize(kernel)) throw unsupported(`${antialias ? 'antialiased ' : ''}${mode} interpolation of dynamic sizes`);
    return resize(b, self, goals, kernel);
  };

function staticAxis({ size, out, factor }: Goal): Axis | undefined {
  return typeof size === 'number' && typeof out === 'number' ? { size, out, factor } : undefined;
}

/** PyTorch measures from pixel centres when it antialiases, whatever it does with corners; ONNX does not. */
const hasResize = ({ mode, antialias, alignCorners }: Kernel): boolean => mode !== 'lanczos' && !(antialias && alignCorners);

/** Resize where its rounding takes the same elements, which a table of them says otherwise. */
function nearest(b: Builder, self: Value, goals: readonly Goal[], axes: readonly Axis[], { mode }: Kernel): Value {
  const type = elementOf(self);
  const taps = axes.map(axis => nearestTaps(axis, mode, type));
  const changes = (i: number): boolean => axes[i]!.size !== axes[i]!.out || taps[i]!.some((tap, o) => tap !== o);
  if (!range(axes.length).some(changes)) return self;
  if (resizesNearestAlike(axes, taps, mode)) return resize(b, self, goals, { mode, antialias: false, alignCorners: false });
  return taps.reduce((y, tap, i) => (changes(i) ? b.Gather(y, b.ints(tap), i + 2) : y), self);
}

/** Resize where it scales by the same number, else weighted sums along each axis. */
function weighted(b: Builder, self: Value, goals: readonly Goal[], axes: readonly Axis[], kernel: Kernel): Value {
  const changes = (axis: Axis): boolean =>
    axis.size !== axis.out || (axis.factor !== undefined && axis.factor !== 1 && !kernel.alignCorners);
  if (!axes.some(changes)) return self;
  if (hasResize(kernel) && resizesBy(axes, kernel.alignCorners)) return resize(b, self, goals, kernel);
  return axes.reduce((y, axis, i) => (changes(axis) ? weighAxis(b, y, i + 2, resampleWeights(axis, kernel)) : y), self);
}

const attributes = {
  nearest: { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' },
  'nearest-exact': { mode: 'nearest', coordinate_transformation_mode: 'half_pixel', nearest_mode: 'round_prefer_ceil' },
  linear: { mode: 'linear' },
  cubic: { mode: 'cubic', cubic_coeff_a: -0.75 },
} as const;

function resize(b: Builder, self: Value, goals: readonly Goal[], { mode, antialias, alignCorners }: Kernel): Value {
  if (mode === 'lanczos') throw unsupported('lanczos interpolation of dynamic sizes');
  const at = {
    ...attributes[mode],
    ...(alignCorners ? { coordinate_transformation_mode: 'align_corners' } : {}),
    ...(antialias ? { antialias: 1, exclude_outside: 1 } : {}),
    ...(antialias && mode === 'cubic' ? { cubic_coeff_a: -0.5 } : {}),
  };
  const how = resizesBy(goals, alignCorners);
  if (!how) throw unsupported('interpolation to a dynamic size by another factor');
  if (how === 'scales') {
    const factors = Float32Array.from([1, 1, ...goals.map(({ factor }) => factor!)]);
    return b.Resize({ X: self, scales: b.constant(factors, 'float32') }, at);
  }
  const outs = goals.map(({ out }) => out!);
  const lead = shapeOf(self).slice(0, 2);
  if (lead.every(d => typeof d === 'number')) return b.Resize({ X: self, sizes: b.sizes([...lead, ...outs]) }, at);
  return b.Resize({ X: self, sizes: b.sizes(outs) }, { ...at, axes: range(goals.length, 2) });
}

const gridModes = ['linear', 'nearest', 'cubic'];
const gridPadding = ['zeros', 'border', 'reflection'];

const gridSample: AtenRow = (x, b) => {
  const [mode, padding_mode] = [gridModes[x.number('interpolation_mode')], gridPadding[x.number('padding_mode')]];
  if (!mode || !padding_mode) throw unsupported('this interpolation or padding mode');
  const at = { mode, padding_mode, align_corners: x.boolean('align_corners') ? 1 : 0 };
  return b.GridSample({ X: x.tensor('input'), grid: x.tensor('grid') }, at);
};

const affineGrid: AtenRow = (x, b) => {
  const theta = x.tensor('theta');
  if (!isFloat(elementOf(theta))) throw unsupported(`an affine grid of ${elementOf(theta)}`);
  return b.AffineGrid({ theta, size: b.sizes(x.sizes('size')) }, { align_corners: x.boolean('align_corners') ? 1 : 0 });
};

/** Both overloads of an operator that resamples. */
const both = (name: string, row: AtenRow): AtenRows => ({ [`${name}.default`]: row, [`${name}.vec`]: row });

export const resample: AtenRows = {
  ...both('upsample_nearest1d', upsample(1, 'nearest')),
  ...both('upsample_nearest2d', upsample(2, 'nearest')),
  ...both('upsample_nearest3d', upsample(3, 'nearest')),
  ...both('_upsample_nearest_exact1d', upsample(1, 'nearest-exact')),
  ...both('_upsample_nearest_exact2d', upsample(2, 'nearest-exact')),
  ...both('_upsample_nearest_exact3d', upsample(3, 'nearest-exact')),
  ...both('upsample_linear1d', upsample(1, 'linear')),
  ...both('upsample_bilinear2d', upsample(2, 'linear')),
  ...both('upsample_trilinear3d', upsample(3, 'linear')),
  ...both('upsample_bicubic2d', upsample(2, 'cubic')),
  ...both('_upsample_bilinear2d_aa', upsample(2, 'linear', true)),
  ...both('_upsample_bicubic2d_aa', upsample(2, 'cubic', true)),
  ...both('_upsample_lanczos2d_aa', upsample(2, 'lanczos', true)),
  'grid_sampler.default': gridSample,
  'grid_sampler_2d.default': gridSample,
  'grid_sampler_3d.default': gridSample,
  '_grid_sampler_2d_cpu_fallback.default': gridSample,
  'affine_grid_generator.default': affineGrid,
};
