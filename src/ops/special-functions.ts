// Special functions without an ONNX operator: series of Chebyshev polynomials, as long as the element type can tell, and the
// expansions of the gamma function, which need float64.
import type { Value } from '../ir/graph.ts';
import type { Builder } from './builder.ts';
import { besselI0, besselI1, centralErfinv, scaledErfc, tailErfinv } from './chebyshev.ts';
import { type Formula, log1p } from './formulas.ts';
import { elementOf } from './shapes.ts';

/** v * scale + offset. */
const affine = (b: Builder, v: Value, scale: number, offset: number): Value => b.Add(b.Mul(v, b.like(scale, v)), b.like(offset, v));

/** A polynomial by its coefficients, lowest first. */
function polynomial(b: Builder, v: Value, coefficients: readonly number[]): Value {
  const [highest, ...lower] = coefficients.toReversed();
  const [next = 0, ...rest] = lower;
  return rest.reduce((sum, c) => b.Add(b.Mul(sum, v), b.like(c, v)), affine(b, v, highest!, next));
}

/** The sum of coefficients[k] T_k(v) for v in [-1, 1], without the terms that float32 cannot tell. */
function chebyshev(b: Builder, v: Value, coefficients: readonly number[]): Value {
  const least = elementOf(v) === 'float64' ? 0 : 2e-8;
  return polynomial(b, v, inPowers(coefficients.slice(0, coefficients.findLastIndex(c => Math.abs(c) > least) + 1)));
}

/** The same sum in powers of v. */
function inPowers(coefficients: readonly number[]): number[] {
  const sum = coefficients.map(() => 0);
  let [previous, current]: [number[], number[]] = [[0, 1], [1]];
  for (const c of coefficients) {
    current.forEach((power, i) => (sum[i]! += c * power));
    const next = [0, ...current.map(power => 2 * power)].map((power, i) => power - (previous[i] ?? 0));
    // T_1 is v, not 2 v: T_-1 is v too, so that 2 v T_0 - T_-1 gives it.
    [previous, current] = [current, next];
  }
  return sum;
}

/** Maps [0, infinity] to [1, -1]. */
const folded = (b: Builder, v: Value, middle: number): Value => affine(b, b.Reciprocal(b.Add(v, b.like(middle, v))), 2 * middle, -1);

/** exp(v²) erfc(v) for v >= 0. */
const scaledErfcOf: Formula = (b, v) => {
  const share = b.Reciprocal(affine(b, v, 1 / 4, 1));
  return b.Mul(share, chebyshev(b, affine(b, share, 2, -1), scaledErfc));
};

export const erfc: Formula = (b, v) => {
  const size = b.Abs(v);
  const upper = b.Mul(scaledErfcOf(b, size), b.Exp(b.Neg(b.Mul(size, size))));
  return b.Where(b.Less(v, b.like(0, v)), b.Sub(b.like(2, v), upper), upper);
};

export const erfcx: Formula = (b, v) => {
  const size = b.Abs(v);
  const upper = scaledErfcOf(b, size);
  const below = b.Sub(affine(b, b.Exp(b.Mul(size, size)), 2, 0), upper);
  return b.Where(b.Less(v, b.like(0, v)), below, upper);
};

/** y P(w) with w = -log(1 - y²), which its caller knows without loss; far out by the root of w. */
function erfinvOf(b: Builder, y: Value, w: Value): Value {
  const limit = 6;
  const central = chebyshev(b, affine(b, w, 2 / limit, -1), centralErfinv);
  const root = b.Sqrt(w);
  const [far, near] = [1 / (27 + 3), 1 / (Math.sqrt(limit) + 3)];
  const place = affine(b, b.Reciprocal(b.Add(root, b.like(3, w))), 2 / (near - far), -(near + far) / (near - far));
  const tail = b.Mul(root, chebyshev(b, place, tailErfinv));
  return b.Mul(y, b.Where(b.Less(w, b.like(limit, w)), central, tail));
}

export const erfinv: Formula = (b, v) => {
  const one = b.like(1, v);
  return erfinvOf(b, v, b.Neg(b.Log(b.Mul(b.Sub(one, v), b.Add(one, v)))));
};

export const ndtr: Formula = (b, v) => b.Mul(erfc(b, b.Mul(v, b.like(-Math.SQRT1_2, v))), b.like(0.5, v));

/** Far below zero the logarithm is taken of the scaled function, whose value is no power of e^-v². */
export const logNdtr: Formula = (b, v) => {
  const x = b.Mul(v, b.like(Math.SQRT1_2, v));
  const scaled = scaledErfcOf(b, b.Abs(x));
  const square = b.Mul(x, x);
  const half = b.Mul(scaled, b.like(0.5, v));
  const above = log1p(b, b.Neg(b.Mul(half, b.Exp(b.Neg(square)))));
  return b.Where(b.Less(v, b.like(0, v)), b.Sub(b.Log(half), square), above);
};

export const ndtri: Formula = (b, p) => {
  const w = b.Neg(b.Log(b.Mul(b.Mul(p, b.Sub(b.like(1, p), p)), b.like(4, p))));
  return b.Mul(erfinvOf(b, affine(b, p, 2, -1), w), b.like(Math.SQRT2, p));
};

/** -x log(x), 0 at 0, -infinity below. */
export const entr: Formula = (b, v) => {
  const zero = b.like(0, v);
  const positive = b.Where(b.Equal(v, zero), zero, b.Neg(b.Mul(v, b.Log(v))));
  return b.Where(b.Less(v, zero), b.like(-Infinity, v), positive);
};

