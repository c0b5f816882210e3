// Ensembles of decision trees: what is made of the scores of a forest.
import { fail } from '../../errors.ts';
import { Tensor, type TypedArray } from '../../ir/tensor.ts';
import { type DataType, tensorType } from '../../ir/types.ts';
import { emptyArray } from '../../kernels/memory.ts';
import { store } from '../../kernels/storage.ts';
import { keyed } from '../once.ts';
import { type OtherFamily, otherHost } from '../row.ts';
import { elementOf } from '../shapes.ts';
import { classified, classifierTypes, type Ints, indexIn, type Label, labelsOf, rowsIn, tableOf, type X, zeros } from './common.ts';
import {
  aggregateNamed,
  type Forest,
  forestOfNames,
  forestOfNumbers,
  type NamedNodes,
  type NumberedNodes,
  numbersIn,
  type Scores,
  walk,
} from './forest.ts';
import { ofOne } from './linear.ts';
import { type PostTransform, pairOf, transform, transformNamed } from './transform.ts';

interface NamedAt extends NamedNodes {
  readonly base_values?: readonly number[];
  readonly base_values_as_tensor?: Tensor;
  readonly post_transform: string;
}

interface ClassifierAt extends NamedAt {
  readonly class_ids?: Ints;
  readonly class_nodeids?: Ints;
  readonly class_treeids?: Ints;
  readonly class_weights?: readonly number[];
  readonly class_weights_as_tensor?: Tensor;
  readonly classlabels_int64s?: Ints;
  readonly classlabels_strings?: readonly string[];
}

interface RegressorAt extends NamedAt {
  readonly aggregate_function: string;
  readonly n_targets?: number | bigint;
  readonly target_ids?: Ints;
  readonly target_nodeids?: Ints;
  readonly target_treeids?: Ints;
  readonly target_weights?: readonly number[];
  readonly target_weights_as_tensor?: Tensor;
}

interface EnsembleAt extends NumberedNodes {
  readonly aggregate_function: number | bigint;
  readonly n_targets?: number | bigint;
  readonly post_transform: number | bigint;
}

/** Numbers of TreeEnsemble. */
const aggregateNumbers = ['AVERAGE', 'SUM', 'MIN', 'MAX'];
const transformNumbers = ['NONE', 'SOFTMAX', 'LOGISTIC', 'SOFTMAX_ZERO', 'PROBIT'];

export const trees: OtherFamily = {
  TreeEnsemble: otherHost<X, EnsembleAt>({
    infer: ({ X: x }, { n_targets }) => [tensorType(elementOf(x), [rowsIn(x), targetsIn(n_targets)])],
    host({ X: datum }, at, context) {
      const aggregate = aggregateNamed(aggregateNumbers[Number(at.aggregate_function)] ?? String(at.aggregate_function));
      const by = transformNamed(transformNumbers[Number(at.post_transform)] ?? String(at.post_transform));
      const targets = targetsIn(at.n_targets);
      const x = tableOf(datum, { wide: true });
      const type = (datum as Tensor).type;
      context.reserve(8 * x.rows * targets);
      // float16 is stored from float32, and float64 is kept.
      const y = type === 'float64' ? new Float64Array(x.rows * targets) : zeros(x.rows * targets, context);
      walk(numbered(at), x, { targets, aggregate }, context, (row, { values }) => y.set(transformed(values, by), row * targets));
      return [new Tensor(type, stored(y, type), [x.rows, targets])];
    },
  }),
  TreeEnsembleClassifier: otherHost<X, ClassifierAt>({
    infer({ X: x }, at) {
      const labels = at.classlabels_strings?.length ? at.classlabels_strings : at.classlabels_int64s;
      return classifierTypes(x, at.classlabels_strings, labels?.length ?? 0);
    },
    host({ X: datum }, at, context) {
      const classifier = classifierOf(at);
      const { forest, labels } = classifier;
      const x = tableOf(datum, { wide: true });
      const found: Label[] = [];
      const z = zeros(x.rows * labels.length, context);
      const by = transformNamed(at.post_transform);
      walk(forest, x, { targets: labels.length, aggregate: 'SUM' }, context, (row, scores) => {
        found.push(classify(classifier, scores, by, z.subarray(row * labels.length, (row + 1) * labels.length)));
      });
      return classified(found, labels, z, labels.length);
    },
  }),
  TreeEnsembleRegressor: otherHost<X, RegressorAt>({
    infer: ({ X: x }, { n_targets }) => [tensorType('float32', [rowsIn(x), targetsIn(n_targets)])],
    host({ X: datum }, at, context) {
      const { forest, base } = regressorOf(at);
      const targets = targetsIn(at.n_targets);
      const x = tableOf(datum, { wide: true });
      const by = transformNamed(at.post_transform);
      const y = zeros(x.rows * targets, context);
      walk(forest, x, { targets, aggregate: aggregateNamed(at.aggregate_function) }, context, (row, { values }) => {
        addBase(values, base);
        y.set(transformed(values, by), row * targets);
      });
      return [new Tensor('float32', y, [x.rows, targets])];
    },
  }),
};

