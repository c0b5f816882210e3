// What a model is judged by, beside its loss: sums over batches, and a number or a table at the end.
import { fail } from '../../errors.ts';
import type { Tensor } from '../../ir/tensor.ts';
import { asNumbers } from '../../kernels/memory.ts';
import {
  type Chosen,
  maybe,
  number,
  type OptionTable,
  type OptionValues,
  oneOf,
  parseChoice,
  readOptions,
  rowNamed,
  whole,
} from '../options.ts';

/** Predictions and targets of one batch. */
export interface Judged {
  readonly prediction: Tensor;
  readonly target: Tensor;
  readonly loss: number;
  /** Examples in the batch. */
  readonly count: number;
}

/** Takes batches and says a result: a number, or rows of numbers. */
export interface Metric {
  readonly name: string;
  /** Whether more of it is better. */
  readonly isHigher: boolean;
  add(batch: Judged): void;
  result(): number | readonly (readonly number[])[];
}

type Result = ReturnType<Metric['result']>;
interface Row<T extends OptionTable = OptionTable> {
  readonly options: T;
  readonly isHigher: boolean;
  make(at: OptionValues<T>, defaults: MetricDefaults): { add(batch: Judged): void; result(): Result };
}
// The cast: rows are looked up by names that only the run knows.
const row = <T extends OptionTable>(options: T, isHigher: boolean, make: Row<T>['make']): Row =>
  ({ options, isHigher, make }) as unknown as Row;

/** What metrics are where nobody says. */
export interface MetricDefaults {
  /** Above it a single prediction is for the class 1: 0.5 for probabilities, 0 for logits. */
  readonly threshold: number;
}

/** Scores of all classes for each label; a single score is that of the class 1. */
interface Scored {
  readonly scores: Float64Array;
  readonly labels: Float64Array;
  readonly classes: number;
  score(example: number, klass: number): number;
}

/** Predictions with one axis more than targets, the second, are scores of classes; others are judged element by element. */
function scored({ prediction, target }: Judged): Scored {
  const [scores, given] = [asNumbers(prediction), asNumbers(target)];
  const [, classes = 1, ...inner] = prediction.dims;
  const isIndexed = prediction.size === target.size * classes && classes > 1;
  if (!isIndexed && prediction.size !== target.size)
    throw fail('E4001', `a metric of classes: predictions are [${prediction.dims}], targets [${target.dims}]`);
  const isSoft = !isIndexed && classes > 1 && inner.length === 0 && target.dims.length === 2 && sumsToOne(given, classes);
  if (!isIndexed && !isSoft) return { scores, labels: given, classes: 1, score: i => scores[i]! };
  const step = inner.reduce((n, d) => n * d, 1);
  const score = (i: number, klass: number): number => scores[(Math.floor(i / step) * classes + klass) * step + (i % step)]!;
  const labels = isSoft ? Float64Array.from({ length: target.dims[0]! }, (_, i) => argmax(k => given[i * classes + k]!, classes)) : given;
  return { scores, labels, classes, score };
}

const sumsToOne = (x: Float64Array, classes: number): boolean => Math.abs(x.subarray(0, classes).reduce((a, b) => a + b, 0) - 1) < 1e-3;

function argmax(at: (k: number) => number, count: number): number {
  let best = 0;
  for (let k = 1; k < count; k++) if (at(k) > at(best)) best = k;
  return best;
}

const threshold = { threshold: maybe(number(0)) };
const ignored = { ignore_index: number(-100) };

/** Calls `each` with the class that is predicted and the one that is right. */
function decide(batch: Judged, limit: number, skip: number, each: (predicted: number, right: number) => void): void {
  const { labels, classes, score } = scored(batch);
  for (const [i, right] of labels.entries()) {
    if (right === skip) continue;
    each(classes > 1 ? argmax(k => score(i, k), classes) : Number(score(i, 0) > limit), classes > 1 ? right : Number(right > 0.5));
  }
}

/** A row that reads the table of predicted and right classes. */
const ofConfusion = (isHigher: boolean, result: (table: number[][], at: { readonly average: string }) => Result): Row =>
  row({ ...threshold, ...ignored, average: oneOf('macro', 'micro', 'weighted', 'binary') }, isHigher, (at, defaults) => {
    const table: number[][] = [];
    const grow = (size: number): void => {
      while (table.length < size) table.push([]);
      for (const line of table) while (line.length < size) line.push(0);
    };
    return {
      add: batch => {
        decide(batch, at.threshold ?? defaults.threshold, at.ignore_index, (predicted, right) => {
          grow(Math.max(predicted, right, 1) + 1);
          table[right]![predicted]!++;
        });
      },
      result: () => result(table, at),
    };
  });

const sumOf = (x: readonly number[]): number => x.reduce((a, b) => a + b, 0);
const ratio = (part: number, all: number): number => (all === 0 ? 0 : part / all);

/** A score of each class, made one: the mean, by how often classes are right, of all counts together, or that of the class 1. */
const averaged = (score: (right: number, wrong: number, missed: number) => number): Row =>
  ofConfusion(true, (table, { average }) => {
    const counts = table.map((line, k) => {
      const hits = line[k]!;
      return { hits, wrong: sumOf(table.map(l => l[k]!)) - hits, missed: sumOf(line) - hits };
    });
    const all = (key: 'hits' | 'wrong' | 'missed'): number => sumOf(counts.map(c => c[key]));
    if (average === 'micro') return score(all('hits'), all('wrong'), all('missed'));
    const scores = counts.map(c => score(c.hits, c.wrong, c.missed));
    if (average === 'binary') return scores[1] ?? 0;
    const present = counts.map(c => c.hits + c.missed + c.wrong > 0);
    if (average === 'macro') return ratio(sumOf(scores.filter((_, k) => present[k])), present.filter(Boolean).length);
    return ratio(sumOf(scores.map((s, k) => s * (counts[k]!.hits + counts[k]!.missed))), all('hits') + all('missed'));
  });

