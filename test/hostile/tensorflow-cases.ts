// T01 to T05: graphs of TensorFlow that contradict themselves, that never end, and that reach for what is no part of them.
import { symlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Case, type Expected, error, hostile, warns } from './case.ts';
import {
  argument,
  asset,
  attribute,
  binary,
  call,
  constant,
  content,
  elements,
  floats,
  fn,
  func,
  info,
  integer,
  library,
  metaGraph,
  node,
  packed,
  placeholder,
  savedModel,
  signature,
  type,
  unary,
} from './tensorflow-wire.ts';
import { int, join, msg, none, type Piece, raw, repeat, text } from './wire.ts';

type Given = Parameters<typeof hostile>[4];

const graph = (row: string, variant: string, make: () => Piece, findings: readonly Expected[], given: Given = {}): Case =>
  hostile(row, variant, make, findings, { file: 'bad.pb', command: 'info', ...given });
const saved = (variant: string, make: () => Piece, findings: readonly Expected[], given: Given = {}): Case =>
  hostile('T01', variant, make, findings, { file: 'saved_model.pb', command: 'info', ...given });
const usage: Given = { exit: 'usage' };
const limit: Given = { exit: 'limit' };
const toConvert: Given = { command: 'convert', options: ['-o', 'out.onnx'], exit: 'unsupported' };

const cut = (piece: Piece, length: number): Piece => ({ ...piece, bytes: piece.bytes.subarray(0, length) });
const ofTags =
  (...all: readonly (readonly string[])[]): (() => Piece) =>
  () =>
    savedModel(...all.map(tags => metaGraph({ tags })));

const cutAt = 'meta_graphs[0].graph_def.node[0].attr[1].value.shape';

const containers: Case[] = [
  saved('a sound model', () => savedModel(metaGraph()), []),
  saved('the end is cut off', () => cut(savedModel(metaGraph()), 60), [
    error('E1005', `ends inside field ${cutAt} at offset 60, needs 4 more bytes`, cutAt, 60),
  ]),
  saved('another version', () => join(int(1, 2), metaGraph()), [error('E2002', 'the SavedModel is of schema version 2, 1 is read here')], {
    exit: 'unsupported',
  }),
  saved('no graphs', () => savedModel(), [error('E1101', 'the SavedModel has no graphs', 'meta_graphs')]),
  saved('a graph without nodes', () => savedModel(msg(2, msg(1, text(4, 'serve')))), [
    error('E1101', 'the SavedModel has no graph', 'meta_graphs.graph_def'),
  ]),
  saved(
    'several graphs, none of them the usual one',
    ofTags(['train'], ['serve', 'gpu']),
    [error('E4001', 'several graphs; choose one by --tag: "train", "serve,gpu"')],
    usage,
  ),
  saved('several graphs without tags', ofTags([], []), [error('E4001', 'several graphs; choose one by --tag: "", ""')], usage),
  saved(
    '2,000 graphs',
    () => savedModel(repeat(2_000, i => metaGraph({ tags: [`t${i}`] }))),
    [error('E4001', `several graphs; choose one by --tag: ${Array.from({ length: 20 }, (_, i) => `"t${i}"`).join(', ')}, … 1980 more`)],
    usage,
  ),
  saved(
    'no signatures',
    () => savedModel(metaGraph({ signatures: none })),
    [error('E4001', 'no signature is the default, choose one by --signature; there are none')],
    usage,
  ),
  saved('a signature of what is no node', () => savedModel(metaGraph({ signatures: signature({ x: info('nowhere:0') }) })), [
    error('E1104', `the signature's "x" is "nowhere", which is no node`),
  ]),
  saved(
    'a signature of an output that a node lacks',
    () => savedModel(metaGraph({ signatures: signature(undefined, { y: info('y:7') }) })),
    [error('E1104', '"y" has no output 7, only 1')],
  ),
  saved(
    'a sparse tensor in the signature',
    () => savedModel(metaGraph({ signatures: signature({ x: info('x:0', 2, msg(4)) }) })),
    [error('E2001', '"x" of the signature is sparse or composite, which has no conversion')],
    { exit: 'unsupported' },
  ),
];

/** A graph with one mark, `bad`, for the node at fault, and its place among the nodes. */
const at = { at: 'bad' };
const wrong = (variant: string, nodes: readonly Piece[], code: Expected['code'], message: string, index?: number): Case =>
  graph('T02', variant, () => join(...nodes), [
    error(code, message, index === undefined ? undefined : `node[${index}]`, index === undefined ? undefined : 'bad'),
  ]);