function targetsIn(count: number | bigint | undefined): number {
  if (count === undefined) throw fail('E1303', 'n_targets is missing');
  if (Number(count) === 0) throw fail('E1303', 'n_targets must be positive');
  return indexIn(count, 2 ** 31, 'n_targets');
}

/** Scores after their transform, which is made in float32; without one they keep their precision. */
function transformed(values: Float64Array, by: PostTransform): Float32Array | Float64Array {
  if (by === 'NONE') return values;
  const scores = Float32Array.from(values);
  transform(scores, by);
  return scores;
}

function stored(y: Float32Array | Float64Array, type: DataType): TypedArray {
  if (type !== 'float16') return y;
  const half = emptyArray(type, y.length) as TypedArray;
  store(half, type, 0, 1, y, 0, y.length);
  return half;
}

const numbered = keyed((at: EnsembleAt): Forest => forestOfNumbers(at, targetsIn(at.n_targets)));

const regressorOf = keyed((at: RegressorAt) => {
  const { target_ids: ids, target_nodeids: nodeids, target_treeids: treeids, target_weights: weights } = at;
  const targets = targetsIn(at.n_targets);
  return {
    forest: forestOfNames(at, { ids, nodeids, treeids, weights, weightsTensor: at.target_weights_as_tensor }, targets),
    base: baseOf(at, [0, targets]),
  };
});

/** Values added to the scores. @throws ModelError E1303 where they are not as many as one of `counts` */
function baseOf(at: NamedAt, counts: readonly number[]): ArrayLike<number> {
  const base = numbersIn(at.base_values, at.base_values_as_tensor);
  if (counts.includes(base.length)) return base;
  throw fail('E1303', `base_values has ${base.length} elements, expected ${counts.join(' or ')}`);
}

function addBase(values: Float64Array, base: ArrayLike<number>): void {
  for (let i = 0; i < base.length; i++) values[i] = values[i]! + base[i]!;
}

interface Classifier {
  readonly labels: readonly Label[];
  readonly forest: Forest;
  readonly base: ArrayLike<number>;
  /** The class that all votes are for, where there are two classes. */
  readonly only: number | undefined;
  /** Whether no vote is negative: the one score of two classes is then a probability. */
  readonly isPositive: boolean;
}

const classifierOf = keyed((at: ClassifierAt): Classifier => {
  const labels = labelsOf(at.classlabels_int64s, at.classlabels_strings);
  const { class_ids: ids, class_nodeids: nodeids, class_treeids: treeids, class_weights: weights } = at;
  const forest = forestOfNames(at, { ids, nodeids, treeids, weights, weightsTensor: at.class_weights_as_tensor }, labels.length);
  const voted = new Set(forest.voteTargets);
  return {
    labels,
    forest,
    base: baseOf(at, labels.length === 2 ? [0, 1, 2] : [0, labels.length]),
    only: labels.length === 2 && voted.size === 1 ? [...voted][0] : undefined,
    isPositive: forest.voteWeights.every(w => w >= 0),
  };
});

/** The label of one example; its scores are written to `z`. */
function classify(classifier: Classifier, { values, voted }: Scores, by: PostTransform, z: Float32Array): Label {
  const { labels, base, only, isPositive } = classifier;
  if (only !== undefined) {
    values[only] = values[only]! + (base[base.length === 1 ? 0 : only] ?? 0);
    if (only === 1 && base.length === 2) values[0] = base[0]!;
    const isYes = Math.fround(values[only]!) > (isPositive ? 0.5 : 0);
    if (only === 0) z.set(pairOf(values[0]!, by, isPositive));
    else writeAll(values, by, z);
    return labels[isYes ? 1 : 0]!;
  }
  addBase(values, base);
  writeAll(values, by, z);
  if (labels.length === 1) return ofOne(labels, values[0]! > 0);
  return labels[top(values, base.length > 0 ? undefined : voted)]!;
}

function writeAll(values: Float64Array, by: PostTransform, z: Float32Array): void {
  z.set(values);
  transform(z, by);
}

/** The first of the greatest scores, among classes that have one. */
function top(values: Float64Array, voted: Uint8Array | undefined): number {
  let best = -1;
  for (const [i, value] of values.entries()) if ((!voted || voted[i]) && (best < 0 || value > values[best]!)) best = i;
  return Math.max(best, 0);
}
