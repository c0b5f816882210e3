// K01 to K09: what pickles call, and what they take to read.
import { type Case, error, hostile } from './case.ts';
import {
  all,
  bad,
  type Carrier,
  calls,
  carriers,
  type Given,
  named,
  ofDict,
  pickles,
  quiet,
  says,
  stacked,
  system,
  values,
  type Wrong,
} from './pickle-carriers.ts';
import {
  archive,
  call,
  checkpointEntries,
  dict,
  get,
  global,
  list,
  number,
  op,
  pickle,
  put,
  root,
  scriptEntries,
  storage,
  tensor,
  text,
  tuple,
} from './pickle-wire.ts';
import { join, little, type Piece, raw, repeat, utf8 } from './wire.ts';

const calling: Case[] = [
  ...values('K01', 'os.system', call(named('os', 'system'), text('id')), calls('os.system')),
  ...values('K01', 'builtins.eval', call(named('builtins', 'eval'), text('1')), calls('builtins.eval')),
  ...values('K01', 'posix.system', system, calls('posix.system')),
  ...values('K01', 'a call among the items of a list', list(number(1), system), calls('posix.system')),
  ...values('K01', 'a call whose result is dropped', join(system, op('0N')), calls('posix.system')),
  ...values('K01', 'a call in what a tensor is made with', tensor({ hooks: system }), calls('posix.system')),
  ...values(
    'K01',
    'a call in the state of a dict',
    join(call(global('collections', 'OrderedDict')), system, op('b')),
    calls('posix.system'),
  ),
  ...values('K01', 'a call that makes a key', op('}(', system, number(1), op('u')), calls('posix.system')),
  ...values('K01', 'a name that is not called', named('posix', 'system'), at => [
    'E1015',
    `the pickle names posix.system at offset ${at}; only tensors and containers are read`,
  ]),
  ...values('K02', 'an instance of an unknown class', join(named('a', 'B'), op(')\x81')), calls('a.B')),
  ...values('K02', 'a state for an unknown class', join(named('a', 'B'), op(')\x81}b')), calls('a.B')),
  ...values('K02', 'a state for a dict', op('}}', bad, op('b')), says('E1006', 'a state can be given to instances only')),
  ...values('K02', 'NEWOBJ_EX', join(global('a', 'B'), op(')}'), bad, op('\x92')), unreadable('the opcode NEWOBJ_EX')),
  ...values('K02', 'INST', op('(', bad, utf8('ios\nsystem\n')), unreadable('the opcode INST')),
  ...values('K02', 'OBJ', join(op('('), global('os', 'system'), bad, op('o')), unreadable('the opcode OBJ')),
  ...[1, 2, 4].flatMap((width, i) =>
    values('K02', `EXT${width}`, join(bad, op('\x82\x83\x84'[i]!, little(width, 1))), unreadable('the extension registry')),
  ),
  ...values(
    'K03',
    'a name made of pieces of the memo',
    join(text('posix'), put(7), op('0'), text('system'), put(8), op('0'), call(stacked(get(7), get(8)), text('id'))),
    calls('posix.system'),
  ),
  ...values('K03', 'a name that is no text', stacked(number(1), text('system')), says('E1006', 'the name of a global must be text')),
  ...values(
    'K03',
    'torch.storage._load_from_bytes',
    call(named('torch.storage', '_load_from_bytes'), op('C', little(1, 0))),
    calls('torch.storage._load_from_bytes'),
  ),
];

function unreadable(what: string): Wrong {
  return says('E2002', `the pickle uses ${what}, which is not read here`);
}

const dtype = (code: string, order = '<'): Piece =>
  join(
    call(global('numpy', 'dtype'), text(code), op('\x89'), op('\x88')),
    tuple(number(3), text(order), op('NNN'), number(-1), number(-1), number(0)),
    op('b'),
  );
const array = (of: Piece, shape: readonly number[], content: Piece): Piece =>
  join(
    call(global('numpy.core.multiarray', '_reconstruct'), global('numpy', 'ndarray'), tuple(number(0)), text('b')),
    tuple(number(1), tuple(...shape.map(number)), of, op('\x89'), content),
    op('b'),
  );
