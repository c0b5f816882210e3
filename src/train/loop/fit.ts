// Training from data to a trained model: epochs of batches, the schedule of the learning rate, judging, checkpoints, and how it ends.
import { Copy } from '../../edit/copy.ts';
import { fail } from '../../errors.ts';
import { referenceBackend } from '../../exec/reference.ts';
import type { Model } from '../../ir/graph.ts';
import { constantRate, type Schedule, type ScheduleState, scheduleNamed } from '../schedules.ts';
import { separateEqual } from '../separate.ts';
import {
  type Batch,
  batchesOf,
  type Dataset,
  dataOf,
  isDataset,
  prefetched,
  type Stream,
  sizeOf,
  splitDataset,
  type TrainingData,
} from './data.ts';
import { firstNonFinite } from './diagnose.ts';
import type { Checkpoint, EpochEvent, FitOptions, Fitted, Tensors, Trained, TrainingProgress } from './fit-options.ts';
import { Judging, judgeBy, resultsOf, type Scores } from './judging.ts';
import type { Metric } from './metrics.ts';
import { withTrained } from './trained.ts';
import { type StepResult, Trainer } from './trainer.ts';

/**
 * Train a model.
 *
 * @example
 * const { model } = await fit(net, { x, target }, { loss: 'cross_entropy', optimizer: 'adam', epochs: 10 });
 * @throws ModelError what `trainingGraph` throws; E6012 and E6015 for data that does not fit; E6013 where the loss is no finite number;
 *   E3011 after `signal`; E6014 for a checkpoint of something else
 */
export async function fit(given: Model, data: TrainingData, options: FitOptions): Promise<Fitted> {
  const { backend = referenceBackend() } = options;
  // Weights that come apart in training must be apart in the model that comes out.
  const copy = new Copy().model(given);
  const model = separateEqual(copy.graph) ? copy : given;
  const trainer = await Trainer.create(model, { ...options, backend, predictions: (options.metrics?.length ?? 0) > 0 });
  try {
    const run = new Fit(trainer, options);
    await run.open(data);
    await run.run();
    const { signature, tensors, findings, steps } = trainer;
    const trained = (made: Tensors): Trained => ({ model: withTrained(model, signature, made), tensors: made });
    const { history, losses, best } = run;
    return { ...trained(new Map(tensors)), best: best && trained(best), history, losses, steps, signature, findings };
  } finally {
    await trainer.dispose();
  }
}

class Fit {
  readonly history: EpochEvent[] = [];
  readonly losses: number[] = [];
  best: Tensors | undefined;
  readonly #trainer: Trainer;
  readonly #options: FitOptions;
  readonly #schedule: Schedule;
  readonly #judging: Judging;
  #scheduleState: ScheduleState;
  #data: Dataset | Stream = () => [];
  #validation: Dataset | Stream | undefined;
  #epoch = 0;
  #done = 0;
  #lossSum = 0;
  #examples = 0;
  #bestSoFar: TrainingProgress['best'];
  #isBestKept = true;
  /** When the last checkpoint was written. */
  #kept = performance.now();
  #time = 0;
  #timed = 0;

