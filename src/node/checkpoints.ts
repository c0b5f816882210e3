// Checkpoints in a folder: tensors as safetensors, and beside them a JSON file that says which of them is the newest. A checkpoint counts
// once that file names it, so that an error on the way leaves the one before.
import { mkdir, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { isJsonObject, type Json, type JsonObject, parseJson, writeJson } from '../codec/json.ts';
import { fail, ModelError } from '../errors.ts';
import { safetensors } from '../formats/weights/safetensors.ts';
import { resident, type Tensor } from '../ir/tensor.ts';
import type { Checkpoint, CheckpointStore, Tensors, TrainingProgress } from '../train/loop/fit-options.ts';
import { FileSource, writeFileAtomic } from './files.ts';

const indexName = 'checkpoint.json';
const bestName = 'best.safetensors';
const format = 'omnix.checkpoint';
const version = 1;

/** Checkpoints in a folder, which is made where it does not exist. */
export class FolderCheckpoints implements CheckpointStore {
  readonly #folder: string;
  /** The file of the newest checkpoint. */
  #newest: string | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** @throws ModelError E6014 for a file that is no checkpoint, and what reading throws; undefined where there is none */
  async load(): Promise<Checkpoint | undefined> {
    const index = await this.#index();
    if (!index) return undefined;
    const tensors = await tensorsOf(join(this.#folder, index.weights));
    this.#newest = index.weights;
    return { tensors, progress: index.progress };
  }

  async save({ tensors, progress }: Checkpoint): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    const before = this.#newest ?? (await this.#index().catch(() => undefined))?.weights;
    const weights = `step-${String(progress.steps).padStart(8, '0')}.safetensors`;
    await writeTensors(join(this.#folder, weights), tensors);
    // The casts: numbers, texts and objects of them are JSON; what is undefined is left out.
    const index = { format, version, weights, progress: JSON.parse(JSON.stringify(progress)) as Json };
    const text = new TextEncoder().encode(`${writeJson(index, { indent: 2 })}\n`);
    await writeFileAtomic(join(this.#folder, indexName), [text], { overwrite: true });
    this.#newest = weights;
    if (before !== undefined && before !== weights) await rm(join(this.#folder, before), { force: true }).catch(() => {});
  }

  async saveBest(tensors: Tensors): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    await writeTensors(join(this.#folder, bestName), tensors);
  }

  async loadBest(): Promise<Tensors | undefined> {
    try {
      return await tensorsOf(join(this.#folder, bestName));
    } catch (error) {
      if (error instanceof ModelError && error.code === 'E5001') return undefined;
      throw error;
    }
  }

  async #index(): Promise<{ readonly weights: string; readonly progress: TrainingProgress } | undefined> {
    const path = join(this.#folder, indexName);
    let source: FileSource;
    try {
      source = await FileSource.open(path);
    } catch (error) {
      if (error instanceof ModelError && error.code === 'E5001') return undefined;
      throw error;
    }
    const found = parseJson(await source.read(0, source.size), { file: path });
    const refuse = (why: string): ModelError => fail('E6014', `${indexName} ${why}`, { file: path });
    if (!isJsonObject(found) || found['format'] !== format) throw refuse('is no checkpoint of omnix');
    if (found['version'] !== version) throw refuse(`is of version ${String(found['version'])}, ${version} is read`);
    const { weights, progress } = found;
    if (typeof weights !== 'string' || weights !== basename(weights) || !weights.endsWith('.safetensors')) throw refuse('names no weights');
    if (!isJsonObject(progress) || !isProgress(progress)) throw refuse('does not say where the training is');
    // The cast: what is read of it was looked at just now.
    return { weights, progress: progress as unknown as TrainingProgress };
  }
}

const counts = ['steps', 'batches', 'epoch', 'done', 'examples'] as const;
const isCount = (x: Json | undefined): boolean => Number.isSafeInteger(x) && (x as number) >= 0;
const isNumber = (x: Json | undefined): boolean => typeof x === 'number';

function isProgress(p: JsonObject): boolean {
  const { schedule, best } = p;
  const isBest = best === undefined || (isJsonObject(best) && isNumber(best['value']) && isCount(best['epoch']));
  return counts.every(name => isCount(p[name])) && isNumber(p['lossSum']) && isNumber(p['seed']) && isBest && isSchedule(schedule);
}

function isSchedule(schedule: Json | undefined): boolean {
  if (!isJsonObject(schedule) || !isCount(schedule['count'])) return false;
  const { plateau } = schedule;
  if (plateau === undefined) return true;
  if (!isJsonObject(plateau)) return false;
  const { best, bad, cooldown, factor } = plateau;
  return (best === undefined || isNumber(best)) && isCount(bad) && isCount(cooldown) && isNumber(factor);
}

async function tensorsOf(path: string): Promise<ReadonlyMap<string, Tensor>> {
  const source = await FileSource.open(path);
  const { tensors, findings } = await safetensors.read(source, {});
  const errors = findings.filter(f => f.severity === 'error');
  if (errors.length > 0) throw new ModelError(errors).within({ file: path });
  return new Map(await Promise.all([...tensors].map(async ([name, tensor]) => [name, await resident(tensor)] as const)));
}

const writeTensors = (path: string, tensors: ReadonlyMap<string, Tensor>): Promise<number> =>
  writeFileAtomic(path, safetensors.write!({ tensors, metadata: new Map() }, basename(path)), { overwrite: true });
