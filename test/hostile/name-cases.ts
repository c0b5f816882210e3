// P32 and P39 to P45, and what output makes of names (O03 to O09).
import { type Case, error, hostile, warns } from './case.ts';
import { ones } from './graph-cases.ts';
import { entry, initializer, input, intAttribute, model, msgType, node, opset, output, shape, zeros } from './onnx-wire.ts';
import { int, join, mark, msg, none, type Piece, repeat, text, utf8 } from './wire.ts';

const broken = [0x78, 0xff];
/** Fields in the order of their numbers, as every writer has them. */
const inOrder = { opsets: none, after: opset(21) };
const escapes: Case[] = [
  hostile('P32', 'a name of an input', () => model({ inputs: input(broken, { at: 'bad' }), nodes: node('Relu', [broken], ['y']) }), [
    error('E1110', 'the name "x\\xff" is not valid UTF-8', 'graph.input[0].name', 'bad'),
  ]),
  hostile('P32', 'a name of a node', () => model({ nodes: node('Relu', ['x'], ['y'], { at: 'bad', name: broken }) }), [
    error('E1110', 'the name "x\\xff" is not valid UTF-8', 'graph.node[0].name', 'bad'),
  ]),
  hostile('P32', 'a name of an operator', () => model({ nodes: node([0x52, 0xc0, 0x80], ['x'], ['y'], { at: 'bad' }) }), [
    error('E1110', 'the name "R\\xc0\\x80" is not valid UTF-8', 'graph.node[0].op_type', 'bad'),
    error('E1301', 'node #0 R\\xc0\\x80 is no operator of ai.onnx', 'graph.node[0].op_type', 'bad'),
  ]),
  hostile('P32', 'a name of a weight', () => model({ initializers: initializer([0xed, 0xa0, 0x80], 1, [1], mark('bad'), zeros(4)) }), [
    error('E1110', 'the name "\\xed\\xa0\\x80" is not valid UTF-8', 'graph.initializer[0].name', 'bad'),
  ]),
  hostile(
    'P32',
    'a name of an input, to info',
    () => model({ inputs: input(broken, { at: 'bad' }), nodes: node('Relu', [broken], ['y']) }),
    [warns('E1110', 'the name "x\\xff" is not valid UTF-8', 'graph.input[0].name', 'bad')],
    { command: 'info', prints: ['x\\xff'] },
  ),
  hostile(
    'P32',
    'a name of an input, to convert',
    () => model({ ...inOrder, inputs: input(broken, { at: 'bad' }), nodes: node('Relu', [broken], ['y']) }),
    [warns('E1110', 'the name "x\\xff" is not valid UTF-8', 'graph.input[0].name', 'bad')],
    { command: 'convert', options: ['-o', 'out.onnx'], writes: ['out.onnx'], same: 'out.onnx' },
  ),
];

