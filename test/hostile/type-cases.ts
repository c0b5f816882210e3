// P23 and P38: what only the types and sizes of values tell.
import { type Case, type Expected, error, hostile } from './case.ts';
import { attribute, initializer, input, int64Data, intAttribute, model, node, output, typed, valueInfo, zeros } from './onnx-wire.ts';
import { int, join, mark, type Piece } from './wire.ts';

const at = mark('attribute');
const n0 = 'graph.node[0]';
const image = input('x', typed(1, [1, 3, 8, 8]));
const made = output('y', typed(1, ['n', 'c', 'h', 'w']));
const kernel = { initializers: initializer('w', 1, [4, 3, 3, 3], zeros(4 * 27 * 4)) };
const ints = (name: string, ...values: number[]): Piece => attribute(name, 7, at, ...values.map(v => int(8, v)));

/** A node on an image whose attribute is wrong. */
const attributed = (variant: string, op: string, inputs: string[], attributes: Piece, finding: Expected, more: object = {}): Case =>
  hostile(
    'P23',
    variant,
    () => model({ inputs: image, outputs: made, nodes: node(op, inputs, ['y'], { at: 'node', more: attributes }), ...more }),
    [finding],
  );
const contradicts = (message: string): Expected => error('E1305', message, n0, 'node');
const declared = (message: string, where = 'node'): Expected => error('E1306', message, n0, where);

const attributes: Case[] = [
  attributed(
    'a stride of 0',
    'Conv',
    ['x', 'w'],
    ints('strides', 0, 1),
    contradicts('Conv: strides [0,1] does not fit 2 spatial axes'),
    kernel,
  ),
  attributed(
    'a group of 0',
    'Conv',
    ['x', 'w'],
    intAttribute('group', 0, at),
    contradicts('Conv: 3 input channels, W [4,3,3,3] and group 0 expect 0'),
    kernel,
  ),
  attributed(
    '2^62 outputs',
    'Split',
    ['x'],
    intAttribute('num_outputs', 2n ** 62n, at),
    error('E1303', 'Split: attribute num_outputs: the integer 4611686018427387904 is beyond 2^53', n0, 'node'),
  ),
];

const shaped = (variant: string, make: () => Piece, finding: Expected): Case => hostile('P38', variant, make, [finding]);
const shapes: Case[] = [
  shaped(
    'an output of other sizes',
    () => model({ outputs: output('y', typed(1, [7, 7])) }),
    declared('Relu declares "y" as float32[7,7], its inputs make it float32[2,3]'),
  ),
  shaped(
    'an output of another rank',
    () => model({ outputs: output('y', typed(1, [6])) }),
    declared('Relu declares "y" as float32[6], its inputs make it float32[2,3]'),
  ),
  shaped(
    'a value of other sizes',
    () =>
      model({
        nodes: join(node('Relu', ['x'], ['h'], { at: 'node' }), node('Relu', ['h'], ['y'])),
        more: valueInfo('h', typed(1, [3, 2])),
      }),
    declared('Relu declares "h" as float32[3,2], its inputs make it float32[2,3]'),
  ),
  shaped(
    'channels that contradict the weights',
    () =>
      model({
        inputs: input('x', typed(1, [1, 5, 8, 8])),
        outputs: made,
        nodes: node('Conv', ['x', 'w'], ['y'], { at: 'node' }),
        ...kernel,
      }),
    contradicts('Conv: 5 input channels, W [4,3,3,3] and group 1 expect 3'),
  ),
  shaped(
    'a target of Reshape with another number of elements',
    () =>
      model({
        nodes: node('Reshape', ['x', 's'], ['y'], { at: 'node' }),
        initializers: initializer('s', 7, [2], int64Data(4, 4)),
        outputs: output('y', typed(1, [4, 4])),
      }),
    contradicts('Reshape: [2,3] has 6 elements, [4,4] has 16'),
  ),
];

export const typeCases: readonly Case[] = [...attributes, ...shapes];

const outside = (message: string): Expected => error('E1303', `node #0 ${message}`, `${n0}.attribute[0]`, 'attribute');
const gather = (): Piece =>
  model({
    nodes: node('Gather', ['x', 'i'], ['y'], { at: 'node' }),
    initializers: initializer('i', 7, [1], int64Data(9)),
    outputs: output('y', typed(1, [1, 3])),
  });

/** What `check` does not find yet. A row moves up once it does. */
export const pending: readonly Case[] = [
  attributed(
    'an axis beyond the rank',
    'Softmax',
    ['x'],
    intAttribute('axis', 9, at),
    outside('Softmax attribute axis is 9, expected -4 to 3'),
  ),
  attributed(
    'a negative kernel',
    'MaxPool',
    ['x'],
    ints('kernel_shape', -3, 3),
    outside('MaxPool attribute kernel_shape is [-3,3], expected 1 or more'),
  ),
  attributed(
    '2^31 - 1 outputs',
    'Split',
    ['x'],
    intAttribute('num_outputs', 2 ** 31 - 1, at),
    outside('Split attribute num_outputs is 2147483647, the node has 1 output'),
  ),
  attributed(
    'padding of 2^40',
    'MaxPool',
    ['x'],
    join(ints('pads', 2 ** 40, 0, 0, 0)),
    outside('MaxPool attribute pads is [1099511627776,0,0,0], expected less than kernel_shape'),
  ),
  hostile('P23', 'an index beyond the axis', gather, [
    error('E3006', 'node #0 Gather reads index 9 of an axis of 2', `${n0}.input[1]`, 'node'),
  ]),
];
