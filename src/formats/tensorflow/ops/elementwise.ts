// Operators of one tensor, element by element.
import type { Value } from '../../../ir/graph.ts';
import { elementTypes, isFloat } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { expm1, type Formula, inFloat32, log1p } from '../../../ops/formulas.ts';
import type { OpName } from '../../../ops/names.gen.ts';
import { elementOf, rankOf } from '../../../ops/shapes.ts';
import { digamma, erfc, erfinv, logGamma, ndtri, scaledI0, scaledI1, unscaled } from '../../../ops/special-functions.ts';
import { type Call, type TfRow, type TfRows, unsupported } from '../call.ts';

/** What is one operator of the standard. */
const same: Readonly<Record<string, OpName>> = {
  Acos: 'Acos',
  Acosh: 'Acosh',
  Asin: 'Asin',
  Asinh: 'Asinh',
  Atan: 'Atan',
  Atanh: 'Atanh',
  Ceil: 'Ceil',
  Cos: 'Cos',
  Cosh: 'Cosh',
  Erf: 'Erf',
  Exp: 'Exp',
  Floor: 'Floor',
  Invert: 'BitwiseNot',
  IsInf: 'IsInf',
  IsNan: 'IsNaN',
  Log: 'Log',
  LogicalNot: 'Not',
  Rint: 'Round',
  Selu: 'Selu',
  Sigmoid: 'Sigmoid',
  Sign: 'Sign',
  Sin: 'Sin',
  Sinh: 'Sinh',
  Softplus: 'Softplus',
  Softsign: 'Softsign',
  Sqrt: 'Sqrt',
  Tan: 'Tan',
  Tanh: 'Tanh',
};

/** A row of a formula over the first input. */
const formula =
  (f: (b: Builder, v: Value, x: Call) => Value): TfRow =>
  (x, b) =>
    f(b, x.first, x);

const special = (f: Formula): TfRow => formula((b, v) => inFloat32(b, v, wide => f(b, wide)));

const isUnsigned = (v: Value): boolean => elementTypes[elementOf(v)].class === 'uint';
const floats = (v: Value): boolean => isFloat(elementOf(v));

/** Types without a kernel in runtimes are computed in one that holds them. */
const wide = (b: Builder, v: Value, f: Formula): Value => {
  const type = elementOf(v);
  return type === 'int16' || type === 'int8' ? b.Cast(f(b, b.Cast(v, 'int32')), type) : f(b, v);
};

const relu = formula((b, v) => (isUnsigned(v) ? v : floats(v) ? b.Relu(v) : b.Max(v, b.like(0, v))));
const relu6 = formula((b, v) => b.Clip({ input: v, min: b.like(0, v), max: b.like(6, v) }));
const reciprocal = formula((b, v) => (floats(v) ? b.Reciprocal(v) : b.Div(b.like(1, v), v)));

/** Truth values and numbers between types; a float becomes true where it is not 0. */
const cast: TfRow = (x, b) => {
  const [v, to] = [x.first, x.type('DstT')];
  if (elementOf(v) === 'string' || to === 'string') throw unsupported('strings');
  return b.Cast(v, to);
};

/** The bits of each element that are 1: those of each byte, from a table. */
const populationCount = formula((b, v) => {
  const { bits } = elementTypes[elementOf(v)];
  const table = b.constant(
    Uint8Array.from({ length: 256 }, (_, i) => i.toString(2).replaceAll('0', '').length),
    'uint8',
    [256],
  );
  const steps = Array.from({ length: bits / 8 }, (_, k) => k);
  const whole = b.Cast(v, bits === 64 && isUnsigned(v) ? 'uint64' : 'int64');
  const base = b.like(256, whole);
  let rest = whole;
  const counts = steps.map(() => {
    const byte = b.Mod({ A: rest, B: base });
    rest = b.Div(b.Sub(rest, byte), base);
    return b.Gather(table, b.Cast(byte, 'int64'), 0);
  });
  return counts.map(c => b.Cast(c, 'int32')).reduce((a, c) => b.Add(a, c));
});

/** Along the last axis; a vector in, a vector out. */
const along =
  (op: 'Softmax' | 'LogSoftmax'): TfRow =>
  (x, b) =>
    b[op]({ input: x.first }, { axis: rankOf(x.first) - 1 });

export const elementwise: TfRows = {
  ...Object.fromEntries(Object.entries(same).map(([name, op]) => [name, (x: Call, b: Builder) => b.emit(op, [x.first])[0]!])),
  Abs: formula((b, v) => (isUnsigned(v) ? v : wide(b, v, (_b, w) => b.Abs(w)))),
  Neg: formula((b, v) => (isUnsigned(v) ? b.Sub(b.like(0, v), v) : wide(b, v, (_b, w) => b.Neg(w)))),
  Inv: reciprocal,
  Reciprocal: reciprocal,
  Round: formula((b, v) => (floats(v) ? b.Round(v) : v)),
  Rsqrt: formula((b, v) => b.Reciprocal(b.Sqrt(v))),
  Square: formula((b, v) => b.Mul(v, v)),
  Expm1: formula(expm1),
  Log1p: formula(log1p),
  Erfc: special(erfc),
  Erfinv: special(erfinv),
  Ndtri: special(ndtri),
  Lgamma: special(logGamma),
  Digamma: special(digamma),
  BesselI0: special(unscaled(scaledI0)),
  BesselI0e: special(scaledI0),
  BesselI1: special(unscaled(scaledI1)),
  BesselI1e: special(scaledI1),
  IsFinite: formula((b, v) => b.Less(b.Abs(v), b.like(Number.POSITIVE_INFINITY, v))),
  Relu: relu,
  Relu6: relu6,
  Elu: formula((b, v) => b.Elu({ X: v })),
  LeakyRelu: formula((b, v, x) => b.LeakyRelu({ X: v }, { alpha: x.number('alpha') })),
  Prelu: formula((b, v, x) => b.PRelu({ X: v, slope: x.tensor('alpha') })),
  Softmax: along('Softmax'),
  LogSoftmax: along('LogSoftmax'),
  Cast: cast,
  PopulationCount: (x, b) => b.Cast(populationCount(x, b) as Value, 'uint8'),
};
