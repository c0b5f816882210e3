// TensorFlow.js models of layers: the topology of Keras, with weights in shards.
import type { Json } from '../../codec/json.ts';
import type { Source } from '../../codec/source.ts';
import { type KerasFile, placeOf } from '../keras/file.ts';
import { layerOf } from '../keras/structure.ts';
import type { Stored } from '../keras/weights.ts';
import { readDocument } from './document.ts';
import { type Open, readManifest } from './manifest.ts';

export { translate } from '../keras/translate.ts';

/** @throws ModelError as documents and manifests are read */
export async function openLayers(source: Source, open: Open | undefined): Promise<KerasFile> {
  const { json, topology } = await readDocument(source);
  const model = layerOf(topology['model_config'] ?? (topology as Json), 'modelTopology');
  const tensors = await readManifest(json['weightsManifest'], source.name, open);
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
