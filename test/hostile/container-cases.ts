// P01 to P10: bytes that are no model, or break the rules of the wire.
import { readFileSync } from 'node:fs';
import { type Case, error, hostile, readable, warns } from './case.ts';
import { branch, condition, graphFields, iff, initializer, input, model, node, opset } from './onnx-wire.ts';
import { int, join, mark, msg, none, type Piece, raw, repeat, tag, text, utf8, varint } from './wire.ts';

const other = (is: string): string => `this is ${is}, which is not read here`;

/** Bytes of a generator whose state is one number: the same on every machine. */
function noise(count: number, seed: number): Piece {
  let state = seed;
  return raw(
    Array.from({ length: count }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state >>> 24;
    }),
  );
}

const pointer =
  'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n';

const notAModel = (row: string, variant: string, bytes: Piece, message: string, given: Parameters<typeof hostile>[4] = {}): Case =>
  hostile(row, variant, () => bytes, [error('E1002', message, undefined, 0)], { exit: 'input', ...given });

const hdf = (): Piece => join(raw([0x89]), utf8('HDF\r\n\x1a\n'));

const formats: Case[] = [
  hostile('P01', 'an empty file', () => none, [error('E1001', 'the file is empty')], { exit: 'input' }),
  hostile('P01', 'an empty file, to info', () => none, [error('E1001', 'the file is empty')], { command: 'info' }),
  hostile('P01', 'an empty file, to convert', () => none, [error('E1001', 'the file is empty')], {
    command: 'convert',
    options: ['-o', 'out.onnx'],
  }),
  notAModel('P03', 'random bytes', noise(4096, 7), readable),
  notAModel('P03', 'random bytes without a telling name', noise(4096, 12), readable, { file: 'model' }),
  notAModel('P03', 'zeros', raw(new Uint8Array(4096)), readable),
  hostile(
    'P02',
    'one byte',
    () => raw([0x08]),
    [error('E1005', 'ends inside field ir_version at offset 1, needs 1 more bytes', 'ir_version', 1)],
    { exit: 'input' },
  ),
  notAModel('P03', 'a pickle', raw([0x80, 4, 0x95, 0, 0]), other('a Python pickle')),
  hostile(
    'H01',
    'an HDF5 file that ends behind its signature',
    () => hdf(),
    [error('E1006', 'superblock version 255, expected 0 to 3', undefined, 8)],
    {
      exit: 'input',
      file: 'model.h5',
    },
  ),
  hostile(
    'H01',
    'an HDF5 file of an unknown version',
    () => join(hdf(), raw([9, ...new Array(80).fill(0)])),
    [error('E1006', 'superblock version 9, expected 0 to 3', undefined, 8)],
    {
      exit: 'input',
      file: 'model.h5',
    },
  ),
  hostile(
    'H01',
    'an HDF5 file with a base address',
    () => join(hdf(), raw([0, 0, 0, 0, 0, 8, 8, ...new Array(17).fill(1)]), raw(new Uint8Array(64))),
    [error('E1006', 'base address 72340172838076673, expected 0', undefined, 24)],
    {
      exit: 'input',
      file: 'model.h5',
    },
  ),
  notAModel('P03', 'a gzip file', raw([0x1f, 0x8b, 8, 0]), other('a gzip file')),
  notAModel('P03', 'a GGUF model', utf8('GGUF\x03\0\0\0'), other('a GGUF model')),
  notAModel('P03', 'a text', utf8('hello, world'), other('a text file')),
  hostile(
    'P04',
    'a Git LFS pointer',
    () => utf8(pointer),
    [
      error(
        'E1003',
        'this is a Git LFS pointer (oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393, size 12345); fetch the real file',
      ),
    ],
    { exit: 'input' },
  ),
  hostile('P05', 'an HTML page', () => utf8('<!DOCTYPE html>\n<html><body>404</body></html>'), [error('E1004', 'this is an HTML page')], {
    exit: 'input',
  }),
  hostile(
    'P05',
    'an XML document',
    () => utf8('<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>'),
    [error('E1004', 'this is an XML document')],
    { exit: 'input' },
  ),
  hostile('P05', 'a JSON error', () => utf8('{"error":"Repository not found"}'), [error('E1004', 'this is a JSON error page')], {
    exit: 'input',
  }),
  hostile(
    'P06',
    'a model under the name of another format',
    () => model(),
    [warns('E1014', 'the name says PyTorch exported program, the content is ONNX')],
    { file: 'model.pt2' },
  ),
  hostile(
    'P06',
    'another format under the name of a model',
    () => ({ bytes: readFileSync('models/simple-nn/model.pt2') }),
    [warns('E1014', 'the name says ONNX, the content is PyTorch exported program')],
    { command: 'info' },
  ),
  hostile(
    'P06',
    'a model under the name of an array',
    () => model(),
    [warns('E1014', 'the name says a NumPy array, the content is ONNX')],
    {
      file: 'model.npy',
    },
  ),
];

