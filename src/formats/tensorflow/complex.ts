// Complex numbers: an edge carries their real and imaginary parts. What only moves or adds elements is done to each part by its row for
// numbers; what mixes the parts has a row here.
import { fail } from '../../errors.ts';
import { sameShape } from '../../ir/dims.ts';
import { Value } from '../../ir/graph.ts';
import { Tensor, type TypedArray } from '../../ir/tensor.ts';
import type { Builder } from '../../ops/builder.ts';
import { atan2 } from '../../ops/formulas.ts';
import { elementOf, shapeOf } from '../../ops/shapes.ts';
import { expandTo, sizesOf } from '../../ops/sizing.ts';
import { Call, unsupported } from './call.ts';
import { type Complex, complex, type Handle, isComplex, isValue, tensorOf } from './handles.ts';
import { opDef } from './op-defs.ts';
import { tfRow } from './ops/index.ts';
import type { OperatorRow, OperatorStep } from './step.ts';
import { transforms } from './transforms.ts';
import { elementIfAny } from './types.ts';

const float = { complex64: 'float32', complex128: 'float64' } as const;

/** A handle as complex numbers: constants are taken apart, numbers have no imaginary part. */
export function complexOf(handle: Handle): Complex {
  if (isComplex(handle)) return handle;
  const value = tensorOf(handle);
  const { tensor } = value;
  if (tensor?.type !== 'complex64' && tensor?.type !== 'complex128') return complex(value);
  if (!tensor.isResident) throw unsupported('a large constant of complex numbers');
  const data = tensor.data as TypedArray;
  const part = (from: number): Value => {
    const type = float[tensor.type as 'complex64'];
    const numbers = Array.from({ length: data.length / 2 }, (_, i) => Number(data[2 * i + from]));
    const array = type === 'float32' ? Float32Array.from(numbers) : Float64Array.from(numbers);
    return new Value(`${value.name}.${from === 0 ? 'real' : 'imag'}`, undefined, { tensor: new Tensor(type, array, tensor.dims) });
  };
  const isReal = data.every((x, i) => i % 2 === 0 || Number(x) === 0);
  return complex(part(0), isReal ? undefined : part(1));
}

/** One number as often as there are elements. */
const filled = (b: Builder, n: number, like: Value): Value => expandTo(b, b.like(n, like), sizesOf(b, like));

/** The imaginary part, zeros where there is none. */
export const imaginaryOf = ({ real, imaginary }: Complex, b: Builder): Value => imaginary ?? filled(b, 0, real);

/** Parts that may have to be repeated along axes of the other one. */
function joined(b: Builder, real: Value, imaginary: Value): Complex {
  if (sameShape(shapeOf(real), shapeOf(imaginary))) return complex(real, imaginary);
  return complex(expandTo(b, real, sizesOf(b, imaginary)), expandTo(b, imaginary, sizesOf(b, real)));
}

/** A sum of what is there. */
const sum = (b: Builder, x: Value | undefined, y: Value | undefined): Value | undefined => (x && y ? b.Add(x, y) : (x ?? y));
const negative = (b: Builder, x: Value | undefined): Value | undefined => x && b.Neg(x);
const conjugate = (b: Builder, { real, imaginary }: Complex): Complex => complex(real, negative(b, imaginary));

type Product = (x: Value, y: Value) => Value;
/** By a product of numbers: of elements, or of matrices. */
function multiplied(b: Builder, x: Complex, y: Complex, product: Product): Complex {
  const of = (p: Value | undefined, q: Value | undefined): Value | undefined => (p && q ? product(p, q) : undefined);
  const real = product(x.real, y.real);
  const less = of(x.imaginary, y.imaginary);
  return complex(less ? b.Sub(real, less) : real, sum(b, of(x.real, y.imaginary), of(x.imaginary, y.real)));
}
const timesIn =
  (b: Builder): Product =>
  (p, q) =>
    b.Mul(p, q);