/** exp(-|v|) I0(v), as a series over sqrt(|v| + 6). */
export const scaledI0: Formula = (b, v) => {
  const size = b.Abs(v);
  return b.Div(chebyshev(b, folded(b, size, 6), besselI0), b.Sqrt(b.Add(size, b.like(6, v))));
};
/** exp(-|v|) I1(v), as a series times v over (|v| + 6)^1.5. */
export const scaledI1: Formula = (b, v) => {
  const size = b.Abs(v);
  const far = b.Add(size, b.like(6, v));
  return b.Mul(b.Div(chebyshev(b, folded(b, size, 6), besselI1), b.Sqrt(far)), b.Div(v, far));
};
export const unscaled =
  (f: Formula): Formula =>
  (b, v) =>
    b.Mul(f(b, v), b.Exp(b.Abs(v)));

/** Runs a formula in float64. */
const inFloat64 =
  (f: Formula): Formula =>
  (b, v) =>
    b.Cast(f(b, b.Cast(v, 'float64')), elementOf(v));

/** The sum over constants of f(v, constant). */
function series(b: Builder, v: Value, constants: readonly number[], f: (v: Value, constants: Value) => Value): Value {
  const list = b.constant(Float64Array.from(constants), 'float64', [constants.length]);
  return b.ReduceSum(f(b.Unsqueeze(v, [-1]), list), { axes: [-1], keepdims: 0 });
}

/** v less the whole numbers in it, times π: what sines and tangents of πv need. */
const turn: Formula = (b, v) => b.Mul(b.Mod({ A: v, B: b.like(1, v) }, { fmod: 1 }), b.like(Math.PI, v));

// Lanczos' approximation with g = 7 and 9 terms: the shift, and the coefficients of 1 / (z + k).
const lanczosShift = 7;
const lanczos = [
  676.5203681218851, -1259.1392167224028, 771.3234287776531, -176.6150291621406, 12.507343278686905, -0.13857109526572012,
  9.984369578019572e-6, 1.5056327351493116e-7,
];

/** log |Γ(v)|; below 1/2 by reflection. */
export const logGamma: Formula = inFloat64((b, v) => {
  const half = b.like(0.5, v);
  const isLow = b.Less(v, half);
  const z = b.Where(isLow, b.Neg(v), b.Sub(v, b.like(1, v)));
  const offsets = b.constant(
    Float64Array.from(lanczos, (_, i) => i + 1),
    'float64',
    [lanczos.length],
  );
  const sum = b.Add(
    series(b, z, lanczos, (at, coefficients) => b.Div(coefficients, b.Add(at, offsets))),
    b.like(0.9999999999998099, v),
  );
  const power = b.Add(z, half);
  const scale = b.Sub(b.Log(b.Add(power, b.like(lanczosShift, v))), b.like(1, v));
  const upper = b.Add(b.Mul(power, scale), b.Add(b.Log(sum), b.like(Math.log(2 * Math.PI) / 2 - lanczosShift, v)));
  const reflected = b.Sub(b.Log(b.Div(b.like(Math.PI, v), b.Abs(b.Sin(turn(b, v))))), upper);
  return b.Where(b.IsInf({ X: v }), b.like(Infinity, v), b.Where(isLow, reflected, upper));
});

// Terms of the asymptotic series of the digamma function: B_2k / 2k, of its derivative: B_2k.
const bernoulli = [1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6];
const steps = Array.from({ length: 10 }, (_, i) => i);

/** 1 - v below 1/2, and whether it was below. */
function reflect(b: Builder, v: Value): { readonly isLow: Value; readonly z: Value } {
  const isLow = b.Less(v, b.like(0.5, v));
  return { isLow, z: b.Where(isLow, b.Sub(b.like(1, v), v), v) };
}

/** The derivative of log Γ: ten steps up to where its asymptotic series is exact; below 1/2 by reflection. */
export const digamma: Formula = inFloat64((b, v) => {
  const { isLow, z } = reflect(b, v);
  const far = b.Add(z, b.like(steps.length, v));
  const inverse = b.Reciprocal(far);
  const terms = bernoulli.map((n, k) => n / (2 * k + 2));
  const square = b.Mul(inverse, inverse);
  const tail = b.Add(b.Mul(inverse, b.like(0.5, v)), b.Mul(square, polynomial(b, square, terms)));
  const stepped = series(b, z, steps, (at, offsets) => b.Reciprocal(b.Add(at, offsets)));
  const upper = b.Sub(b.Sub(b.Log(far), tail), stepped);
  const angle = turn(b, v);
  const reflected = b.Sub(upper, b.Div(b.like(Math.PI, v), b.Tan({ input: angle })));
  // A pole at 0 has the sign of its side; at negative whole numbers there is none.
  const isPole = b.And(b.Less(v, b.like(0, v)), b.Equal(angle, b.like(0, v)));
  return b.Where(isPole, b.like(Number.NaN, v), b.Where(isLow, reflected, upper));
});

/** The second derivative of log Γ. */
export const trigamma: Formula = inFloat64((b, v) => {
  const { isLow, z } = reflect(b, v);
  const inverse = b.Reciprocal(b.Add(z, b.like(steps.length, v)));
  const square = b.Mul(inverse, inverse);
  const tail = b.Mul(inverse, b.Add(affine(b, inverse, 0.5, 1), b.Mul(square, polynomial(b, square, bernoulli))));
  const upper = b.Add(
    tail,
    series(b, z, steps, (at, offsets) => inverseSquare(b, b.Add(at, offsets))),
  );
  const sine = b.Sin(turn(b, v));
  return b.Where(isLow, b.Sub(b.Mul(inverseSquare(b, sine), b.like(Math.PI ** 2, v)), upper), upper);
});

const inverseSquare: Formula = (b, v) => b.Reciprocal(b.Mul(v, v));
