// J01 to J04: TensorFlow.js models whose shards lie elsewhere, whose manifests lie, whose JSON is hostile or whose layers make no model.
import { mkdirSync, symlinkSync } from 'node:fs';
import { type Code, codes } from '../../src/errors.ts';
import { type Beside, type Case, error, hostile } from './case.ts';
import { join, type Piece, repeat, utf8 } from './wire.ts';

const floats = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);

/** JSON as it is said: for what JSON.stringify does not write. */
class Raw {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}
type Said = Raw | string | number | boolean | null | undefined | readonly Said[] | { readonly [key: string]: Said };

function text(value: Said): string {
  if (value instanceof Raw) return value.text;
  if (Array.isArray(value)) return `[${value.map(text).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
  const members = Object.entries(value).filter(([, v]) => v !== undefined);
  return `{${members.map(([k, v]) => `${JSON.stringify(k)}:${text(v)}`).join(',')}}`;
}

interface Parts {
  readonly paths?: Said;
  /** In other words than those of a sound weight. */
  readonly weight?: { readonly [key: string]: Said };
  readonly weights?: Said;
  readonly topology?: { readonly [key: string]: Said };
  readonly more?: { readonly [key: string]: Said };
}

const sound = { shape: [2], dtype: 'float32' };
const manifest = ({ paths = ['a.bin'], weight = {}, weights }: Parts, name: string): Said => [
  { paths, weights: weights ?? [{ name, ...sound, ...weight }] },
];
const around = (format: string, topology: Said, parts: Parts, name: string): Piece =>
  utf8(text({ format, modelTopology: topology, weightsManifest: manifest(parts, name), ...parts.more }));

const float = { type: 'DT_FLOAT' };
const nodes = (name = 'k'): { readonly [key: string]: Said }[] => [
  { name: 'x', op: 'Placeholder', attr: { dtype: float, shape: { shape: { dim: [{ size: '2' }] } } } },
  { name, op: 'Const', attr: { dtype: float, value: { tensor: { dtype: 'DT_FLOAT', tensorShape: { dim: [{ size: '2' }] } } } } },
  { name: 'y', op: 'AddV2', input: ['x', name], attr: { T: float } },
];
/** y = x + k, with parts in other words. */
const graph = (parts: Parts = {}, name = 'k'): Piece => around('graph-model', { node: nodes(name), ...parts.topology }, parts, name);

const layer = (class_name: Said, config: Said, more: { readonly [key: string]: Said } = {}): { readonly [key: string]: Said } => ({
  class_name,
  config,
  ...more,
});
const dense = layer('Dense', { name: 'd', units: 2, use_bias: false, batch_input_shape: [null, 1] });
const sequential = (...layers: Said[]): Said => layer('Sequential', { name: 'net', layers });
const layers = (parts: Parts = {}, model: Said = sequential(dense)): Piece =>
  around('layers-model', { keras_version: 'tfjs-layers 4.22.0', model_config: model, ...parts.topology }, parts, 'd/kernel');

type Given = Parameters<typeof hostile>[4];
const beside: Beside = { 'a.bin': floats(1, 2) };
const tfjs = (row: string, variant: string, make: () => Piece, findings: Parameters<typeof hostile>[3], given: Given = {}): Case =>
  hostile(row, variant, make, findings, {
    file: 'model.json',
    command: 'convert',
    options: ['-o', 'out.onnx'],
    beside,
    ...(findings[0] ? { exit: codes[findings[0].code].exit } : { writes: ['out.onnx'] }),
    ...given,
  });

/** A case for each kind of model: both have the same manifest. */
const inBoth = (row: string, variant: string, parts: Parts, code: Code, message: string, path: string, given: Given = {}): Case[] =>
  [['a graph', graph, 'k'] as const, ['layers', layers, 'd/kernel'] as const].map(([kind, make, name]) =>
    tfjs(row, `${variant}, of ${kind}`, () => make(parts), [error(code, message.replaceAll('NAME', JSON.stringify(name)), path)], given),
  );

const pathPlace = 'weightsManifest[0].paths[0]';
const elsewhere = (variant: string, location: string, reason: string): Case[] =>
  inBoth('J01', variant, { paths: [location] }, 'E1401', `the location ${JSON.stringify(location)} ${reason}`, pathPlace);

const locations: Case[] = [
  ...elsewhere('a shard in the folder above', '../a.bin', 'leaves the folder of the model'),
  ...elsewhere('a shard that leaves on the way', 'sub/../../a.bin', 'leaves the folder of the model'),
  ...elsewhere('a shard by an absolute path', '/etc/passwd', 'is absolute'),
  ...elsewhere('a shard by an address', 'http://127.0.0.1:9/a.bin', 'holds a backslash or colon'),
  ...elsewhere('a shard by an address without a scheme', '//127.0.0.1/a.bin', 'is absolute'),
  ...elsewhere('a shard that is its own content', 'data:application/octet-stream;base64,AAAAAAAAAAA=', 'holds a backslash or colon'),
  ...elsewhere('a shard of a drive', 'C:\\a.bin', 'holds a backslash or colon'),
  ...elsewhere('a shard of another machine', '\\\\host\\a.bin', 'holds a backslash or colon'),
  ...elsewhere('a shard by the address of a file', 'file:///etc/passwd', 'holds a backslash or colon'),
  ...elsewhere('a shard that is a device', 'NUL', 'names a device'),
  ...elsewhere('a shard without a name', '', 'has an empty segment'),
  ...inBoth(
    'J01',
    'a name with a NUL',
    { paths: ['a.bin\0.txt'] },
    'E1401',
    'the location "a.bin\\x00.txt" holds control characters or invalid bytes',
    pathPlace,
  ),
  ...inBoth('J01', 'a name that is no text', { paths: [7] }, 'E1006', `${pathPlace}: expected the name of a file`, pathPlace),
];

const opened: Case[] = [
  tfjs('J01', 'a shard in a folder beside the model', () => graph({ paths: ['sub/a.bin'] }), [], { beside: { 'sub/a.bin': floats(1, 2) } }),
  tfjs('J01', 'a shard that is not there', () => graph({ paths: ['b.bin'] }), [
    error('E1402', 'external data file "b.bin" does not exist beside the model'),
  ]),
  tfjs(
    'J01',
    'a shard that is a link to somewhere else',
    () => graph(),
    [error('E1401', 'external data file "a.bin" leads outside the folder of the model')],
    {
      beside: { 'a.bin': path => symlinkSync('/etc/passwd', path) },
    },
  ),
  tfjs('J01', 'a shard that is a folder', () => graph(), [error('E1402', 'external data file "a.bin" is not a regular file')], {
    beside: { 'a.bin': path => mkdirSync(path) },
  }),
];

const weightPlace = 'weightsManifest[0].weights[0]';
const wrong = (variant: string, weight: Parts['weight'], code: Code, message: string, given: Given = {}): Case[] =>
  inBoth('J02', variant, { weight: weight! }, code, message, weightPlace, given);
const quantised = (variant: string, quantization: Said, code: Code, message: string): Case[] =>
  wrong(variant, { quantization }, code, message);

const manifests: Case[] = [
  ...wrong('a weight of more bytes than there are', { shape: [3] }, 'E1203', 'NAME: takes 12 bytes, the shards have 8 left for it'),
  ...inBoth(
    'J02',
    'weights of fewer bytes than there are',
    { weight: { shape: [1] } },
    'E1203',
    'weightsManifest[0]: the weights take 4 bytes, the shards have 8',
    'weightsManifest[0]',
  ),
  ...inBoth(
    'J02',
    'a shard twice',
    { paths: ['a.bin', 'a.bin'] },
    'E1010',
    'the shard "a.bin" is there twice',
    'weightsManifest[0].paths[1]',
  ),
  ...wrong('an unknown type', { dtype: 'float64' }, 'E1201', 'NAME: the type "float64" is not read'),
  ...wrong('a type that objects have', { dtype: 'constructor' }, 'E1201', 'NAME: the type "constructor" is not read'),
  ...wrong('a type that is a list', { dtype: ['float32'] }, 'E1201', 'NAME: the type ["float32"] is not read'),
  ...wrong('a negative size', { shape: [-2] }, 'E1202', 'NAME: shape must be a list of sizes'),
  ...wrong('a size that is text', { shape: ['2'] }, 'E1202', 'NAME: shape must be a list of sizes'),
  ...wrong('a size of 2^53 + 1', { shape: [new Raw('9007199254740993')] }, 'E1202', 'NAME: shape must be a list of sizes'),
  ...wrong('sizes whose product overflows', { shape: [4294967296, 4294967296] }, 'E1202', 'NAME: the size overflows'),
  ...wrong('rank 65', { shape: new Array<number>(65).fill(1) }, 'E1202', 'NAME: shape must be a list of sizes'),
  ...quantised(
    'a scale that is no number',
    { dtype: 'uint8', scale: new Raw('NaN'), min: 0 },
    'E1205',
    'NAME: scale and min must be numbers',
  ),
  ...quantised('an infinite scale', { dtype: 'uint8', scale: new Raw('Infinity'), min: 0 }, 'E1205', 'NAME: scale and min must be numbers'),
  ...quantised('a scale that is text', { dtype: 'uint8', scale: '1', min: 0 }, 'E1205', 'NAME: scale and min must be numbers'),
  ...quantised('no least number', { dtype: 'uint16', scale: 1 }, 'E1205', 'NAME: scale and min must be numbers'),
  ...quantised('an unknown quantisation', { dtype: 'int4', scale: 1, min: 0 }, 'E1201', 'NAME: quantised as "int4", which is not read'),
  ...quantised(
    'a quantised weight of other bytes',
    { dtype: 'float16' },
    'E1203',
    'weightsManifest[0]: the weights take 4 bytes, the shards have 8',
  ).map(c => ({ ...c, findings: c.findings.map(f => ({ ...f, path: 'weightsManifest[0]' })) })),
  ...wrong(
    'strings that end beyond the shards',
    { dtype: 'string' },
    'E1203',
    'NAME: takes 1065353220 bytes, the shards have 8 left for it',
  ),
  ...wrong(
    'more strings than bytes',
    { dtype: 'string', shape: [1e15] },
    'E1203',
    'NAME: takes 4000000000000000 bytes, the shards have 8 left for it',
  ),
  ...inBoth(
    'J02',
    'a weight without a name',
    { weights: [{ ...sound }] },
    'E1006',
    `${weightPlace}: expected an object with a name`,
    weightPlace,
  ),
  ...inBoth(
    'J02',
    'weights that are no list',
    { weights: {} },
    'E1006',
    'weightsManifest[0]: expected paths and weights',
    'weightsManifest[0]',
  ),
  tfjs(
    'J02',
    'a weight twice',
    () =>
      graph({
        weights: [
          { name: 'k', ...sound, shape: [1] },
          { name: 'k', ...sound, shape: [1] },
        ],
      }),
    [error('E1010', 'the weight "k" is there twice')],
  ),
  tfjs('J02', 'a constant without a weight', () => graph({ weights: [{ name: 'other', ...sound }] }), [
    error('E1013', 'modelTopology: no weight is the constant "k"', 'modelTopology'),
  ]),
  tfjs('J02', 'no manifest', () => graph({ more: { weightsManifest: undefined } }), [
    error('E1101', 'the model has no weightsManifest', 'weightsManifest'),
  ]),
];

const deep = (depth: number): Raw => new Raw('['.repeat(depth) + ']'.repeat(depth));
const nested = (depth: number): Said => {
  let value = '{}';
  for (let i = 0; i < depth; i++) value = `{"func":{"attr":{"f":${value}}}}`;
  return new Raw(value);
};
const whole = graph();
const size = whole.bytes.length;
const twice = text({ name: 'k' }).replace('}', ',"name":"k"}');
const names = ['__proto__', 'constructor', 'hasOwnProperty', 'then'];
/** A list of so many bytes of texts in the place of nodes. */
const long = (bytes: number): Piece =>
  join(
    utf8('{"format":"graph-model","modelTopology":{"node":['),
    repeat(bytes / 1e6, () => utf8('"a",'.repeat(1e6 / 4))),
    utf8('1]}}'),
  );

const texts: Case[] = [
  tfjs('J03', 'lists a million deep', () => graph({ more: { more: deep(1_000_000) } }), [
    error('E1008', 'JSON text is nested deeper than 400', undefined, size - 1 + ',"more":'.length + 399),
  ]),
  tfjs('J03', 'functions in attributes, 60 deep', () => graph({ topology: { library: { function: [{ attr: { f: nested(60) } }] } } }), [
    error('E1008', 'messages nested deeper than 100', `modelTopology.library.function[0]${'.attr.f.func'.repeat(33)}`),
  ]),
  tfjs('J03', 'a key twice', () => graph({ topology: { node: [new Raw(twice)] } }), [
    error(
      'E1010',
      'JSON object has the key "name" twice',
      undefined,
      '{"format":"graph-model","modelTopology":{"node":[{"name":"k",'.length,
    ),
  ]),
  tfjs('J03', 'a field under two names', () => graph({ topology: { debugInfo: {}, debug_info: {} } }), [
    error('E1010', 'the field debug_info occurs twice', 'modelTopology.debug_info'),
  ]),
  tfjs('J03', 'a text that ends early', () => ({ bytes: whole.bytes.subarray(0, size - 1) }), [
    error('E1005', "JSON text: expected ',' or '}', found the end of the text", undefined, size - 1),
  ]),
  tfjs('J03', 'bytes behind the end', () => join(whole, utf8('{}')), [
    error('E1007', 'JSON text goes on after its value with "{"', undefined, size),
  ]),
  tfjs('J03', 'bytes that are no text', () => join(whole, { bytes: Uint8Array.of(0xff) }), [
    error('E1110', 'JSON text is not valid UTF-8', undefined, size),
  ]),
  tfjs('J03', 'a topology that is a list', () => graph({ more: { modelTopology: [] } }), [
    error('E1101', 'the model has no modelTopology', 'modelTopology'),
  ]),
  tfjs('J03', 'nodes that are no list', () => graph({ topology: { node: {} } }), [
    error('E1006', 'expected an array, found an object', 'modelTopology.node'),
  ]),
  tfjs('J03', 'a number beyond floats', () => graph({ more: { more: new Raw('1e999') } }), [
    error('E1006', 'JSON number 1e999 exceeds float64', undefined, size - 1 + ',"more":'.length),
  ]),
  tfjs('J03', 'an output of the signature that is no node', () => graph({ more: { signature: { outputs: { y: { name: 'gone:0' } } } } }), [
    error('E1104', `the signature's "y" is "gone", which is no node`),
  ]),
  tfjs(
    'J03',
    'an output of the signature with a negative number',
    () => graph({ more: { signature: { outputs: { y: { name: 'y:-1' } } } } }),
    [error('E1104', '"y:-1" is not a name of a node with the number of an output')],
  ),
  ...names.map(name => tfjs('J03', `a node and a weight of the name ${name}`, () => graph({}, name), [])),
  ...names.map(name =>
    tfjs(
      'J03',
      `attributes and users' data of the name ${name}`,
      () =>
        graph({
          topology: { node: nodes().map(n => ({ ...n, attr: new Raw(text(n['attr']!).replace(/^\{/, `{"${name}":{"i":"1"},`)) })) },
          more: { userDefinedMetadata: new Raw(`{"${name}":"x"}`) },
        }),
      [],
    ),
  ),
  tfjs('J03', 'a text of 200 MB', () => long(200e6), [error('E1009', `a model.json of 200000053 bytes, at most ${2 ** 25} are read`)], {
    large: true,
  }),
  tfjs('J03', 'a text of 33 MB', () => long(33e6), [error('E1006', 'expected an object, found "a"', 'modelTopology.node[0]')], {
    large: true,
    limits: { seconds: 5, megabytes: 450 },
  }),
];

