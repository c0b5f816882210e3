// P24 to P34: what tensors may not say.
import { type Case, type Expected, error, hostile, warns } from './case.ts';
import { ones } from './graph-cases.ts';
import {
  branch,
  floatBytes,
  iff,
  initializer,
  input,
  int64Data,
  model,
  node,
  rawData,
  sparse,
  tensorAttribute,
  tensorFields,
  typed,
  zeros,
} from './onnx-wire.ts';
import { float32, int, join, mark, msg, none, type Piece, repeat, text, varint } from './wire.ts';

const w = 'graph.initializer[0]';
const at = mark('w');
/** One initializer `w` beside the Relu. */
const weight = (
  row: string,
  variant: string,
  type: number | undefined,
  dims: (number | bigint)[],
  data: Piece,
  ...findings: Expected[]
): Case => hostile(row, variant, () => model({ initializers: initializer('w', type, dims, at, data) }), findings);
const bad = (code: Expected['code'], message: string): Expected => error(code, message, w, 'w');
const odd = (code: Expected['code'], message: string): Expected => warns(code, message, w, 'w');

const sizes: Case[] = [
  weight('P24', 'too few raw bytes', 1, [2, 3], zeros(20), bad('E1203', 'raw_data: float32[2,3] is 24 bytes, the data has 20')),
  weight('P24', 'too many raw bytes', 1, [2, 3], zeros(28), bad('E1203', 'raw_data: float32[2,3] is 24 bytes, the data has 28')),
  weight('P24', 'one raw byte too many', 1, [2, 3], zeros(25), bad('E1203', 'raw_data: float32[2,3] is 24 bytes, the data has 25')),
  weight('P24', 'raw bytes of no elements', 1, [0, 3], zeros(4), bad('E1203', 'raw_data: float32[0,3] is 0 bytes, the data has 4')),
  weight('P24', 'no data', 1, [2, 3], none, bad('E1203', 'float_data: float32[2,3] is 24 bytes, the data has 0')),
  weight(
    'P24',
    'too few floats',
    1,
    [3],
    msg(4, float32(1), float32(2)),
    bad('E1203', 'float_data: float32[3] is 12 bytes, the data has 8'),
  ),
  weight('P24', 'too many integers', 7, [1], int64Data(1, 2), bad('E1203', 'int64_data: int64[1] is 8 bytes, the data has 16')),
  weight('P24', 'too few strings', 8, [2], text(6, 'a'), bad('E1203', 'string_data: string[2] is 2 strings, the data has 1')),
  weight(
    'P24',
    'too many raw bytes in a file',
    1,
    [50_000],
    zeros(200_004),
    bad('E1203', 'raw_data: float32[50000] is 200000 bytes, the data has 200004'),
  ),
  hostile(
    'P24',
    'too few raw bytes in an attribute',
    () => model({ nodes: node('Constant', [], ['y'], { more: tensorAttribute('value', at, ...fieldsOf(1, [2, 3], zeros(20))) }) }),
    [error('E1203', 'raw_data: float32[2,3] is 24 bytes, the data has 20', 'graph.node[0].attribute[0].t', 'w')],
  ),
  weight('P25', 'a negative size', 1, [-1, 3], zeros(4), bad('E1202', 'float32[-1,3] has a size that is negative or no integer')),
  weight(
    'P25',
    'sizes whose product overflows',
    1,
    [2 ** 40, 2 ** 40],
    zeros(4),
    bad('E1202', 'the size of float32[1099511627776,1099511627776] overflows'),
  ),
  weight(
    'P25',
    'sizes whose product wraps to a small number',
    1,
    [2n ** 62n, 8],
    zeros(0),
    bad('E1202', 'the size 4611686018427387904 is beyond 2^53'),
  ),
  weight(
    'P25',
    'sizes whose product wraps to zero',
    1,
    [2 ** 32, 2 ** 32],
    zeros(0),
    bad('E1202', 'the size of float32[4294967296,4294967296] overflows'),
  ),
  weight(
    'P25',
    'a size of more than 2^53 beside a 0',
    1,
    [0, 2 ** 50, 2 ** 50],
    zeros(0),
    bad('E1202', 'the size of float32[0,1125899906842624,1125899906842624] overflows'),
  ),
  weight('P25', 'a size of 2^63 - 1', 2, [2n ** 63n - 1n], zeros(4), bad('E1202', 'the size 9223372036854775807 is beyond 2^53')),
  hostile(
    'P26',
    'a tensor of rank 1,000,000',
    () =>
      model({
        initializers: msg(
          5,
          at,
          msg(
            1,
            repeat(1_000_000, () => varint(1)),
          ),
          int(2, 1),
          text(8, 'w'),
          zeros(4),
        ),
      }),
    [bad('E1202', 'float32[1,1,1,1,1,1,1,1,…] has rank 1000000, the limit is 64')],
  ),
  weight(
    'P26',
    'a tensor of rank 65',
    1,
    new Array<number>(65).fill(1),
    zeros(4),
    bad('E1202', 'float32[1,1,1,1,1,1,1,1,…] has rank 65, the limit is 64'),
  ),
  weight('P26', 'a tensor of rank 64', 1, new Array<number>(64).fill(1), zeros(4)),
  hostile(
    'P26',
    'a value of rank 1,000,000',
    () =>
      model({
        inputs: input('x', {
          type: msg(
            2,
            msg(
              1,
              int(1, 1),
              msg(
                2,
                at,
                repeat(1_000_000, () => msg(1, none)),
              ),
            ),
          ),
        }),
      }),
    [error('E1202', 'the type has rank 1000000, the limit is 64', 'graph.input[0].type.tensor_type.shape', 'w')],
    { large: true, limits: { seconds: 4, megabytes: 300 } },
  ),
];

