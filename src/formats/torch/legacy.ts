// Programs of torch.export as PyTorch 2.1 to 2.7 stored them: a flat zip of the program as JSON and the tensors as torch.save writes
// them; and what the JSON of older schemas says otherwise than that of today.
// Source: torch/export/__init__.py and torch/_export/serde/schema.py of these versions.
import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../../codec/json.ts';
import { entrySource, type ZipEntry } from '../../codec/zip.ts';
import { type Finding, fail } from '../../errors.ts';
import { Tensor } from '../../ir/tensor.ts';
import { readSaved, type SavedValue } from './saved.ts';

/** Entries with tensors by name: the state dict, then constants. The first versions called them JSON, which they never were. */
export const flatTensors: readonly string[] = [
  'serialized_state_dict.pt',
  'serialized_state_dict.json',
  'serialized_constants.pt',
  'serialized_constants.json',
];

/**
 * The tensors of a dict that torch.save wrote into an entry; other values are left out.
 * @throws ModelError as readSaved does, E1006 where it is no dict
 */
export async function readSavedTensors(
  entry: ZipEntry,
  file: string,
): Promise<{ tensors: Map<string, Tensor>; findings: readonly Finding[] }> {
  const tensors = new Map<string, Tensor>();
  if (entry.size === 0) return { tensors, findings: [] };
  const { value, findings } = await readSaved(await entrySource(entry, `${file}:${entry.name}`));
  if (!(value instanceof Map)) throw fail('E1006', `${entry.name}: expected a dict of tensors`, { file, path: entry.name });
  for (const [key, item] of value as ReadonlyMap<SavedValue, SavedValue>)
    if (typeof key === 'string' && item instanceof Tensor) tensors.set(key, item);
  return { tensors, findings };
}

/** The same program in the schema of today. `major` is that of its own; from 6 on readers see no difference. */
export function upgradeProgram(program: JsonObject, major: number): JsonObject {
  if (major > 5) return program;
  const graphModule = objectAt(program, 'graph_module');
  const graph = upgradeGraph(objectAt(graphModule, 'graph')) as JsonObject;
  return {
    ...program,
    graph_module: {
      ...graphModule,
      graph,
      signature: major === 1 ? signatureOf(objectAt(graphModule, 'signature'), graph) : graphModule['signature']!,
    },
  };
}

function objectAt(parent: JsonObject, key: string): JsonObject {
  const value = Object.hasOwn(parent, key) ? parent[key] : undefined;
  if (isJsonObject(value)) return value;
  throw fail('E1101', `the program has no object ${key}`, { path: key });
}

/**
 * Graphs wherever they are nested: tensors of optional lists were bare names, the types of tensors lay one level deeper, and unions
 * listed all of their tags, those that do not hold as null.
 */
function upgradeGraph(value: Json): Json {
  if (isJsonArray(value)) return value.map(upgradeGraph);
  if (!isJsonObject(value)) return value;
  const made: Record<string, Json> = Object.create(null);
  for (const [key, item] of Object.entries(value)) {
    if (item === null) continue;
    if (key === 'as_tensor' && typeof item === 'string') made[key] = { name: item };
    else if (key === 'tensor_values')
      made[key] = upgradeGraph(mapValues(item, meta => (isJsonObject(meta) ? (meta['meta'] ?? meta) : meta)));
    else made[key] = upgradeGraph(item);
  }
  return made;
}

const mapValues = (value: Json, change: (item: Json) => Json): Json =>
  isJsonObject(value) ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key, change(item)])) : value;

/** Schema 1 named inputs and outputs in maps of their own; the graph has them in order. */
function signatureOf(signature: JsonObject, graph: JsonObject): JsonObject {
  const parameters = objectAt(signature, 'inputs_to_parameters');
  const buffers = objectAt(signature, 'inputs_to_buffers');
  const written = objectAt(signature, 'buffers_to_mutate');
  const list = (key: string): readonly Json[] => {
    const value = graph[key];
    if (isJsonArray(value)) return value;
    throw fail('E1101', `the graph has no list ${key}`, { path: key });
  };
  const own = (map: JsonObject, arg: Json): Json | undefined => {
    const name = nameOf(arg);
    return name !== undefined && Object.hasOwn(map, name) ? map[name] : undefined;
  };
  const input = (arg: Json): JsonObject => {
    const [parameter, buffer] = [own(parameters, arg), own(buffers, arg)];
    const name = { name: nameOf(arg) ?? '' };
    if (parameter !== undefined) return { parameter: { arg: name, parameter_name: parameter } };
    if (buffer !== undefined) return { buffer: { arg: name, buffer_name: buffer, persistent: true } };
    return { user_input: { arg } };
  };
  const output = (arg: Json): JsonObject => {
    const buffer = own(written, arg);
    return buffer === undefined ? { user_output: { arg } } : { buffer_mutation: { arg: { name: nameOf(arg)! }, buffer_name: buffer } };
  };
  return { input_specs: list('inputs').map(input), output_specs: list('outputs').map(output) };
}

/** The name in an argument that is a tensor. */
function nameOf(arg: Json): string | undefined {
  const tensor = isJsonObject(arg) ? arg['as_tensor'] : undefined;
  const name = isJsonObject(tensor) ? tensor['name'] : undefined;
  return typeof name === 'string' ? name : undefined;
}
