// The structure of a model in its configuration: layers and the calls of them, in the dialects of Keras 2 and 3.
import { isJsonArray, isJsonObject, type Json, type JsonObject } from '../../codec/json.ts';
import { fail } from '../../errors.ts';
import { Config } from './config.ts';

/** A tensor that a call of a layer gave. */
export class Ref {
  readonly layer: string;
  readonly node: number;
  readonly tensor: number;
  constructor(layer: string, node: number, tensor: number) {
    this.layer = layer;
    this.node = node;
    this.tensor = tensor;
  }
}

/** An argument of a call as the file has it. */
export type Written = Ref | Json | readonly Written[] | { readonly [key: string]: Written };

export interface Call {
  readonly args: readonly Written[];
  readonly kwargs: Readonly<Record<string, Written>>;
}

export interface LayerSpec {
  readonly className: string;
  readonly module: string | undefined;
  /** The name under which a class of users was registered. */
  readonly registered: string | undefined;
  readonly name: string;
  readonly config: Config;
  /** Sizes that the layer was built for, as far as they are said. */
  readonly build: JsonObject | undefined;
  readonly calls: readonly Call[];
}

export interface ModelSpec {
  readonly name: string;
  readonly isSequential: boolean;
  readonly layers: readonly LayerSpec[];
  readonly inputs: readonly Ref[];
  readonly outputs: readonly Ref[];
  /** The names by which outputs are given, where the model gives a dictionary. */
  readonly outputKeys: readonly string[] | undefined;
}

/** The most layers, and calls of layers, of one model. */
const mostCalls = 1_000_000;

const isModelClass = (name: string): boolean => ['Functional', 'Model', 'Sequential'].includes(name);
/** Whether a layer is a model of layers by its configuration; classes of users are, where they keep that of their base. */
export const isModel = ({ className, config }: LayerSpec): boolean =>
  isModelClass(className) && (config.has('layers') || isJsonArray(config.object['layers']));

/** A layer as it stands in lists of layers and in the configurations of those that wrap one. */
export function layerOf(value: Json | undefined, where: string): LayerSpec {
  if (!isJsonObject(value) || typeof value['class_name'] !== 'string')
    throw fail('E1006', `${where}: expected a layer with a class_name`, { path: where });
  const { class_name: className, config, module, registered_name: registered, name, inbound_nodes: nodes, build_config: build } = value;
  // Keras 1 and 2 gave the layers of a Sequential as its configuration.
  const object = isJsonObject(config) ? config : isJsonArray(config) ? { layers: config } : {};
  const own = typeof name === 'string' ? name : typeof object['name'] === 'string' ? object['name'] : className;
  return {
    className,
    module: typeof module === 'string' ? module : undefined,
    registered: typeof registered === 'string' ? registered : undefined,
    name: own,
    config: new Config(object, `${className} ${JSON.stringify(own.slice(0, 200))}`),
    build: isJsonObject(build) ? build : undefined,
    calls: isJsonArray(nodes) ? nodes.map((node, i) => callOf(node, `${where}.inbound_nodes[${i}]`)) : [],
  };
}

/** @throws ModelError E1006 for what is no model of layers, E1102 for a name twice */
export function modelOf(spec: LayerSpec): ModelSpec {
  const { config, name } = spec;
  const layers = config.list('layers').map((layer, i) => layerOf(layer, `${name}.layers[${i}]`));
  if (layers.reduce((n, layer) => n + 1 + layer.calls.length, 0) > mostCalls)
    throw fail('E1009', `more than ${mostCalls} calls of layers`, { limit: { name: 'keras.calls', value: mostCalls } });
  const names = new Set<string>();
  for (const layer of layers) {
    if (names.has(layer.name)) throw fail('E1102', `the model ${name} has two layers ${layer.name}`, { path: name });
    names.add(layer.name);
  }
  const isSequential = spec.className === 'Sequential' || !config.has('output_layers');
  const outputs = config.find('output_layers');
  return {
    name,
    isSequential,
    layers,
    inputs: isSequential ? [] : refsOf(config.find('input_layers'), `${name}.input_layers`),
    outputs: isSequential ? [] : refsOf(outputs, `${name}.output_layers`),
    outputKeys: isJsonObject(outputs) ? Object.keys(outputs).sort() : undefined,
  };
}

