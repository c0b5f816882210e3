// K10 to K13 and K16: tensors and storages of pickles, and what lies beside a pickle.
import { type Case, type Expected, error, hostile, warns } from './case.ts';
import { bad, type Carrier, carriers, ofDict, pickles, says, system, values } from './pickle-carriers.ts';
import {
  archive,
  call,
  checkpointEntries,
  dict,
  global,
  guess,
  list,
  number,
  op,
  pickle,
  programEntries,
  root,
  scriptEntries,
  six,
  storage,
  stream,
  tensor,
  text,
} from './pickle-wire.ts';
import { join, little, type Piece, raw, utf8 } from './wire.ts';

const sizes = (...items: number[]): Piece[] => items.map(number);
const shown = (dims: string, strides: string, needed: number | string): string =>
  `"w": float32[${dims}] with strides [${strides}] needs ${needed} bytes of storage, the record has 24`;
const recordHas = (count: number): string => `storage 0: ${count} elements of float32 are ${4 * count} bytes, the record has 24`;
const impossible = 'the pickle has sizes or strides that are no tuple of sizes';
const big = op('\x8a', little(1, 8), little(8, 2n ** 62n));

const tensors: Case[] = [
  ...values('K10', 'a storage that is shorter than it says', tensor({ storage: storage('0', 7) }), says('E1203', recordHas(7)), {
    entry: 'data/0',
  }),
  ...values('K10', 'a storage that is longer than it says', tensor({ storage: storage('0', 5) }), says('E1203', recordHas(5)), {
    entry: 'data/0',
  }),
  ...values('K10', 'an offset beyond the storage', tensor({ offset: number(1) }), says('E1203', shown('2,3', '3,1', 28))),
  ...values('K10', 'strides beyond the storage', tensor({ stride: sizes(4, 1) }), says('E1203', shown('2,3', '4,1', 28))),
  ...values('K10', 'sizes beyond the storage', tensor({ size: sizes(3, 3) }), says('E1203', shown('3,3', '3,1', 36))),
  ...values('K10', 'a negative stride', tensor({ stride: sizes(-3, 1) }), says('E1006', impossible)),
  ...values('K10', 'a negative size', tensor({ size: sizes(-2, 3) }), says('E1006', impossible)),
  ...values('K10', 'a size of 2^62', tensor({ size: [big, number(3)] }), says('E1006', impossible)),
  ...values(
    'K10',
    'sizes whose product overflows',
    tensor({ size: sizes(2 ** 30, 2 ** 30), stride: sizes(0, 0) }),
    says('E1009', `"w": float32[1073741824,1073741824] takes ${2 ** 62} bytes, its storage has 24`),
  ),
  ...values(
    'K10',
    'one number as a matrix of 4 TB',
    tensor({ size: sizes(2 ** 20, 2 ** 20), stride: sizes(0, 0) }),
    says('E1009', `"w": float32[1048576,1048576] takes ${2 ** 42} bytes, its storage has 24`),
  ),
  ...values(
    'K10',
    'sizes without strides',
    tensor({ stride: sizes(1) }),
    says('E1006', 'the pickle has a tensor of 2 sizes and 1 strides'),
  ),
  ...values(
    'K10',
    'rank 100',
    tensor({ size: new Array(100).fill(number(1)), stride: new Array(100).fill(number(1)) }),
    says('E1202', '"w": a tensor of rank 100, the limit is 64'),
  ),
  ...values(
    'K10',
    'an offset that is text',
    tensor({ offset: text('0') }),
    says('E1006', 'the pickle has a tensor whose offset is no size'),
  ),
  hostile(
    'K10',
    'elements that are shown twice',
    () => archive(checkpointEntries(ofDict(tensor({ size: sizes(4, 3), stride: sizes(1, 1) })))),
    [],
    { file: 'good.pth', command: 'weights', prints: ['w       float32  [4,3]'] },
  ),
];

const storages: Case[] = [
  ...values(
    'K11',
    'one storage as two types',
    list(tensor(), tensor({ storage: storage('0', 6, 'IntStorage') })),
    says('E1006', 'the pickle has storage 0 both as torch.FloatStorage and as torch.IntStorage'),
    {
      in: [carriers.checkpoint, carriers.script, carriers.flat],
    },
  ),
  ...[carriers.checkpoint, carriers.script, carriers.flat].map(({ title, file, command, make, holds }) =>
    hostile(
      'K11',
      `a storage that is missing, in ${title}`,
      () => make(holds(tensor({ storage: storage('9', 6) }))),
      [error('E1013', 'the record data/9 is missing')],
      { file, command },
    ),
  ),
  hostile(
    'K11',
    'a storage that is missing, in a checkpoint of before 1.6',
    () => stream(ofDict(tensor({ storage: storage('9', 6) }))),
    [error('E1013', 'storage 9 is missing')],
    { file: 'bad.pth', command: 'weights' },
  ),
  hostile(
    'K11',
    'storages that are cut off',
    () => stream(ofDict(tensor()), ['0'], join(little(8, 6), raw(six.bytes.subarray(0, 20)))),
    [error('E1005', 'storage 0: 6 elements of float32 are announced, 20 bytes follow', undefined, 200)],
    { file: 'bad.pth', command: 'weights' },
  ),
  ...[2n ** 62n, -1n].map(count =>
    hostile(
      'K11',
      `a storage of ${count} elements`,
      () => stream(ofDict(tensor()), ['0'], join(little(8, count), six)),
      [error('E1005', `storage 0: ${count} elements of float32 are announced, 24 bytes follow`, undefined, 200)],
      { file: 'bad.pth', command: 'weights' },
    ),
  ),
  hostile(
    'K11',
    'keys of storages that are no texts',
    () => stream(ofDict(tensor()), [0]),
    [error('E1006', 'the list of storages holds more than their keys')],
    { file: 'bad.pth', command: 'weights' },
  ),
];

