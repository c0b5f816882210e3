// What training takes, says on its way, and keeps.
import type { Finding } from '../../errors.ts';
import type { Backend } from '../../exec/backend.ts';
import type { Model } from '../../ir/graph.ts';
import type { Tensor } from '../../ir/tensor.ts';
import type { TrainingSignature } from '../graphs.ts';
import type { Chosen } from '../options.ts';
import type { ChosenSchedule, ScheduleState } from '../schedules.ts';
import type { TrainingData } from './data.ts';
import type { Scores } from './judging.ts';
import type { TrainerOptions } from './trainer.ts';

export interface FitOptions extends Omit<TrainerOptions, 'backend'> {
  /** The reference backend, which runs everywhere, otherwise. */
  readonly backend?: Backend | undefined;
  /** How often all of the data is gone through; 1 otherwise. */
  readonly epochs?: number | undefined;
  /** Steps after which it ends in any case. */
  readonly steps?: number | undefined;
  /** Examples in a batch; 32 otherwise. */
  readonly batch?: number | undefined;
  /** Whether examples come in an order by chance; they do otherwise. */
  readonly shuffle?: boolean | undefined;
  /** Whether a last batch with fewer examples is left out. */
  readonly dropLast?: boolean | undefined;
  /** The batches of an epoch as numbers of examples. */
  readonly order?: readonly (readonly number[])[] | undefined;
  readonly schedule?: ChosenSchedule | undefined;
  /** Data to judge by, or the share of the data that is kept for it. */
  readonly validation?: TrainingData | number | undefined;
  readonly metrics?: readonly Chosen[] | undefined;
  /** What decides which model is the best and what a plateau watches: `loss`, or a metric; of the data to judge by where there is some. */
  readonly monitor?: string | undefined;
  /** Epochs without a better model after which it ends. */
  readonly patience?: number | undefined;
  readonly checkpoints?: CheckpointStore | undefined;
  /** Steps between checkpoints, beside those after epochs, which are written at most every two seconds, and one at the end. */
  readonly checkpointEvery?: number | undefined;
  /** Go on from the newest checkpoint, where there is one. */
  readonly resume?: boolean | undefined;
  /** Ends the training after the step that runs, with a checkpoint and E3011. */
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: ((event: StepEvent) => void) | undefined;
  readonly onEpoch?: ((event: EpochEvent) => void) | undefined;
}

export interface StepEvent {
  readonly step: number;
  readonly epoch: number;
  readonly epochs: number;
  /** Steps in the epoch, where that is known, and which one this was. */
  readonly ofEpoch: number;
  readonly inEpoch: number | undefined;
  readonly loss: number;
  readonly rate: number;
  readonly norm?: number | undefined;
  readonly examplesPerSecond: number;
  /** Milliseconds until the end, where that is known. */
  readonly left?: number | undefined;
}

export interface EpochEvent {
  readonly epoch: number;
  readonly step: number;
  readonly training: Scores;
  readonly validation?: Scores | undefined;
  /** Whether no epoch before was better. */
  readonly isBest: boolean;
  readonly rate: number;
}

/** Where training is; with the tensors all that there is to go on from. */
export interface TrainingProgress {
  readonly steps: number;
  readonly batches: number;
  readonly epoch: number;
  /** Steps of the epoch that are done, the sum of their losses by examples, and the examples. */
  readonly done: number;
  readonly lossSum: number;
  readonly examples: number;
  readonly schedule: ScheduleState;
  readonly best?: { readonly value: number; readonly epoch: number } | undefined;
  readonly seed: number;
}

/** Weights, state of the optimizer and remembered numbers, by name. */
export type Tensors = ReadonlyMap<string, Tensor>;

export interface Checkpoint {
  readonly tensors: Tensors;
  readonly progress: TrainingProgress;
}

/** Where checkpoints are kept. */
export interface CheckpointStore {
  load(): Promise<Checkpoint | undefined>;
  /** Keep a checkpoint in the place of the one before; after an error that one must still be there. */
  save(checkpoint: Checkpoint): Promise<void>;
  /** Keep the tensors of the best model so far. */
  saveBest(tensors: Tensors): Promise<void>;
  /** Those that were kept; undefined where there are none. */
  loadBest(): Promise<Tensors | undefined>;
}

export interface Trained {
  readonly model: Model;
  readonly tensors: Tensors;
}

/** The model after the last step, and how it came to that. */
export interface Fitted extends Trained {
  /** The model after the best epoch, by what `monitor` names. */
  readonly best: Trained | undefined;
  readonly history: readonly EpochEvent[];
  readonly losses: readonly number[];
  readonly steps: number;
  readonly signature: TrainingSignature;
  readonly findings: readonly Finding[];
}
