// H05 to H08: configurations of Keras with code in them, that lead in circles, or whose weights do not fit.
import { type Code, codes } from '../../src/errors.ts';
import { type Case, type Expected, error, hostile } from './case.ts';
import { type Blocks, contiguous, dataset, group, hardLink, hdf } from './hdf-wire.ts';
import { join, none, type Piece, raw, repeat, utf8 } from './wire.ts';
import { type ZipEntry, zip } from './zip-wire.ts';

const json = (value: unknown): Piece => utf8(JSON.stringify(value));
type Entry = Readonly<Record<string, unknown>>;

interface Layer {
  readonly class_name: string;
  readonly config: Entry;
  readonly [key: string]: unknown;
}
const layer = (className: string, config: Entry, given: Entry = {}): Layer => ({
  class_name: className,
  module: 'keras.layers',
  registered_name: null,
  config,
  ...given,
});
const input = layer('InputLayer', { name: 'x', batch_shape: [null, 2], dtype: 'float32' });
const sequential = (...layers: readonly Layer[]): Layer =>
  layer('Sequential', { name: 'net', layers: [input, ...layers] }, { module: 'keras' });
const tensor = (name: string, node = 0, index = 0): Entry => ({
  class_name: '__keras_tensor__',
  config: { shape: [null, 2], dtype: 'float32', keras_history: [name, node, index] },
});
/** A layer of a functional model, called on what is given. */
const called = (name: string, ...args: readonly unknown[]): Layer =>
  layer('Activation', { name, activation: 'relu' }, { name, inbound_nodes: [{ args, kwargs: {} }] });
const functional = (layers: readonly Layer[], output: readonly unknown[] = ['y', 0, 0], inputs: readonly unknown[] = ['x', 0, 0]): Layer =>
  layer(
    'Functional',
    { name: 'net', layers: [{ ...input, name: 'x', inbound_nodes: [] }, ...layers], input_layers: inputs, output_layers: output },
    { module: 'keras.src.models.functional' },
  );

/** Variables by path, all of ones. */
function weightsOf(variables: Readonly<Record<string, readonly number[]>>): Piece {
  const names = Object.keys(variables);
  const inside = (prefix: string): string[] => [
    ...new Set(names.filter(name => name.startsWith(prefix)).map(name => name.slice(prefix.length).split('/')[0]!)),
  ];
  const blocks: Record<string, Blocks[string]> = {};
  const add = (path: string): void => {
    const name = path === '' ? 'root' : path.slice(0, -1);
    const dims = variables[name];
    if (dims) {
      const length = 4 * dims.reduce((n, d) => n * d, 1);
      blocks[name] = at => dataset(dims, contiguous(at('ones'), length));
      return;
    }
    blocks[name] = at => group(...inside(path).map(child => hardLink(child, at(path + child))));
    for (const child of inside(path)) add(`${path}${child}/`);
  };
  add('');
  return hdf({ ...blocks, ones: () => repeat(64, () => raw([0, 0, 0x80, 0x3f])) });
}

/** The parts of a small model that is in order. */
export const kerasEntries = (): readonly ZipEntry[] => [
  { name: 'config.json', data: json(sequential(layer('Activation', { name: 'a', activation: 'relu' }))) },
  { name: 'metadata.json', data: utf8('{"keras_version": "3.15.1"}') },
  { name: 'model.weights.h5', data: weightsOf({}) },
];

interface Archive {
  readonly config: Piece;
  readonly weights?: Piece;
  readonly more?: readonly ZipEntry[];
  readonly without?: string;
}
const archive = ({ config, weights = weightsOf({}), more = [], without }: Archive): Piece =>
  zip(
    [
      { name: 'metadata.json', data: utf8('{"keras_version": "3.15.1"}') },
      { name: 'config.json', data: config, deflate: config.bytes.length > 10_000 },
      { name: 'model.weights.h5', data: weights },
      ...more,
    ].filter(entry => entry.name !== without),
  );

const broken = (row: string, variant: string, parts: Archive, findings: readonly Expected[]): Case =>
  hostile(row, variant, () => archive(parts), findings, {
    file: 'bad.keras',
    command: 'convert',
    options: ['-o', 'out.onnx'],
    exit: codes[findings[0]!.code].exit,
  });
const refused = (row: string, variant: string, model: Layer, code: Code, message: string, path?: string, hint?: string): Case =>
  broken(row, variant, { config: json(model) }, [error(code, message, path, undefined, hint)]);