/** A row that takes differences of predictions and targets. */
const ofDifferences = (isHigher: boolean, result: (sums: Sums) => number): Row =>
  row({}, isHigher, () => {
    const sums = { count: 0, squares: 0, sizes: 0, targets: 0, targetSquares: 0 };
    return {
      add({ prediction, target }) {
        const [x, t] = [asNumbers(prediction), asNumbers(target)];
        if (x.length !== t.length)
          throw fail('E4001', `a metric of numbers: predictions are [${prediction.dims}], targets [${target.dims}]`);
        for (const [i, wanted] of t.entries()) {
          const d = x[i]! - wanted;
          sums.count++;
          sums.squares += d * d;
          sums.sizes += Math.abs(d);
          sums.targets += wanted;
          sums.targetSquares += wanted * wanted;
        }
      },
      result: () => result(sums),
    };
  });
interface Sums {
  readonly count: number;
  readonly squares: number;
  readonly sizes: number;
  readonly targets: number;
  readonly targetSquares: number;
}

/** The chance that of two examples of different classes the right one has the higher score; equal scores count half. */
function areaUnderCurve(scores: readonly number[], isRight: readonly boolean[]): number {
  const order = scores.map((_, i) => i).sort((a, b) => scores[a]! - scores[b]!);
  let [ranks, right] = [0, 0];
  for (let i = 0; i < order.length; ) {
    let end = i;
    while (end < order.length && scores[order[end]!] === scores[order[i]!]) end++;
    const rank = (i + 1 + end) / 2;
    for (; i < end; i++)
      if (isRight[order[i]!]) {
        ranks += rank;
        right++;
      }
  }
  const wrong = scores.length - right;
  return right === 0 || wrong === 0 ? Number.NaN : (ranks - (right * (right + 1)) / 2) / (right * wrong);
}

const rows: Readonly<Record<string, Row>> = {
  accuracy: ofConfusion(true, table => ratio(sumOf(table.map((line, k) => line[k]!)), sumOf(table.flat()))),
  top_k: row({ k: whole(5, 1), ...ignored }, true, at => {
    let [hits, count] = [0, 0];
    return {
      add(batch) {
        const { labels, classes, score } = scored(batch);
        for (const [i, right] of labels.entries()) {
          if (right === at.ignore_index) continue;
          count++;
          let above = 0;
          for (let k = 0; k < classes; k++) if (k !== right && score(i, k) >= score(i, right)) above++;
          if (above < at.k) hits++;
        }
      },
      result: () => ratio(hits, count),
    };
  }),
  precision: averaged((right, wrong) => ratio(right, right + wrong)),
  recall: averaged((right, _wrong, missed) => ratio(right, right + missed)),
  f1: averaged((right, wrong, missed) => ratio(2 * right, 2 * right + wrong + missed)),
  /** Rows are the right classes, columns the predicted ones. */
  confusion: ofConfusion(true, table => table),
  /** Of more classes than two: the mean of each class against all others. */
  roc_auc: row({}, true, () => {
    const all: number[][] = [];
    const labels: number[] = [];
    return {
      add(batch) {
        const { labels: right, classes, score } = scored(batch);
        for (const [i, label] of right.entries()) {
          labels.push(label);
          all.push(classes > 1 ? Array.from({ length: classes }, (_, k) => score(i, k)) : [score(i, 0)]);
        }
      },
      result() {
        const classes = all[0]?.length ?? 1;
        const margin = (s: readonly number[]): number => (classes === 2 ? s[1]! - s[0]! : s[0]!);
        if (classes <= 2)
          return areaUnderCurve(
            all.map(margin),
            labels.map(label => label > 0.5),
          );
        const areas = Array.from({ length: classes }, (_, k) =>
          areaUnderCurve(
            all.map(softmaxAt(k)),
            labels.map(label => label === k),
          ),
        );
        const known = areas.filter(area => !Number.isNaN(area));
        return ratio(sumOf(known), known.length);
      },
    };
  }),
  mse: ofDifferences(false, s => s.squares / s.count),
  mae: ofDifferences(false, s => s.sizes / s.count),
  r2: ofDifferences(true, s => 1 - s.squares / (s.targetSquares - s.targets ** 2 / s.count)),
  /** The exponential of the mean loss, which is a cross entropy. */
  perplexity: row({}, false, () => {
    let [total, count] = [0, 0];
    return {
      add({ loss, count: n }) {
        total += loss * n;
        count += n;
      },
      result: () => Math.exp(total / count),
    };
  }),
};

/** The probability of a class, so that scores of different examples compare. */
const softmaxAt =
  (k: number) =>
  (scores: readonly number[]): number => {
    const largest = Math.max(...scores);
    return Math.exp(scores[k]! - largest) / sumOf(scores.map(s => Math.exp(s - largest)));
  };

export const metricNames: readonly string[] = Object.keys(rows);

/** @throws ModelError E4001 for a name or an option that does not exist */
export function metricNamed(chosen: Chosen, defaults: MetricDefaults): Metric {
  const { name: given, options } = parseChoice(chosen, name => Object.keys(rowNamed('metric', rows, name)[1].options));
  const [name, { options: table, isHigher, make }] = rowNamed('metric', rows, given);
  return { name, isHigher, ...make(readOptions(`the metric ${name}`, table, options), defaults) };
}
