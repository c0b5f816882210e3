// Support vector machines, in the layout of LIBSVM and, without support vectors, of LIBLINEAR.
import { fail } from '../../errors.ts';
import { Tensor } from '../../ir/tensor.ts';
import { tensorType } from '../../ir/types.ts';
import { keyed } from '../once.ts';
import { type HostContext, type OtherFamily, otherHost } from '../row.ts';
import {
  type Classes,
  classCount,
  classified,
  classifierTypes,
  greatest,
  type Ints,
  indexIn,
  type Label,
  labelsOf,
  rowsIn,
  type Table,
  tableOf,
  type X,
  zeros,
} from './common.ts';
import { product } from './linear.ts';
import { logistic, type PostTransform, pairOf, transform, transformNamed, transformRows } from './transform.ts';

interface KernelAt {
  readonly coefficients?: readonly number[];
  readonly kernel_params?: readonly number[];
  readonly kernel_type: string;
  readonly post_transform: string;
  readonly rho?: readonly number[];
  readonly support_vectors?: readonly number[];
}

interface ClassifierAt extends KernelAt, Classes {
  readonly prob_a?: readonly number[];
  readonly prob_b?: readonly number[];
  readonly vectors_per_class?: Ints;
}

interface RegressorAt extends KernelAt {
  readonly n_supports: number | bigint;
  readonly one_class: number | bigint;
}

export const svm: OtherFamily = {
  SVMClassifier: otherHost<X, ClassifierAt>({
    infer({ X: x }, at) {
      const count = classCount(at);
      const isPairwise = at.vectors_per_class?.some(n => Number(n) > 0) && !at.prob_a?.length && count > 2;
      return classifierTypes(x, at.classlabels_strings, isPairwise ? pairsOf(count) : count);
    },
    host({ X: datum }, at, context) {
      const machine = machineOf(at);
      const x = tableOf(datum);
      const { labels, scores, width } = machine.starts ? byPairs(machine, x, at, context) : byClass(machine, x, at, context);
      return classified(labels, machine.labels, scores, width);
    },
  }),
  SVMRegressor: otherHost<X, RegressorAt>({
    infer: ({ X: x }) => [tensorType('float32', [rowsIn(x), 1])],
    host({ X: datum }, at, context) {
      const x = tableOf(datum);
      const count = indexIn(at.n_supports, 2 ** 32, 'n_supports');
      const { coefficients = [], rho = [], one_class } = at;
      requireCount('rho', rho, 1);
      const table = count > 0 ? { rows: x.rows, columns: count, data: kernelOf(at, x, count, context) } : x;
      const y = product(table, coefficients, 1, rho.slice(0, 1), context);
      const by = transformNamed(at.post_transform);
      if (one_class) for (const [i, decision] of y.entries()) y[i] = decision > 0 ? 1 : -1;
      else transformRows(y, 1, by);
      return [new Tensor('float32', y, [x.rows, 1])];
    },
  }),
};

const pairsOf = (classes: number): number => (classes * (classes - 1)) / 2;

function requireCount(name: string, list: readonly number[] | undefined, least: number): void {
  if ((list?.length ?? 0) < least) throw fail('E1303', `${name} has ${list?.length ?? 0} elements, expected ${least}`);
}

interface Machine {
  readonly labels: readonly Label[];
  /** Where the support vectors of each class begin, and their count in the end; absent for a linear machine. */
  readonly starts: readonly number[] | undefined;
}

/** What the attributes describe, once their lengths agree. */
const machineOf = keyed((at: ClassifierAt): Machine => {
  const labels = labelsOf(at.classlabels_ints, at.classlabels_strings);
  const starts = [0];
  for (const n of at.vectors_per_class ?? []) starts.push(starts.at(-1)! + indexIn(n, 2 ** 32, 'vectors_per_class'));
  const total = starts.at(-1)!;
  if (total === 0) {
    requireCount('rho', at.rho, 1);
    return { labels, starts: undefined };
  }
  if (labels.length < 2) throw fail('E1303', 'SVMClassifier: support vectors of fewer than 2 classes');
  if (labels.length > 65535) throw fail('E1303', `SVMClassifier: ${labels.length} classes exceed 65535`);
  if (starts.length - 1 !== labels.length)
    throw fail('E1303', `vectors_per_class has ${starts.length - 1} elements for ${labels.length} classes`);
  requireCount('coefficients', at.coefficients, (labels.length - 1) * total);
  requireCount('rho', at.rho, pairsOf(labels.length));
  if (at.prob_a?.length) {
    requireCount('prob_a', at.prob_a, pairsOf(labels.length));
    requireCount('prob_b', at.prob_b, pairsOf(labels.length));
  }
  return { labels, starts };
});