function fieldsOf(type: number, dims: number[], data: Piece): Piece[] {
  return [...dims.map(d => int(1, d)), int(2, type), data];
}

const fields: Case[] = [
  weight(
    'P27',
    'floats in the field of integers',
    1,
    [1],
    msg(5, varint(1)),
    bad('E1204', 'float32 data belongs in float_data, found it in int32_data'),
  ),
  weight(
    'P27',
    'integers in the field of floats',
    7,
    [1],
    msg(4, float32(1)),
    bad('E1204', 'int64 data belongs in int64_data, found it in float_data'),
  ),
  weight('P27', 'raw and typed data', 1, [1], join(zeros(4), msg(4, float32(1))), bad('E1204', 'the data is in raw_data and float_data')),
  weight(
    'P27',
    'data in two typed fields',
    1,
    [1],
    join(msg(4, float32(1)), msg(5, varint(1))),
    bad('E1204', 'the data is in float_data and int32_data'),
  ),
  weight('P27', 'raw strings', 8, [1], zeros(4), bad('E1204', 'string data belongs in string_data, found it in raw_data')),
  weight(
    'P27',
    'a number that its type cannot hold',
    2,
    [1],
    msg(5, varint(300)),
    odd('E1204', 'int32_data holds numbers that uint8 cannot; their low bits are taken'),
  ),
  weight(
    'P27',
    'a segment',
    1,
    [1],
    join(zeros(4), msg(3, int(1, 0), int(2, 1))),
    bad('E1204', 'the tensor is a segment of a larger one, and nothing says how to join them'),
  ),
  weight('P28', 'element type 0', 0, [1], zeros(4), bad('E1201', 'the element type 0 does not exist')),
  weight('P28', 'no element type', undefined, [1], zeros(4), bad('E1201', 'the element type 0 does not exist')),
  weight('P28', 'element type 99', 99, [1], zeros(4), bad('E1201', 'the element type 99 does not exist')),
  weight('P28', 'element type -1', -1, [1], zeros(4), bad('E1201', 'the element type -1 does not exist')),
  hostile('P28', 'an input of element type 99', () => model({ inputs: input('x', { at: 'x', type: msg(2, msg(1, at, int(1, 99))) }) }), [
    error('E1201', 'the element type 99 does not exist', 'graph.input[0].type.tensor_type', 'w'),
    error('E1307', 'the input "x" has no element type', 'graph.input[0]', 'x'),
  ]),
  hostile('P28', 'an input of element type 0', () => model({ inputs: input('x', { at: 'x', ...typed(0, [2, 3]) }) }), [
    error('E1307', 'the input "x" has no element type', 'graph.input[0]', 'x'),
  ]),
  weight('P29', 'three int4 in one byte', 22, [3], rawData([0x21]), bad('E1203', 'raw_data: int4[3] is 2 bytes, the data has 1')),
  weight('P29', 'three int4 in three bytes', 22, [3], rawData([1, 2, 1]), bad('E1203', 'raw_data: int4[3] is 2 bytes, the data has 3')),
  weight('P29', 'five uint2 in one byte', 25, [5], rawData([0x21]), bad('E1203', 'raw_data: uint2[5] is 2 bytes, the data has 1')),
  weight(
    'P29',
    'float4 in too many bytes',
    23,
    [2],
    rawData([0x21, 0]),
    bad('E1203', 'raw_data: float4e2m1[2] is 1 bytes, the data has 2'),
  ),
  weight('P29', 'int4 with a set padding nibble', 22, [3], rawData([0x21, 0x13]), odd('E1205', '"w" has padding bits that are set')),
  weight('P29', 'uint2 with set padding bits', 25, [5], rawData([0x21, 0x13]), odd('E1205', '"w" has padding bits that are set')),
  weight('P29', 'int4 with empty padding', 22, [3], rawData([0x21, 0x03])),
  weight(
    'P30',
    'booleans of other bytes',
    9,
    [3],
    rawData([0, 2, 255]),
    odd('E1205', '"w" has 2 booleans other than 0 and 1, which count as true, the first at 1'),
  ),
  hostile(
    'P30',
    'a boolean of another byte decides a branch, to run',
    () =>
      model({
        initializers: initializer('c', 9, [], rawData([2])),
        nodes: iff('c', 'y', branch('t', node('Neg', ['x'], ['t'])), branch('e', node('Relu', ['x'], ['e']))),
      }),
    [],
    { command: 'run', options: ['--inputs', 'x.npy', '-o', 'y.npy'], beside: { 'x.npy': ones() }, writes: ['y.npy'] },
  ),
  weight(
    'P31',
    'a string that is no UTF-8',
    8,
    [2],
    join(text(6, 'a'), text(6, [0xff, 0xfe])),
    odd('E1110', '"w" holds bytes that are not UTF-8 in element 1'),
  ),
  weight(
    'P33',
    'NaN and infinities',
    1,
    [4],
    floatBytes(1, Number.NaN, Number.NEGATIVE_INFINITY, 2),
    odd('E1205', '"w" has 2 NaN or infinite elements, the first at 1'),
  ),
  weight(
    'P33',
    'NaN in half precision',
    10,
    [2],
    rawData([0, 0x3c, 1, 0x7c]),
    odd('E1205', '"w" has 1 NaN or infinite elements, the first at 1'),
  ),
  weight(
    'P33',
    'a NaN in a weight that stays in the file',
    1,
    [50_000],
    floatBytes(...new Array(49_999).fill(1), Number.NaN),
    odd('E1205', '"w" has 1 NaN or infinite elements, the first at 49999'),
  ),
];

