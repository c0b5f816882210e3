// A model in training on a backend: its weights and state, one step after the other, and judging in between.

import type { Finding } from '../../errors.ts';
import { fail } from '../../errors.ts';
import type { Backend } from '../../exec/backend.ts';
import { Session, type ValueInfo } from '../../exec/session.ts';
import type { Model } from '../../ir/graph.ts';
import { resident, Tensor } from '../../ir/tensor.ts';
import { seedName, stepName } from '../forward.ts';
import {
  type Carried,
  evaluationGraph,
  gradientName,
  nextName,
  scaleName,
  type TrainingGraphOptions,
  type TrainingSignature,
  trainingGraph,
  trainingParts,
} from '../graphs.ts';
import type { Batch } from './data.ts';
import { whereItBegan } from './diagnose.ts';
import { type FieldNames, fitted, named, requireClasses } from './fitting.ts';

export interface TrainerOptions extends TrainingGraphOptions {
  readonly backend: Backend;
  /** Batches whose gradients make one step; 1 otherwise. */
  readonly accumulate?: number | undefined;
  /** What random numbers of the graph depend on; 0 otherwise. */
  readonly seed?: number | undefined;
  /** The array of the data for each input, where the names differ. */
  readonly fields?: FieldNames | undefined;
}

/** What one step or one batch came to. */
export interface StepResult {
  readonly loss: number;
  /** The length of all gradients before clipping, where they are clipped by it. */
  readonly norm?: number | undefined;
  readonly predictions: readonly Tensor[];
  readonly targets: readonly Tensor[];
}

const scalar = (value: number): Tensor => new Tensor('float32', [value], []);
const count = (value: number): Tensor => new Tensor('int64', [value], []);
const numberOf = (tensor: Tensor): number => Number(tensor.data[0]);

/** One graph for all of a step, or one for each batch and one for what they come to. */
type Sessions = { readonly step: Session } | { readonly gradients: Session; readonly update: Session };

export class Trainer {
  readonly signature: TrainingSignature;
  readonly findings: readonly Finding[];
  /** Steps so far. */
  steps = 0;
  /** Batches so far, which random numbers depend on. */
  batches = 0;
  /** Weights, state of the optimizer and what batch normalisation remembers, by name. */
  readonly tensors = new Map<string, Tensor>();
  /** What there was before the last step, to find where an error began. */
  previous: ReadonlyMap<string, Tensor> | undefined;
  readonly #model: Model;
  readonly #options: TrainerOptions;
  readonly #sessions: Sessions;
  #evaluation: Promise<Session> | undefined;

  private constructor(model: Model, options: TrainerOptions, made: Pick<Trainer, 'signature' | 'findings'>, sessions: Sessions) {
    this.#model = model;
    this.#options = options;
    this.signature = made.signature;
    this.findings = made.findings;
    this.#sessions = sessions;
  }

  /** @throws ModelError what `trainingGraph` throws, and E3008 where the backend cannot be used */
  static async create(model: Model, options: TrainerOptions): Promise<Trainer> {
    const { backend, accumulate = 1 } = options;
    const graphs = { predictions: true, ...options, initial: false };
    const session = (part: Model): Promise<Session> => Session.create(part, { backend });
    let trainer: Trainer;
    if (accumulate === 1) {
      const made = trainingGraph(model, graphs);
      trainer = new Trainer(model, options, made, { step: await session(made.model) });
    } else {
      const parts = trainingParts(model, graphs);
      trainer = new Trainer(model, options, parts, { gradients: await session(parts.gradients), update: await session(parts.update) });
    }
    for (const carried of trainer.carried) trainer.tensors.set(carried.name, await resident(carried.initial));
    return trainer;
  }

  /** All that goes from step to step. */
  get carried(): readonly Carried[] {
    const { parameters, state, buffers } = this.signature;
    return [...parameters, ...state, ...buffers];
  }

  /** Batches that make one step. */
  get accumulate(): number {
    return this.#options.accumulate ?? 1;
  }

  /**
   * Arrays of the data as the graph wants them.
   * @param examples their numbers, for errors
   * @throws ModelError E6015 where they do not fit, E6012 for labels that are none
   */
  prepare(batch: Batch, examples?: readonly number[]): Batch {
    const first = 'step' in this.#sessions ? this.#sessions.step : this.#sessions.gradients;
    return this.#prepared(batch, first.inputs, examples);
  }

  #prepared(batch: Batch, inputs: readonly ValueInfo[], examples?: readonly number[]): Batch {
    const wanted = [...this.signature.inputs, ...this.signature.targets.map(t => t.name)];
    const read = inputs.filter(info => wanted.includes(info.name));
    const order = wanted.filter(name => read.some(info => info.name === name));
    const arrays = named(batch, order, this.#options.fields);
    const made = Object.fromEntries(read.map(info => [info.name, fitted(arrays[info.name]!, info)]));
    for (const facts of this.signature.targets) if (made[facts.name]) requireClasses(made[facts.name]!, facts, examples);
    return made;
  }

  /**
   * One step from prepared batches, as many as are accumulated.
   * @param rate makes the learning rate of a group of the rate that it has by itself
   */
  async step(batches: readonly Batch[], rate: (base: number) => number): Promise<StepResult> {
    const rates = Object.fromEntries(this.signature.rates.map(({ name, lr }) => [name, scalar(rate(lr))]));
    return 'step' in this.#sessions ? this.#whole(this.#sessions.step, batches[0]!, rates) : this.#accumulated(batches, rates);
  }