/** Python's bytecode as Keras packs it: nothing ever looks at it. */
const code = { class_name: '__lambda__', config: { code: '4wEAAAAAAAAA', defaults: null, closure: null } };
const lambdaText =
  'code inside a Lambda layer is never executed; save the model with layers or keras.ops in its place, or pass its SavedModel';
const ownText = 'a class of its own, whose code the file does not hold; pass the SavedModel of the model (Model.export)';

const gadgets: Case[] = [
  refused(
    'H05',
    'a Lambda with bytecode',
    sequential(layer('Lambda', { name: 'l', function: code })),
    'E2001',
    `Lambda: ${lambdaText} (1 node, first l)`,
  ),
  refused(
    'H05',
    'a Lambda with a function of a module',
    sequential(layer('Lambda', { name: 'l', function: { module: 'os', class_name: 'function', config: 'system' } })),
    'E2001',
    `Lambda: ${lambdaText} (1 node, first l)`,
  ),
  refused(
    'H05',
    'a Lambda in a wrapper',
    sequential(layer('SpectralNormalization', { name: 't', layer: layer('Lambda', { name: 'l', function: code }) })),
    'E2001',
    `SpectralNormalization: Lambda "l" in it: ${lambdaText} (1 node, first t)`,
  ),
  refused(
    'H05',
    'a TensorFlow operation by its name',
    sequential(layer('TFOpLambda', { name: 'l', function: 'io.write_file' })),
    'E2001',
    'TFOpLambda: the TensorFlow operation io.write_file of Keras 2 has no conversion; pass the SavedModel of the model (1 node, first l)',
  ),
  refused(
    'H05',
    'a class of another module',
    sequential(layer('Popen', { name: 'p', args: ['id'] }, { module: 'subprocess' })),
    'E2001',
    `Popen: ${ownText} (1 node, first p)`,
  ),
  refused(
    'H05',
    'a layer of Keras by name, of another module',
    sequential(layer('Dense', { name: 'd', units: 2 }, { module: 'keras_evil.layers' })),
    'E2001',
    `Dense: ${ownText} (1 node, first d)`,
  ),
  refused(
    'H05',
    'a layer of Keras by name, registered by somebody',
    sequential(layer('Dense', { name: 'd', units: 2 }, { registered_name: 'evil>Dense' })),
    'E2001',
    `evil>Dense: ${ownText} (1 node, first d)`,
  ),
  refused(
    'H05',
    'a function of Keras that loads models',
    sequential(layer('load_model', { filepath: 'http://evil/x.keras', name: 'm' }, { module: 'keras.saving' })),
    'E2001',
    'load_model: no conversion (1 node, first m)',
  ),
  refused(
    'H05',
    'an activation that is a function of a module',
    sequential(layer('Activation', { name: 'a', activation: { module: 'builtins', class_name: 'function', config: 'eval' } })),
    'E2001',
    'Activation: the activation "eval" is none of Keras (1 node, first a)',
  ),
  refused(
    'H05',
    'a model of another class',
    layer('Evil', { name: 'm' }, { module: 'evil', registered_name: 'evil>Evil' }),
    'E2001',
    'evil>Evil: a model of a class of its own, whose code the file does not hold',
    undefined,
    'pass the SavedModel of the model (Model.export)',
  ),
];

const levels = 1_000_000;
const deep = (): Piece =>
  join(
    utf8('{"class_name":"Sequential","config":'),
    repeat(levels, () => utf8('[')),
    repeat(levels, () => utf8(']')),
    utf8('}'),
  );
const wrapped = (depth: number): Layer => {
  let inner = layer('Activation', { name: 'a', activation: 'relu' });
  for (let i = 0; i < depth; i++) inner = layer('SpectralNormalization', { name: `t${i}`, layer: inner });
  return inner;
};

