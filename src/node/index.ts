// The library in Node: the same verbs over paths, and writing that never leaves half a file.
import { readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import {
  type Loaded,
  type LoadedWeights,
  load as loadInput,
  read as readInput,
  readWeights,
  type WriteModelOptions,
  type Written,
  write,
} from '../api.ts';
import type { Source } from '../codec/source.ts';
import { fail } from '../errors.ts';
import { readArrays, writeArray, writeArrays } from '../formats/arrays.ts';
import { bytesOfFile, type ReadOptions } from '../formats/format.ts';
import { weightFormatNamed, weightFormatOfName } from '../formats/weights/index.ts';
import type { Model } from '../ir/graph.ts';
import type { Tensor } from '../ir/tensor.ts';
import type { Weights } from '../ir/weights.ts';
import { FileSource, writeFileAtomic, writeFilesAtomic } from './files.ts';
import { openModel } from './open-model.ts';

export * from '../index.ts';
export { dataSetsIn } from './data-sets.ts';
export { FileSource, readStdin, removeTemporaries, writeFileAtomic } from './files.ts';

/** A path, bytes, a Blob or a source. */
export type PathOrInput = string | Uint8Array | Blob | Source;

/** What reading takes beside the file; external files are found by themselves. */
export type FileReadOptions = Omit<ReadOptions, 'open'>;

/**
 * Read a model; external data is looked for beside it, never outside its folder.
 * @throws ModelError with every problem found, E5001 where there is no such file
 */
export async function read(input: PathOrInput, options: FileReadOptions = {}): Promise<Loaded> {
  if (typeof input !== 'string') return readInput(input, options);
  const { source, open } = await openModel(input);
  return readInput(source, { ...options, open });
}

/** Read a model; the short form of `read`. */
export async function load(input: PathOrInput, options: FileReadOptions = {}): Promise<Model> {
  if (typeof input !== 'string') return loadInput(input, options);
  return (await read(input, options)).model;
}

export interface SaveOptions extends Omit<WriteModelOptions, 'name' | 'dataName'> {
  readonly overwrite?: boolean | undefined;
}

export interface Saved extends Written {
  readonly paths: readonly string[];
}

/**
 * Write a model. The files appear whole or not at all.
 * @throws ModelError E4002 where a file exists and `overwrite` is not set, E5xxx for what the disk says
 */
export async function save(model: Model, path: string, { overwrite = false, ...options }: SaveOptions = {}): Promise<Saved> {
  const name = basename(path);
  const before = await dataFilesOf(path);
  const dataName = freeName(name, before);
  const written = await write(model, { dataName, ...options, name });
  const files = written.files.map(file => ({ path: join(dirname(path), file.name), chunks: bytesOfFile(file) }));
  await writeFilesAtomic(files, { overwrite });
  if (overwrite) await Promise.all(before.map(old => rm(join(dirname(path), old), { force: true })));
  return { ...written, paths: files.map(f => f.path) };
}

/**
 * Data files of the model that was at `path` before. New data gets another name, so that the old model and its data stay a pair
 * until the new pair is complete.
 */
async function dataFilesOf(path: string): Promise<string[]> {
  const name = basename(path);
  const beside = await readdir(dirname(path)).catch(() => []);
  return beside.filter(other => other.startsWith(`${name}.`) && /^(\d+\.)?data$/.test(other.slice(name.length + 1)));
}

function freeName(name: string, taken: readonly string[]): string {
  let free = `${name}.data`;
  for (let i = 1; taken.includes(free); i++) free = `${name}.${i}.data`;
  return free;
}

export interface Converted extends Saved {
  readonly loaded: Loaded;
}

/** Read a model of one format and write it in another, told from the name of the output unless given. */
export async function convert(
  input: PathOrInput,
  output: string,
  { allowCustom, limits, inputShapes, signature, tag, inputs, outputs, ...options }: SaveOptions & FileReadOptions = {},
): Promise<Converted> {
  const loaded = await read(input, { allowCustom, limits, inputShapes, signature, tag, inputs, outputs });
  return { loaded, ...(await save(loaded.model, output, options)) };
}

/**
 * The named tensors of a checkpoint or a model; the files of a checkpoint in several are looked for beside its index.
 * @throws ModelError with every problem found, E5001 where there is no such file
 */
export async function loadWeights(input: PathOrInput, options: FileReadOptions = {}): Promise<LoadedWeights> {
  if (typeof input !== 'string') return readWeights(input, options);
  const { source, open } = await openModel(input);
  return readWeights(source, { ...options, open });
}

/**
 * Write tensors as a checkpoint, in the format that the name asks for unless it is given. Gives the number of bytes.
 * @throws ModelError E2002 for what the format cannot hold, E2003 for a format that is not written, E4002 where the file exists
 */
export async function saveWeights(
  path: string,
  weights: Weights,
  { format: wanted, overwrite = false }: { readonly format?: string | undefined; readonly overwrite?: boolean } = {},
): Promise<number> {
  const format = wanted === undefined ? weightFormatOfName(path) : weightFormatNamed(wanted);
  if (!format?.write) throw fail('E2003', `${wanted ?? path} is no format of weights that is written`);
  return writeFileAtomic(path, format.write(weights, basename(path)), { overwrite });
}

/** Arrays of an .npz file by name, or the one of an .npy file as `array`. */
export const loadArrays = async (path: string): Promise<Record<string, Tensor>> => readArrays(await FileSource.open(path));

/** Write arrays as .npz, or one as .npy, told from the name. */
export async function saveArrays(
  path: string,
  arrays: Readonly<Record<string, Tensor>>,
  { overwrite = false, compressed = false }: { readonly overwrite?: boolean; readonly compressed?: boolean } = {},
): Promise<void> {
  const single = path.endsWith('.npy') ? Object.values(arrays)[0] : undefined;
  await writeFileAtomic(path, single ? writeArray(single) : writeArrays(arrays, { compressed }), { overwrite });
}
