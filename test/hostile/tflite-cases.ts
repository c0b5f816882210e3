// F01 to F09: TensorFlow Lite files that break the rules of flatbuffers, or whose parts do not fit each other.
import { type Case, error, hostile, readable } from './case.ts';
import { type FlatTable, Offset, Repeated, tfliteBytes, Vector } from './flat-wire.ts';
import { join, type Piece, raw, utf8 } from './wire.ts';

const floats = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);

interface Parts {
  readonly model?: FlatTable;
  readonly graph?: FlatTable;
  readonly operator?: FlatTable;
  readonly code?: FlatTable;
  /** The constant that is added. */
  readonly constant?: FlatTable;
  readonly buffer?: FlatTable;
  readonly tensors?: readonly FlatTable[];
  readonly graphs?: readonly FlatTable[];
}

/** y = x + k, with parts in other words. */
function adding({
  model = {},
  graph = {},
  operator = {},
  code = {},
  constant = {},
  buffer = {},
  tensors = [],
  graphs = [],
}: Parts = {}): FlatTable {
  return {
    version: 3,
    operator_codes: [{ builtin_code: 0, ...code }],
    subgraphs: [
      {
        tensors: [
          { shape: [2], name: 'x', has_rank: true },
          { shape: [2], name: 'k', buffer: 1, has_rank: true, ...constant },
          { shape: [2], name: 'y', has_rank: true },
          ...tensors,
        ],
        inputs: [0],
        outputs: [2],
        operators: [{ opcode_index: 0, inputs: [0, 1], outputs: [2], ...operator }],
        ...graph,
      },
      ...graphs,
    ],
    buffers: [{}, { data: floats(1, 2), ...buffer }],
    ...model,
  };
}

type Given = Parameters<typeof hostile>[4];
const tflite = (row: string, variant: string, make: () => Piece, findings: Parameters<typeof hostile>[3], given: Given = {}): Case =>
  hostile(row, variant, make, findings, { file: 'bad.tflite', command: 'info', ...given });

/** A case of one error, whose message may need offsets of the bytes. */
function broken(
  row: string,
  variant: string,
  make: () => Piece,
  code: Parameters<typeof error>[0],
  message: (mark: (name: string) => number, size: number) => string,
  path?: string,
  offset?: string | number,
  given: Given = {},
): Case {
  const piece = make();
  const text = message(name => piece.marks!.get(name)!, piece.bytes.length);
  return tflite(row, variant, make, [error(code, text, path, offset)], given);
}

const bytes = (parts: Parts, behind?: Uint8Array) => (): Piece => tfliteBytes(adding(parts), behind);
const operatorPath = 'subgraphs[0].operators[0]';