const dimPath = 'graph.input[0].type.tensor_type.shape.dim[0]';
/** An input whose first size is a message of its own. */
const sized = (...fields: Piece[]): Piece => input('x', msgType(1, msg(1, mark('dim'), ...fields), 3));
const types: Case[] = [
  hostile('P39', 'an input without a type', () => model({ inputs: input('x', { type: none, at: 'x' }) }), [
    error('E1307', 'the input "x" has no type', 'graph.input[0]', 'x'),
  ]),
  hostile('P39', 'an output without a type', () => model({ outputs: output('y', { type: none, at: 'y' }) }), [
    error('E1307', 'the output "y" has no type', 'graph.output[0]', 'y'),
  ]),
  hostile('P39', 'an input without a name', () => model({ inputs: join(input('x'), input('', { at: 'bad' })) }), [
    error('E1101', 'the value has no name', 'graph.input[1]', 'bad'),
  ]),
  hostile('P39', 'a negative size', () => model({ inputs: sized(int(1, -1)) }), [
    error('E1307', 'the size -1 is negative', dimPath, 'dim'),
  ]),
  hostile('P39', 'a size beyond 2^53', () => model({ inputs: sized(int(1, 2n ** 60n)) }), [
    error('E1307', 'the size 1152921504606846976 is beyond 2^53', dimPath, 'dim'),
  ]),
  hostile('P39', 'a size that is a number and a name', () => model({ inputs: sized(int(1, 2), text(2, 'n')) }), [
    error('E1307', 'the size is both 2 and "n"', dimPath, 'dim'),
  ]),
  hostile(
    'P39',
    'two types at once',
    () => model({ inputs: input('x', { type: msg(2, mark('type'), msg(1, int(1, 1), shape([2, 3])), msg(8, int(1, 1))) }) }),
    [error('E1307', 'the type is 2 types at once: tensor_type, sparse_tensor_type', 'graph.input[0].type', 'type')],
  ),
  hostile('P40', 'a name of a size of 64 KiB', () => model({ inputs: sized(text(2, '+1)*('.repeat(13_107))) }), []),
  hostile('P40', 'a name of a size of 64 KiB, to info', () => model({ inputs: sized(text(2, '+1)*('.repeat(13_107))) }), [], {
    command: 'info',
    prints: ['float32[+1)*(+1)*(+1'],
  }),
  hostile('P40', 'a name of a size of 64 KiB, to run', () => model({ inputs: sized(text(2, '+1)*('.repeat(13_107))) }), [], {
    command: 'run',
    options: ['--inputs', 'x.npy'],
    beside: { 'x.npy': ones() },
  }),
];

const own = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'then', 'valueOf'];
const metadata = (...keys: readonly [string, string?][]): Piece => join(...keys.map(([key, at]) => entry(14, key, 'v', at)));
/** A chain of nodes whose names, values and attributes are all names that objects of JavaScript have. */
const inherited = (): Piece =>
  model({
    ...inOrder,
    inputs: input(own[0]!),
    outputs: output(own.at(-1)!),
    nodes: join(...own.slice(1).map((name, i) => node('Softmax', [own[i]!], [name], { name, more: intAttribute('axis', 1) }))),
  });
const ofObjects: Case[] = [
  hostile('P41', "keys of JavaScript's own", () => model({ after: metadata(...own.map((key): [string] => [key])) }), []),
  hostile('P41', 'a key twice', () => model({ after: metadata(['__proto__'], ['__proto__', 'second']) }), [
    error('E1109', 'the metadata key "__proto__" occurs twice', 'metadata_props[1]', 'second'),
  ]),
  hostile(
    'P41',
    'a key twice in a node',
    () => model({ nodes: node('Relu', ['x'], ['y'], { more: join(entry(9, 'a', '1'), entry(9, 'a', '2', 'second')) }) }),
    [error('E1109', 'the metadata key "a" occurs twice', 'graph.node[0].metadata_props[1]', 'second')],
  ),
  hostile('P42', "names of JavaScript's own", inherited, []),
  hostile('P42', "names of JavaScript's own, to info", inherited, [], {
    command: 'info',
    prints: ['__proto__  float32[2,3]', 'valueOf    float32[2,3]'],
  }),
  hostile('P42', "names of JavaScript's own, to convert", inherited, [], {
    command: 'convert',
    options: ['-o', 'out.onnx'],
    writes: ['out.onnx'],
    same: 'out.onnx',
  }),
  hostile('P42', "names of JavaScript's own, to run", inherited, [], {
    command: 'run',
    options: ['--inputs', 'x.npy', '-o', 'out.npz'],
    beside: { 'x.npy': ones() },
    writes: ['out.npz'],
  }),
  hostile(
    'P42',
    "attributes of JavaScript's own",
    () => model({ nodes: node('Relu', ['x'], ['y'], { at: 'n', more: intAttribute('constructor', 1, mark('a')) }) }),
    [error('E1303', 'node #0 Relu has no attribute "constructor"', 'graph.node[0].attribute[0]', 'a')],
  ),
  hostile('P42', "operators of JavaScript's own", () => model({ nodes: node('hasOwnProperty', ['x'], ['y'], { at: 'n' }) }), [
    error('E1301', 'node #0 hasOwnProperty is no operator of ai.onnx', 'graph.node[0].op_type', 'n'),
  ]),
];