const reads = (input: string): Piece[] => [placeholder(), unary('y', input, 'Relu', at)];
const noName = (input: string): Case =>
  wrong(`the input "${input}"`, reads(input), 'E1104', `"${input}" is not a name of a node with the number of an output`, 1);

const graphs: Case[] = [
  wrong(
    'nodes in a circle',
    [placeholder(), binary('a', 'x', 'b'), unary('b', 'a', 'Relu', at), unary('y', 'b')],
    'E1105',
    '"b" needs itself',
    2,
  ),
  wrong('a node that reads itself', [placeholder(), binary('a', 'x', 'a', at), unary('y', 'a')], 'E1105', '"a" needs itself', 1),
  wrong(
    'nodes that each have to run before the other',
    [
      placeholder(),
      node('v', 'AssignVariableOp', ['x', 'x', '^a']),
      node('a', 'Relu', ['x', '^v'], [attribute('T', type(1))], at),
      unary('y', 'a'),
    ],
    'E1105',
    '"a" needs itself',
    2,
  ),
  wrong(
    'a loop that nothing enters',
    [placeholder(), node('m', 'Merge', ['n', 'n'], [], at), node('n', 'NextIteration', ['m']), node('y', 'Exit', ['m'])],
    'E1105',
    '"m" needs itself',
    1,
  ),
  wrong(
    'two nodes of one name',
    [placeholder(), unary('y', 'x'), unary('y', 'x', 'Relu', at)],
    'E1102',
    'node[2]: there is another "y"',
    2,
  ),
  wrong('a node without a name', [placeholder(), unary('', 'x', 'Relu', at)], 'E1101', 'node[1]: a node has no name', 1),
  wrong('a node without an operator', [placeholder(), unary('y', 'x', '', at)], 'E1101', 'node[1]: a node has no operator', 1),
  wrong('the input "nowhere"', reads('nowhere'), 'E1104', 'node[1]: nothing is named "nowhere"', 1),
  wrong('the input "^"', reads('^'), 'E1104', 'node[1]: nothing is named ""', 1),
  ...['', ':0', 'x:-1', 'x:2147483647', 'x:0:0', 'x:y', 'x:1e3'].map(noName),
  wrong('an output that a node lacks', reads('x:1'), 'E1104', '"x" has no output 1, only 1', 1),
  wrong('an input too few', [placeholder(), node('y', 'AddV2', ['x'], [], at)], 'E1302', 'AddV2 has 1 inputs, expected at least 2', 1),
  wrong('an input too many', [placeholder(), node('y', 'Relu', ['x', 'x'], [], at)], 'E1302', 'Relu has 2 inputs, expected 1', 1),
  wrong(
    'a placeholder without a type',
    [node('x', 'Placeholder'), unary('y', 'x')],
    'E1307',
    'the node "x" (Placeholder) does not say its type, so it cannot be an input',
  ),
  wrong('no results', [placeholder()], 'E1104', 'every node of the graph is read by another; say with --outputs what its results are'),
  graph(
    'T02',
    '10,000 nodes in a row',
    () =>
      join(
        placeholder(),
        repeat(10_000, i => unary(`n${i + 1}`, i === 0 ? 'x' : `n${i}`)),
      ),
    [],
    { limits: { seconds: 4, megabytes: 128 } },
  ),
  graph(
    'T02',
    '100,000 nodes that have to run before',
    () =>
      join(
        placeholder(),
        node('y', 'Relu', ['x'], [attribute('T', type(1))]),
        msg(
          1,
          text(1, 'z'),
          text(2, 'NoOp'),
          repeat(100_000, () => text(3, '^x')),
        ),
      ),
    [],
  ),
];

/** A graph that calls the first function. */
const calling = (...functions: readonly Piece[]): Piece => join(placeholder(), call('y', 'f0', 'x'), library(...functions));
/** A function that calls others in a row; marks are its name, at the first call, and another before the last. */
const returning = (name: string, callees: readonly string[], late?: string): Piece =>
  fn(
    name,
    ['a'],
    { r: `c${callees.length - 1}:output:0` },
    ...callees.map((f, i) =>
      call(`c${i}`, f, i === 0 ? 'a' : `c${i - 1}:output:0`, {
        field: 3,
        ...(i === 0 && { at: name }),
        ...(i === callees.length - 2 && late && { at: late }),
      }),
    ),
  );