const containers: Case[] = [
  tflite('F01', 'a root beyond the end', () => join(raw([0x18, 0, 0, 0]), utf8('TFL3')), [
    error('E1006', 'an offset leads to 24, outside of the file of 8 bytes', undefined, 0),
  ]),
  tflite('F01', 'less than 8 bytes', () => join(raw([0x18, 0, 0, 0]), utf8('TFL')), [error('E1002', readable, undefined, 0)]),
  tflite('F01', 'another identifier', () => join(raw([0x18, 0, 0, 0]), utf8('TFL4'), raw(new Uint8Array(32))), [
    error('E1002', readable, undefined, 0),
  ]),
  tflite('F01', 'a root that is its own offset', () => join(raw([0, 0, 0, 0]), utf8('TFL3'), raw(new Uint8Array(32))), [
    error('E1006', 'an offset leads to 0, outside of the file of 40 bytes', undefined, 0),
  ]),
  broken(
    'F01',
    'another version of the schema',
    bytes({ model: { version: 2 } }),
    'E2002',
    () => 'version 2 of the schema, expected 3',
    'version',
    undefined,
    {
      exit: 'unsupported',
    },
  ),
  broken(
    'F02',
    'a vtable before the file',
    bytes({ operator: { $vtable: 1 << 20 } }),
    'E1006',
    (mark, size) => `${operatorPath}: the vtable at offset ${mark(operatorPath) - (1 << 20)} lies outside of the file of ${size} bytes`,
    operatorPath,
    tfliteBytes(adding({ operator: { $vtable: 1 << 20 } })).marks!.get(operatorPath)! - (1 << 20),
  ),
  broken(
    'F02',
    'a vtable behind the file',
    bytes({ operator: { $vtable: -(1 << 20) } }),
    'E1006',
    (mark, size) => `${operatorPath}: the vtable at offset ${mark(operatorPath) + (1 << 20)} lies outside of the file of ${size} bytes`,
    operatorPath,
    tfliteBytes(adding({ operator: { $vtable: -(1 << 20) } })).marks!.get(operatorPath)! + (1 << 20),
  ),
  broken(
    'F02',
    'a vtable at an odd offset',
    bytes({ operator: { $vtable: 13 } }),
    'E1006',
    mark => `${operatorPath}: the vtable at offset ${mark(operatorPath) - 13} is not aligned`,
    operatorPath,
    operatorPath,
  ),
  broken(
    'F02',
    'an offset that is not aligned',
    bytes({ model: { buffers: new Offset(33) } }),
    'E1006',
    mark => `buffers: an offset leads to ${mark('@buffers') + 33}, which is no multiple of 4`,
    'buffers',
    '@buffers',
  ),
  broken(
    'F02',
    'more than a million tables',
    () => tfliteBytes(adding({ model: { metadata: new Repeated(1_000_001, { buffer: 0 }) } })),
    'E1009',
    () => 'metadata: the file has more than 1000000 tables',
    'metadata',
    'metadata',
    { exit: 'limit' },
  ),
  broken(
    'F03',
    'a vector of 2^32 - 1 elements',
    bytes({ operator: { inputs: new Vector(2 ** 32 - 1) } }),
    'E1006',
    (_, size) => `${operatorPath}.inputs: a vector of 4294967295 elements of 4 bytes ends outside of the file of ${size} bytes`,
    `${operatorPath}.inputs`,
    `${operatorPath}.inputs`,
  ),
  broken(
    'F03',
    'a string without its NUL',
    bytes({ constant: { name: new Vector(4, utf8('kkkkk').bytes) } }),
    'E1006',
    () => 'subgraphs[0].tensors[1].name: a string of 4 bytes has no NUL at its end',
    'subgraphs[0].tensors[1].name',
    'subgraphs[0].tensors[1].name',
  ),
  tflite('F03', 'options of type 200', bytes({ operator: { builtin_options_type: 200, builtin_options: {} } }), [
    error(
      'E1006',
      `${operatorPath}.builtin_options_type: 200 is no type of BuiltinOptions, which has 126`,
      `${operatorPath}.builtin_options_type`,
      `@${operatorPath}.builtin_options_type`,
    ),
  ]),
];

/** A buffer whose content lies at an offset of the file. */
function behind(
  variant: string,
  offset: bigint,
  size: bigint,
  code: 'E1005' | 'E1006',
  message: (end: number, size: number) => string,
): Case {
  const make = bytes({ buffer: { data: undefined, offset, size } }, new Uint8Array(8));
  const piece = make();
  const end = piece.marks!.get('buffers[1]')! + 24;
  const place = offset === 1n ? undefined : Number(offset);
  return tflite('F04', variant, make, [error(code, `buffers[1]: ${message(end, piece.bytes.length)}`, 'buffers[1]', place)]);
}

const ranges: Case[] = [
  behind(
    'an offset and a size that wrap',
    2n ** 64n - 16n,
    32n,
    'E1005',
    (_, size) => `32 bytes at offset ${2n ** 64n - 16n} end outside of the file of ${size} bytes`,
  ),
  behind(
    'a size that wraps',
    640n,
    2n ** 64n - 8n,
    'E1005',
    (_, size) => `${2n ** 64n - 8n} bytes at offset 640 end outside of the file of ${size} bytes`,
  ),
  behind('content beyond the file', 4096n, 8n, 'E1005', (_, size) => `8 bytes at offset 4096 end outside of the file of ${size} bytes`),
  behind('content inside of the flatbuffer', 16n, 8n, 'E1006', end => `8 bytes at offset 16 overlap the flatbuffer, which ends at ${end}`),
  behind('content that was never written', 1n, 8n, 'E1006', () => 'the content was to follow and was never written'),
  tflite(
    'F04',
    'large options beyond the file',
    bytes({ operator: { large_custom_options_offset: 4096n, large_custom_options_size: 8n } }),
    [
      error(
        'E1005',
        `${operatorPath}.large_custom_options: 8 bytes at offset 4096 end outside of the file of ${bytes({ operator: { large_custom_options_offset: 4096n, large_custom_options_size: 8n } })().bytes.length} bytes`,
        `${operatorPath}.large_custom_options`,
        4096,
      ),
    ],
  ),
];

const index = (variant: string, parts: Parts, message: string, path: string): Case =>
  tflite('F05', variant, bytes(parts), [error('E1104', `${path}: ${message}`, path)]);