const bytes = (count: number): Piece => op('C', little(1, count), raw(new Array(count).fill(1)));
const numpy: Case[] = [
  ...values(
    'K03',
    'an array of objects',
    array(dtype('O8', '|'), [1], list(quiet)),
    says('E2002', 'the pickle holds an array of NumPy of type O8, which has no conversion'),
  ),
  ...values(
    'K03',
    'an array with too few bytes',
    array(dtype('f8'), [3], bytes(16)),
    says('E1203', 'an array of NumPy: float64[3] takes 24 bytes, 16 are stored'),
  ),
  ...values(
    'K03',
    'an array whose type is a call',
    array(quiet, [1], bytes(8)),
    says('E1006', 'the pickle has an array of NumPy without an element type'),
    {},
  ),
  ...values(
    'K03',
    'a scalar with too many bytes',
    call(global('numpy._core.multiarray', 'scalar'), dtype('f8'), bytes(9)),
    says('E1006', 'the pickle has a scalar of NumPy of float64 in 9 bytes'),
  ),
  hostile(
    'K03',
    'arrays and scalars of NumPy',
    () =>
      archive(
        checkpointEntries(
          ofDict(
            dict(
              ['a', array(dtype('i4', '>'), [2], bytes(8))],
              ['b', call(global('numpy.core.multiarray', 'scalar'), dtype('f8'), bytes(8))],
            ),
          ),
        ),
      ),
    [],
    { file: 'good.pth', command: 'weights', prints: ['w.a     int32  [2]', '1 tensor, 2 elements'] },
  ),
];

const persistent: Case[] = [
  ...values(
    'K04',
    'a reference that is no tuple',
    tensor({ storage: op('', text('0'), op('Q')) }),
    says('E1006', 'the pickle has a reference that is no storage'),
  ),
  ...values(
    'K04',
    'a reference to something else',
    tensor({ storage: op('', tuple(text('module'), text('0')), op('Q')) }),
    says('E1006', 'the pickle has a reference that is no storage'),
  ),
  ...values(
    'K04',
    'a storage of an unknown class',
    tensor({ storage: storage('0', 6, 'NoStorage') }),
    says('E2002', 'storages of torch.NoStorage have no conversion'),
    {
      in: [carriers.checkpoint, carriers.script, carriers.flat],
    },
  ),
  ...['../0', 'a/b', '..', ''].flatMap(key =>
    values(
      'K04',
      `the key ${JSON.stringify(key)}`,
      tensor({ storage: storage(key, 6) }),
      says('E1006', `the pickle has the storage key ${JSON.stringify(key)}`),
    ),
  ),
  ...values('K04', 'a storage outside of a tensor', storage('0', 6), says('E1006', 'the pickle has a storage outside of a tensor')),
];

const typed: Case[] = [
  ...values(
    'K05',
    'an entry set on a list',
    op(']', text('a'), number(1), bad, op('s')),
    says('E1006', 'entries can be set on dicts only, as pairs'),
  ),
  ...values('K05', 'an item appended to a dict', op('}', number(1), bad, op('a')), says('E1006', 'items can be appended to lists only')),
  ...values('K05', 'items appended to a tuple', op(')(', number(1), bad, op('e')), says('E1006', 'items can be appended to lists only')),
  ...values('K05', 'items added to a list', op('](', number(1), bad, op('\x90')), says('E1006', 'items can be added to sets only')),
  ...values(
    'K05',
    'a key without its value',
    op('}(', text('a'), bad, op('u')),
    says('E1006', 'entries can be set on dicts only, as pairs'),
  ),
  ...pickles('K05', 'items without a mark', op('\x80\x02]', number(1), bad, op('e.')), says('E1006', 'there is no mark on the stack')),
  ...pickles('K05', 'an empty stack', op('\x80\x02', bad, op('.')), says('E1006', 'the stack is empty')),
  ...values(
    'K05',
    'arguments that are no tuple',
    join(global('torch', 'Size'), op('N'), bad, op('R')),
    says('E1006', 'the arguments of a call must be a tuple'),
  ),
  ...values('K05', 'a call of a number', join(number(1), op(')'), bad, op('R')), says('E1006', 'what is called must be a global')),
];

