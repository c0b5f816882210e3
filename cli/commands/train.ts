// omnix train: a model and data to a trained model.
import { replaceWeights } from '../../src/edit/weights.ts';
import { type Finding, fail, ModelError } from '../../src/errors.ts';
import { weightFormatOfName } from '../../src/formats/weights/index.ts';
import type { Model } from '../../src/ir/graph.ts';
import { load, loadWeights, saveWeights } from '../../src/node/models.ts';
import { FolderCheckpoints, loadTrainingData } from '../../src/node/train.ts';
import { replaceHead } from '../../src/train/adapt/head.ts';
import { adapterWeights, type LoraModel, loraOptions, mergedLora, withLora } from '../../src/train/adapt/lora.ts';
import { normalised, statisticsOf } from '../../src/train/loop/data.ts';
import { fit as fitModel } from '../../src/train/loop/fit.ts';
import type { FitOptions, Fitted } from '../../src/train/loop/fit-options.ts';
import { backendFor } from '../backends.ts';
import { checkOutput, readModel, whileWriting } from '../files.ts';
import { JsonLines } from '../json-lines.ts';
import { fileText, type Outcome, type Output } from '../output.ts';
import { plural } from '../terminal.ts';
import { clipOf, type GivenSettings, readSettings, required, settingsFrom, type TrainSettings } from '../training-config.ts';
import { epochText, stepText } from '../training-progress.ts';
import { checkFormat, readWords, writeModel } from '../writing.ts';

export type TrainOptions = GivenSettings<TrainSettings> & { readonly config?: string };