const chain = (length: number, calls: number, late?: string): Piece[] => [
  ...Array.from({ length }, (_, i) => returning(`f${i}`, new Array<string>(calls).fill(`f${i + 1}`), i === length - 1 ? late : undefined)),
  fn(`f${length}`, ['a'], { r: 'n:activations:0' }, unary('n', 'a', 'Relu', { field: 3 })),
];
const inFunction = (i: number): string => `library.function[${i}].node[0]`;
const condition = (f: string): Piece => attribute(f, func('f0'));
const deep = (depth: number): Piece => (depth === 0 ? integer(1) : func('f', argument('a', deep(depth - 1))));

const functions: Case[] = [
  graph('T03', 'a function that calls itself', () => calling(returning('f0', ['f0'])), [
    error('E1108', 'the function "f0" calls itself', inFunction(0), 'f0'),
  ]),
  graph('T03', 'functions that call each other', () => calling(returning('f0', ['f1']), returning('f1', ['f0'])), [
    error('E1108', 'the function "f0" calls itself', inFunction(1), 'f1'),
  ]),
  graph(
    'T03',
    'a loop whose body is the function that it lies in',
    () =>
      calling(
        fn(
          'f0',
          ['a'],
          { r: 'w:output:0' },
          node('w', 'StatelessWhile', ['a'], [attribute('T', msg(1, int(6, 1))), condition('cond'), condition('body')], {
            field: 3,
            at: 'f0',
          }),
        ),
      ),
    [error('E1108', 'the function "f0" calls itself', inFunction(0), 'f0')],
  ),
  graph(
    'T03',
    'a branch that is the function that it lies in',
    () =>
      calling(
        fn(
          'f0',
          ['a'],
          { r: 'w:output:0' },
          node('w', 'StatelessIf', ['a', 'a'], [attribute('Tout', msg(1, int(6, 1))), condition('then_branch'), condition('else_branch')], {
            field: 3,
            at: 'f0',
          }),
        ),
      ),
    [error('E1108', 'the function "f0" calls itself', inFunction(0), 'f0')],
  ),
  graph(
    'T03',
    '1,000 functions that each call the next',
    () => calling(...chain(1000, 1)),
    [error('E1009', 'functions call each other more than 64 deep', inFunction(62), 'f62')],
    limit,
  ),
  graph(
    'T03',
    'functions that each call the next one ten times',
    () => calling(...chain(12, 10, 'late')),
    [error('E1009', `calls of functions come to more than ${4096 + 16 * 123} nodes`, 'library.function[11].node[8]', 'late')],
    limit,
  ),
  graph('T03', 'two functions of one name', () => calling(...chain(1, 1), fn('f0', ['a'], { r: 'a' })), [
    error('E1102', 'library.function[2]: there is another function "f0"', 'library.function[2]', 'function f0'),
  ]),
  graph('T03', 'a function that is not there', () => calling(returning('f0', ['f1'])), [
    error('E1104', 'the library has no function "f1"', inFunction(0), 'f0'),
  ]),
  graph('T03', 'a function without a name', () => calling(...chain(1, 1), fn('', ['a'], { r: 'a' })), []),
  graph(
    'T03',
    'a result that the function does not say',
    () => calling(msg(1, msg(1, text(1, 'f0'), msg(2, text(1, 'a'), int(3, 1)), msg(3, text(1, 'r'), int(3, 1))))),
    [error('E1104', 'library.function[0]: the function does not say what its output "r" is', 'library.function[0]')],
  ),
  graph('T03', 'a result that is no node', () => calling(fn('f0', ['a'], { r: 'nowhere:y:0' })), [
    error('E1104', 'nothing is named "nowhere:y:0"', 'library.function[0]'),
  ]),
  graph('T03', 'an argument too few', () => join(placeholder(), node('y', 'f0', [], [], at), library(...chain(0, 0))), [
    error('E1302', 'the function "f0" gets 0 arguments, it has 1', 'node[1]', 'bad'),
  ]),
  graph(
    'T03',
    'a gradient that is not there',
    () => join(placeholder(), unary('y', 'x'), msg(2, msg(2, text(1, 'f'), text(2, 'nowhere')))),
    [],
  ),
  graph(
    'T03',
    'attributes inside of attributes, 60 deep',
    () => join(placeholder(), node('y', 'Relu', ['x'], [attribute('T', type(1)), attribute('f', deep(60))])),
    [error('E1008', 'nesting deeper than 100 at offset 568', `node[1].attr[1].value${'.func.attr[0].value'.repeat(32)}.func.attr[0]`, 568)],
    limit,
  ),
  graph(
    'T03',
    'ten million numbers in an attribute',
    () =>
      join(
        placeholder(),
        node('y', 'Relu', ['x'], [attribute('T', type(1)), attribute('a', msg(1, msg(3, raw(new Uint8Array(10_000_000).fill(1)))))]),
      ),
    [],
    // 8 bytes for each of the 10 MB.
    { limits: { seconds: 2, megabytes: 160 } },
  ),
];

