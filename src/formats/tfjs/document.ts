// model.json: what models of layers and of graphs have around their topology.
import { isJsonObject, type JsonObject, parseJson } from '../../codec/json.ts';
import type { Source } from '../../codec/source.ts';
import { fail } from '../../errors.ts';

/** Longest model.json, in bytes; weights lie elsewhere. */
const longest = 32 * 2 ** 20;
const depth = 400;

export interface Document {
  readonly json: JsonObject;
  readonly topology: JsonObject;
}

/** @throws ModelError E1101 for a model without a topology, E1009 for one too long, and what `parseJson` throws */
export async function readDocument(source: Source): Promise<Document> {
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
  return { json, topology };
}
