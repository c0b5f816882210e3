// A model from the bytes of an .onnx file. Nothing is lost: what the graph has no place for is carried along for the way back.
// Contents of tensors are shared with the file or stay in it. Specification: https://github.com/onnx/onnx/blob/main/docs/IR.md
import { at } from '../../codec/protobuf.ts';
import type { Source } from '../../codec/source.ts';
import { type Code, type Finding, fail, ModelError, warning } from '../../errors.ts';
import { Graph, Model, subgraphs } from '../../ir/graph.ts';
import { sortedNodes } from '../../ir/order.ts';
import { namedValues } from '../../ops/index.ts';
import { maxIrVersion } from '../../ops/schema.ts';
import type { ReadLimits } from '../format.ts';
import { type OpenExternal, verifyChecksums, warnOverlaps } from './external.ts';
import { fetchParts } from './fetch-parts.ts';
import { readOpsets } from './opsets.ts';
import type { ModelProto } from './proto.gen.ts';
import { checkReferences, readFunctions } from './read-functions.ts';
import { readGraph } from './read-graph.ts';
import { Reading } from './reading.ts';
import { described, type Places, readMeta } from './rest.ts';
import { binary, type Spelling } from './spelling.ts';

export interface ReadOptions {
  /** Opens files of external data; without it they are findings (E1402). */
  readonly open?: OpenExternal | undefined;
  /** Compare external files with the checksums the model names, which reads them whole; false. */
  readonly checksums?: boolean | undefined;
  readonly limits?: ReadLimits | undefined;
  /** How the file holds the message; as binary protobuf. */
  readonly spelling?: Spelling | undefined;
}

/** A model as far as it could be built, and everything found wrong with the file. */
export interface ReadResult {
  readonly model: Model;
  readonly findings: Finding[];
}

const modelPlaces: Places<ModelProto> = {
  ...described,
  ir_version: 'own',
  opset_import: 'own',
  producer_name: 'own',
  producer_version: 'own',
  graph: 'own',
  functions: 'own',
};

/**
 * Read a model. Problems of the model are findings with code, path and offset; only bytes that are no message throw: E1001,
 * E1005 to E1009, E5005, and texts E1010, E1110 too. Operators are not looked at.
 */
export async function readOnnx(source: Source, options: ReadOptions = {}): Promise<ReadResult> {
  if (source.size === 0) throw fail('E1001', 'the file is empty', { file: source.name });
  const reading = new Reading(source.name, options.limits);
  const proto = await (options.spelling ?? binary).decode(source, reading.limits.depth);
  await fetchParts(proto, options.open, reading);
  const model = readModel(proto, reading);
  warnOverlaps(reading);
  if (options.checksums) await verifyChecksums(reading);
  return { model, findings: reading.findings };
}

function readModel(proto: ModelProto, reading: Reading): Model {
  const irVersion = readIrVersion(proto, reading);
  const { opsets, rest: imports } = readOpsets(proto.opset_import ?? [], '', reading);
  const implied = irVersion < 3 && irVersion > 0;
  if (opsets.size === 0 && implied) opsets.set('', 1);
  else if (opsets.size === 0) reading.add('E1106', 'the model imports no opset', { path: 'opset_import' });
  if (!proto.graph) reading.add('E1101', 'the model has no graph', { path: 'graph' });
  const functions = readFunctions(proto.functions ?? [], reading);
  const graph = proto.graph ? readGraph(proto.graph, 'graph', reading) : new Graph('');
  checkReferences(graph.nodes, new Set(), 'graph', reading);
  const meta = readMeta(proto, modelPlaces, '', reading);
  const unsafe = typeof proto.ir_version === 'bigint' ? { ir_version: proto.ir_version } : {};
  const kept = implied && !proto.opset_import ? { opset_import: [] } : imports;
  const producer = { name: proto.producer_name, version: proto.producer_version };
  const { inlined } = reading.limits;
  return new Model(graph, {
    irVersion,
    opsets,
    functions,
    producer,
    meta: { ...meta, rest: { ...meta.rest, ...kept, ...unsafe }, ...(functions.length > 0 && { inlined }) },
  });
}

function readIrVersion({ ir_version: version, [at]: offset }: ModelProto, reading: Reading): number {
  if (version === undefined) reading.add('E1101', 'the model has no ir_version', { path: 'ir_version' });
  else if (version < 1 || version > maxIrVersion)
    reading.add('E1107', `the IR version is ${version}, expected 1 to ${maxIrVersion}`, { path: 'ir_version', offset });
  return Number(version ?? 0);
}

/** What a model can be used in spite of. */
const usable: ReadonlySet<Code> = new Set(['E1103', 'E1110', 'E1111']);

/**
 * A model to work with: throws all errors of a reading at once, except for those that a model can be used in spite of: nodes in the
 * wrong order (E1103) are sorted, names that are no UTF-8 (E1110) keep their bytes, hidden names (E1111) are let be; all with a warning.
 */
export function loadable({ model, findings }: ReadResult): ReadResult {
  const errors = findings.filter(f => f.severity === 'error');
  if (errors.some(f => !usable.has(f.code))) throw new ModelError(errors);
  const kept = findings.filter(f => f.code !== 'E1103' || f.severity !== 'error').map(f => ({ ...f, severity: 'warning' as const }));
  const unordered = errors.filter(f => f.code === 'E1103');
  if (unordered[0] === undefined) return { model, findings: kept };
  sortGraph(model.graph);
  for (const { body } of model.functions) sortGraph(body);
  const { code: _, severity: __, message: ___, hint: ____, ...place } = unordered[0];
  const note = warning('E1103', `nodes read values before they are made, ${unordered.length} times; the nodes were sorted`, place);
  return { model, findings: [...kept, note] };
}

/** Bring the nodes of a graph and of those nested in it into order; circles were found when they were read. */
function sortGraph(graph: Graph): void {
  const sorted = sortedNodes(graph, namedValues);
  if ('nodes' in sorted) graph.nodes = sorted.nodes;
  for (const node of graph.nodes) for (const [, inner] of subgraphs(node)) sortGraph(inner);
}
