// The library in Node: the same verbs over paths, and writing that never leaves half a file.
import { mkdir, readdir, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import {
  type Loaded,
  type LoadedWeights,
  load as loadInput,
  read as readInput,
  readWeights,
  toSource,
  type WriteModelOptions,
  type Written,
  write,
} from '../api.ts';
import { Sha256 } from '../codec/sha256.ts';
import type { Source } from '../codec/source.ts';
import type { ReplaceWeightsOptions } from '../edit/weights.ts';
import { fail } from '../errors.ts';
import { readArrays, writeArray, writeArrays } from '../formats/arrays.ts';
import { fileDigest } from '../formats/digest.ts';
import { bytesOfFile, type OutputFile, type ReadOptions } from '../formats/format.ts';
import { parseMap, printMap } from '../formats/map.ts';
import { weightFormatNamed, weightFormatOfName } from '../formats/weights/index.ts';
import type { Model } from '../ir/graph.ts';
import type { ConversionMap, FileFacts } from '../ir/provenance.ts';
import type { Tensor } from '../ir/tensor.ts';
import type { Weights } from '../ir/weights.ts';
import { swapWeights } from '../swap.ts';
import { openBeside } from './beside.ts';
import { FileSource, writeFileAtomic, writeFilesAtomic } from './files.ts';
import { openModel } from './open-model.ts';
import { systemError } from './system-error.ts';

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

export interface SaveOptions extends Omit<WriteModelOptions, 'name' | 'dataName' | 'source'> {
  readonly overwrite?: boolean | undefined;
  /** Write a map of the conversion beside the model. */
  readonly map?: MapOptions | undefined;
}

export interface MapOptions {
  /** The file of the map. */
  readonly path: string;
  /** The model that was read, and from what. */
  readonly model: Model;
  readonly format: string;
  readonly file: Source;
}

export interface Saved extends Written {
  readonly paths: readonly string[];
}

/**
 * Write a model. The files appear whole or not at all.
 * @throws ModelError E4002 where a file exists and `overwrite` is not set, E5xxx for what the disk says
 */
export async function save(model: Model, path: string, { overwrite = false, map, ...options }: SaveOptions = {}): Promise<Saved> {
  const name = basename(path);
  const before = await dataFilesOf(path);
  const dataName = freeName(name, before);
  const written = await write(model, { dataName, ...options, source: map?.model, name });
  const folder = written.format.isFolder ? path : dirname(path);
  const save = (): Promise<string[]> => saveFiles(folder, written.files, { overwrite, map: map && { ...map, written } });
  const paths = written.format.isFolder ? await inNewFolder(folder, save) : await save();
  if (overwrite) await removeOld(path, before);
  return { ...written, paths };
}

interface SaveFilesOptions {
  readonly overwrite: boolean;
  readonly map?: (MapOptions & { readonly written: Written }) | undefined;
}

/** Put the files of a model in place, and with them the map, which knows their digests; the paths of the model. */
async function saveFiles(folder: string, outputs: readonly OutputFile[], { overwrite, map }: SaveFilesOptions): Promise<string[]> {
  const digests = outputs.map(() => new Sha256());
  const files = outputs.map((file, i) => ({
    path: join(folder, file.name),
    chunks: map ? digested(bytesOfFile(file), digests[i]!) : bytesOfFile(file),
  }));
  const text = async function* (): AsyncGenerator<Uint8Array> {
    const facts = outputs.map(({ name, length: size }, i) => ({ name, size, sha256: digests[i]!.digest() }));
    yield new TextEncoder().encode(await mapText(map!, facts));
  };
  await writeFilesAtomic(map ? [...files, { path: map.path, chunks: text() }] : files, { overwrite });
  return files.map(f => f.path);
}

/** Remove the data files of what was at a path before. */
const removeOld = async (path: string, before: readonly string[]): Promise<void> => {
  await Promise.all(before.map(old => rm(join(dirname(path), old), { force: true })));
};

async function* digested(chunks: AsyncIterable<Uint8Array>, sum: Sha256): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    sum.update(chunk);
    yield chunk;
  }
}

async function mapText(
  { format, file, written }: MapOptions & { readonly written: Written },
  files: readonly FileFacts[],
): Promise<string> {
  const source = { name: basename(file.name), size: file.size, sha256: await fileDigest(file) };
  return printMap({ source: { format, files: [source] }, target: { format: written.format.name, files }, ...written.whereabouts! });
}

export interface SwapFileOptions extends ReplaceWeightsOptions {
  /** The map that was written with the model. */
  readonly map: string;
  /** A checkpoint or a model with the weights of the source, by the names they have there. */
  readonly weights: string;
  readonly overwrite?: boolean | undefined;
}

/**
 * Write a converted model with other weights of its source in it.
 * @throws ModelError E4003 for the map of another file, and with every weight that does not fit: E3001, E3002, E3003, E2008
 */
export async function saveSwapped(
  target: string,
  output: string,
  { map, weights, rename, overwrite = false }: SwapFileOptions,
): Promise<Omit<Saved, 'model'> & { readonly map: ConversionMap }> {
  const known = await loadMap(map);
  const given = await loadWeights(weights);
  const name = basename(output);
  const before = await dataFilesOf(output);
  const options = { name, dataName: freeName(name, before), rename, open: openBeside(target) };
  const swapped = await swapWeights(await FileSource.open(target), known, given, options);
  const findings = [...given.findings, ...swapped.findings];
  const paths = await saveFiles(dirname(output), swapped.files, { overwrite });
  if (overwrite) await removeOld(output, before);
  return { ...swapped, findings, map: known, paths };
}

/** The map in a file. @throws ModelError E1002 for what is none */
export async function loadMap(path: string): Promise<ConversionMap> {
  const source = await FileSource.open(path);
  return parseMap(await source.read(0, source.size), path);
}

/** Make a folder, unless it is there, and do what writes into it; one that was made goes again where that fails. */
async function inNewFolder<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const isNew = await mkdir(folder).then(
    () => true,
    (cause: NodeJS.ErrnoException) => {
      if (cause.code === 'EEXIST') return false;
      throw systemError(cause, folder, 'written');
    },
  );
  try {
    return await work();
  } catch (error) {
    if (isNew) await rmdir(folder).catch(() => {});
    throw error;
  }
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

/** Read a model of one format and write it in another, told from the name of the output unless given; `map` is the file of a map. */
export async function convert(
  input: PathOrInput,
  output: string,
  { map, ...options }: Omit<SaveOptions, 'map'> & FileReadOptions & { readonly map?: string | undefined } = {},
): Promise<Converted> {
  const { source, open } = typeof input === 'string' ? await openModel(input) : { source: toSource(input), open: undefined };
  // Reading and writing each take what is theirs.
  const loaded = await readInput(source, { ...options, open });
  const { model, format } = loaded;
  const mapped = map === undefined ? undefined : { path: map, model, format: format.name, file: source };
  return { loaded, ...(await save(model, output, { ...options, map: mapped })) };
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
