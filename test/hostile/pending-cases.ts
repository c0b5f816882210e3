// P23 and P38: what only the types and sizes of values tell. Each is to say this once `check` infers them; until then it must not.
import { type Case, type Expected, error, hostile } from './case.ts';
import { attribute, initializer, input, int64Data, intAttribute, model, node, output, typed, valueInfo, zeros } from './onnx-wire.ts';
import { int, join, mark, type Piece } from './wire.ts';

const at = mark('attribute');
const n0 = 'graph.node[0]';
const image = input('x', typed(1, [1, 3, 8, 8]));
const made = output('y', typed(1, ['n', 'c', 'h', 'w']));

/** A node on an image whose first attribute is wrong. */
const attributed = (variant: string, op: string, inputs: string[], attributes: Piece, message: string, more: object = {}): Case =>
  hostile('P23', variant, () => model({ inputs: image, outputs: made, nodes: node(op, inputs, ['y'], { more: attributes }), ...more }), [
    error('E1303', `node #0 ${op} attribute ${message}`, `${n0}.attribute[0]`, 'attribute'),
  ]);
const kernel = { initializers: initializer('w', 1, [4, 3, 3, 3], zeros(4 * 27 * 4)) };
const marked = (name: string, ...values: number[]): Piece => attribute(name, 7, at, ...values.map(v => int(8, v)));

const ranges: Case[] = [
  attributed('an axis beyond the rank', 'Softmax', ['x'], intAttribute('axis', 9, at), 'axis is 9, expected -4 to 3'),
  attributed('a stride of 0', 'Conv', ['x', 'w'], marked('strides', 0, 1), 'strides is [0,1], expected 1 or more', kernel),
  attributed('a group of 0', 'Conv', ['x', 'w'], intAttribute('group', 0, at), 'group is 0, expected 1 or more', kernel),
  attributed('a negative kernel', 'MaxPool', ['x'], marked('kernel_shape', -3, 3), 'kernel_shape is [-3,3], expected 1 or more'),
  attributed(
    'two outputs of 2^31 - 1',
    'Split',
    ['x'],
    intAttribute('num_outputs', 2 ** 31 - 1, at),
    'num_outputs is 2147483647, the node has 1 output',
  ),
  attributed(
    'an output of 2^62',
    'Split',
    ['x'],
    intAttribute('num_outputs', 2n ** 62n, at),
    'num_outputs is 4611686018427387904, the node has 1 output',
  ),
];

const shaped = (variant: string, make: () => Piece, ...findings: Expected[]): Case => hostile('P38', variant, make, findings);
const shapes: Case[] = [
  shaped(
    'an output of other sizes',
    () => model({ outputs: output('y', { at: 'y', ...typed(1, [7, 7]) }) }),
    error('E1306', 'the output "y" is declared float32[7,7], and float32[2,3] is computed', 'graph.output[0]', 'y'),
  ),
  shaped(
    'an output of another rank',
    () => model({ outputs: output('y', { at: 'y', ...typed(1, [6]) }) }),
    error('E1306', 'the output "y" is declared float32[6], and float32[2,3] is computed', 'graph.output[0]', 'y'),
  ),
  shaped(
    'a value of other sizes',
    () =>
      model({
        nodes: join(node('Relu', ['x'], ['h']), node('Relu', ['h'], ['y'])),
        more: valueInfo('h', { at: 'h', ...typed(1, [3, 2]) }),
      }),
    error('E1306', 'the value "h" is declared float32[3,2], and float32[2,3] is computed', 'graph.value_info[0]', 'h'),
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
    error('E1305', 'node #0 Conv has 5 channels of x, the weights w take 3', n0, 'node'),
  ),
  shaped(
    'a target of Reshape with another number of elements',
    () =>
      model({
        nodes: node('Reshape', ['x', 's'], ['y'], { at: 'node' }),
        initializers: initializer('s', 7, [2], int64Data(4, 4)),
        outputs: output('y', typed(1, [4, 4])),
      }),
    error('E1305', 'node #0 Reshape makes float32[4,4] of float32[2,3]', n0, 'node'),
  ),
  shaped(
    'an index beyond the axis',
    () => model({ nodes: node('Gather', ['x', 'i'], ['y'], { at: 'node' }), initializers: initializer('i', 7, [1], int64Data(9)) }),
    error('E3006', 'node #0 Gather reads index 9 of an axis of 2', `${n0}.input[1]`, 'node'),
  ),
];

export const pending: readonly Case[] = [...ranges, ...shapes];