const long = 'n'.repeat(2 ** 20);
const chain = (count: number): Piece => repeat(count, i => node('Relu', [i === 0 ? 'x' : `v${i}`], [i === count - 1 ? 'y' : `v${i + 1}`]));
const empties = (count: number): Piece => repeat(count, i => msg(5, int(1, 0), int(2, 1), text(8, `w${i}`)));
/** A sound model in a size for every run of the tests and in the size of the catalogue. */
const inTwoSizes = (
  row: string,
  [small, large]: readonly [number, number],
  limits: NonNullable<Case['limits']>,
  say: (n: number) => [string, () => Piece],
  given: Partial<Case> = {},
): Case[] => [hostile(row, ...say(small), [], given), hostile(row, ...say(large), [], { ...given, large: true, limits })];
const toRun: Partial<Case> = { command: 'run', options: ['--inputs', 'x.npy'], beside: { 'x.npy': ones() } };
/** y = x + x + … */
const wideSum = (n: number): Piece =>
  model({
    nodes: msg(
      1,
      repeat(n, () => text(1, 'x')),
      text(2, 'y'),
      text(4, 'Sum'),
    ),
  });
const many: Case[] = [
  hostile('P43', 'a name of 1 MiB', () => model({ inputs: input(long), nodes: node('Relu', [long], ['y']) }), []),
  hostile('P43', 'a name of 1 MiB, to info', () => model({ inputs: input(long), nodes: node('Relu', [long], ['y']) }), [], {
    command: 'info',
    prints: [`in   ${'n'.repeat(79)}…  float32[2,3]`],
  }),
  ...inTwoSizes('P43', [4000, 100_000], { seconds: 6, megabytes: 400 }, n => [`${n} nodes in a chain`, () => model({ nodes: chain(n) })]),
  ...inTwoSizes('P43', [5000, 1_000_000], { seconds: 20, megabytes: 1300 }, n => [
    `${n} initializers of 0 bytes`,
    () => model({ initializers: empties(n) }),
  ]),
  ...inTwoSizes('P44', [10_000, 1_000_000], { seconds: 6, megabytes: 400 }, n => [`a node with ${n} inputs`, () => wideSum(n)]),
  ...inTwoSizes(
    'P43',
    [2000, 100_000],
    { seconds: 30, megabytes: 1200 },
    n => [`${n} nodes in a chain, to run`, () => model({ nodes: chain(n) })],
    toRun,
  ),
  ...inTwoSizes(
    'P44',
    [5000, 1_000_000],
    { seconds: 60, megabytes: 2400 },
    n => [`a node with ${n} inputs, to run`, () => wideSum(n)],
    toRun,
  ),
  ...inTwoSizes('P44', [4000, 100_000], { seconds: 6, megabytes: 400 }, n => [
    `a value that ${n} nodes read`,
    () =>
      model({
        nodes: join(
          repeat(n, i => node('Relu', ['x'], [`v${i}`])),
          node('Relu', ['x'], ['y']),
        ),
      }),
  ]),
  hostile(
    'P45',
    'ONNX as text',
    () => utf8(`<ir_version: 10, opset_import: ["" : 21]>\ng (float[2] x) => (float[2] y) {\n  y = ${'('.repeat(5000)}`),
    [
      warns('E1014', 'the name says ONNX, the content is ONNX text'),
      error('E1006', 'line 3, column 7: expected an operator, found "("', undefined, 81),
    ],
    { exit: 'input' },
  ),
];