const pair = (level: number): Piece => join(op('](', get(level), get(level), op('e')), put(level + 1), op('0'));
/** A value that is twice in a list, which is twice in a list … */
const doubled = (levels: number, leaf: Piece): Piece =>
  join(leaf, put(0), op('0'), ...Array.from({ length: levels }, (_, i) => pair(i)), get(levels));
const left = (carrier: Carrier, after: number, data: Piece): number => {
  const whole = carrier.path ? data : carrier.make(data);
  return whole.bytes.length - whole.marks!.get('bad')! - after;
};
/** A length that reaches beyond the pickle: how many bytes are left is another number in each carrier. */
const announced = (row: string, variant: string, opcode: Piece, count: bigint | number, what = 'bytes are announced'): Case[] =>
  all.flatMap(carrier => {
    const data = op('\x80\x04', bad, opcode, op('.'));
    const rest = left(carrier, opcode.bytes.length, data);
    const message = `${count} ${what}, ${rest} are left`;
    return pickles(row, variant, data, says('E1005', message), { in: [carrier] });
  });

const bounds: Case[] = [
  ...values(
    'K06',
    'an index of the memo that is not set',
    join(bad, op('j', little(4, 2 ** 31 - 1))),
    says('E1006', 'the memo has no entry 2147483647'),
  ),
  ...values(
    'K06',
    'an index of the memo that is no number',
    op('N', bad, utf8('pabc\n')),
    says('E1006', 'the place in the memo is no integer'),
  ),
  ...announced('K06', 'an integer of 2 GB', op('\x8b', little(4, 2 ** 31 - 1)), 2 ** 31 - 1),
  ...announced('K06', 'text of 2^63 bytes', op('\x8d', little(8, 2n ** 63n)), 2n ** 63n),
  ...announced('K06', 'bytes of 2^64 - 1 bytes', op('\x8e', little(8, 2n ** 64n - 1n)), 2n ** 64n - 1n),
  ...announced('K06', 'a frame that is longer than the pickle', op('\x95', little(8, 2 ** 40)), 2 ** 40, 'bytes of a frame are announced'),
  ...values(
    'K06',
    'an integer of 2000 bytes',
    join(bad, op('\x8b', little(4, 2000), raw(new Uint8Array(2000).fill(1)))),
    says('E1009', 'an integer of 2000 bytes'),
  ),
  ...values(
    'K06',
    'an integer of 2000 digits',
    join(bad, utf8(`L${'9'.repeat(2000)}L\n`)),
    says('E1006', `"${'9'.repeat(40)}" is no integer`),
  ),
  ...pickles('K06', 'a pickle that is cut off', op('\x80\x02}', bad), says('E1005', 'the pickle ends without its last opcode'), {
    in: [carriers.checkpoint, carriers.script, carriers.flat],
  }),
];

const memory = (length: number): string => `the values of the pickle take more than ${40 * 2 ** 20 + length} bytes of memory`;
const many = (count: number, opcode: string): Piece => repeat(count, () => op(opcode));
/** So many times one opcode, which fills memory at the one with the number `at`. */
function filling(variant: string, opcode: string, count: number, cost: number, given: Given = {}): Case[] {
  const size = count * opcode.length + 3;
  const at = 2 + Math.floor((40 * 2 ** 20 + size) / cost) * opcode.length + opcode.length - 1;
  return [
    hostile(
      'K07',
      variant,
      () => archive(checkpointEntries(join(op('\x80\x02'), many(count, opcode), op('.')))),
      [error('E1009', memory(size), 'data.pkl', at)],
      { file: 'bad.pth', command: 'weights', exit: 'limit', ...given },
    ),
  ];
}

