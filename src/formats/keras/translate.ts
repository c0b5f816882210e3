// From an opened file to a model: inputs and outputs here, the layers by their readers.
import { isJsonArray, type Json, writeJson } from '../../codec/json.ts';
import { type Finding, fail, ModelError } from '../../errors.ts';
import { type Dim, symbol } from '../../ir/dims.ts';
import { Graph, Model, type Output, Value } from '../../ir/graph.ts';
import { tensorType } from '../../ir/types.ts';
import { newBuilder } from '../../ops/builder.ts';
import { irVersionFor, newestOpset } from '../../ops/schema.ts';
import { removeUnread, rewriteAll } from '../../passes/rewrite.ts';
import { simplify } from '../../passes/simplify.ts';
import { sizes } from '../../passes/sizes.ts';
import { Problems } from '../problems.ts';
import { dataTypeNamed, policyOf } from './config.ts';
import type { KerasFile } from './file.ts';
import { LayerReader } from './layer-reader.ts';
import { KerasTensor } from './layers/row.ts';
import { ModelReader } from './model-reader.ts';
import { isModel, type LayerSpec, type ModelSpec, modelOf } from './structure.ts';

export interface TranslateOptions {
  readonly file: string;
  /** Sizes of inputs whose shape the file does not say. */
  readonly inputShapes: Readonly<Record<string, readonly (number | string)[]>>;
}

/**
 * The model of a file, in the newest opset.
 * @throws ModelError with one E2001 for each kind of layer that has no conversion, with counts and places; E1013 and E1305 for
 *   variables that do not fit, all at once
 */
export function translate(keras: KerasFile, { file, inputShapes }: TranslateOptions): { model: Model; findings: readonly Finding[] } {
  const { model: spec } = keras;
  if (!isModel(spec))
    throw fail('E2001', `${spec.registered ?? spec.className}: a model of a class of its own, whose code the file does not hold`, {
      file,
      hint: 'pass the SavedModel of the model (Model.export)',
    });
  const model = modelOf(spec);
  const b = newBuilder();
  const reading = { b, file, version: Number.parseInt(keras.version, 10) || 2, problems: new Problems(), findings: [] as Finding[] };
  const inputs = inputsOf(model, spec, inputShapes);
  const reader = new LayerReader(reading);
  const outputs = new ModelReader(model, keras.place, reader).outputs(inputs.map(v => new KerasTensor(v)));
  reading.problems.throwIfAny();
  reading.findings.push(...leftOver(keras, reader, file));
  if (reading.findings.length > 0) throw new ModelError(reading.findings);
  const graph = new Graph(model.name, { inputs, outputs: outputsOf(model, outputs as readonly KerasTensor[]), nodes: b.nodes });
  removeUnread(graph);
  rewriteAll(graph, [sizes, simplify]);
  const opsets = new Map([['', newestOpset('')!]]);
  for (const node of graph.nodes) if (node.domain && !opsets.has(node.domain)) opsets.set(node.domain, newestOpset(node.domain) ?? 1);
  return {
    model: new Model(graph, {
      irVersion: irVersionFor(opsets),
      opsets,
      producer: { name: 'keras', version: keras.version },
      meta: { metadata: new Map([['source_format', 'keras']]) },
    }),
    findings: keras.findings,
  };
}

/** Variables that no layer reads: then the configuration is another model's. Counters and seeds are integers. */
function leftOver({ weights }: KerasFile, reader: LayerReader, file: string): Finding[] {
  const all = [...weights].filter(([name, stored]) => stored.type.startsWith('float') && !isAside(name) && !reader.isRead(stored));
  return all.slice(0, 1000).map(([name, { dims }]) => ({
    code: 'E1305',
    severity: 'error',
    message: `the file has ${name}[${dims}], which no layer reads`,
    file,
    tensor: name,
  }));
}
/** What training keeps beside the layers, and the vector by which spectral normalisation finds a norm. */
const isAside = (name: string): boolean =>
  /^(?!layers\/)\w+\/vars\/|^(optimizer|metrics|_)|(^|\/)(spectral_normalization\w*\/vars\/\d+$|vector_u)/.test(name);

function inputsOf(model: ModelSpec, spec: LayerSpec, given: TranslateOptions['inputShapes']): Value[] {
  if (model.isSequential) return [sequentialInput(model, spec, given)];
  return model.inputs.map(({ layer: name }) => {
    const layer = model.layers.find(l => l.name === name);
    if (!layer) throw fail('E1104', `the model takes ${name}, which is no layer of it`);
    return inputOf(name, shapeIn(layer), layer, given);
  });
}

/** A Sequential may have been built without an InputLayer: then its first layer, or what it was built for, says the sizes. */
function sequentialInput(model: ModelSpec, spec: LayerSpec, given: TranslateOptions['inputShapes']): Value {
  const [first] = model.layers;
  if (!first) throw fail('E1101', `the model ${model.name} has no layers`);
  if (first.className === 'InputLayer') return inputOf(first.name, shapeIn(first), first, given);
  if (isModel(first)) {
    const inner = modelOf(first);
    const layer = inner.isSequential ? inner.layers[0] : inner.layers.find(l => l.name === inner.inputs[0]?.layer);
    if (layer?.className === 'InputLayer') return inputOf(layer.name, shapeIn(layer), layer, given);
  }
  const shape = shapeIn(first) ?? spec.config.find('build_input_shape') ?? spec.build?.['input_shape'] ?? first.build?.['input_shape'];
  return inputOf(`${first.name}_input`, shape, first, given);
}

const shapeIn = ({ config }: LayerSpec): Json | undefined => config.find('batch_shape') ?? config.find('batch_input_shape');

function inputOf(name: string, shape: Json | undefined, layer: LayerSpec, given: TranslateOptions['inputShapes']): Value {
  const type = layer.config.find('dtype');
  const element = layer.className === 'InputLayer' && typeof type === 'string' ? dataTypeNamed(type) : policyOf(layer.config).compute;
  if (layer.className === 'InputLayer' && layer.config.find('sparse') === true)
    throw fail('E2001', `the input ${name} is sparse, which has no conversion`);
  const wanted = given[name];
  if (wanted)
    return new Value(
      name,
      tensorType(
        element,
        wanted.map(d => (typeof d === 'string' ? symbol(d) : d)),
      ),
    );
  if (!isJsonArray(shape ?? null))
    throw fail('E3009', `the file does not say the shape of the input ${name}`, { hint: `give it with --input-shape ${name}:…` });
  const sizes = (shape as readonly Json[]).map((d, axis): Dim => {
    if (typeof d === 'number' && Number.isSafeInteger(d) && d >= 0) return d;
    // What goes into a model together is one batch.
    if (d === null) return symbol(axis === 0 ? 'batch' : `${name}_${axis}`);
    throw fail('E1202', `the input ${name} has a size that is no size: ${writeJson(d).slice(0, 80)}`);
  });
  return new Value(name, tensorType(element, sizes));
}

/** Outputs are called after the layers that give them, or by the keys of a dictionary. */
function outputsOf({ outputs, outputKeys, layers }: ModelSpec, tensors: readonly KerasTensor[]): Output[] {
  const taken = new Set<string>();
  return tensors.map(({ value }, i) => {
    const wanted = outputKeys?.[i] ?? outputs[i]?.layer ?? layers.at(-1)!.name;
    const name = taken.has(wanted) ? `${wanted}_${i}` : wanted;
    taken.add(name);
    return { name, value };
  });
}
