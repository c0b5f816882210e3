// TensorFlow.js models of graphs: a GraphDef in protobuf's JSON form, whose constants lie in the shards under the names of their nodes.
import { isJsonObject, type JsonObject, writeJson } from '../../codec/json.ts';
import { jsonMessage } from '../../codec/protobuf-json.ts';
import type { Source } from '../../codec/source.ts';
import { graphBody, Library } from '../tensorflow/body.ts';
import { type GraphDef, type SignatureDef, tensorflowSchema } from '../tensorflow/proto.gen.ts';
import type { Wanted } from '../tensorflow/translate.ts';
import { giveConstants } from './constants.ts';
import { readDocument } from './document.ts';
import { type Open, readManifest } from './manifest.ts';
import { repaired } from './repairs.ts';
import { chosenEnds, endsOfSignature, noEnds, resourceIds } from './signature.ts';
import { type Initializer, readTables } from './tables.ts';

export { translate } from '../tensorflow/translate.ts';

export interface GraphOptions {
  readonly open: Open | undefined;
  /** Nodes or tensors instead of those of the signature. */
  readonly inputs?: readonly string[] | undefined;
  readonly outputs?: readonly string[] | undefined;
  readonly depth?: number | undefined;
}

/** @throws ModelError as documents, manifests and graphs are read, E1013 for a constant without a weight */
export async function openGraph(source: Source, { open, inputs, outputs, depth }: GraphOptions): Promise<Wanted> {
  const file = source.name;
  const { json, topology } = await readDocument(source);
  // Whoever wrote the file may know later versions of the messages, and old ones wrote bytes as lists.
  const parse = <T extends object>(name: string, value: JsonObject, path: string): T =>
    jsonMessage(tensorflowSchema, name, value, { file, path, depth, skipUnknown: true, listsOfBytes: true }) as T;
  const graph = parse<GraphDef>('GraphDef', topology, 'modelTopology');
  const initializer = isJsonObject(json['modelInitializer'])
    ? parse<GraphDef>('GraphDef', json['modelInitializer'], 'modelInitializer')
    : undefined;
  const weights = await readManifest(json['weightsManifest'], file, open);
  await giveConstants(graph, weights, 'modelTopology');
  if (initializer) await giveConstants(initializer, weights, 'modelInitializer');
  const sound = repaired(graph);
  const library = new Library(sound);
  const body = graphBody(sound, 'modelTopology');
  const metadata = isJsonObject(json['userDefinedMetadata']) ? json['userDefinedMetadata'] : {};
  const signature = isJsonObject(metadata['signature']) ? metadata['signature'] : json['signature'];
  const said = isJsonObject(signature)
    ? endsOfSignature(parse<SignatureDef>('SignatureDef', signature, 'signature'), metadata['structuredOutputKeys'])
    : noEnds;
  const started: Initializer | undefined = initializer && {
    graph: initializer,
    library,
    ids: resourceIds(json['initializerSignature'], 'outputs'),
    wanted: resourceIds(signature, 'inputs'),
  };
  const generated = json['generatedBy'];
  return {
    name: nameOf(file),
    body,
    library,
    ...chosenEnds(said, { inputs, outputs }, body, library),
    resources: await readTables(body, library, started),
    producer: typeof generated === 'string' ? generated : undefined,
    metadata: new Map([...textsOf(metadata), ['source_format', 'tfjs-graph']]),
  };
}

/** The name of the folder. */
const nameOf = (file: string): string => file.split(/[\\/]/).at(-2) || 'model';

/** What users say of the model. */
const textsOf = (metadata: JsonObject): [string, string][] =>
  Object.entries(metadata)
    .filter(([key]) => key !== 'signature' && key !== 'structuredOutputKeys')
    .map(([key, value]) => [key, typeof value === 'string' ? value : writeJson(value)]);