/** A model with marks inside of an attribute, a name and weights. */
const small = (): Piece =>
  model({
    nodes: msg(
      1,
      text(1, 'x'),
      text(2, 'y'),
      msg(4, mark('op'), utf8('Transpose')),
      msg(5, text(1, 'perm'), tag(8, 0), mark('ints'), varint(1), int(8, 0), int(20, 7)),
    ),
    initializers: initializer('w', 1, [2, 3], msg(9, mark('weights'), floatBytes24)),
  });
const floatBytes24 = raw(new Uint8Array(24));

/** The model up to `length` bytes after a mark, and a mark for its end. */
function cut(from: string, length: number): Piece {
  const { bytes, marks } = small();
  const end = marks!.get(from)! + length;
  return { bytes: bytes.slice(0, end), marks: new Map([['end', end]]) };
}

function truncated(variant: string, from: string, length: number, path: string, missing: number): Case {
  const end = cut(from, length).marks!.get('end')!;
  const message = `ends inside field ${path} at offset ${end}, needs ${missing} more bytes`;
  return hostile('P02', variant, () => cut(from, length), [error('E1005', message, path, 'end')], { exit: 'input' });
}

const truncations: Case[] = [
  truncated('inside a list of an attribute', 'ints', 0, 'graph.node[0].attribute[0].ints[0]', 1),
  truncated('inside the name of an operator', 'op', 4, 'graph.node[0].op_type', 5),
  truncated('inside the weights', 'weights', 20, 'graph.initializer[0].raw_data', 4),
  truncated('before the weights', 'weights', 0, 'graph.initializer[0].raw_data', 24),
  truncated('before a length', 'weights', -1, 'graph.initializer[0].raw_data', 1),
];

/** What the catalogue's row P07 calls garbage: bytes after the last field of a whole model. */
function trailing(variant: string, garbage: Piece, why: (offset: number) => string): Case {
  const end = model().bytes.length;
  const message = `${garbage.bytes.length} bytes follow the end of the message: ${why(end)}`;
  return hostile('P07', variant, () => join(model(), garbage), [error('E1007', message, undefined, end)], { exit: 'input' });
}

const trails: Case[] = [
  trailing('zeros', raw(new Uint8Array(16)), at => `a field has the number 0 at offset ${at}`),
  trailing('a text', utf8('garbage!'), at => `wire type 7 does not exist in 12 at offset ${at}`),
  trailing('a line feed and more', utf8('\nabc'), at => `wire type 2 where the schema has 0 in ir_version at offset ${at}`),
  trailing(
    'an unknown field that does not fit',
    raw([0x7a, 0x7f, 1, 2]),
    at => `ends inside field 15 at offset ${at + 4}, needs 125 more bytes`,
  ),
  trailing('another model', model(), at => `a second value in ir_version at offset ${at}`),
  trailing('another graph', msg(7, graphFields()), at => `a second value in graph at offset ${at}`),
  hostile(
    'P07',
    'a field of the model that is cut off',
    () => join(model(), raw([0x72, 9])),
    [
      error(
        'E1005',
        `ends inside field metadata_props[0] at offset ${model().bytes.length + 2}, needs 9 more bytes`,
        'metadata_props[0]',
        model().bytes.length + 2,
      ),
    ],
    { exit: 'input' },
  ),
  hostile('P07', 'a field that a later version may have', () => join(model(), text(99, 'later')), []),
];

const broken = (row: string, variant: string, make: () => Piece, message: string, path: string | undefined): Case =>
  hostile(row, variant, make, [error('E1006', message, path, 'bad')], { exit: 'input' });

