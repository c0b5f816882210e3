// Conversions of elements to another type. What saturates, and how powers of two are rounded, is a scalar formula before the store,
// which itself only rounds to the nearest number and lets what is too large become infinity or NaN (kernels/small-types.ts).
import { fail } from '../errors.ts';
import { apply, cast, constant, type Expr, input, program } from '../expr/expr.ts';
import { type ScalarType, scalarTypes } from '../expr/primitives.ts';
import type { Tensor } from '../ir/tensor.ts';
import { type DataType, dataTypeOfCode, elementTypes, isFloat } from '../ir/types.ts';
import type { View } from '../kernels/kernel.ts';
import { rangeOf } from '../kernels/small-types.ts';
import { computeType, isStoredAsComputed } from '../kernels/storage.ts';
import type { Emitter } from '../kernels/views.ts';
import { runAtOnce } from './plan-node.ts';
import { floatsFromText, fromText, toText } from './text-numbers.ts';

interface CastAttributes {
  readonly saturate: number;
  readonly round_mode: string;
}

/** The element type of an attribute. @throws ModelError E3004 for a type that has none here */
export function castTarget(to: number): DataType {
  const type = dataTypeOfCode(to);
  if (type && (computeType(type) || type === 'string')) return type;
  throw fail('E3004', `Cast to ${type ?? `element type ${to}`} has no meaning here`);
}

/** The elements of a view in another type, by the tables of the standard's Cast. */
export function castView(e: Emitter, v: View, type: DataType, at: CastAttributes): View {
  if (v.type === type) return v;
  const [from, to] = [computeType(v.type), computeType(type)];
  if (!from || !to) throw fail('E1304', `no conversion from ${v.type} to ${type}`);
  const y = e.alloc(type, v.shape);
  const x = input(0, from);
  e.step(
    { kind: 'map', program: program([isSmallInteger(type) ? truncated(x, to) : withinRange(narrowed(x, to, type), type, at)]) },
    [v],
    [y],
  );
  return type === 'float8e8m0' && at.round_mode !== 'nearest' ? roundedPower(e, v, from, y, at) : y;
}

/** A conversion from or to text; undefined for any other. @throws ModelError E3012 for text that is no number of the type */
export function castText(x: Tensor, type: DataType, at: CastAttributes): readonly Tensor[] | undefined {
  if (type === 'string') return [toText(x)];
  if (x.type !== 'string') return undefined;
  if (!isFloat(type)) return [fromText(x, type)];
  const [y] = runAtOnce([floatsFromText(x)], ([v], e) => [castView(e, v!, type, at)]);
  return [y!];
}

const isSmallInteger = (type: DataType): boolean => !isStoredAsComputed(type) && elementTypes[type].class !== 'float';

/** Towards zero; of an integer that is too large the low bits stay. */
const truncated = (x: Expr, to: ScalarType): Expr => cast(scalarTypes[x.type].class === 'float' ? cast(x, 'int32') : x, to);

/**
 * In the type that `type` is stored from. A float64 on its way to float16 is rounded to float32 first; where that gives a number of at most
 * 13 digits, which may be halfway between two of float16 when the float64 was not, it is moved a little back to where it came from.
 * Shorter types are rounded twice, as ONNX's reference, PyTorch and ONNX Runtime do.
 */
function narrowed(x: Expr, to: ScalarType, type: DataType): Expr {
  const rounded = cast(x, to);
  if (x.type !== 'float64' || type !== 'float16') return rounded;
  const wide = cast(rounded, 'float64');
  // Veltkamp's splitting: the difference of these has 53 - 40 binary digits.
  const scaled = apply('mul', wide, 2 ** 40 + 1);
  const isShort = apply('eq', apply('sub', scaled, apply('sub', scaled, wide)), wide);
  const step = apply('mul', apply('abs', wide), 2 ** -23);
  const above = apply('select', apply('and', isShort, apply('lt', wide, x)), apply('add', wide, step), wide);
  const beside = apply('select', apply('and', isShort, apply('lt', x, wide)), apply('sub', wide, step), above);
  return cast(beside, to);
}

/** Numbers beyond the range become its ends, or NaN where a power of two is not to saturate. NaN stays. */
function withinRange(x: Expr, type: DataType, { saturate }: CastAttributes): Expr {
  const range = rangeOf(type);
  if (!range || (!saturate && type !== 'float8e8m0')) return x;
  const [low, high] = range;
  if (saturate) return apply('min', apply('max', x, low), high);
  const isInside = apply('and', apply('le', constant(low, x.type), x), apply('le', x, constant(high, x.type)));
  return apply('select', isInside, x, Number.NaN);
}

/** The powers of two above or below the numbers in `v`, from the nearest ones. */
function roundedPower(e: Emitter, v: View, from: ScalarType, nearest: View, at: CastAttributes): View {
  if (at.round_mode !== 'up' && at.round_mode !== 'down') throw fail('E1303', `Cast: the round_mode ${at.round_mode} is not known`);
  const x = withinRange(cast(input(0, from), 'float32'), 'float8e8m0', at);
  const n = input(1, 'float32');
  const isUp = at.round_mode === 'up';
  const isPast = isUp ? apply('lt', n, x) : apply('lt', x, n);
  const y = e.alloc('float8e8m0', v.shape);
  e.step({ kind: 'map', program: program([apply('select', isPast, apply('mul', n, isUp ? 2 : 0.5), n)]) }, [v, nearest], [y]);
  return y;
}
