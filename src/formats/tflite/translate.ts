// From an opened file to a model: the signature here, the operators by a reader of graphs.

import { type Finding, fail } from '../../errors.ts';
import { isUnknownDim } from '../../ir/dims.ts';
import { Graph, Model, type Output, Value } from '../../ir/graph.ts';
import { tensorType } from '../../ir/types.ts';
import { irVersionFor, newestOpset } from '../../ops/schema.ts';
import { removeUnread, rewriteAll } from '../../passes/rewrite.ts';
import { simplify } from '../../passes/simplify.ts';
import { sizes } from '../../passes/sizes.ts';
import { Problems } from '../problems.ts';
import type { Opened } from './container.ts';
import { isFlex } from './custom.ts';
import { GraphReader, type Reading } from './graph-reader.ts';
import { metadataOf } from './metadata.ts';
import { partType } from './pairs.ts';
import { quantised } from './quantization.ts';
import type { Operator, SignatureDef } from './schema.gen.ts';
import { openSize, readTensors, type TensorInfo } from './tensors.ts';
import { Variables } from './variables.ts';

export interface TranslateOptions {
  /** Keep operators without a conversion as nodes of domains of their own. */
  readonly allowCustom: boolean;
  /** The signature to read, by its name; the first subgraph where none is named. */
  readonly signature: string | undefined;
  /** Quantised inputs and outputs stay as they are stored; they are numbers otherwise. */
  readonly quantizedIo: boolean;
  /** The most operators, those of a subgraph counted for each of its calls. */
  readonly nodes: number;
}

export interface Translated {
  readonly model: Model;
  readonly findings: readonly Finding[];
}

/** Options of custom operators are read up to so many bytes. */
const mostOptions = 1 << 20;

/**
 * The model of an opened file, in the newest opset.
 * @throws ModelError with one E2001 for each operator that has no conversion, with counts and places
 */
export async function translate(opened: Opened, name: string, options: TranslateOptions): Promise<Translated> {
  const { model: file } = opened;
  const signature = signatureOf(file.signature_defs, options.signature);
  const reading: Reading = {
    opened,
    tensors: await Promise.all(file.subgraphs.map((subgraph, i) => readTensors(opened, subgraph, `subgraphs[${i}]`))),
    customOptions: await customOptions(opened),
    problems: new Problems(),
    variables: new Variables(),
    custom: options.allowCustom ? new Set() : undefined,
    // The table of TensorFlow is loaded for those who need it.
    flex: opened.operators.some(isFlex) ? (await import('./flex.ts')).flex : undefined,
    left: options.nodes,
  };
  const reader = new GraphReader(reading, signature?.subgraph_index ?? 0);
  const { quantizedIo } = options;
  const inputs = namesOf(reader.inputs, signature?.inputs).map((name, i) => inputOf(reader.inputs[i]!, name, quantizedIo));
  reader.inputs.forEach((info, i) => reader.bind(info, storedInput(reader, info, inputs[i]!)));
  reader.run();
  reading.problems.throwIfAny();
  const { variables } = reading;
  const graph = new Graph(name, {
    inputs: [...inputs, ...variables.inputs],
    outputs: [...outputsOf(reader, signature, quantizedIo), ...variables.outputs],
    nodes: reader.b.nodes,
  });
  removeUnread(graph);
  rewriteAll(graph, [sizes, simplify]);
  const opsets = new Map([['', newestOpset('')!], ...[...(reading.custom ?? [])].map(domain => [domain, 1] as const)]);
  for (const node of graph.nodes) if (node.domain && !opsets.has(node.domain)) opsets.set(node.domain, newestOpset(node.domain) ?? 1);
  const model = new Model(graph, {
    irVersion: irVersionFor(opsets),
    opsets,
    producer: { name: 'tflite', version: undefined },
    meta: { metadata: new Map([...(await metadataOf(opened)), ...quantizationsOf(reader, signature)]) },
  });
  return { model, findings: [] };
}

/** The signature that is asked for, or the one of the first subgraph. */
function signatureOf(signatures: readonly SignatureDef[], wanted: string | undefined): SignatureDef | undefined {
  if (wanted === undefined) return signatures.find(s => s.subgraph_index === 0);
  const found = signatures.find(s => s.signature_key === wanted);
  if (found) return found;
  const names = signatures.map(s => s.signature_key ?? '').join(', ');
  throw fail('E3001', `the model has no signature ${JSON.stringify(wanted)}; it has ${names || 'none'}`);
}

/** Names of tensors that a graph takes or gives: those of the signature, a tensor's several names in turn, each name once. */
function namesOf(infos: readonly TensorInfo[], maps: SignatureDef['inputs'] = []): string[] {
  const left = [...maps];
  const taken = new Set<string>();
  return infos.map(({ index, name }, i) => {
    const at = left.findIndex(({ tensor_index }) => tensor_index === index);
    const wanted = (at >= 0 && left.splice(at, 1)[0]!.name) || name || `value_${i}`;
    const own = taken.has(wanted) ? `${wanted}_${i}` : wanted;
    taken.add(own);
    return own;
  });
}

function inputOf(info: TensorInfo, name: string, quantizedIo: boolean): Value {
  if (!info.element) throw fail('E2002', `the input ${name} is a handle or a list, which has no conversion`, { tensor: info.name });
  const shape = (info.shape ?? []).map((d, axis) => (typeof d !== 'number' && isUnknownDim(d) ? openSize(name, axis) : d));
  const part = partType(info.element);
  if (part) return new Value(name, tensorType(part, [...shape, 2]));
  return new Value(name, tensorType(info.quantization && !quantizedIo ? 'float32' : info.element, shape));
}

/** An input as the graph stores it. */
function storedInput({ b }: GraphReader, { quantization, element }: TensorInfo, value: Value): Value {
  return quantization && value.element !== element ? quantised(b, value, quantization, element!) : value;
}

/** The outputs, in the order of the subgraph. */
function outputsOf(reader: GraphReader, signature: SignatureDef | undefined, quantizedIo: boolean): Output[] {
  const names = namesOf(reader.outputs, signature?.outputs);
  return reader.results(quantizedIo ? 'stored' : 'numbers').map((value, i) => ({ name: names[i]!, value }));
}

/** How inputs and outputs are quantised, for those who have them stored. */
function quantizationsOf(reader: GraphReader, signature: SignatureDef | undefined): [string, string][] {
  return (['inputs', 'outputs'] as const).flatMap(side => {
    const names = namesOf(reader[side], signature?.[side]);
    return reader[side].flatMap(({ element, quantization: q }, i): [string, string][] =>
      q?.kind === 'tensor' ? [[`quantization.${names[i]}`, `${element} scale ${q.scales[0]} zero_point ${q.zeroPoints[0]}`]] : [],
    );
  });
}

async function customOptions(opened: Opened): Promise<ReadonlyMap<Operator, Uint8Array>> {
  const found = new Map<Operator, Uint8Array>();
  for (const subgraph of opened.model.subgraphs)
    for (const operator of subgraph.operators) {
      const range = opened.customOptions(operator);
      if (range && range.length <= mostOptions) found.set(operator, await range.read());
    }
  return found;
}