/** A model with a broken field in its graph. */
const inGraph = (field: Piece): Piece => join(int(1, 10), opset(21), msg(7, field));
const wires: Case[] = (
  [
    [
      'a length of 2^63 - 1',
      join(tag(1, 2), mark('bad'), varint(2n ** 63n - 1n)),
      'a length of 9223372036854775807 bytes is impossible',
      'node[0]',
    ],
    [
      'a length of 2^64 - 1',
      join(tag(1, 2), mark('bad'), varint(2n ** 64n - 1n)),
      'a length of 18446744073709551615 bytes is impossible',
      'node[0]',
    ],
    [
      'a varint of 11 bytes',
      msg(11, msg(2, msg(1, tag(1, 0), mark('bad'), raw(new Array(10).fill(0x80)), raw([1])))),
      'a varint is longer than 10 bytes',
      'input[0].type.tensor_type.elem_type',
    ],
    ['wire type 6', join(mark('bad'), tag(50, 6)), 'wire type 6 does not exist', '50'],
    ['wire type 7', join(mark('bad'), tag(50, 7)), 'wire type 7 does not exist', '50'],
    ['a group for a message', join(mark('bad'), tag(1, 3)), 'wire type 3 where the schema has 2', 'node[0]'],
    ['a number for a text', join(mark('bad'), tag(2, 0)), 'wire type 0 where the schema has 2', 'name'],
    ['the end of a group that is not open', join(mark('bad'), tag(50, 4)), 'the end of group 50, which is not open', '50'],
    ['field 0', join(mark('bad'), raw([2])), 'a field has the number 0', ''],
    ['a field number of 32 bits', join(mark('bad'), varint(2n ** 35n)), 'a field number has more than 29 bits', ''],
  ] as const
).map(([variant, field, what, path]) => {
  const make = (): Piece => inGraph(field);
  const full = path === '' ? 'graph' : `graph.${path}`;
  return broken('P08', variant, make, `${what} in ${full} at offset ${make().marks!.get('bad')}`, full);
});

const deep = (levels: number): Piece => {
  let inner = branch('t', node('Relu', ['x'], ['t']));
  for (let i = 1; i < levels; i++) inner = branch(`t${i}`, iff('c', `t${i}`, inner, branch('e', node('Relu', ['x'], ['e']))));
  return model({ inputs: join(input('x'), condition()), nodes: iff('c', 'y', inner, branch('e', node('Relu', ['x'], ['e']))) });
};

/** Ifs whose branches hold Ifs, and a mark at the length of the node of level 34: a graph in a node takes three messages. */
function nested(levels: number): Piece {
  const kind = int(20, 5);
  const before: Piece[] = [];
  let length = text(2, 'leaf').bytes.length;
  const around = (...fields: Piece[]): void => {
    const piece = join(...fields);
    length += piece.bytes.length;
    before.push(piece);
  };
  for (let level = levels; level >= 1; level--) {
    around(tag(6, 2), varint(length));
    around(text(1, 'then_branch'));
    around(tag(5, 2), varint(length + kind.bytes.length));
    length += kind.bytes.length;
    around(text(4, 'If'));
    around(tag(1, 2), level === 34 ? mark('deep') : none, varint(length));
  }
  const after = repeat(levels, () => kind);
  return join(int(1, 10), opset(21), tag(7, 2), varint(length), ...before.reverse(), text(2, 'leaf'), after);
}
const nestedPath = `graph${'.node[0].attribute[0].g'.repeat(33)}.node[0]`;

const nests: Case[] = [
  hostile(
    'P09',
    '200,000 groups in an unknown field',
    () =>
      join(
        int(1, 10),
        repeat(200_000, () => tag(99, 3)),
        repeat(200_000, () => tag(99, 4)),
      ),
    [error('E1008', `nesting deeper than 100 at offset ${2 + 2 * 101}`, '99', 2 + 2 * 101)],
    { exit: 'limit' },
  ),
  hostile('P10', '20 nested graphs', () => deep(20), []),
  ...[34, 1000, 10_000].map(levels =>
    hostile(
      'P10',
      `${levels} nested graphs`,
      () => nested(levels),
      [error('E1008', `nesting deeper than 100 at offset ${nested(levels).marks!.get('deep')}`, nestedPath, 'deep')],
      { exit: 'limit' },
    ),
  ),
];

export const containerCases: readonly Case[] = [...formats, ...truncations, ...trails, ...wires, ...nests];