const values = (count: number): Piece => tensorFields('s', 1, [count], zeros(4 * count));
const indices = (...list: number[]): Piece => tensorFields(undefined, 7, [list.length], int64Data(...list));
const scattered = (variant: string, of: Piece, code: Expected['code'], message: string): Case =>
  hostile('P34', variant, () => model({ more: of }), [error(code, `sparse tensor: ${message}`, 'graph.sparse_initializer[0]', 'sparse')]);

const sparses: Case[] = [
  hostile('P34', 'a sound one', () => model({ more: sparse(values(2), indices(1, 5), [2, 3]) }), []),
  scattered('an index out of range', sparse(values(2), indices(1, 6), [2, 3]), 'E1203', 'index 6 at 1 lies outside 0 to 5'),
  scattered('a negative index', sparse(values(2), indices(-1, 5), [2, 3]), 'E1203', 'index -1 at 0 lies outside 0 to 5'),
  scattered('indices out of order', sparse(values(2), indices(5, 1), [2, 3]), 'E1203', 'the index at 1 is not in ascending order'),
  scattered('an index twice', sparse(values(2), indices(3, 3), [2, 3]), 'E1203', 'the index at 1 is repeated'),
  scattered('too few indices', sparse(values(2), indices(3), [2, 3]), 'E1202', 'the indices are [1], expected [2] or [2,2]'),
  scattered(
    'indices of another rank',
    sparse(values(2), tensorFields(undefined, 7, [2, 3], int64Data(0, 0, 0, 1, 1, 1)), [2, 3]),
    'E1202',
    'the indices are [2,3], expected [2] or [2,2]',
  ),
  scattered(
    'values of rank 2',
    sparse(tensorFields('s', 1, [1, 2], zeros(8)), indices(1, 2), [2, 3]),
    'E1202',
    'the values have rank 2, expected 1',
  ),
  scattered(
    'indices of int32',
    sparse(values(1), tensorFields(undefined, 6, [1], msg(5, varint(1))), [2, 3]),
    'E1201',
    'the indices are int32, expected int64',
  ),
  scattered('more values than the dense tensor has', sparse(values(2), indices(0, 1), [1]), 'E1203', '2 values, the dense tensor has 1'),
  scattered(
    'a dense shape that overflows',
    sparse(values(1), indices(0), [2 ** 40, 2 ** 40]),
    'E1202',
    '[1099511627776,1099511627776] is no dense shape',
  ),
  scattered('no dense shape', sparse(values(1), indices(0), []), 'E1202', '[] is no dense shape'),
  hostile('P34', 'without indices', () => model({ more: msg(15, mark('sparse'), msg(1, values(1)), int(3, 6)) }), [
    error('E1101', 'a sparse tensor needs values and indices, indices are absent', 'graph.sparse_initializer[0]', 'sparse'),
  ]),
];

export const tensorCases: readonly Case[] = [...sizes, ...fields, ...sparses];
