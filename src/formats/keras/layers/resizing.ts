// Images in other sizes, as TensorFlow's image.resize makes them.
import type { Value } from '../../../ir/graph.ts';
import { isFloat } from '../../../ir/types.ts';
import type { Builder, Size } from '../../../ops/builder.ts';
import { elementOf, range, rankOf } from '../../../ops/shapes.ts';
import { unsupported } from './row.ts';

/** `v` with other sizes along two axes; pixels are squares around their centres. */
export function resized(b: Builder, v: Value, axes: readonly number[], sizes: readonly Size[], mode: string, antialias: boolean): Value {
  const rank = rankOf(v);
  // Batch and channels are first in Resize.
  const others = range(rank).filter(a => !axes.includes(a));
  const perm = [...others, ...axes];
  const image = b.Transpose(b.Cast(v, isFloat(elementOf(v)) ? elementOf(v) : 'float32'), perm);
  const target = b.sizes([...others.map(a => b.dim(v, a)), ...sizes]);
  const y = b.Resize({ X: image, sizes: target }, { ...attributes(mode), antialias: Number(antialias && mode !== 'nearest') });
  const back = b.Transpose(
    y,
    perm.map((_, a) => perm.indexOf(a)),
  );
  return mode === 'nearest' ? b.Cast(back, elementOf(v)) : back;
}

function attributes(mode: string): Readonly<Record<string, string | number>> {
  if (mode === 'bilinear') return { mode: 'linear', coordinate_transformation_mode: 'half_pixel' };
  // The pixel under the centre: half a pixel up, then down to a whole one, which is rounding half up.
  if (mode === 'nearest') return { mode: 'nearest', coordinate_transformation_mode: 'half_pixel', nearest_mode: 'round_prefer_ceil' };
  // Keys' kernel; what lies outside of the image takes no part.
  if (mode === 'bicubic') return { mode: 'cubic', coordinate_transformation_mode: 'half_pixel', cubic_coeff_a: -0.5, exclude_outside: 1 };
  throw unsupported(`interpolation ${mode}, which ONNX does not have`);
}