  constructor(trainer: Trainer, options: FitOptions) {
    this.#trainer = trainer;
    this.#options = options;
    this.#judging = new Judging(options);
    this.#schedule = options.schedule === undefined ? constantRate : scheduleNamed(options.schedule);
    this.#scheduleState = this.#schedule.start;
    for (const [name, value] of Object.entries({ epochs: this.#epochs, batch: options.batch ?? 1, accumulate: trainer.accumulate }))
      if (!Number.isSafeInteger(value) || value < 1) throw fail('E4001', `${name} is ${value}, expected a whole number of at least 1`);
  }

  async open(data: TrainingData): Promise<void> {
    const { validation, resume, checkpoints, seed = 0 } = this.#options;
    this.#data = await dataOf(data);
    if (typeof validation === 'number') {
      if (!isDataset(this.#data)) throw fail('E4001', 'a share of batches that come one by one cannot be kept to judge by');
      const parts = splitDataset(this.#data, validation, seed);
      this.#data = parts.training;
      this.#validation = parts.validation.size > 0 ? parts.validation : undefined;
    } else if (validation) this.#validation = await dataOf(validation);
    const from = resume ? await checkpoints?.load() : undefined;
    if (from) {
      this.#goOn(from);
      this.best = await checkpoints?.loadBest();
    }
  }

  #goOn({ tensors, progress }: Checkpoint): void {
    const { seed = 0 } = this.#options;
    if (progress.seed !== seed) throw fail('E6014', `the checkpoint was written with seed ${progress.seed}, this training has ${seed}`);
    this.#trainer.restore(tensors, progress.steps, progress.batches);
    this.#epoch = progress.epoch;
    this.#done = progress.done;
    this.#lossSum = progress.lossSum;
    this.#examples = progress.examples;
    this.#scheduleState = progress.schedule;
    this.#bestSoFar = progress.best;
  }

  get #epochs(): number {
    return this.#options.epochs ?? (this.#options.steps === undefined ? 1 : Number.MAX_SAFE_INTEGER);
  }
  get #isOver(): boolean {
    const { steps } = this.#options;
    return steps !== undefined && this.#trainer.steps >= steps;
  }

  async run(): Promise<void> {
    while (this.#epoch < this.#epochs && !this.#isOver) {
      const metrics = this.#judging.metrics();
      const isWhole = await this.#epochSteps(metrics);
      if (this.#done === 0) throw fail('E6015', 'there is no batch to train on');
      const event = await this.#judge(metrics);
      this.history.push(event);
      this.#options.onEpoch?.(event);
      // What is left of the epoch is there for those who go on from here.
      if (!isWhole) break;
      if (this.#schedule.every === 'epoch') this.#scheduleState = this.#schedule.advance(this.#scheduleState, this.#judging.watched(event));
      this.#epoch++;
      this.#done = this.#lossSum = this.#examples = 0;
      if (performance.now() - this.#kept > pace) await this.#checkpoint();
      const { patience } = this.#options;
      if (patience !== undefined && this.#bestSoFar && this.#epoch - this.#bestSoFar.epoch > patience) break;
    }
    await this.#checkpoint();
  }

  /** The steps of an epoch that are not done yet; whether all of it is done then. */
  async #epochSteps(metrics: readonly Metric[]): Promise<boolean> {
    const { checkpointEvery } = this.#options;
    const { batches, count } = this.#batches();
    let group: Batch[] = [];
    let seen = 0;
    const size = this.#trainer.accumulate;
    const ofEpoch = count === undefined ? undefined : Math.ceil(count / size);
    const finish = async (): Promise<void> => {
      const given = group;
      group = [];
      if (given.length === 0) return;
      await this.#step(given, metrics, ofEpoch);
      if (checkpointEvery !== undefined && this.#trainer.steps % checkpointEvery === 0) await this.#checkpoint();
    };
    for await (const { batch, examples } of batches) {
      // What a checkpoint has behind it.
      if (count === undefined && seen++ < this.#done * size) continue;
      group.push(this.#trainer.prepare(batch, examples));
      if (group.length === size) await finish();
      if (this.#isOver) return this.#done === ofEpoch;
    }
    await finish();
    return true;
  }

  #batches(): { readonly batches: AsyncIterable<Drawn>; readonly count: number | undefined } {
    const data = this.#data;
    if (!isDataset(data)) return { batches: unnumbered(data()), count: undefined };
    const { batch = 32, shuffle = true, dropLast = false, seed = 0, order } = this.#options;
    const all = batchesOf(data, this.#epoch, { batch, shuffle, dropLast, seed, order });
    const left = all.slice(this.#done * this.#trainer.accumulate);
    const make = left.map(examples => async () => ({ batch: await data.batch(examples), examples }));
    return { batches: prefetched(make), count: all.length };
  }

  async #step(batches: readonly Batch[], metrics: readonly Metric[], ofEpoch: number | undefined): Promise<void> {
    const { signal, onStep } = this.#options;
    const rate = (base: number): number => this.#schedule.rate(base, this.#scheduleState);
    const started = performance.now();
    const result = await this.#trainer.step(batches, rate);
    if (!Number.isFinite(result.loss) || (result.norm !== undefined && !Number.isFinite(result.norm)))
      await this.#refuse(batches, rate, result);
    const count = batches.reduce((n, batch) => n + sizeOf(batch), 0);
    this.#time += performance.now() - started;
    this.#timed += count;
    this.losses.push(result.loss);
    this.#lossSum += result.loss * count;
    this.#examples += count;
    this.#done++;
    judgeBy(metrics, result, count);
    const isEvery = this.#schedule.every === 'step';
    const used = rate(this.#trainer.signature.rates[0]!.lr);
    if (isEvery) this.#scheduleState = this.#schedule.advance(this.#scheduleState, result.loss);
    onStep?.({
      step: this.#trainer.steps,
      epoch: this.#epoch,
      epochs: this.#epochs,
      ofEpoch: this.#done,
      inEpoch: ofEpoch,
      loss: result.loss,
      norm: result.norm,
      rate: used,
      examplesPerSecond: (this.#timed / this.#time) * 1000,
      left: this.#left(ofEpoch),
    });
    if (signal?.aborted) {
      await this.#checkpoint();
      const kept = this.#options.checkpoints ? '; a checkpoint was written' : '';
      throw fail('E3011', `the training was stopped after step ${this.#trainer.steps}${kept}`);
    }
  }

  #left(ofEpoch: number | undefined): number | undefined {
    const { steps } = this.#options;
    const whole = this.#options.epochs === undefined || ofEpoch === undefined ? undefined : this.#epochs * ofEpoch;
    const end = Math.min(steps ?? Infinity, whole ?? Infinity);
    if (!Number.isFinite(end) || this.losses.length === 0) return undefined;
    return (end - this.#trainer.steps) * (this.#time / this.losses.length);
  }

  /** End where the loss is no finite number. The checkpoint before it stays. */
  async #refuse(batches: readonly Batch[], rate: (base: number) => number, { loss, norm }: StepResult): Promise<never> {
    const where = await this.#trainer.diagnose(batches, rate);
    const what = Number.isFinite(loss) ? `the length of the gradients is ${norm}` : `the loss is ${loss}`;
    const message = `${what} in step ${this.#trainer.steps}, epoch ${this.#epoch + 1}`;
    throw fail('E6013', where === undefined ? message : `${message}; it began where ${where}`);
  }

  async #judge(metrics: readonly Metric[]): Promise<EpochEvent> {
    const training: Scores = { loss: this.#lossSum / this.#examples, metrics: resultsOf(metrics) };
    const validation = this.#validation && (await this.#judging.evaluate(this.#trainer, this.#validation));
    const rate = this.#schedule.rate(this.#trainer.signature.rates[0]!.lr, this.#scheduleState);
    const value = this.#judging.watched({ training, validation });
    const isBest = this.#judging.isBetter(value, this.#bestSoFar?.value);
    if (isBest) {
      this.#bestSoFar = { value, epoch: this.#epoch };
      this.best = new Map(this.#trainer.tensors);
      this.#isBestKept = false;
    }
    return { epoch: this.#epoch, step: this.#trainer.steps, training, validation, rate, isBest };
  }

  #snapshot(): Checkpoint {
    const { tensors, steps, batches } = this.#trainer;
    const progress: TrainingProgress = {
      steps,
      batches,
      epoch: this.#epoch,
      done: this.#done,
      lossSum: this.#lossSum,
      examples: this.#examples,
      schedule: this.#scheduleState,
      best: this.#bestSoFar,
      seed: this.#options.seed ?? 0,
    };
    return { tensors: new Map(tensors), progress };
  }

  /** Keep where training is. Weights that are no finite numbers never take the place of those that are. */
  async #checkpoint(): Promise<void> {
    const { checkpoints } = this.#options;
    if (!checkpoints) return;
    for (const { name } of this.#trainer.signature.parameters) {
      const odd = firstNonFinite(this.#trainer.tensors.get(name)!);
      if (odd) throw fail('E6013', `${name} holds ${odd.value} at ${odd.index} after step ${this.#trainer.steps}`, { tensor: name });
    }
    const snapshot = this.#snapshot();
    if (this.best && !this.#isBestKept) await checkpoints.saveBest(this.best);
    this.#isBestKept = true;
    await checkpoints.save(snapshot);
    this.#kept = performance.now();
  }
}

/** Short epochs write no checkpoint before so many milliseconds have passed since the last. */
const pace = 2000;

/** A batch, and the numbers of its examples where they have some. */
interface Drawn {
  readonly batch: Batch;
  readonly examples?: readonly number[];
}
async function* unnumbered(batches: AsyncIterable<Batch> | Iterable<Batch>): AsyncGenerator<Drawn> {
  for await (const batch of batches) yield { batch };
}
