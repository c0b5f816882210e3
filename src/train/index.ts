/**
 * omnix/train: gradients, training graphs and training.
 *
 * @example
 * ```ts
 * import { load, save } from 'omnix';
 * import { fit } from 'omnix/train';
 * const { model } = await fit(await load('net.onnx'), { x, target }, { loss: 'cross_entropy', optimizer: 'adam', epochs: 10 });
 * await save(model, 'trained.onnx');
 * ```
 * @module
 */
export { type ReplacedHead, replaceHead } from './adapt/head.ts';
export { type Adapted, adapterWeights, type LoraModel, type LoraOptions, mergedLora, withLora } from './adapt/lora.ts';
export type { ClipOptions } from './clip.ts';
export type { ForwardOptions } from './forward.ts';
export { gradients, type ModelGradientOptions, modelGradients } from './gradient/index.ts';
export {
  type Carried,
  type TrainingGraph,
  type TrainingGraphOptions,
  type TrainingParts,
  type TrainingSignature,
  trainingGraph,
  trainingParts,
} from './graphs.ts';
export { type Batch, type Dataset, normalised, splitDataset, statisticsOf, type TrainingData } from './loop/data.ts';
export { fit } from './loop/fit.ts';
export type { Checkpoint, CheckpointStore, EpochEvent, FitOptions, Fitted, StepEvent, Trained } from './loop/fit-options.ts';
export { type TableOptions, tableData } from './loop/table.ts';
export { losses } from './losses/index.ts';
export { optimizers } from './optimizers/index.ts';
export type { Chosen } from './options.ts';
export { type Schedule, scheduleNamed, scheduleNames } from './schedules.ts';
export { type TrainingInfo, withTrainingInfo } from './training-info.ts';
