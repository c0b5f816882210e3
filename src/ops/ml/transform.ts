// What classifiers and regressors do to the scores of one example before they give them out.
import { fail } from '../../errors.ts';

export type PostTransform = 'NONE' | 'SOFTMAX' | 'LOGISTIC' | 'SOFTMAX_ZERO' | 'PROBIT';

/** Scores of one example, changed in place. */
type Transform = (scores: Float32Array) => void;

/** In steps that do not overflow. */
export const logistic = (x: number): number => {
  const y = 1 / (1 + Math.exp(-Math.abs(x)));
  return x < 0 ? 1 - y : y;
};

const f = Math.fround;

/**
 * Winitzki's approximation of the inverse error function, which runtimes of this domain agree on, in float32 as there: near 0 the
 * difference of the two last terms is mostly rounding.
 */
function inverseErf(x: number): number {
  const a = f(0.147);
  const log = f(Math.log(f(f(1 - x) * f(1 + x))));
  const v = f(f(2 / f(f(Math.PI) * a)) + f(log / 2));
  const rest = f(f(1 / a) * log);
  const root = f(Math.sqrt(f(f(Math.sqrt(f(f(v * v) - rest))) - v)));
  return x < 0 ? -root : root;
}
const probit = (p: number): number => f(f(Math.SQRT2) * inverseErf(f(2 * f(p) - 1)));

const each =
  (f: (x: number) => number): Transform =>
  scores => {
    for (const [i, x] of scores.entries()) scores[i] = f(x);
  };

function softmax(scores: Float32Array): void {
  const most = scores.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  let sum = 0;
  for (const [i, x] of scores.entries()) {
    scores[i] = Math.exp(x - most);
    sum += scores[i]!;
  }
  for (const [i, x] of scores.entries()) scores[i] = x / sum;
}

/** A softmax that leaves zeros out. */
function softmaxZero(scores: Float32Array): void {
  const isZero = (x: number): boolean => Math.abs(x) <= 1e-7;
  const most = scores.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  let sum = 0;
  for (const [i, x] of scores.entries()) {
    scores[i] = isZero(x) ? x * Math.exp(-most) : Math.exp(x - most);
    if (!isZero(x)) sum += scores[i]!;
  }
  for (const [i, x] of scores.entries()) scores[i] = x / sum;
}

const transforms: Readonly<Record<PostTransform, Transform>> = {
  NONE: () => {},
  SOFTMAX: softmax,
  LOGISTIC: each(logistic),
  SOFTMAX_ZERO: softmaxZero,
  PROBIT: each(probit),
};

/** @throws ModelError E1303 for a name that the standard lacks */
export function transformNamed(name: string): PostTransform {
  if (Object.hasOwn(transforms, name)) return name as PostTransform;
  throw fail('E1303', `there is no post_transform ${name}`);
}

/** Transform the scores of one example. A single score is a raw value to runtimes, so that only PROBIT changes it. */
/** Scores in rows of `width`, changed in place. */
export function transformRows(scores: Float32Array, width: number, by: PostTransform): void {
  for (let from = 0; from < scores.length; from += width) transform(scores.subarray(from, from + width), by);
}

export function transform(scores: Float32Array, by: PostTransform): void {
  if (scores.length > 1 || by === 'PROBIT') transforms[by](scores);
}

/** The scores of two classes from that of the second alone. `complement`: it is a probability, so the first has what is left of 1. */
export function pairOf(score: number, by: PostTransform, complement: boolean): readonly [number, number] {
  if (by === 'LOGISTIC') return [logistic(-score), logistic(score)];
  if (by === 'PROBIT') return [-probit(score), probit(score)];
  return [complement ? 1 - score : -score, score];
}