const inbound = (...from: readonly Said[]): { readonly [key: string]: Said } => ({ inbound_nodes: [from] });
const functional = (...list: Said[]): Said =>
  layer('Functional', { name: 'net', layers: list, input_layers: [['in', 0, 0]], output_layers: [['b', 0, 0]] });
const input = layer('InputLayer', { name: 'in', batch_input_shape: [null, 1] }, { name: 'in', inbound_nodes: [] });
const relu = (name: string, from: string, call = 0, output = 0): Said =>
  layer('ReLU', { name }, { name, ...inbound([from, call, output, {}]) });
const wrongLayers = (variant: string, model: Said, code: Code, message: string, path?: string): Case =>
  tfjs('J04', variant, () => layers({ weights: [{ name: 'd/kernel', shape: [1, 2], dtype: 'float32' }] }, model), [
    error(code, message, path),
  ]);
const models = (depth: number): Said => {
  let model = text(layer('ReLU', { name: 'r' }));
  for (let i = 1; i < depth; i++) model = `{"class_name":"Sequential","config":{"name":"n${i}","layers":[${model}]}}`;
  return functional(input, layer('Sequential', { name: 'b', layers: [new Raw(model)] }, { name: 'b', ...inbound(['in', 0, 0, {}]) }));
};

const topologies: Case[] = [
  wrongLayers(
    'a layer of an unknown class',
    sequential(dense, layer('Mystery', { name: 'm' })),
    'E2001',
    'Mystery: no conversion (1 node, first m)',
  ),
  wrongLayers(
    'a class that objects have',
    sequential(dense, layer('constructor', { name: 'm' })),
    'E2001',
    'constructor: no conversion (1 node, first m)',
  ),
  wrongLayers(
    'a class that prototypes have',
    sequential(dense, layer('__proto__', { name: 'm' })),
    'E2001',
    '__proto__: no conversion (1 node, first m)',
  ),
  wrongLayers(
    'a class that is no text',
    sequential(layer(7, {})),
    'E1006',
    'net.layers[0]: expected a layer with a class_name',
    'net.layers[0]',
  ),
  wrongLayers(
    'code in a layer',
    sequential(dense, layer('Lambda', { name: 'l', function: ['4wEAAA==', null, null] })),
    'E2001',
    'Lambda: code inside a Lambda layer is never executed; save the model with layers or keras.ops in its place, or pass its SavedModel (1 node, first l)',
  ),
  wrongLayers(
    'an operation of TensorFlow in a layer',
    sequential(dense, layer('TFOpLambda', { name: 'l', function: 'io.read_file' })),
    'E2001',
    'TFOpLambda: the TensorFlow operation io.read_file of Keras 2 has no conversion; pass the SavedModel of the model (1 node, first l)',
  ),
  wrongLayers(
    'layers that need each other',
    functional(input, relu('a', 'b'), relu('b', 'a')),
    'E1105',
    'call 0 of a needs its own result',
  ),
  wrongLayers('a layer that needs itself', functional(input, relu('b', 'b')), 'E1105', 'call 0 of b needs its own result'),
  wrongLayers('a layer that is not there', functional(input, relu('b', 'gone')), 'E1104', 'nothing produces call 0 of gone'),
  wrongLayers('a call of a layer that was never made', functional(input, relu('b', 'in', 9)), 'E1104', 'nothing produces call 9 of in'),
  wrongLayers(
    'an output that a layer does not have',
    functional(input, relu('b', 'in', 0, 9)),
    'E1104',
    'call 0 of in has 1 results, 9 is read',
  ),
  wrongLayers(
    'layers that are no list',
    layer('Sequential', { name: 'net', layers: {} }),
    'E1303',
    'Sequential "net": layers must be a list, found {}',
  ),
  wrongLayers('models in models, 90 deep', models(90), 'E1008', 'layers are nested deeper than 64'),
  wrongLayers(
    'a layer without a weight',
    sequential(layer('Dense', { name: 'e', units: 2, batch_input_shape: [null, 1] })),
    'E1013',
    'the file has no e/bias[2]',
  ),
];

export const tfjsCases: readonly Case[] = [...locations, ...opened, ...manifests, ...texts, ...topologies];