const addsTo = (value: Piece): Piece => join(placeholder('x', 1), constant(value, at), binary('y', 'x', 'k'));
const lie = (variant: string, value: Piece, code: Expected['code'], message: string, given: Given = {}): Case =>
  graph('T04', variant, () => addsTo(value), [error(code, message, 'node[1]', 'bad')], given);
const two = floats(1, 2);
const unknownRank = int(3, 1);

const constants: Case[] = [
  lie('content that is too short', elements(1, [2], content(new Uint8Array(4))), 'E1203', 'float32[2] is 8 bytes, the data has 4'),
  lie('content that is too long', elements(1, [2], content(new Uint8Array(12))), 'E1203', 'float32[2] is 8 bytes, the data has 12'),
  lie('more elements than the shape has', elements(1, [2], floats(1, 2, 3)), 'E1203', '2 elements of float32, the data has 3'),
  lie('an unknown rank', join(int(1, 1), msg(2, unknownRank), two), 'E1202', 'the shape of a stored tensor is open'),
  lie(
    'an unknown rank with sizes',
    join(int(1, 1), msg(2, msg(2, int(1, 2)), unknownRank), two),
    'E1202',
    'a shape of unknown rank has sizes',
  ),
  lie('an open size', elements(1, [-1], two), 'E1202', 'the shape of a stored tensor is open'),
  lie('a negative size', elements(1, [-2], two), 'E1202', 'a size is -2'),
  lie('a size of 2^62', elements(1, [2n ** 62n], two), 'E1202', `a size is ${2n ** 62n}`),
  lie(
    'sizes whose product overflows',
    elements(1, [2 ** 40, 2 ** 40], two),
    'E1202',
    'the size of float32[1099511627776,1099511627776] overflows',
  ),
  lie('rank 300', elements(1, new Array(300).fill(1), two), 'E1202', 'a shape of rank 300, the limit is 254'),
  lie('one element that stands for 2^40', elements(1, [2 ** 40], floats(1)), 'E1009', `${2 ** 40} elements repeat one`, limit),
  lie('no elements for 2^40', elements(1, [2 ** 40]), 'E1009', `${2 ** 40} elements repeat one`, limit),
  graph('T04', 'one element that stands for 2^27', () => addsTo(elements(1, [2 ** 27], floats(1))), []),
  lie('one string that stands for 2^30', elements(7, [2 ** 30], text(8, 'a')), 'E1009', `${2 ** 30} elements repeat one`, limit),
  lie('a half of more than 16 bits', elements(19, [2], packed(13, 1, 70_000)), 'E1203', 'half_val 70000 is no 16 bits'),
  lie('a bfloat16 of more than 16 bits', elements(14, [2], packed(13, 1, 70_000)), 'E1203', 'half_val 70000 is no 16 bits'),
  lie('an element type of 999', elements(999, [2], two), 'E1201', 'the element type 999 does not exist'),
  lie('no element type', elements(0, [2], two), 'E1201', 'the element type 0 does not exist'),
  lie('strings in the content', elements(7, [2], content([1, 2])), 'E1204', 'a string tensor has its data in tensor_content'),
  lie('half a complex number', elements(8, [2], msg(9, raw(new Uint8Array(12)))), 'E1203', '2 elements of complex64, the data has 1.5'),
  graph(
    'T04',
    'a resource',
    () => addsTo(elements(20, [2])),
    [error('E2001', 'Const: a tensor of resource has no conversion (1 node, first k)')],
    { exit: 'unsupported' },
  ),
  lie('no value', none, 'E1201', 'the element type 0 does not exist'),
];

const refused = 'files and code outside of the model are never touched';
const reaching = (op: string, inputs: readonly string[] = ['k'], attributes: readonly Piece[] = []): Case =>
  graph(
    'T05',
    `the operator ${op}, to convert`,
    () => join(constant(elements(7, [], text(8, '/etc/passwd'))), node('y', op, inputs, attributes)),
    [error('E2001', `${op}: ${refused} (1 node, first y)`)],
    toConvert,
  );