/** Tensors that a model takes or gives: one, a list of them, lists in lists, or a dictionary, which Keras sorts. */
function refsOf(value: Json | undefined, where: string): Ref[] {
  if (value === undefined) return [];
  const ref = legacyRef(value);
  if (ref) return [ref];
  if (isJsonArray(value)) return value.flatMap(item => refsOf(item, where));
  if (isJsonObject(value))
    return Object.keys(value)
      .sort()
      .flatMap(key => refsOf(value[key], where));
  throw fail('E1006', `${where}: expected names of layers with numbers`, { path: where });
}

/** `["dense", 0, 0]`. */
function legacyRef(value: Json): Ref | undefined {
  if (!isJsonArray(value) || value.length < 3) return undefined;
  const [layer, node, tensor] = value;
  return typeof layer === 'string' && typeof node === 'number' && typeof tensor === 'number' ? new Ref(layer, node, tensor) : undefined;
}

function callOf(value: Json, where: string): Call {
  if (isJsonObject(value)) {
    const { args, kwargs } = value;
    if (!isJsonArray(args ?? null)) throw fail('E1006', `${where}: expected args`, { path: where });
    return {
      args: (args as readonly Json[]).map(arg => writtenOf(arg)),
      kwargs: isJsonObject(kwargs) ? writtenEntries(kwargs, writtenOf) : {},
    };
  }
  if (isJsonArray(value)) return legacyCall(value, where);
  throw fail('E1006', `${where}: expected a call`, { path: where });
}

/** `[["a", 0, 0, {}], ["b", 0, 0, {}]]`, or one without the list around it. */
function legacyCall(value: readonly Json[], where: string): Call {
  const entries = legacyRef(value) ? [value] : value;
  const refs = entries.map(entry => {
    const ref = legacyRef(entry);
    if (!ref) throw fail('E1006', `${where}: expected the name of a layer with two numbers`, { path: where });
    return ref;
  });
  const kwargs = entries.map(entry => (entry as readonly Json[])[3]).find(isJsonObject);
  return {
    args: refs.length === 1 ? refs : [refs],
    kwargs: kwargs ? writtenEntries(kwargs, legacyArgument) : {},
  };
}

function legacyArgument(value: Json): Written {
  if (isJsonArray(value)) {
    if (value[0] === '_CONSTANT_VALUE') return value[2] ?? null;
    return legacyRef(value) ?? value.map(legacyArgument);
  }
  return isJsonObject(value) ? writtenOf(value) : value;
}

const writtenEntries = (object: JsonObject, read: (value: Json) => Written): Record<string, Written> =>
  Object.fromEntries(Object.entries(object).map(([key, value]) => [key, read(value)]));

/** Objects of Keras 3 stand as their class and configuration. */
function writtenOf(value: Json): Written {
  if (isJsonArray(value)) return value.map(writtenOf);
  if (!isJsonObject(value)) return value;
  const { class_name: className, config } = value;
  if (className === '__keras_tensor__' && isJsonObject(config)) {
    const ref = legacyRef(config['keras_history'] ?? null);
    if (!ref) throw fail('E1006', 'a tensor without keras_history');
    return ref;
  }
  if (className === '__tuple__' && isJsonObject(config) && isJsonArray(config['value'] ?? null))
    return (config['value'] as readonly Json[]).map(writtenOf);
  return writtenEntries(value, writtenOf);
}

/** Classes whose public name, which configurations have, is not their own. */
const ownNames: Readonly<Record<string, string>> = { GroupQueryAttention: 'GroupedQueryAttention' };

/** The name of a class as files of Keras 3 count it. */
export const snakeCase = (name: string): string =>
  (Object.hasOwn(ownNames, name) ? ownNames[name]! : name)
    .replace(/\W+/g, '')
    .replace(/(.)([A-Z][a-z]+)/g, '$1_$2')
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase();