const bombs: Case[] = [
  ...values(
    'K07',
    'a tensor under 2^30 names',
    doubled(30, tensor()),
    says('E1009', 'the checkpoint has more than 1000000 names of tensors'),
    {
      in: [carriers.checkpoint, carriers.stream],
    },
  ).map(c => ({ ...c, findings: [error('E1009', 'the checkpoint has more than 1000000 names of tensors')] })),
  ...[carriers.checkpoint, carriers.stream].map(({ file, holds, make, command, title }) =>
    hostile('K07', `an empty list in lists, 2^60 times, in ${title}`, () => make(holds(doubled(60, op(']')))), [], {
      file,
      command,
      prints: ['0 tensors'],
    }),
  ),
  hostile(
    'K07',
    'an empty list in lists, 2^60 times, in a TorchScript program',
    () => archive(scriptEntries(pickle(root(doubled(60, op(']')))))),
    [error('E1009', 'a tuple of more than 100000 values')],
    { file: 'bad.pt', command: 'info', exit: 'limit' },
  ),
  hostile(
    'K07',
    '10,000,000 opcodes that leave nothing',
    () => archive(checkpointEntries(op('\x80\x02', many(5_000_000, 'N0'), op('}.')))),
    [],
    {
      file: 'good.pth',
      command: 'weights',
      prints: ['0 tensors'],
      large: true,
    },
  ),
  ...filling('200,000 dicts', '}', 200_000, 464),
  ...filling('1,000,000 lists', ']', 1_000_000, 168),
  ...filling('10,000,000 values on the stack', 'N', 10_000_000, 64, { large: true }),
];

const deepList = (levels: number): Piece => join(...new Array(levels).fill(op(']')), op('a'.repeat(levels - 1)));
/** The function that makes instances of classes, called by itself and itself again. */
const throughType = (levels: number): Piece => {
  const rebuild = global('torch._tensor', '_rebuild_from_type_v2');
  const level = join(op('('), rebuild, global('torch', 'Tensor'));
  return join(rebuild, ...new Array<Piece>(levels).fill(level), op(')'), ...new Array<Piece>(levels).fill(op('Nt')), op('R'));
};
const deeper: Wrong = says('E1008', 'the pickle is nested deeper than 1000');

const recursion: Case[] = [
  ...values(
    'K08',
    'a list that holds itself',
    join(op(']'), put(0), get(0), op('a')),
    says('E1006', 'the pickle has a value that contains itself'),
  ),
  ...values(
    'K08',
    'a dict that holds itself',
    join(op('}'), put(0), text('a'), get(0), op('s')),
    says('E1006', 'the pickle has a value that contains itself'),
  ),
  ...values('K08', 'lists nested 10,000 deep', deepList(10_000), deeper),
  ...values('K08', 'calls nested 10,000 deep', throughType(10_000), deeper),
];

const keys: Case[] = [
  hostile(
    'K09',
    'names that objects treat specially',
    () => archive(checkpointEntries(pickle(dict(['__proto__', tensor()], ['constructor', dict(['toString', tensor()])])))),
    [],
    { file: 'good.pth', command: 'weights', prints: ['__proto__ ', 'constructor.toString', '2 tensors'] },
  ),
  hostile(
    'K09',
    'the same, written as another format',
    () => archive(checkpointEntries(pickle(dict(['__proto__', tensor()], ['constructor', dict(['toString', tensor()])])))),
    [],
    { file: 'good.pth', command: 'weights', options: ['-o', 'out.safetensors'], writes: ['out.safetensors'] },
  ),
  hostile(
    'K09',
    'two ways to one name',
    () => archive(checkpointEntries(pickle(dict(['a', dict(['b', tensor()])], ['a.b', tensor()])))),
    [error('E1010', 'two tensors are called "a.b"')],
    { file: 'bad.pth', command: 'weights' },
  ),
];

export const pickleCases: readonly Case[] = [...calling, ...numpy, ...persistent, ...typed, ...bounds, ...bombs, ...recursion, ...keys];
