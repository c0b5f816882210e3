// A TensorFlow Lite file opened: its tables decoded and its references proved, the contents of buffers as ranges that are not read.
import { decodeFlatbuffer, isFlatbuffer } from '../../codec/flatbuffers.ts';
import { ByteRange, type Source } from '../../codec/source.ts';
import { type Finding, fail, ModelError, type Place } from '../../errors.ts';
import type { ReadLimits } from '../format.ts';
import { BuiltinOperator, type Model, type Operator, type SubGraph, tfliteSchema } from './schema.gen.ts';

export const isTflite = (head: Uint8Array): boolean => isFlatbuffer(head, tfliteSchema);

export interface Opened {
  readonly model: Model;
  /** The content of each buffer; undefined for empty ones. */
  readonly buffers: readonly (ByteRange | undefined)[];
  /** The name of each operator code: that of the builtin, or what a custom operator is called. */
  readonly operators: readonly OperatorName[];
  /** Options of custom operators. */
  customOptions(operator: Operator): ByteRange | undefined;
}

export interface OperatorName {
  readonly name: string;
  readonly isCustom: boolean;
  readonly version: number;
}

/** No model nests deeper: the schema has no table that holds itself. */
const depth = 64;
const mostTables = 1_000_000;

/**
 * Open a file.
 * @throws ModelError with every reference that leads nowhere, E2002 for another version of the schema
 */
export async function openTflite(source: Source, limits: ReadLimits = {}): Promise<Opened> {
  const { root, end } = await decodeFlatbuffer(source, tfliteSchema, {
    depth: limits.depth ?? depth,
    tables: limits.nodes ?? mostTables,
  });
  // The cast: the decoder makes what the schema says, from which the interface is generated too.
  const model = root as Model;
  if (model.version !== 3) throw fail('E2002', `version ${model.version} of the schema, expected 3`, { path: 'version' });
  const wrong: Finding[] = [];
  const attempt = <T>(make: () => T): T | undefined => {
    try {
      return make();
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      wrong.push(...error.findings);
      return undefined;
    }
  };
  const outer = (offset: bigint, size: bigint, path: string): ByteRange => rangeAfter(source, offset, size, end, path);
  const buffers = model.buffers.map((buffer, i) => {
    if (buffer.offset === 0n) return buffer.data && buffer.data.length > 0 ? buffer.data : undefined;
    return attempt(() => outer(buffer.offset, buffer.size, `buffers[${i}]`));
  });
  const large = new Map<Operator, ByteRange>();
  model.subgraphs.forEach((subgraph, s) => {
    wrong.push(...checkSubgraph(model, subgraph, `subgraphs[${s}]`));
    subgraph.operators.forEach((operator, i) => {
      const { large_custom_options_offset: offset, large_custom_options_size: size } = operator;
      const range = offset !== 0n && attempt(() => outer(offset, size, `subgraphs[${s}].operators[${i}].large_custom_options`));
      if (range) large.set(operator, range);
    });
  });
  wrong.push(...checkModel(model));
  if (wrong.length > 0) throw new ModelError(wrong);
  return {
    model,
    buffers,
    operators: model.operator_codes.map(operatorName),
    customOptions: operator => large.get(operator) ?? operator.custom_options,
  };
}

/** A range behind the flatbuffer, for what would not fit in it. */
function rangeAfter(source: Source, offset: bigint, size: bigint, end: number, path: string): ByteRange {
  const place: Place = { path, offset: Number(offset) };
  if (offset === 1n) throw fail('E1006', `${path}: the content was to follow and was never written`, { path });
  if (offset < BigInt(end))
    throw fail('E1006', `${path}: ${size} bytes at offset ${offset} overlap the flatbuffer, which ends at ${end}`, place);
  if (offset > BigInt(source.size) || size > BigInt(source.size) - offset)
    throw fail('E1005', `${path}: ${size} bytes at offset ${offset} end outside of the file of ${source.size} bytes`, place);
  return new ByteRange(source, Number(offset), Number(size));
}

const builtinNames = Object.keys(BuiltinOperator) as BuiltinOperator[];

function operatorName(code: Model['operator_codes'][number]): OperatorName {
  const number = Math.max(code.builtin_code, code.deprecated_builtin_code);
  const { version } = code;
  if (number === BuiltinOperator.CUSTOM) return { name: code.custom_code ?? '', isCustom: true, version };
  return { name: builtinNames[number] ?? `operator ${number} of a newer schema`, isCustom: false, version };
}

const outOf = (what: string, index: number, count: number, path: string): Finding => ({
  code: 'E1104',
  severity: 'error',
  message: `${path}: ${what} ${index} does not exist, there are ${count}`,
  path,
});

function checkModel(model: Model): Finding[] {
  const found: Finding[] = [];
  if (model.subgraphs.length === 0)
    found.push({ code: 'E1101', severity: 'error', message: 'the model has no subgraph', path: 'subgraphs' });
  model.metadata.forEach(({ buffer }, i) => {
    if (buffer >= model.buffers.length) found.push(outOf('buffer', buffer, model.buffers.length, `metadata[${i}]`));
  });
  model.signature_defs.forEach((signature, i) => {
    const path = `signature_defs[${i}]`;
    const subgraph = model.subgraphs[signature.subgraph_index];
    if (!subgraph) found.push(outOf('subgraph', signature.subgraph_index, model.subgraphs.length, path));
    for (const list of ['inputs', 'outputs'] as const)
      signature[list].forEach(({ tensor_index: index }, j) => {
        const count = subgraph?.tensors.length ?? 0;
        if (subgraph && index >= count) found.push(outOf('tensor', index, count, `${path}.${list}[${j}]`));
      });
  });
  return found;
}

/** Every index in a subgraph. Tensor -1 is one that is left out, as only inputs of operators may be. */
function checkSubgraph(model: Model, subgraph: SubGraph, path: string): Finding[] {
  const found: Finding[] = [];
  const { tensors, operators } = subgraph;
  const check = (what: string, index: number, count: number, at: string, least = 0): void => {
    if (index < least || index >= count) found.push(outOf(what, index, count, at));
  };
  tensors.forEach(({ buffer, external_buffer: external }, i) => {
    check('buffer', buffer, Math.max(1, model.buffers.length), `${path}.tensors[${i}]`);
    if (external !== 0 && !model.external_buffers.some(({ id }) => id === external))
      found.push(outOf('external buffer', external, model.external_buffers.length, `${path}.tensors[${i}]`));
  });
  subgraph.inputs.forEach((t, i) => check('tensor', t, tensors.length, `${path}.inputs[${i}]`));
  subgraph.outputs.forEach((t, i) => check('tensor', t, tensors.length, `${path}.outputs[${i}]`));
  operators.forEach((operator, i) => {
    const at = `${path}.operators[${i}]`;
    check('operator code', operator.opcode_index, model.operator_codes.length, at);
    operator.inputs.forEach((t, j) => check('tensor', t, tensors.length, `${at}.inputs[${j}]`, -1));
    operator.outputs.forEach((t, j) => check('tensor', t, tensors.length, `${at}.outputs[${j}]`));
    operator.intermediates.forEach((t, j) => check('tensor', t, tensors.length, `${at}.intermediates[${j}]`, -1));
  });
  return found;
}
