// TensorFlow.js models of layers as a row of the format table: the topology of Keras, with weights in shards.
import { isJsonObject, type Json, parseJson } from '../../codec/json.ts';
import type { Source } from '../../codec/source.ts';
import { fail } from '../../errors.ts';
import type { Format } from '../format.ts';
import { type KerasFile, placeOf } from '../keras/file.ts';
import { layerOf } from '../keras/structure.ts';
import { translate } from '../keras/translate.ts';
import type { Stored } from '../keras/weights.ts';
import { type Open, readManifest } from './manifest.ts';

/** Longest model.json, in bytes; weights lie elsewhere. */
const longest = 256 * 2 ** 20;
const depth = 400;

export const tfjsLayers: Format = {
  name: 'tfjs-layers',
  title: 'TensorFlow.js layers model',
  extensions: ['model.json'],
  isText: true,
  mainFile: 'model.json',
  detect(head) {
    const text = new TextDecoder('latin1').decode(head);
    if (!/^\s*\{/.test(text) || /"format"\s*:\s*"graph-model"/.test(text)) return false;
    return /"format"\s*:\s*"layers-model"/.test(text) || (/"modelTopology"\s*:/.test(text) && /"(class_name|model_config)"\s*:/.test(text));
  },
  read: async (source, { open, inputShapes = {} }) => translate(await openLayers(source, open), { file: source.name, inputShapes }),
};

/** @throws ModelError E1101 for a model without a topology, and as manifests are read */
async function openLayers(source: Source, open: Open | undefined): Promise<KerasFile> {
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
  const weights = new Map<string, Stored>([...tensors].map(([name, tensor]) => [name, { dims: tensor.dims, tensor: () => tensor }]));
  const version = topology['keras_version'];
  return {
    model,
    weights,
    place: placeOf(weights),
    version: typeof version === 'string' ? version.replace(/^tfjs.*/, '2') : '2',
    findings: [],
  };
}