const squared = (b: Builder, { real, imaginary }: Complex): Value => sum(b, b.Mul(real, real), imaginary && b.Mul(imaginary, imaginary))!;

function divided(b: Builder, x: Complex, y: Complex): Complex {
  const over = (v: Value | undefined, by: Value): Value | undefined => v && b.Div(v, by);
  if (!y.imaginary) return complex(b.Div(x.real, y.real), over(x.imaginary, y.real));
  const { real, imaginary } = multiplied(b, x, conjugate(b, y), timesIn(b));
  const by = squared(b, y);
  return complex(b.Div(real, by), over(imaginary, by));
}

const abs = (b: Builder, z: Complex): Value => (z.imaginary ? b.Sqrt(squared(b, z)) : b.Abs(z.real));
const angle = (b: Builder, z: Complex): Value => atan2(b, imaginaryOf(z, b), z.real);

/** The row of an operator on numbers. */
function onNumbers({ node, b }: OperatorStep, inputs: readonly Value[]): readonly (Value | undefined)[] {
  const made = tfRow(node.op)!(new Call(opDef(node.op)!, node.name, inputs, node.attrs), b);
  return isValue(made) ? [made] : made;
}

/** The same operator on the real and on the imaginary parts. */
const partwise: OperatorRow = step => {
  const given = step.inputs.map(h => (isComplexLike(h) ? complexOf(h) : h));
  const isReal = given.every(h => !isComplex(h) || !h.imaginary);
  const part = (of: (z: Complex) => Value) =>
    onNumbers(
      step,
      given.map(h => (isComplex(h) ? of(h) : tensorOf(h))),
    );
  const reals = part(z => z.real);
  const imaginaries = isReal ? [] : part(z => imaginaryOf(z, step.b));
  return reals.map((real, i) => real && complex(real, imaginaries[i]));
};
/** What does not depend on the numbers. */
const ofReal: OperatorRow = step =>
  onNumbers(
    step,
    step.inputs.map(h => complexOf(h).real),
  );

const unary =
  (f: (b: Builder, z: Complex, step: OperatorStep) => Handle): OperatorRow =>
  step => [f(step.b, complexOf(step.inputs[0]), step)];
const binary =
  (f: (b: Builder, x: Complex, y: Complex, step: OperatorStep) => Handle): OperatorRow =>
  step => [f(step.b, complexOf(step.inputs[0]), complexOf(step.inputs[1]), step)];

const equal = (b: Builder, x: Complex, y: Complex): Value =>
  x.imaginary || y.imaginary ? b.And(b.Equal(x.real, y.real), b.Equal(imaginaryOf(x, b), imaginaryOf(y, b))) : b.Equal(x.real, y.real);

/** Matrices; `adj_x` is the conjugate transpose, of which the row for numbers does the second half. */
const matrices: OperatorRow = binary((b, x, y, step) => {
  const adjoint = (name: string, z: Complex): Complex => (step.node.attrs.get(name)?.b ? conjugate(b, z) : z);
  return multiplied(b, adjoint('adj_x', x), adjoint('adj_y', y), (p, q) => onNumbers(step, [p, q])[0]!);
});

/** Between types, in either direction: a complex number without its imaginary part is a number. */
const cast: OperatorRow = ({ node, inputs, b }) => {
  const to = elementIfAny(node.attrs.get('DstT')?.type ?? 0);
  const z = complexOf(inputs[0]);
  const isToComplex = to === 'complex64' || to === 'complex128';
  const type = isToComplex ? float[to] : to;
  if (!type) throw fail('E1303', 'Cast: the type is missing');
  const part = (v: Value): Value => (elementOf(v) === type ? v : b.Cast(v, type));
  return [isToComplex ? complex(part(z.real), z.imaginary && part(z.imaginary)) : part(z.real)];
};

const exp = (b: Builder, { real, imaginary }: Complex): Complex => {
  const size = b.Exp(real);
  return imaginary ? complex(b.Mul(size, b.Cos(imaginary)), b.Mul(size, b.Sin(imaginary))) : complex(size);
};

