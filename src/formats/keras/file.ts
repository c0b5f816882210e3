// What a file of Keras holds: the configuration of a model, its variables, and the version that wrote it.

import { type Hdf, openHdf } from '../../codec/hdf5.ts';
import { isJsonArray, isJsonObject, type Json, type JsonObject, parseJson } from '../../codec/json.ts';
import { MemorySource, type Source } from '../../codec/source.ts';
import { openZip, type Zip } from '../../codec/zip.ts';
import { type Finding, fail } from '../../errors.ts';
import { entries } from './archive.ts';
import { type LayerSpec, layerOf } from './structure.ts';
import { namesOf, type Place, type Stored, storedOf, treeOf } from './weights.ts';

export interface KerasFile {
  readonly model: LayerSpec;
  /** By the names of the file. */
  readonly weights: ReadonlyMap<string, Stored>;
  readonly place: Place;
  readonly version: string;
  readonly findings: readonly Finding[];
}

/** Deepest nesting of a configuration; each model or wrapper in another takes about six. */
const depth = 400;

/**
 * Read a `.keras` archive; its variables are held in memory.
 * @throws ModelError E1013 for missing parts, E1006 for malformed ones, and as archives and HDF5 files are read
 */
export async function openArchive(source: Source): Promise<KerasFile> {
  const file = source.name;
  const zip = await openZip(source);
  const json = async (name: string): Promise<Json> =>
    parseJson(await entryOf(zip, name, file), { file: `${file}:${name}`, depth, pythonFloats: true });
  const model = layerOf(await json(entries.config), entries.config);
  const metadata = zip.entries.has(entries.metadata) ? await json(entries.metadata) : {};
  const version = isJsonObject(metadata) && typeof metadata['keras_version'] === 'string' ? metadata['keras_version'] : '3';
  const weights = new Map<string, Stored>();
  for (const name of await weightFiles(zip, json)) {
    const part = `${file}:${name}`;
    await addDatasets(weights, await openHdf(new MemorySource(await entryOf(zip, name, file), part)), part);
  }
  const assets = new Map<string, Uint8Array>();
  for (const [name, entry] of zip.entries)
    if (name.startsWith('assets/') && entry.size < 2 ** 28) assets.set(name.slice('assets/'.length), await entry.bytes());
  return { model, weights, place: placeOf(weights, path => assets.get(path)), version, findings: zip.warnings };
}

/** One file of variables, or the shards that a list names. */
async function weightFiles(zip: Zip, json: (name: string) => Promise<Json>): Promise<readonly string[]> {
  if (!zip.entries.has(entries.shards)) return [entries.weights];
  const index = await json(entries.shards);
  const map = isJsonObject(index) && isJsonObject(index['weight_map']) ? index['weight_map'] : undefined;
  if (!map) throw fail('E1006', `${entries.shards} has no weight_map`, { path: entries.shards });
  const names = Object.values(map).flatMap(value => (isJsonArray(value) ? value : [value]));
  return [...new Set(names.filter(name => typeof name === 'string'))];
}

async function entryOf(zip: Zip, name: string, file: string): Promise<Uint8Array> {
  const entry = zip.entries.get(name);
  if (!entry) throw fail('E1013', `the archive has no ${name}`, { file, path: name });
  return entry.bytes();
}

/** Tensors of a file by path; bfloat16 and types of 8 bits stand there as float32. */
async function addDatasets(weights: Map<string, Stored>, hdf: Hdf, file: string, root = ''): Promise<void> {
  for (const [path, dataset] of hdf.datasets)
    if (path.startsWith(root)) weights.set(pathOf(path.slice(root.length)), await storedOf(dataset, path, file));
}

/** As Keras 3 has them today: the first versions called the folder otherwise, and wrote what the system separates folders by. */
const pathOf = (path: string): string => path.replaceAll('\\', '/').replaceAll('_layer_checkpoint_dependencies/', 'layers/');

/** By counted paths, where a file has any of them. */
export const placeOf = (weights: ReadonlyMap<string, Stored>, assets: (path: string) => Uint8Array | undefined = () => undefined): Place =>
  [...weights.keys()].some(name => !/(^|\/)vars\/\d+$/.test(name)) ? namesOf(weights) : treeOf(weights, assets);

/**
 * Read a whole model in one HDF5 file, as Keras wrote them up to version 2 and still can.
 * @throws ModelError E1013 for a file without a model, and as HDF5 files are read
 */
export async function openWhole(source: Source): Promise<KerasFile> {
  const file = source.name;
  const hdf = await openHdf(source);
  const config = (await hdf.texts('', 'model_config'))?.[0];
  if (config === undefined) {
    const isWeights = [...hdf.datasets.keys()].some(name => /(^|\/)vars\/\d+$/.test(name) || name.startsWith('model_weights/'));
    throw fail('E1013', isWeights ? 'the file holds weights without a model' : 'the file has no model_config, so it is no Keras model', {
      file,
      ...(isWeights && { hint: 'save the model with model.save(), or give the file to `omnix weights`' }),
    });
  }
  const value = parseJson(config, { file: `${file}:model_config`, depth, pythonFloats: true });
  const weights = new Map<string, Stored>();
  await addDatasets(weights, hdf, file, 'model_weights/');
  const version = (await hdf.texts('', 'keras_version'))?.[0] ?? (await hdf.texts('model_weights', 'keras_version'))?.[0] ?? '2';
  return { model: layerOf(value as JsonObject, 'model_config'), weights, place: namesOf(weights), version, findings: [] };
}