const good = pickle(dict(['w', tensor()]));
/** Each archive with an entry that says the order of bytes. */
const ordered: readonly (readonly [Carrier['command'], string, (order: Piece) => Piece])[] = [
  ['weights', 'bad.pth', byteorder => archive({ ...checkpointEntries(good), byteorder })],
  ['info', 'bad.pt', byteorder => archive({ ...scriptEntries(pickle(root(tensor()))), byteorder })],
  ['info', 'bad.pt2', byteorder => archive({ ...programEntries(), byteorder })],
];
const kinds: Case[] = [
  ...['big', 'middle', ''].flatMap(order =>
    ordered.map(([command, file, make]) =>
      hostile(
        'K12',
        `the order of bytes "${order}", in ${file.slice(3)}`,
        () => make(utf8(order)),
        [error('E2002', `byteorder: expected little, found "${order}"`, 'byteorder')],
        { file, command, exit: 'unsupported' },
      ),
    ),
  ),
  hostile(
    'K12',
    'big-endian numbers, in a checkpoint of before 1.6',
    () => stream(ofDict(tensor()), ['0'], undefined, op('\x89')),
    [error('E2002', 'the file is of a machine whose numbers are big-endian')],
    { file: 'bad.pth', command: 'weights', exit: 'unsupported' },
  ),
  ...values(
    'K13',
    'a quantized tensor',
    call(global('torch._utils', '_rebuild_qtensor'), storage('0', 6)),
    says('E2002', 'the pickle makes a tensor by torch._utils._rebuild_qtensor, which has no conversion'),
  ),
  ...values(
    'K13',
    'a sparse tensor',
    call(global('torch._utils', '_rebuild_sparse_tensor'), op('N')),
    says('E2002', 'the pickle makes a tensor by torch._utils._rebuild_sparse_tensor, which has no conversion'),
  ),
  ...values(
    'K13',
    'a quantized storage',
    tensor({ storage: storage('0', 6, 'QInt8Storage') }),
    says('E2002', 'storages of torch.QInt8Storage have no conversion'),
    { in: [carriers.checkpoint, carriers.script, carriers.flat] },
  ),
  ...pickles(
    'K13',
    'a protocol of the future',
    join(bad, op('\x80\x09}.')),
    says('E2002', 'pickle protocol 9 is not read here; the newest is 5'),
  ),
  hostile(
    'K13',
    'the form of tar archives',
    () => join(utf8('sys_info'), raw(new Uint8Array(249)), utf8('ustar\x0000'), raw(new Uint8Array(256))),
    [error('E1002', 'this is a tar archive, which is not read here', undefined, 0)],
    { file: 'bad.pth', command: 'weights' },
  ),
];

const another = (name: string): Expected => warns('E1015', `the archive holds another pickle, "${name}", which is not read`);
const extra: Case[] = [
  hostile(
    'K16',
    'another pickle in a checkpoint',
    () => archive({ ...checkpointEntries(good), 'evil.pkl': pickle(system) }),
    [another('m/evil.pkl')],
    { file: 'odd.pth', command: 'weights', prints: ['1 tensor'] },
  ),
  hostile(
    'K16',
    'a pickle of another folder',
    () => archive({ ...checkpointEntries(good), 'a/data.PKL': pickle(system) }),
    [another('m/a/data.PKL')],
    { file: 'odd.pth', command: 'weights', prints: ['1 tensor'] },
  ),
  hostile(
    'K16',
    'another pickle in a TorchScript program',
    () => archive({ ...scriptEntries(pickle(root(tensor()))), 'evil.pickle': pickle(system) }),
    [another('m/evil.pickle'), guess],
    { file: 'odd.pt', command: 'info' },
  ),
  hostile(
    'K16',
    'the pickle under another name',
    () => archive({ 'data.pickle': good, 'data/0': six }),
    [error('E1002', 'this is a ZIP archive without a model that is known, which is not read here', undefined, 0)],
    { file: 'bad.pth', command: 'weights' },
  ),
];

export const checkpointCases: readonly Case[] = [...tensors, ...storages, ...kinds, ...extra];
