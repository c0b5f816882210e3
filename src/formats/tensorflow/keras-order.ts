// The order of a Keras model's outputs, which a signature has lost: its outputs have names alone. Keras 2 says it beside the SavedModel.
import { isJsonArray, isJsonObject, type Json, parseJson } from '../../codec/json.ts';
import { decode } from '../../codec/protobuf.ts';
import type { Source } from '../../codec/source.ts';
import { ModelError } from '../../errors.ts';
import { type KerasMetadata, tensorflowSchema } from './proto.gen.ts';

/** Names of the layers that give the model's outputs, in order; none where the file does not say. */
export async function kerasOutputs(open: ((location: string) => Promise<Source>) | undefined): Promise<readonly string[]> {
  try {
    const source = await open?.('keras_metadata.pb');
    if (!source) return [];
    const { nodes = [] } = await decode<KerasMetadata>(tensorflowSchema, 'KerasMetadata', source);
    const text = nodes.find(n => n.node_path === 'root')?.metadata ?? '{}';
    return layersIn(parseJson(new TextEncoder().encode(text), { pythonFloats: true }));
  } catch (error) {
    // It is no part of what is run: a file that is absent or odd only leaves the outputs in the order of their names.
    if (error instanceof ModelError) return [];
    throw error;
  }
}

const child = (json: Json | undefined, key: string): Json | undefined => (json !== undefined && isJsonObject(json) ? json[key] : undefined);

/** `[name, node, tensor]` for each output. */
function layersIn(metadata: Json): readonly string[] {
  const outputs = child(child(metadata, 'config'), 'output_layers');
  if (outputs === undefined || !isJsonArray(outputs)) return [];
  return outputs.flatMap(entry => (isJsonArray(entry) && typeof entry[0] === 'string' ? [entry[0]] : []));
}