interface Classified {
  readonly labels: readonly Label[];
  readonly scores: Float32Array<ArrayBuffer>;
  /** Scores of one example. */
  readonly width: number;
}

/** A linear machine: a row of coefficients a class. */
function byClass({ labels }: Machine, x: Table, at: ClassifierAt, context: HostContext): Classified {
  const { coefficients = [], rho = [] } = at;
  const width = labels.length;
  const scores = product(x, coefficients, width, Array<number>(width).fill(rho[0]!), context);
  const isPositive = coefficients.every(c => c >= 0);
  const found = Array.from({ length: x.rows }, (_, i): Label => {
    const best = greatest(scores, i * width, width);
    // Of two classes runtimes take the second as soon as any score says yes.
    const isYes = isPositive ? scores[i * width + best]! >= 0.5 : scores[i * width + best]! > 0;
    return labels[width === 2 && isYes && !at.prob_a?.length ? 1 : best]!;
  });
  transformRows(scores, width, transformNamed(at.post_transform));
  return { labels: found, scores, width };
}

/** One decision for each pair of classes; the label is what most of them are for. */
function byPairs({ labels, starts }: Machine, x: Table, at: ClassifierAt, context: HostContext): Classified {
  const classes = labels.length;
  const total = starts!.at(-1)!;
  const kernel = kernelOf(at, x, total, context);
  const isProbable = (at.prob_a?.length ?? 0) > 0;
  const width = isProbable || classes === 2 ? classes : pairsOf(classes);
  const scores = zeros(x.rows * width, context);
  const by = transformNamed(at.post_transform);
  const found = Array.from({ length: x.rows }, (_, i): Label => {
    context.proceed();
    const decisions = decide(kernel.subarray(i * total, (i + 1) * total), starts!, at);
    const own = scores.subarray(i * width, (i + 1) * width);
    writeScores(own, decisions, at, isProbable, by);
    return labels[mostVotes(decisions, classes)]!;
  });
  return { labels: found, scores, width };
}

/**
 * The decision of each pair (i, j), i < j, as LIBSVM stores it: the coefficients of the vectors of class i against class j lie in
 * row j - 1, those of class j against i in row i.
 */
function decide(kernel: Float32Array, starts: readonly number[], { coefficients = [], rho = [] }: ClassifierAt): Float32Array {
  const classes = starts.length - 1;
  const total = starts[classes]!;
  const decisions = new Float32Array(pairsOf(classes));
  let pair = 0;
  for (let i = 0; i < classes; i++)
    for (let j = i + 1; j < classes; j++) {
      let sum = 0;
      for (let k = starts[i]!; k < starts[i + 1]!; k++) sum += coefficients[(j - 1) * total + k]! * kernel[k]!;
      for (let k = starts[j]!; k < starts[j + 1]!; k++) sum += coefficients[i * total + k]! * kernel[k]!;
      decisions[pair] = sum + rho[pair]!;
      pair++;
    }
  return decisions;
}

function mostVotes(decisions: Float32Array, classes: number): number {
  const votes = new Uint32Array(classes);
  let pair = 0;
  for (let i = 0; i < classes; i++)
    for (let j = i + 1; j < classes; j++) {
      const winner = decisions[pair++]! > 0 ? i : j;
      votes[winner] = votes[winner]! + 1;
    }
  return greatest(votes, 0, classes);
}