const dangerous = 'a\x1b[2J\x1b]52;c;ZXZpbA==\x07\r\b\u202e\u200b\x9bm';
const dangerousShown = 'a\\x1b[2J\\x1b]52;c;ZXZpbA==\\x07\\x0d\\x08\\u202e\\u200b\\x9bm';
const dangerousQuoted = 'a\\x1b[2J\\x1b]52;c;ZXZpbA==\\x07\\x0d\\x08\\u{202e}\\u{200b}\\x9bm';
const dangerousModel = (): Piece =>
  model({ inputs: input(dangerous), nodes: node('Relu', [dangerous], ['y'], { name: dangerous }), after: text(2, dangerous) });
const shaders = ['a;}@compute fn m(){', '*/', '\n#include <x>', '"); system("x'];
const outputs: Case[] = [
  hostile('O03', 'controls in names, to info', dangerousModel, [], { command: 'info', prints: [dangerousShown] }),
  hostile(
    'O03',
    'controls in names, in an error',
    () => model({ nodes: node('Add', ['x', dangerous], ['y'], { at: 'n', name: dangerous }) }),
    [error('E1104', `node #0 Add reads "${dangerousQuoted}", which nothing produces`, 'graph.node[0].input[1]', 'n')],
  ),
  hostile('O03', 'controls in the name of an operator', () => model({ nodes: node(dangerous, ['x'], ['y'], { at: 'n' }) }), [
    error('E1301', `node #0 ${dangerousQuoted} is no operator of ai.onnx`, 'graph.node[0].op_type', 'n'),
  ]),
  hostile(
    'O01',
    'code in names, to run',
    () =>
      model({
        inputs: input(shaders[0]!),
        outputs: output(shaders[3]!),
        nodes: join(...[1, 2, 3].map(i => node('Relu', [shaders[i - 1]!], [shaders[i]!], { name: shaders[i]! }))),
      }),
    [],
    { command: 'run', options: ['--inputs', 'x.npy'], beside: { 'x.npy': ones() } },
  ),
  hostile(
    'O06',
    'lone surrogates in names, as JSON',
    () => model({ inputs: input([0xed, 0xa0, 0x80], { at: 'bad' }), nodes: node('Relu', [[0xed, 0xa0, 0x80]], ['y']) }),
    [warns('E1110', 'the name "\\xed\\xa0\\x80" is not valid UTF-8', 'graph.input[0].name', 'bad')],
    { command: 'info', json: true },
  ),
  hostile(
    'O06',
    'sizes beyond 2^53, as JSON',
    () => model({ inputs: sized(int(1, 2n ** 60n)) }),
    [error('E1307', 'the size 1152921504606846976 is beyond 2^53', dimPath, 'dim')],
    { json: true },
  ),
  hostile(
    'O07',
    'an array with the name of another file',
    () => model({ outputs: output('../../x'), nodes: node('Relu', ['x'], ['../../x']) }),
    [],
    {
      command: 'run',
      options: ['--inputs', 'x.npy', '-o', 'out.npz'],
      beside: { 'x.npy': ones() },
      writes: ['out.npz'],
    },
  ),
  hostile('O08', 'a name of 1 MiB in an error', () => model({ nodes: node('Add', ['x', long], ['y'], { at: 'n' }) }), [
    error('E1104', `node #0 Add reads "${'n'.repeat(200)}…", which nothing produces`, 'graph.node[0].input[1]', 'n'),
  ]),
  hostile('O08', 'an operator of 1 MiB in an error', () => model({ nodes: node(long, ['x'], ['y'], { at: 'n', name: long }) }), [
    error('E1301', `node #0 ${'n'.repeat(200)}… is no operator of ai.onnx`, 'graph.node[0].op_type', 'n'),
  ]),
  hostile(
    'O09',
    'a path with spaces, percent signs and a line feed',
    () => model({ nodes: node('Relo', ['x'], ['y'], { at: 'n' }) }),
    [error('E1301', 'node #0 Relo is no operator of ai.onnx', 'graph.node[0].op_type', 'n', 'nearest name: Relu')],
    { file: 'a b%20\n\x1b[31m.onnx' },
  ),
];

export const nameCases: readonly Case[] = [...escapes, ...types, ...ofObjects, ...many, ...outputs];