const circles: Case[] = [
  broken('H06', 'lists in a million lists', { config: deep() }, [error('E1008', 'JSON text is nested deeper than 400', undefined, 435)]),
  refused('H06', 'a layer that reads itself', functional([called('y', tensor('y'))]), 'E1105', 'call 0 of y needs its own result'),
  refused(
    'H06',
    'two layers that read each other',
    functional([called('y', tensor('z')), called('z', tensor('y'))]),
    'E1105',
    'call 0 of y needs its own result',
  ),
  refused('H06', 'a layer that does not exist', functional([called('y', tensor('z'))]), 'E1104', 'nothing produces call 0 of z'),
  refused('H06', 'a call that does not exist', functional([called('y', tensor('x', 7))]), 'E1104', 'nothing produces call 7 of x'),
  refused(
    'H06',
    'a result that does not exist',
    functional([called('y', tensor('x', 0, 3))]),
    'E1104',
    'call 0 of x has 1 results, 3 is read',
  ),
  refused(
    'H06',
    'an output that nothing gives',
    functional([called('y', tensor('x'))], ['y', 5, 0]),
    'E1104',
    'nothing produces call 5 of y',
  ),
  refused(
    'H06',
    'an input that is no layer',
    functional([called('y', tensor('x'))], ['y', 0, 0], ['q', 0, 0]),
    'E1104',
    'the model takes q, which is no layer of it',
  ),
  refused(
    'H06',
    'two layers of one name',
    functional([called('y', tensor('x')), called('y', tensor('x'))]),
    'E1102',
    'the model net has two layers y',
    'net',
  ),
  refused(
    'H06',
    'a call that is no call',
    functional([layer('Activation', { name: 'y', activation: 'relu' }, { name: 'y', inbound_nodes: [5] })]),
    'E1006',
    'net.layers[1].inbound_nodes[0]: expected a call',
    'net.layers[1].inbound_nodes[0]',
  ),
  refused('H06', 'a model without layers', layer('Sequential', { name: 'net', layers: [] }), 'E1101', 'the model net has no layers'),
  refused('H06', 'layers in 100 wrappers', sequential(wrapped(100)), 'E1008', 'layers are nested deeper than 64'),
];

const dense = (name: string): Layer => layer('Dense', { name, units: 3, activation: 'linear' });
const weights: Case[] = [
  broken(
    'H07',
    'weights of other sizes, missing and left over',
    {
      config: json(sequential(dense('a'), dense('b'), dense('c'))),
      weights: weightsOf({
        'layers/dense/vars/0': [2, 4],
        'layers/dense/vars/1': [3],
        'layers/dense_2/vars/0': [3, 3],
        'layers/dense_2/vars/1': [3],
        'layers/dense_2/vars/2': [5],
        'layers/dense_3/vars/0': [2],
      }),
    },
    [
      error('E1305', 'a/kernel has the sizes [2,4], the layer expects [2,3]'),
      error('E1013', 'the file has no b/kernel[3,3]'),
      error('E1013', 'the file has no b/bias[3]'),
      error('E1305', 'the file has layers/dense_2/vars/2[5], which no layer reads'),
      error('E1305', 'the file has layers/dense_3/vars/0[2], which no layer reads'),
    ],
  ),
];

const plain = { config: json(sequential(layer('Activation', { name: 'a', activation: 'relu' }))) };
const sharded = (index: unknown): Archive => ({
  ...plain,
  without: 'model.weights.h5',
  more: [{ name: 'model.weights.json', data: json(index) }],
});
const archives: Case[] = [
  broken('H08', 'an asset outside of the archive', { ...plain, more: [{ name: 'assets/../../x', data: none }] }, [
    error(
      'E1011',
      "archive entry \"assets/../../x\" has an unsafe name: it has an empty, '.' or '..' part",
      'assets/../../x',
      'assets/../../x#',
    ),
  ]),
  broken('H08', 'a shard outside of the archive', sharded({ weight_map: { '/layers/dense/vars': '../x.h5' } }), [
    error('E1013', 'the archive has no ../x.h5', '../x.h5'),
  ]),
  broken('H08', 'shards without a list of them', sharded({}), [
    error('E1006', 'model.weights.json has no weight_map', 'model.weights.json'),
  ]),
  broken('H08', 'no configuration', { ...plain, without: 'config.json' }, [
    error('E1013', 'the archive has no config.json', 'config.json'),
  ]),
  broken('H08', 'no weights', { ...plain, without: 'model.weights.h5' }, [
    error('E1013', 'the archive has no model.weights.h5', 'model.weights.h5'),
  ]),
  broken('H08', 'weights that are no HDF5 file', { ...plain, weights: utf8('weights') }, [
    error('E1006', 'no HDF5 signature at the start', undefined, 0),
  ]),
];

export const kerasCases: readonly Case[] = [...gadgets, ...circles, ...weights, ...archives];