const one = (b: Builder, z: Complex): Complex => complex(b.like(1, z.real));

const moving =
  'Reshape Transpose ConcatV2 Concat Pack ParallelConcat Unpack Slice StridedSlice Split SplitV GatherV2 Gather GatherNd ExpandDims Squeeze ' +
  'Tile Pad PadV2 MirrorPad BroadcastTo Reverse ReverseV2 Roll EnsureShape Fill Select SelectV2 DynamicStitch MatrixDiag MatrixDiagV2 ' +
  'MatrixDiagV3 MatrixDiagPart MatrixDiagPartV2 MatrixDiagPartV3 MatrixBandPart Diag DiagPart ReverseSequence SpaceToBatchND BatchToSpaceND';
const linear = 'Add AddV2 AddN Sub Neg Sum Mean Cumsum ZerosLike SegmentSum UnsortedSegmentSum';

const named = (names: string, row: OperatorRow): Record<string, OperatorRow> =>
  Object.fromEntries(names.split(' ').map(name => [name, row]));

const rows: Readonly<Record<string, OperatorRow>> = {
  ...named(`${moving} ${linear}`, partwise),
  ...named('Shape Size Rank', ofReal),
  OnesLike: unary((b, z) => complex(filled(b, 1, z.real))),
  Complex: ({ inputs, b }) => [joined(b, tensorOf(inputs[0]), tensorOf(inputs[1]))],
  Real: unary((_b, z) => z.real),
  Imag: unary((b, z) => imaginaryOf(z, b)),
  ComplexAbs: unary(abs),
  Angle: unary(angle),
  Conj: unary(conjugate),
  ConjugateTranspose: step => partwise(step).map(z => conjugate(step.b, complexOf(z))),
  Cast: cast,
  Mul: binary((b, x, y) => multiplied(b, x, y, timesIn(b))),
  ...named('MatMul BatchMatMul BatchMatMulV2 BatchMatMulV3', matrices),
  ...named('Div RealDiv', binary(divided)),
  Square: unary((b, z) => multiplied(b, z, z, timesIn(b))),
  ...named(
    'Inv Reciprocal',
    unary((b, z) => divided(b, one(b, z), z)),
  ),
  Exp: unary(exp),
  Log: unary((b, z) => complex(b.Log(abs(b, z)), angle(b, z))),
  Equal: binary(equal),
  NotEqual: binary((b, x, y) => b.Not(equal(b, x, y))),
  ...Object.fromEntries(
    Object.entries(transforms).map(([name, f]) => [name, (step: OperatorStep) => [f(step.b, complexOf(step.inputs[0]), step)]]),
  ),
};

/** Operators that make complex numbers of others. */
const makers = new Set(['Complex', ...Object.keys(transforms)]);

/** Names of the operators that have a row for complex numbers. */
export const complexNames: ReadonlySet<string> = new Set(Object.keys(rows));

const isComplexType = (type: number | undefined): boolean => type === 8 || type === 18;
/** Whether a handle is complex numbers, constants among them. */
export const isComplexLike = (h: Handle): boolean => isComplex(h) || isComplexConstant(h);
const isComplexConstant = (h: Handle): boolean => isValue(h) && (h.tensor?.type === 'complex64' || h.tensor?.type === 'complex128');

/**
 * The row of an operator that takes or gives complex numbers; undefined where it does neither.
 * @throws ModelError E2001 for an operator that takes them and has no row
 */
export function complexRow(node: OperatorStep['node'], inputs: readonly Handle[]): OperatorRow | undefined {
  const takes = inputs.some(isComplexLike);
  if (!takes && !makers.has(node.op) && !(node.op === 'Cast' && isComplexType(node.attrs.get('DstT')?.type))) return undefined;
  const row = rows[node.op];
  if (!row) throw unsupported('of complex numbers');
  return row;
}
