// Layers that are activations with parameters.
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { axesOf, elementOf, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { rectified } from '../activations.ts';
import { type LayerCall, type LayerRows, masked, unsupported } from './row.ts';

/** What masked scores become before Softmax. */
const least = (x: Value): number => (elementOf(x) === 'float16' ? -3e4 : -1e9);

/** Softmax over axes; where the mask is false the result is 0. */
export function maskedSoftmax(b: Builder, x: Value, mask: Value | undefined, axes: readonly number[]): Value {
  const scores = mask ? b.Where(mask, x, b.like(least(x), x)) : x;
  let y: Value;
  if (axes.length === 1) y = b.Softmax({ input: scores }, { axis: axes[0]! });
  else {
    const shifted = b.Exp(b.Sub(scores, b.ReduceMax(scores, { axes, keepdims: 1 })));
    y = b.Div(shifted, b.ReduceSum(shifted, { axes, keepdims: 1 }));
  }
  return mask ? b.Where(mask, y, b.like(0, y)) : y;
}

function softmax(x: LayerCall, b: Builder): Value {
  const { real } = x;
  const axis = x.config.find('axis') ?? -1;
  const axes = axesOf(typeof axis === 'number' ? [axis] : x.config.numbers('axis'), rankOf(real));
  return maskedSoftmax(b, real, maskFor(x, b, real), axes);
}
function maskFor(x: LayerCall, b: Builder, input: Value): Value | undefined {
  const given = x.tensor('mask', 1)?.value ?? x.mask;
  if (!given) return undefined;
  if (rankOf(given) > rankOf(input)) throw unsupported('a mask of more axes than the input');
  return elementOf(given) === 'bool' ? given : b.Greater(given, b.like(0.5, given));
}

const prelu = (x: LayerCall, b: Builder): Value => {
  const { real } = x;
  const shared = axesOf(x.config.has('shared_axes') ? x.config.numbers('shared_axes') : [], rankOf(real));
  const sizes = shapeOf(real)
    .slice(1)
    .map((d, i) => (shared.includes(i + 1) ? 1 : typeof d === 'number' ? d : undefined));
  return b.PRelu({ X: real, slope: x.variables({ alpha: sizes }).alpha! });
};

export const activation: LayerRows = {
  ReLU: masked((x, b) =>
    rectified(
      b,
      x.real,
      x.config.number('negative_slope', 0),
      x.config.has('max_value') ? x.config.number('max_value') : undefined,
      x.config.number('threshold', 0),
    ),
  ),
  // Keras 2 calls the slope alpha.
  LeakyReLU: masked((x, b) => b.LeakyRelu({ X: x.real }, { alpha: x.config.number('negative_slope', x.config.number('alpha', 0.3)) })),
  ELU: masked((x, b) => b.Elu({ X: x.real }, { alpha: x.config.number('alpha', 1) })),
  PReLU: masked(prelu),
  Softmax: masked(softmax),
  ThresholdedReLU: masked((x, b) => b.ThresholdedRelu({ X: x.real }, { alpha: x.config.number('theta', 1) })),
};