const indices: Case[] = [
  index(
    'an input that does not exist',
    { operator: { inputs: [0, 9] } },
    'tensor 9 does not exist, there are 3',
    `${operatorPath}.inputs[1]`,
  ),
  index('a negative input', { operator: { inputs: [0, -2] } }, 'tensor -2 does not exist, there are 3', `${operatorPath}.inputs[1]`),
  index(
    'an output that is left out',
    { operator: { outputs: [-1] } },
    'tensor -1 does not exist, there are 3',
    `${operatorPath}.outputs[0]`,
  ),
  index('a buffer that does not exist', { constant: { buffer: 7 } }, 'buffer 7 does not exist, there are 2', 'subgraphs[0].tensors[1]'),
  index(
    'an operator code that does not exist',
    { operator: { opcode_index: 4 } },
    'operator code 4 does not exist, there are 1',
    operatorPath,
  ),
  index(
    'an output of the graph that does not exist',
    { graph: { outputs: [3] } },
    'tensor 3 does not exist, there are 3',
    'subgraphs[0].outputs[0]',
  ),
  index(
    'a signature of a subgraph that does not exist',
    { model: { signature_defs: [{ signature_key: 's', subgraph_index: 5 }] } },
    'subgraph 5 does not exist, there are 1',
    'signature_defs[0]',
  ),
  tflite('F05', 'an input that is left out and is not optional', bytes({ operator: { inputs: [0, -1] } }), [
    error('E1302', 'input 1 is missing', operatorPath),
  ]),
  tflite(
    'F05',
    'a subgraph that does not exist',
    bytes({ code: { builtin_code: 31 }, operator: { builtin_options_type: 'CallOptions', builtin_options: { subgraph: 8 } } }),
    [error('E1104', 'subgraph 8 does not exist, there are 1', operatorPath)],
  ),
  tflite('F05', 'a tensor that nothing makes', bytes({ operator: { inputs: [0, 2] } }), [
    error('E1103', 'the tensor 2 y is read before an operator makes it', operatorPath),
  ]),
];

const constantPath = 'subgraphs[0].tensors[1]';
const tensor = (variant: string, constant: FlatTable, code: 'E1202' | 'E1203' | 'E1205', message: string, more: Parts = {}): Case =>
  tflite('F06', variant, bytes({ constant, ...more }), [error(code, `${constantPath} k: ${message}`, constantPath)]);

const int8 = { buffer: { data: new Uint8Array(2) } };
const quantised = (variant: string, quantization: FlatTable, code: 'E1202' | 'E1205', message: string): Case =>
  tensor(variant, { type: 'INT8', quantization }, code, message, int8);
const level = (format: 'DENSE' | 'SPARSE_CSR', dense_size: number, segments: number[] = [], places: number[] = []): FlatTable => ({
  format,
  dense_size,
  ...(format === 'DENSE'
    ? {}
    : {
        array_segments_type: 'Int32Vector',
        array_segments: { values: segments },
        array_indices_type: 'Int32Vector',
        array_indices: { values: places },
      }),
});

const tensors: Case[] = [
  tensor('a shape of more elements than there are', { shape: [5] }, 'E1203', 'float32[5] takes 20 bytes, its buffer has 8'),
  tensor('a negative size', { shape: [-2] }, 'E1202', 'the shape [-2] has a negative size'),
  tensor(
    'a shape that overflows',
    { shape: [2147483647, 2147483647, 2147483647] },
    'E1202',
    'the size of [2147483647,2147483647,2147483647] overflows',
  ),
  tensor('a signature of another rank', { shape_signature: [2, -1] }, 'E1202', 'the shape [2] contradicts its signature [2,-1]'),
  tensor('a signature of another size', { shape_signature: [3] }, 'E1202', 'the shape [2] contradicts its signature [3]'),
  quantised('scales and zero points of other numbers', { scale: [1, 1], zero_point: [0] }, 'E1202', '2 scales and 1 zero points'),
  quantised('a scale of zero', { scale: [0], zero_point: [0] }, 'E1205', 'a scale of 0'),
  quantised('a scale that is no number', { scale: [Number.NaN], zero_point: [0] }, 'E1205', 'a scale of NaN'),
  quantised('a zero point beyond the type', { scale: [1], zero_point: [300] }, 'E1205', 'the zero point 300 is no int8'),
  quantised(
    'an axis beyond the rank',
    { scale: [1, 1], zero_point: [0, 0], quantized_dimension: 1 },
    'E1202',
    'the quantised axis 1 of a tensor of rank 1',
  ),
  quantised('more scales than places', { scale: [1, 1, 1], zero_point: [0, 0, 0] }, 'E1202', '3 scales for an axis of 2'),
  tensor(
    'levels that do not fit the shape',
    { sparsity: { traversal_order: [0, 1], dim_metadata: [level('DENSE', 2)] } },
    'E1202',
    'the levels [0,1] with blocks [] and 1 sizes do not fit [2]',
  ),
  tensor(
    'a sparse place beyond its axis',
    { sparsity: { traversal_order: [0], dim_metadata: [level('SPARSE_CSR', 0, [0, 2], [0, 7])] } },
    'E1202',
    'level 0 has the place 7 of 2',
  ),
  tensor(
    'segments that go back',
    { sparsity: { traversal_order: [0], dim_metadata: [level('SPARSE_CSR', 0, [0, -1], [0])] } },
    'E1202',
    'level 0 has 2 segments for 1 items and 1 places',
  ),
  tensor(
    'fewer stored elements than places',
    { sparsity: { traversal_order: [0], dim_metadata: [level('SPARSE_CSR', 0, [0, 1], [1])] } },
    'E1203',
    '1 elements of float32 are stored sparsely, the buffer has 8 bytes',
  ),
  tflite(
    'F06',
    'a sparse tensor of more than 2 GiB',
    bytes({ constant: { shape: [1 << 30], sparsity: { traversal_order: [0], dim_metadata: [level('SPARSE_CSR', 0, [0, 2], [0, 1])] } } }),
    [error('E1009', `${constantPath} k: a sparse tensor of 4294967296 bytes, the limit is 2147483648`, constantPath)],
    { exit: 'limit' },
  ),
];