const pathNode = node('path', 'Const', [], [attribute('dtype', type(7)), attribute('value', msg(8, elements(7, [], text(8, ''))))]);
/** A lookup of the lines of a file: of an asset, unless the nodes say another path. */
const lookup = (more: Piece, path = pathNode): Piece =>
  savedModel(
    metaGraph({
      nodes: join(
        placeholder('x'),
        path,
        node('t', 'HashTableV2', [], [attribute('key_dtype', type(7)), attribute('value_dtype', type(9))]),
        node(
          'i',
          'InitializeTableFromTextFileV2',
          ['t', 'path'],
          [attribute('key_index', integer(-2)), attribute('value_index', integer(-1))],
          at,
        ),
        node('s', 'Placeholder', [], [attribute('dtype', type(7))]),
        node('d', 'Const', [], [attribute('value', msg(8, elements(9, [], packed(10, 0))))]),
        node('y', 'LookupTableFindV2', ['t', 's', 'd']),
      ),
      signatures: signature({ s: info('s:0') }),
      more,
    }),
  );
const looked = (variant: string, make: () => Piece, findings: readonly Expected[], given: Given = {}): Case =>
  hostile('T05', variant, make, findings, { file: 'saved_model.pb', ...toConvert, exit: 'input', ...given });
const unsafe = (filename: string, reason: string): Case =>
  looked(`a table from the asset ${filename}`, () => lookup(asset(filename)), [
    error('E1401', `the asset "${filename}" ${reason}`, 'node[3]', 'bad'),
  ]);

const types = msg(1, int(6, 7));
const reached: Case[] = [
  ...['ReadFile', 'MatchingFiles', 'ImmutableConst'].map(op => reaching(op)),
  ...['PyFunc', 'EagerPyFunc', 'PyFuncStateless'].map(op => reaching(op, ['k'], [attribute('Tin', types), attribute('Tout', types)])),
  reaching('RestoreV2', ['k', 'k', 'k'], [attribute('dtypes', types)]),
  graph(
    'T05',
    'an operator that no table has, to convert',
    () => join(placeholder(), node('y', 'Mystery', ['x'])),
    [error('E2001', 'Mystery: no conversion is written (1 node, first y)')],
    toConvert,
  ),
  graph(
    'T05',
    'a file that is written on the way, to convert',
    () =>
      join(
        placeholder(),
        constant(elements(7, [], text(8, '/tmp/x'))),
        node('w', 'WriteFile', ['k', 'k']),
        node('y', 'Relu', ['x', '^w'], [attribute('T', type(1))]),
      ),
    [],
    { command: 'convert', options: ['-o', 'out.onnx'], writes: ['out.onnx'] },
  ),
  looked('a table from an asset', () => lookup(asset('words.txt')), [], {
    beside: { 'assets/words.txt': 'a\nb\n' },
    writes: ['out.onnx'],
    exit: 'ok',
  }),
  unsafe('/etc/passwd', 'is an absolute path'),
  unsafe('../words.txt', "has an empty, '.' or '..' part"),
  unsafe('a/../../words.txt', "has an empty, '.' or '..' part"),
  looked(
    'a table from an asset that is a link to the outside',
    () => lookup(asset('words.txt')),
    [error('E1401', 'external data file "assets/words.txt" leads outside the folder of the model')],
    {
      beside: {
        'assets/words.txt': at => {
          writeFileSync(`${dirname(dirname(at))}-outside`, 'a\n');
          symlinkSync(`${dirname(dirname(at))}-outside`, at);
        },
      },
    },
  ),
  looked(
    'a table from an asset that is not there',
    () => lookup(asset('words.txt')),
    [error('E1402', 'external data file "assets/words.txt" does not exist beside the model')],
    { exit: 'io' },
  ),
  looked(
    'a table from a path in the graph',
    () =>
      lookup(
        none,
        node('path', 'Const', [], [attribute('dtype', type(7)), attribute('value', msg(8, elements(7, [], text(8, '/etc/passwd'))))]),
      ),
    [error('E1401', 'the table is filled from "/etc/passwd", which is no asset of the model', 'node[3]', 'bad')],
  ),
  looked(
    'an asset that nothing reads',
    () => savedModel(metaGraph({ more: asset('../words.txt') })),
    [warns('E1401', `asset_file_def[0]: the asset "../words.txt" has an empty, '.' or '..' part`, 'asset_file_def[0]')],
    { exit: 'ok', writes: ['out.onnx'] },
  ),
];
export const tensorflowCases: readonly Case[] = [...containers, ...graphs, ...functions, ...constants, ...reached];
