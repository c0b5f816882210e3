// Linear models. Sums are made in float64 and rounded once to float32.
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
  indexIn,
  type Label,
  labelsOf,
  rowsIn,
  type Table,
  tableOf,
  type X,
  zeros,
} from './common.ts';
import { pairOf, transformNamed, transformRows } from './transform.ts';

interface ClassifierAt extends Classes {
  readonly coefficients: readonly number[];
  readonly intercepts?: readonly number[];
  readonly post_transform: string;
}

interface RegressorAt {
  readonly coefficients?: readonly number[];
  readonly intercepts?: readonly number[];
  readonly post_transform: string;
  readonly targets: number | bigint;
}

export const linear: OtherFamily = {
  LinearClassifier: otherHost<X, ClassifierAt>({
    infer({ X: x }, at) {
      const count = classCount(at);
      return classifierTypes(x, at.classlabels_strings, at.intercepts?.length === 1 && count === 2 ? 2 : at.intercepts?.length || count);
    },
    host({ X: datum }, at, context) {
      const labels = labelsFor(at);
      const x = tableOf(datum);
      const count = at.intercepts?.length || Math.floor(at.coefficients.length / x.columns);
      const scores = product(x, at.coefficients, count, at.intercepts ?? [], context);
      if (count > 1 && labels.length < count) throw fail('E1303', `${labels.length} labels for ${count} sets of coefficients`);
      const found = Array.from(
        { length: x.rows },
        (_, i): Label => (count === 1 ? ofOne(labels, scores[i]! > 0) : labels[greatest(scores, i * count, count)]!),
      );
      const by = transformNamed(at.post_transform);
      if (count === 1 && labels.length === 2) {
        const pairs = zeros(2 * x.rows, context);
        for (const [i, score] of scores.entries()) pairs.set(pairOf(score, by, true), 2 * i);
        return classified(found, labels, pairs, 2);
      }
      transformRows(scores, count, by);
      return classified(found, labels, scores, count);
    },
  }),
  LinearRegressor: otherHost<X, RegressorAt>({
    infer: ({ X: x }, { targets }) => [tensorType('float32', [rowsIn(x), indexIn(targets, 2 ** 31, 'targets')])],
    host({ X: datum }, { coefficients = [], intercepts = [], post_transform, targets }, context) {
      const x = tableOf(datum);
      const count = indexIn(targets, 2 ** 31, 'targets');
      const y = product(x, coefficients, count, intercepts, context);
      transformRows(y, count, transformNamed(post_transform));
      return [new Tensor('float32', y, [x.rows, count])];
    },
  }),
};

const labelsFor = keyed((at: ClassifierAt) => labelsOf(at.classlabels_ints, at.classlabels_strings));

/** The label where one score says yes or no: the second of two, and 1 or 0 where they are not two. */
export function ofOne(labels: readonly Label[], yes: boolean): Label {
  if (labels.length === 2) return labels[yes ? 1 : 0]!;
  return typeof labels[0] === 'string' ? (yes ? '1' : '0') : yes ? 1n : 0n;
}

/** x times the transpose of `count` rows of coefficients, plus one summand a row; none where `summands` is empty. */
export function product(
  x: Table,
  coefficients: readonly number[],
  count: number,
  summands: readonly number[],
  context: HostContext,
): Float32Array<ArrayBuffer> {
  const { rows, columns, data } = x;
  if (coefficients.length !== count * columns || count === 0)
    throw fail('E1303', `${coefficients.length} coefficients for ${count} targets of ${columns} features`);
  if (summands.length !== 0 && summands.length !== count) throw fail('E1303', `${summands.length} intercepts for ${count} targets`);
  const y = zeros(rows * count, context);
  for (let i = 0; i < rows; i++) {
    context.proceed();
    for (let j = 0; j < count; j++) {
      let sum = summands[j] ?? 0;
      for (let k = 0; k < columns; k++) sum += data[i * columns + k]! * coefficients[j * columns + k]!;
      y[i * count + j] = sum;
    }
  }
  return y;
}