export async function train([path]: readonly string[], given: TrainOptions, out: Output): Promise<Outcome> {
  const file = given.config === undefined ? {} : await readSettings(given.config);
  const settings: TrainSettings = { ...file, ...settingsFrom(given), ...(path !== undefined && { model: path }) };
  checkSettings(settings);
  const stop = new AbortController();
  const onSignal = (): void => {
    // The second one ends the process at once.
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
    stop.abort();
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  try {
    return await trained(settings, out, stop.signal);
  } catch (error) {
    if (!(stop.signal.aborted && error instanceof ModelError && error.code === 'E3011')) throw error;
    return { results: null, findings: error.findings, exit: 'interrupted' };
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}

/** What can be refused before any work. Errors: E4001, and as `checkOutput`. */
function checkSettings(settings: TrainSettings): void {
  const { output, overwrite = false, to, resume, checkpoint } = settings;
  required(settings, 'model', 'the model');
  required(settings, 'data', '--data');
  required(settings, 'loss', '--loss');
  if (output === undefined && checkpoint === undefined) throw fail('E4001', 'nothing would be kept: pass -o, --checkpoint or both');
  if (resume && checkpoint === undefined) throw fail('E4001', '--resume needs --checkpoint with the folder to go on from');
  if (output === undefined) return;
  if (weightFormatOfName(output) === undefined) checkFormat({ output, ...(to !== undefined && { to }) });
  checkOutput(output, overwrite);
}

async function trained(settings: TrainSettings, out: Output, signal: AbortSignal): Promise<Outcome> {
  const { model: source, findings } = await out.stage('read', () => readModel(settings.model!, {}), readWords);
  const { model, lora } = await adapted(source, settings);
  const data = await out.stage(
    'data',
    () => dataOf(model, settings),
    d => d.words,
  );
  const checkpoints = settings.checkpoint === undefined ? undefined : new FolderCheckpoints(settings.checkpoint);
  const log = settings.log === undefined ? undefined : await JsonLines.open(settings.log, { append: settings.resume === true });
  let fitted: Fitted;
  try {
    fitted = await out.stage(
      'train',
      async report => {
        const events = told(log, report, out, settings);
        return fitModel(model, data.training, {
          ...(await fitOptions(settings, lora, out)),
          ...data.options,
          ...events,
          checkpoints,
          signal,
        });
      },
      f => `${plural(f.steps, 'step')}, loss ${f.losses.at(-1)?.toPrecision(6) ?? '–'}`,
    );
  } finally {
    await log?.close();
  }
  const written = settings.output === undefined ? {} : await writeTrained(source, fitted, lora, settings, out);
  const { losses, steps, history } = fitted;
  const results = { ...written, steps, losses, epochs: history, ...(data.classes && { classes: data.classes }) };
  return { results, findings: [...findings, ...fitted.findings] };
}

/** The model with other weights, another head, or adapters, as the settings say. */
async function adapted(source: Model, settings: TrainSettings): Promise<{ readonly model: Model; readonly lora: LoraModel | undefined }> {
  const { weights, replaceHead: classes, lora: chosen, seed } = settings;
  let model = source;
  if (weights !== undefined) model = (await replaceWeights(model, await loadWeights(weights))).model;
  if (classes !== undefined) model = replaceHead(model, classes, seed).model;
  if (chosen === undefined) return { model, lora: undefined };
  const lora = withLora(model, loraOptions(chosen, seed));
  return { model: lora.model, lora };
}

async function dataOf(model: Model, settings: TrainSettings) {
  const { validation, target, features, batched, order, mean, std, normalize } = settings;
  const [first] = model.graph.inputs.filter(v => !v.tensor);
  const [channels, height, width] = first?.shape?.slice(1).map(d => (typeof d === 'number' ? d : undefined)) ?? [];
  const [tall = height, wide = width] = settings.imageSize ?? [];
  const images = tall === undefined || wide === undefined ? undefined : { channels: channels ?? 3, height: tall, width: wide, mean, std };
  const options = { target, features, batched, images, order: typeof order === 'string' ? order : undefined };
  const read = await loadTrainingData(settings.data!, options);
  const other = typeof validation === 'string' ? await loadTrainingData(validation, { ...options, order: undefined }) : undefined;
  const field = Object.keys(await read.data.batch([0]))[0]!;
  const given = mean && std && !images ? { field, mean, std } : undefined;
  const normalisation = normalize ? await statisticsOf(read.data, field) : given;
  const ready = (data: typeof read.data): typeof read.data => (normalisation ? normalised(data, normalisation) : data);
  const batches = typeof order === 'object' ? order : read.order;
  return {
    training: ready(read.data),
    classes: read.classes,
    words: `${plural(read.data.size, 'example')}${normalisation ? ', normalised' : ''}`,
    options: { validation: other ? ready(other.data) : (validation as number | undefined), ...(batches && { order: batches }) },
  };
}

async function fitOptions(settings: TrainSettings, lora: LoraModel | undefined, out: Output): Promise<FitOptions> {
  const { backend = 'cpu', threads, teacher, inputs: fields, freeze, trainable, ...rest } = settings;
  const { lr, groups, batchNorm, dropout, schedule, epochs, steps, batch, shuffle, dropLast, accumulate, metrics } = rest;
  const { monitor, patience, checkpointEvery, resume, seed } = rest;
  return {
    loss: settings.loss!,
    optimizer: settings.optimizer ?? 'sgd',
    backend: await backendFor({ backend, threads }, out),
    teacher: teacher === undefined ? undefined : await load(teacher),
    clip: clipOf(settings),
    ...{ lr, groups, batchNorm, dropout, schedule, epochs, steps, batch, shuffle, dropLast, accumulate, metrics },
    ...{ monitor, patience, checkpointEvery, resume, seed, fields, freeze },
    trainable: trainable ?? lora?.trainable,
  };
}

/** Lines of the log and of the terminal. */
const told = (
  log: JsonLines | undefined,
  report: (text: string) => void,
  out: Output,
  { epochs = 1 }: TrainSettings,
): Pick<FitOptions, 'onStep' | 'onEpoch'> => ({
  onStep(event) {
    log?.write({ kind: 'step', ...event });
    report(stepText(event));
  },
  onEpoch(event) {
    log?.write({ kind: 'epoch', ...event });
    if (isShown(event.epoch, epochs)) out.note(epochText(event));
  },
});

/** Of many epochs about fifty are shown. */
const isShown = (epoch: number, epochs: number): boolean => (epoch + 1) % Math.max(1, Math.ceil(epochs / 50)) === 0 || epoch + 1 === epochs;

/** The trained weights in the format that the name asks for: those of a model, a checkpoint, or adapters. */
async function writeTrained(source: Model, fitted: Fitted, lora: LoraModel | undefined, settings: TrainSettings, out: Output) {
  const { output, to, overwrite = false, best, opset } = settings;
  const { model, tensors } = (best && fitted.best) || fitted;
  const path = output!;
  if (weightFormatOfName(path) !== undefined && to === undefined) {
    const { parameters, buffers } = fitted.signature;
    const own = new Map([...parameters, ...buffers].map(({ name }) => [name, tensors.get(name)!]));
    const weights = lora ? adapterWeights(lora, tensors) : { tensors: own, metadata: new Map<string, string>() };
    const bytes = await out.stage('write', () => whileWriting(() => saveWeights(path, weights, { overwrite })));
    out.note(`wrote ${fileText(path, bytes)}`);
    return { files: [{ path, bytes }] };
  }
  const whole = lora ? await mergedLora(source, lora, tensors) : model;
  const { written, findings } = await writeModel(
    whole,
    { output: path, overwrite, ...(to !== undefined && { to }), ...(opset !== undefined && { opset }) },
    out,
  );
  return { ...written, warnings: findings satisfies readonly Finding[] };
}