/** A subgraph that calls subgraph `to` with its input. */
const caller = (options: FlatTable, count = 1): FlatTable => ({
  tensors: [
    { shape: [2], name: 'a', has_rank: true },
    { shape: [2], name: 'b', has_rank: true },
  ],
  inputs: [0],
  outputs: [1],
  operators: Array.from({ length: count }, () => ({ opcode_index: 0, inputs: [0], outputs: [1], ...options })),
});
const call = (subgraph: number): FlatTable => ({ builtin_options_type: 'CallOptions', builtin_options: { subgraph } });
const calling =
  (graphs: readonly FlatTable[], code = 31) =>
  (): Piece =>
    tfliteBytes({ version: 3, operator_codes: [{ builtin_code: code }], subgraphs: graphs, buffers: [{}] });

const calls: Case[] = [
  tflite('F07', 'a subgraph that calls itself', calling([caller(call(0))]), [
    error('E1108', 'subgraph 0 calls itself, through 0, 0', operatorPath),
  ]),
  tflite('F07', 'two subgraphs that call each other', calling([caller(call(1)), caller(call(0))]), [
    error('E1108', 'subgraph 0 calls itself, through 0, 1, 0', 'subgraphs[1].operators[0]'),
  ]),
  tflite(
    'F07',
    'a loop whose body is the graph itself',
    calling([caller({ builtin_options_type: 'WhileOptions', builtin_options: { cond_subgraph_index: 0, body_subgraph_index: 0 } })], 119),
    [error('E1108', 'subgraph 0 calls itself, through 0, 0', operatorPath)],
  ),
  tflite(
    'F07',
    'subgraphs that each call the next one ten times',
    calling(
      [...Array.from({ length: 12 }, (_, i) => caller(call(i + 1), 10)), caller(call(13), 0), caller(call(0), 0)].map((g, i) =>
        i < 12 ? g : { ...g, outputs: [0] },
      ),
    ),
    [error('E1009', 'calls of subgraphs come to too many operators', 'subgraphs[10].operators[9]')],
    { exit: 'limit' },
  ),
];

const customs: Case[] = [
  tflite(
    'F09',
    'a custom operator, to convert',
    bytes({ code: { builtin_code: 32, custom_code: 'Mystery' } }),
    [error('E2001', 'Mystery: a custom operator (1 node, first at operator 0 of subgraph 0)')],
    { command: 'convert', options: ['-o', 'out.onnx'], exit: 'unsupported' },
  ),
  tflite(
    'F09',
    'an operator of TensorFlow without its node, to convert',
    bytes({ code: { builtin_code: 32, custom_code: 'FlexErf' } }),
    [error('E2001', 'FlexErf: an operator of TensorFlow whose options hold no node (1 node, first at operator 0 of subgraph 0)')],
    { command: 'convert', options: ['-o', 'out.onnx'], exit: 'unsupported' },
  ),
  tflite(
    'F09',
    'an operator of a later schema',
    bytes({ code: { builtin_code: 5000 } }),
    [error('E2001', 'operator 5000 of a newer schema: no conversion (1 node, first at operator 0 of subgraph 0)')],
    { exit: 'unsupported' },
  ),
];

export const tfliteCases: readonly Case[] = [...containers, ...ranges, ...indices, ...tensors, ...calls, ...customs];
