// P23 and P38: what only the types and sizes of values tell.
import type { Code } from '../../src/errors.ts';
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
/** At the attribute that is wrong. */
const misfits = (message: string, code: Code = 'E1305'): Expected => error(code, message, `${n0}.attribute[0]`, 'attribute');
const declared = (message: string, where = 'node'): Expected => error('E1306', message, n0, where);

const attributes: Case[] = [
  attributed(
    'a stride of 0',
    'Conv',
    ['x', 'w'],
    ints('strides', 0, 1),
    misfits('Conv: strides [0,1] does not fit 2 spatial axes'),
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
  attributed(
    '2^31 - 1 outputs',
    'Split',
    ['x'],
    intAttribute('num_outputs', 2 ** 31 - 1, at),
    misfits('Split: num_outputs is 2147483647, the node has 1 output', 'E1303'),
  ),
  attributed('an axis beyond the rank', 'Softmax', ['x'], intAttribute('axis', 9, at), misfits('Softmax: axis 9 out of range for rank 4')),
  attributed('a window of nothing', 'LRN', ['x'], intAttribute('size', 0, at), misfits('LRN: size is 0, expected 1 or more')),
  attributed(
    'a negative kernel',
    'MaxPool',
    ['x'],
    ints('kernel_shape', -3, 3),
    misfits('MaxPool: kernel_shape [-3,3] does not fit 2 spatial axes'),
  ),
  attributed(
    'padding of 2^40',
    'MaxPool',
    ['x'],
    join(ints('pads', 2 ** 40, 0, 0, 0), attribute('kernel_shape', 7, int(8, 3), int(8, 3))),
    misfits('MaxPool: pads [1099511627776,0,0,0] must be at least 0 and less than kernel_shape [3,3]'),
  ),
  attributed(
    'padding of less than nothing',
    'AveragePool',
    ['x'],
    join(ints('pads', 0, 0, -1, 0), attribute('kernel_shape', 7, int(8, 3), int(8, 3))),
    misfits('AveragePool: pads [0,0,-1,0] must be at least 0 and less than kernel_shape [3,3]'),
  ),
];

const gathered = (variant: string, index: number, axis: number): Case =>
  hostile(
    'P23',
    variant,
    () =>
      model({
        nodes: node('Gather', ['x', 'i'], ['y'], { at: 'node' }),
        initializers: initializer('i', 7, [1], int64Data(index)),
        outputs: output('y', typed(1, [1, 3])),
      }),
    [error('E3006', `Gather: index ${index} out of range for an axis of ${axis}`, `${n0}.input[1]`, 'node')],
  );
const indices = [gathered('an index beyond the axis', 9, 2), gathered('an index before the axis', -3, 2)];

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

export const typeCases: readonly Case[] = [...attributes, ...indices, ...shapes];