  async #whole(session: Session, batch: Batch, rates: Batch): Promise<StepResult> {
    const made = await this.#run(session, { ...batch, ...rates, [stepName]: count(this.steps) });
    this.#carry(made, this.carried);
    this.batches++;
    this.steps++;
    return this.#result(made, batch, made);
  }

  async #accumulated(batches: readonly Batch[], rates: Batch): Promise<StepResult> {
    const { gradients, update } = this.#sessions as { readonly gradients: Session; readonly update: Session };
    const { parameters, state, buffers } = this.signature;
    let sums = new Map(parameters.map(({ name, initial }) => [gradientName(name), zeros(initial)]));
    const results: StepResult[] = [];
    const before = new Map(this.tensors);
    for (const batch of batches) {
      const share = scalar(1 / batches.length);
      const made = await this.#run(gradients, {
        ...batch,
        ...Object.fromEntries(sums),
        [scaleName]: share,
        [stepName]: count(this.batches),
      });
      sums = new Map([...sums.keys()].map(name => [name, made[nextName(name)]!]));
      this.#carry(made, buffers);
      this.batches++;
      results.push(this.#result(made, batch));
    }
    const made = await this.#run(update, { ...Object.fromEntries(sums), ...rates, [stepName]: count(this.steps) });
    this.#carry(made, [...parameters, ...state]);
    this.previous = before;
    this.steps++;
    const loss = results.reduce((sum, r) => sum + r.loss, 0) / results.length;
    return { ...this.#result(made, {}, made), loss, predictions: results.at(-1)!.predictions, targets: results.at(-1)!.targets };
  }

  /**
   * Where numbers stopped being finite in the last step, which began with `previous`.
   * @param batches those of the step
   */
  async diagnose(batches: readonly Batch[], rate: (base: number) => number): Promise<string | undefined> {
    const { seed = 0, backend } = this.#options;
    const { model } = trainingGraph(this.#model, { ...this.#options, initial: false, inline: true });
    const rates = Object.fromEntries(this.signature.rates.map(({ name, lr }) => [name, scalar(rate(lr))]));
    const given = {
      ...Object.fromEntries(this.previous ?? this.tensors),
      ...rates,
      [seedName]: count(seed),
      [stepName]: count(this.steps - 1),
    };
    for (const batch of batches) {
      const where = await whereItBegan(model, { ...given, ...batch }, backend);
      if (where !== undefined) return where;
    }
    return undefined;
  }

  /** The loss and predictions of the model as it is now, in the form that it has when it is trained. */
  async evaluate(batch: Batch): Promise<StepResult> {
    this.#evaluation ??= Session.create(evaluationGraph(this.#model, this.#options, this.signature), { backend: this.#options.backend });
    const session = await this.#evaluation;
    const prepared = this.#prepared(batch, session.inputs);
    return this.#result(await this.#run(session, prepared), prepared);
  }

  /** Run on what the session reads of all that there is. */
  #run(session: Session, given: Batch): Promise<Record<string, Tensor>> {
    const { seed = 0 } = this.#options;
    const all: Batch = { ...Object.fromEntries(this.tensors), [seedName]: count(seed), ...given };
    return session.run(Object.fromEntries(session.inputNames.map(name => [name, all[name]!])));
  }

  #carry(made: Batch, carried: readonly Carried[]): void {
    this.previous = new Map(this.tensors);
    for (const { name, next } of carried) this.tensors.set(name, made[next]!);
  }

  #result(made: Batch, batch: Batch, whole: Batch = {}): StepResult {
    const { loss, predictions, targets, norm } = this.signature;
    return {
      loss: made[loss] ? numberOf(made[loss]) : Number.NaN,
      norm: norm !== undefined && whole[norm] ? numberOf(whole[norm]) : undefined,
      predictions: predictions.flatMap(name => made[name] ?? []),
      targets: targets.flatMap(({ name }) => batch[name] ?? []),
    };
  }

  /**
   * Go on from what a checkpoint holds.
   * @throws ModelError E6014 for tensors of another model or optimizer
   */
  restore(tensors: ReadonlyMap<string, Tensor>, steps: number, batches: number): void {
    for (const { name, initial } of this.carried) {
      const tensor = tensors.get(name);
      if (!tensor) throw fail('E6014', `the checkpoint has no ${name}; it is of another model or optimizer`, { tensor: name });
      if (tensor.type !== initial.type || String(tensor.dims) !== String(initial.dims))
        throw fail('E6014', `${name} is ${tensor.type}[${tensor.dims}] in the checkpoint, ${initial.type}[${initial.dims}] here`, {
          tensor: name,
        });
    }
    const known = new Set(this.carried.map(c => c.name));
    const odd = [...tensors.keys()].find(name => !known.has(name));
    if (odd !== undefined) throw fail('E6014', `the checkpoint holds ${odd}, which this training does not have`, { tensor: odd });
    for (const { name } of this.carried) this.tensors.set(name, tensors.get(name)!);
    this.steps = steps;
    this.batches = batches;
  }

  async dispose(): Promise<void> {
    for (const session of Object.values(this.#sessions)) await (session as Session).dispose();
    if (this.#evaluation) await (await this.#evaluation).dispose();
  }
}

const zeros = ({ type, dims, byteLength }: Tensor): Tensor => new Tensor(type, new Uint8Array(byteLength), dims);
