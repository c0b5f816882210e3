// How good a model is: its loss and metrics on data, and which of two is better.
import { fail } from '../../errors.ts';
import { batchesOf, type Dataset, isDataset, prefetched, type Stream, sizeOf } from './data.ts';
import type { EpochEvent, FitOptions } from './fit-options.ts';
import { type Metric, metricNamed } from './metrics.ts';
import type { StepResult, Trainer } from './trainer.ts';

/** Loss and metrics. */
export interface Scores {
  readonly loss: number;
  readonly metrics: Readonly<Record<string, ReturnType<Metric['result']>>>;
}

export const resultsOf = (metrics: readonly Metric[]): Scores['metrics'] => Object.fromEntries(metrics.map(m => [m.name, m.result()]));

export function judgeBy(metrics: readonly Metric[], { predictions, targets, loss }: StepResult, count: number): void {
  const [prediction, target] = [predictions[0], targets[0]];
  if (prediction && target) for (const metric of metrics) metric.add({ prediction, target, loss, count });
}

export class Judging {
  readonly #options: Pick<FitOptions, 'batch' | 'loss' | 'metrics' | 'monitor'>;
  readonly #isHigher: boolean;

  /** @throws ModelError E4001 for metrics that do not exist */
  constructor(options: FitOptions) {
    this.#options = options;
    this.#isHigher = this.metrics().find(m => m.name === options.monitor)?.isHigher ?? false;
  }

  /** The metrics, with nothing added. */
  metrics(): readonly Metric[] {
    const { metrics = [], loss } = this.#options;
    const name = typeof loss === 'string' ? loss : 'name' in loss ? loss.name : '';
    return metrics.map(chosen => metricNamed(chosen, { threshold: /logits/i.test(name) ? 0 : 0.5 }));
  }

  /** What the model comes to on data, in evaluation form. */
  async evaluate(trainer: Trainer, data: Dataset | Stream): Promise<Scores> {
    const { batch = 32 } = this.#options;
    const metrics = this.metrics();
    let [sum, examples] = [0, 0];
    const order = isDataset(data) ? batchesOf(data, 0, { batch, shuffle: false, dropLast: false, seed: 0 }) : [];
    const batches = isDataset(data) ? prefetched(order.map(numbers => () => data.batch(numbers))) : data();
    for await (const each of batches) {
      const result = await trainer.evaluate(each);
      const count = sizeOf(each);
      sum += result.loss * count;
      examples += count;
      judgeBy(metrics, result, count);
    }
    return { loss: sum / examples, metrics: resultsOf(metrics) };
  }

  /**
   * The number that decides, of the data to judge by where there is some.
   * @throws ModelError E4001 where `monitor` names none
   */
  watched({ training, validation }: Pick<EpochEvent, 'training' | 'validation'>): number {
    const { monitor = 'loss' } = this.#options;
    const { loss, metrics } = validation ?? training;
    const value = monitor === 'loss' ? loss : metrics[monitor];
    if (typeof value !== 'number') throw fail('E4001', `what is watched is no number among loss and the metrics: ${monitor}`);
    return value;
  }

  isBetter(value: number, than: number | undefined): boolean {
    return Number.isFinite(value) && (than === undefined || (this.#isHigher ? value > than : value < than));
  }
}
