// TensorFlow.js models of layers: the topology of Keras, with weights in shards.
import { isJsonObject, type Json, parseJson } from '../../codec/json.ts';
import type { Source } from '../../codec/source.ts';
import { fail } from '../../errors.ts';
import { type KerasFile, placeOf } from '../keras/file.ts';
import { layerOf } from '../keras/structure.ts';
import type { Stored } from '../keras/weights.ts';
import { type Open, readManifest } from './manifest.ts';

export { translate } from '../keras/translate.ts';

/** Longest model.json, in bytes; weights lie elsewhere. */
const longest = 256 * 2 ** 20;
const depth = 400;

/** @throws ModelError E1101 for a model without a topology, and as manifests are read */
export async function openLayers(source: Source, open: Open | undefined): Promise<KerasFile> {
  const file = source.name;
  if (source.size > longest)
    throw fail('E1009', `a model.json of ${source.size} bytes, at most ${longest} are read`, {
      file,
      limit: { name: 'tfjs.json', value: longest },
    });
  const json = parseJson(await source.read(0, source.size), { file, depth, pythonFloats: true });
  const topology = isJsonObject(json) ? json['modelTopology'] : undefined;
  if (!isJsonObject(json) || !isJsonObject(topology))
    throw fail('E1101', 'the model has no modelTopology', { file, path: 'modelTopology' });
  const model = layerOf(topology['model_config'] ?? (topology as Json), 'modelTopology');
  const tensors = await readManifest(json['weightsManifest'], file, open);
  const weights = new Map<string, Stored>(
    [...tensors].map(([name, tensor]) => [name, { type: tensor.type, dims: tensor.dims, tensor: () => tensor }]),
  );
  const version = topology['keras_version'];
  return {
    model,
    weights,
    place: placeOf(weights),
    version: typeof version === 'string' ? version.replace(/^tfjs.*/, '2') : '2',
    findings: [],
  };
}
