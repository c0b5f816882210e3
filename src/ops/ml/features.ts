// Operators over features that are plain arithmetic: bodies over the core.
import { fail } from '../../errors.ts';
import type { Value } from '../../ir/graph.ts';
import type { DataType } from '../../ir/types.ts';
import type { Builder } from '../builder.ts';
import { type OtherFamily, otherComposite } from '../row.ts';
import { elementOf, rankOf, shapeOf } from '../shapes.ts';
import type { Ints, X } from './common.ts';

/** The type to compute in: float64 stays, all else is float32. */
const wideOf = (x: Value): DataType => (elementOf(x) === 'float64' ? 'float64' : 'float32');

/** One number for each feature, or one for all, to broadcast along the last axis of `x`. */
function perFeature(values: readonly number[] | Ints, x: Value, type: DataType, name: string, b: Builder): Value {
  const features = shapeOf(x).at(-1);
  if (values.length !== 1 && typeof features === 'number' && features !== values.length)
    throw fail('E1303', `${name} has ${values.length} elements for ${features} features`);
  return b.constant(values as readonly number[], type, [values.length]);
}

export const features: OtherFamily = {
  ArrayFeatureExtractor: otherComposite<{ readonly X: Value; readonly Y: Value }, object>({
    lower({ X: x, Y }, _at, b) {
      if (rankOf(x) === 0) throw fail('E1305', 'X must have at least 1 axis');
      const picked = b.Gather(x, b.Reshape(Y, [-1]), rankOf(x) - 1);
      // A vector gives a matrix of one row, as in the runtime that this operator comes from.
      return rankOf(x) === 1 ? b.Unsqueeze(picked, [0]) : picked;
    },
  }),
  Binarizer: otherComposite<X, { readonly threshold: number }>({
    infer: ({ X: x }) => [x.type],
    lower({ X: x }, { threshold }, b) {
      const wide = b.Cast(x, elementOf(x) === 'float32' ? 'float32' : 'float64');
      return b.Cast(b.Greater(wide, b.like(threshold, wide)), elementOf(x));
    },
  }),
  FeatureVectorizer: otherComposite<{ readonly X: readonly Value[] }, { readonly inputdimensions?: Ints }>({
    lower({ X: inputs }, { inputdimensions: sizes }, b) {
      if (sizes && sizes.length !== inputs.length) throw fail('E1303', `${sizes.length} inputdimensions for ${inputs.length} inputs`);
      const parts = inputs.map((x, i) => widened(asMatrix(b.Cast(x, 'float32'), b), sizes?.[i], b));
      return parts.length === 1 ? parts[0]! : b.Concat(parts, 1);
    },
  }),
  Imputer: otherComposite<X, ImputerAt>({
    infer: ({ X: x }) => [x.type],
    lower({ X: x }, at, b) {
      const isFloat = elementOf(x).startsWith('float');
      const values = isFloat ? at.imputed_value_floats : at.imputed_value_int64s;
      if (!values?.length) throw fail('E1303', `imputed_value_${isFloat ? 'floats' : 'int64s'} is missing`);
      const replaced = isFloat ? at.replaced_value_float : at.replaced_value_int64;
      const missing = Number.isNaN(replaced) ? b.IsNaN(x) : b.Equal(x, b.constant(replaced, elementOf(x)));
      return b.Where(missing, perFeature(values, x, elementOf(x), 'the imputed value', b), x);
    },
  }),
  Normalizer: otherComposite<X, { readonly norm: string }>({
    lower({ X: x }, { norm }, b) {
      if (rankOf(x) !== 1 && rankOf(x) !== 2) throw fail('E1305', `Normalizer takes 1 or 2 axes, not ${rankOf(x)}`);
      const body = Object.hasOwn(norms, norm) ? norms[norm] : undefined;
      if (!body) throw fail('E1303', `there is no norm ${norm}`);
      const axes = [rankOf(x) - 1];
      const wide = b.Cast(x, 'float32');
      const { over, y } = body(x, wide, axes, b);
      return b.Where(b.Equal(over, b.like(0, over)), wide, y);
    },
  }),
  Scaler: otherComposite<X, { readonly offset?: readonly number[]; readonly scale?: readonly number[] }>({
    lower({ X: x }, { offset = [0], scale = [1] }, b) {
      const wide = b.Cast(x, wideOf(x));
      const centred = b.Sub(wide, perFeature(offset, x, wideOf(x), 'offset', b));
      return b.Cast(b.Mul(centred, perFeature(scale, x, wideOf(x), 'scale', b)), 'float32');
    },
  }),
};

interface ImputerAt {
  readonly imputed_value_floats?: readonly number[];
  readonly imputed_value_int64s?: Ints;
  readonly replaced_value_float: number;
  readonly replaced_value_int64: number | bigint;
}

/** The divisor of each row and the quotients. The L1 norm is of absolute values, as in scikit-learn, where these come from. */
const norms: Readonly<Record<string, (x: Value, wide: Value, axes: readonly number[], b: Builder) => { over: Value; y: Value }>> = {
  MAX(_x, wide, axes, b) {
    const over = b.ReduceMax(wide, { axes });
    return { over, y: b.Div(wide, over) };
  },
  L1(_x, wide, axes, b) {
    const over = b.ReduceSum(b.Abs(wide), { axes });
    return { over, y: b.Div(wide, over) };
  },
  L2(x, wide, axes, b) {
    const squares = b.Cast(b.Mul(x, x), 'float32');
    const over = b.ReduceSum(squares, { axes });
    return { over, y: b.Mul(b.Sign(wide), b.Sqrt(b.Div(squares, over))) };
  },
};

/** A vector as one row; further axes are flattened. */
function asMatrix(x: Value, b: Builder): Value {
  if (rankOf(x) === 1) return b.Unsqueeze(x, [0]);
  return rankOf(x) === 2 ? x : b.emit('Flatten', [x], { axis: 1 })[0]!;
}

/** `x` with `size` columns: cut off, or filled with zeros. */
function widened(x: Value, size: number | bigint | undefined, b: Builder): Value {
  const now = shapeOf(x)[1];
  if (size === undefined || Number(size) === now) return x;
  const count = Number(size);
  if (!(count >= 0 && Number.isSafeInteger(count))) throw fail('E1303', `an input cannot have ${size} features`);
  const more = typeof now === 'number' && now >= count ? x : b.Concat([x, b.Expand(b.like(0, x), [b.dim(x, 0), count])], 1);
  return b.Slice(more, { axes: [1], starts: [0], ends: [count] });
}