function writeScores(own: Float32Array, decisions: Float32Array, at: ClassifierAt, isProbable: boolean, by: PostTransform): void {
  if (isProbable) {
    own.set(probabilities(decisions, own.length, at));
    transform(own, by);
  } else if (own.length === 2) own.set(pairOf(decisions[0]!, by, by !== 'NONE'));
  else {
    own.set(decisions);
    transform(own, by);
  }
}

/**
 * Probabilities of classes from those of pairs: Platt's sigmoid, then the second method of Wu, Lin and Weng, "Probability estimates
 * for multi-class classification by pairwise coupling" (2004).
 */
function probabilities(decisions: Float32Array, classes: number, { prob_a = [], prob_b = [] }: ClassifierAt): Float64Array {
  const r = new Float64Array(classes * classes);
  let pair = 0;
  for (let i = 0; i < classes; i++)
    for (let j = i + 1; j < classes; j++) {
      const p = 1 - logistic(decisions[pair]! * prob_a[pair]! + prob_b[pair]!);
      r[i * classes + j] = Math.min(Math.max(p, 1e-7), 1 - 1e-7);
      r[j * classes + i] = 1 - r[i * classes + j]!;
      pair++;
    }
  return coupled(r, classes);
}

function coupled(r: Float64Array, n: number): Float64Array {
  const q = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) {
      if (i === j) continue;
      q[i * n + i] = q[i * n + i]! + r[j * n + i]! ** 2;
      q[i * n + j] = -r[j * n + i]! * r[i * n + j]!;
    }
  const p = new Float64Array(n).fill(1 / n);
  const qp = new Float64Array(n);
  for (let round = 0; round < 100; round++) {
    let pqp = 0;
    for (let i = 0; i < n; i++) {
      qp[i] = 0;
      for (let j = 0; j < n; j++) qp[i] = qp[i]! + q[i * n + j]! * p[j]!;
      pqp += p[i]! * qp[i]!;
    }
    const error = qp.reduce((most, x) => Math.max(most, Math.abs(x - pqp)), 0);
    if (error < 0.005 / n) break;
    for (let i = 0; i < n; i++) {
      const step = (pqp - qp[i]!) / q[i * n + i]!;
      p[i] = p[i]! + step;
      pqp = (pqp + step * (step * q[i * n + i]! + 2 * qp[i]!)) / (1 + step) ** 2;
      for (let j = 0; j < n; j++) {
        qp[j] = (qp[j]! + step * q[i * n + j]!) / (1 + step);
        p[j] = p[j]! / (1 + step);
      }
    }
  }
  return p;
}

/** From the dot product and the squared distance of an example and a support vector. */
const kernels: Readonly<Record<string, (gamma: number, coef0: number, degree: number) => (dot: number, distance: number) => number>> = {
  LINEAR: () => dot => dot,
  POLY: (gamma, coef0, degree) => dot => (gamma * dot + coef0) ** degree,
  RBF: gamma => (_dot, distance) => Math.exp(-gamma * distance),
  SIGMOID: (gamma, coef0) => dot => Math.tanh(gamma * dot + coef0),
};

/** The kernel of each example and each of `count` support vectors. */
function kernelOf(at: KernelAt, x: Table, count: number, context: HostContext): Float32Array {
  const { support_vectors = [], kernel_params = [], kernel_type } = at;
  const make = Object.hasOwn(kernels, kernel_type) ? kernels[kernel_type] : undefined;
  if (!make) throw fail('E1303', `there is no kernel_type ${kernel_type}`);
  const kernel = make(kernel_params[0] ?? 0, kernel_params[1] ?? 0, kernel_params[2] ?? 0);
  const { rows, columns, data } = x;
  if (support_vectors.length !== count * columns)
    throw fail('E1303', `support_vectors has ${support_vectors.length} elements for ${count} vectors of ${columns} features`);
  const y = zeros(rows * count, context);
  for (let i = 0; i < rows; i++) {
    context.proceed();
    for (let j = 0; j < count; j++) {
      let [dot, distance] = [0, 0];
      for (let k = 0; k < columns; k++) {
        const [a, b] = [data[i * columns + k]!, support_vectors[j * columns + k]!];
        dot += a * b;
        distance += (a - b) ** 2;
      }
      y[i * count + j] = kernel(dot, distance);
    }
  }
  return y;
}
