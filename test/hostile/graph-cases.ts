// P11 to P22 and P35 to P37: what a graph, its nodes and its functions may not say.
import { type Case, type Expected, error, hostile, warns } from './case.ts';
import {
  attribute,
  branch,
  condition,
  fn,
  functionOpset,
  graphAttribute,
  iff,
  initializer,
  input,
  intAttribute,
  type ModelParts,
  model,
  node,
  nodeFields,
  opset,
  output,
  reference,
  typed,
  zeros,
} from './onnx-wire.ts';
import { float, int, join, mark, msg, none, type Piece, repeat, text } from './wire.ts';

const check = (row: string, variant: string, parts: ModelParts, ...findings: Expected[]): Case =>
  hostile(row, variant, () => model(parts), findings);
/** One node in place of the Relu. */
const withNode = (row: string, variant: string, n: Piece, ...findings: Expected[]): Case => check(row, variant, { nodes: n }, ...findings);

const noOpset = error('E1106', 'the model imports no opset', 'opset_import');
const missing: Case[] = [
  check('P11', 'no ir_version', { ir: none }, error('E1101', 'the model has no ir_version', 'ir_version')),
  check('P11', 'no graph', { graph: none }, error('E1101', 'the model has no graph', 'graph')),
  check('P11', 'no name of the graph', { name: none }, error('E1101', 'the graph has no name', 'graph', 'graph')),
  check('P11', 'no opset', { opsets: none }, noOpset),
  hostile('P11', 'nothing but a producer', () => text(2, 'p'), [
    error('E1101', 'the model has no ir_version', 'ir_version'),
    noOpset,
    error('E1101', 'the model has no graph', 'graph'),
  ]),
  check('P12', 'IR version 9999', { ir: int(1, 9999) }, error('E1107', 'the IR version is 9999, expected 1 to 14', 'ir_version', 0)),
  check('P12', 'IR version -1', { ir: int(1, -1) }, error('E1107', 'the IR version is -1, expected 1 to 14', 'ir_version', 0)),
  check(
    'P12',
    'opset 9999',
    { opsets: opset(9999) },
    error('E1106', 'domain "ai.onnx": expected an opset from 1 to 28, found 9999', 'opset_import[0]', 'opset'),
  ),
  check(
    'P12',
    'opset -3',
    { opsets: opset(-3) },
    error('E1106', 'domain "ai.onnx": expected an opset from 1 to 28, found -3', 'opset_import[0]', 'opset'),
  ),
  check(
    'P12',
    'opset 2^62',
    { opsets: opset(2n ** 62n) },
    error('E1106', 'domain "ai.onnx": expected an opset from 1 to 28, found 4611686018427387904', 'opset_import[0]', 'opset'),
  ),
  check(
    'P13',
    'a domain with two versions',
    { opsets: join(opset(21), opset(20, '', 'second')) },
    error('E1106', 'domain "ai.onnx" is imported with versions 21 and 20', 'opset_import[1]', 'second'),
  ),
  check(
    'P13',
    'a domain under its two names',
    { opsets: join(opset(21), opset(13, 'ai.onnx', 'second')) },
    error('E1106', 'domain "ai.onnx" is imported with versions 21 and 13', 'opset_import[1]', 'second'),
  ),
  check(
    'P13',
    'a domain twice with one version',
    { opsets: join(opset(21), opset(21, '', 'second')) },
    warns('E1106', 'domain "ai.onnx" is imported twice', 'opset_import[1]', 'second'),
  ),
];

const n0 = 'graph.node[0]';
const customDomain = join(opset(21), opset(1, 'com.example'));
const operators: Case[] = [
  withNode(
    'P14',
    'an unknown operator',
    node('Relo', ['x'], ['y'], { at: 'node' }),
    error('E1301', 'node #0 Relo is no operator of ai.onnx', `${n0}.op_type`, 'node', 'nearest name: Relu'),
  ),
  hostile('P14', 'an unknown operator, to info', () => model({ nodes: node('Relo', ['x'], ['y']) }), [], {
    command: 'info',
    prints: ['Relo 1'],
  }),
  hostile('P14', 'an unknown operator, to convert', () => model({ nodes: node('Relo', ['x'], ['y']) }), [], {
    command: 'convert',
    options: ['-o', 'out.onnx'],
    writes: ['out.onnx'],
  }),
  check(
    'P14',
    'an unknown domain',
    { nodes: node('Foo', ['x'], ['y'], { domain: 'com.example', at: 'node' }), opsets: customDomain },
    warns('E1301', 'node #0 com.example.Foo is not of the standard; it is not checked', n0, 'node'),
  ),
  withNode(
    'P14',
    'a domain that is not imported',
    node('Scaler', ['x'], ['y'], { domain: 'ai.onnx.ml', at: 'node' }),
    error('E1106', 'node #0 ai.onnx.ml.Scaler is of domain "ai.onnx.ml", which the model does not import', n0, 'node'),
  ),
  check(
    'P14',
    'an operator of a later opset',
    { nodes: node('Gelu', ['x'], ['y'], { at: 'node' }), opsets: opset(13) },
    error('E1301', 'node #0 Gelu is known since opset 20, the model imports 13', n0, 'node'),
  ),
  check(
    'P14',
    'a deprecated operator',
    { nodes: node('Upsample', ['x', 's'], ['y'], { at: 'node' }), inputs: join(input('x'), input('s', typed(1, [2]))) },
    error('E1308', 'node #0 Upsample is deprecated since opset 10, the model imports 21', n0, 'node'),
  ),
];

const before = (op: string, i: number, name: string, maker: string): string => `node #${i} ${op} reads "${name}" before ${maker} makes it`;
/** A ring of Relus: each reads what the one before it makes, the first what the last makes. */
const ring = (count: number): Piece => repeat(count, i => node('Relu', [`v${(i + count - 1) % count}`], [`v${i}`]));
const circle = (names: readonly string[]): string => names.map(name => `"${name}"`).join(' ← ');
function bigRing(count: number, given: object): Case {
  const names = circle(['v0', ...Array.from({ length: 9 }, (_, i) => `v${count - 1 - i}`)]);
  const make = (): Piece => model({ nodes: join(mark('first'), ring(count)), outputs: output('v0') });
  // Behind the tag of the first node and its length of one byte.
  const first = make().marks!.get('first')! + 2;
  return hostile(
    'P15',
    `a circle of ${count} nodes`,
    make,
    [
      error('E1103', before('Relu', 0, `v${count - 1}`, 'Relu'), `${n0}.input[0]`, first),
      error('E1105', `${count} nodes read each other in a circle: ${names}, and ${count - 10} more`, 'graph', 'graph'),
    ],
    given,
  );
}

const orders: Case[] = [
  withNode(
    'P15',
    'a node that reads itself',
    node('Relu', ['y'], ['y'], { at: 'node' }),
    error('E1103', before('Relu', 0, 'y', 'Relu'), `${n0}.input[0]`, 'node'),
    error('E1105', '1 node reads its own output: "y"', 'graph', 'graph'),
  ),
  check(
    'P15',
    'two nodes that read each other',
    { nodes: join(node('Relu', ['y'], ['a'], { at: 'node' }), node('Neg', ['a'], ['y'])) },
    error('E1103', before('Relu', 0, 'y', 'Neg'), `${n0}.input[0]`, 'node'),
    error('E1105', '2 nodes read each other in a circle: "a" ← "y"', 'graph', 'graph'),
  ),
  bigRing(5000, {}),
  bigRing(100_000, { large: true, limits: { seconds: 6, megabytes: 400 } }),
  check(
    'P16',
    'nodes in the wrong order',
    { nodes: join(node('Relu', ['h'], ['y'], { at: 'node' }), node('Neg', ['x'], ['h'])) },
    error('E1103', before('Relu', 0, 'h', 'Neg'), `${n0}.input[0]`, 'node', 'omnix convert writes the nodes in order'),
  ),
  hostile(
    'P16',
    'nodes in the wrong order, to convert',
    () => model({ nodes: join(node('Relu', ['h'], ['y'], { at: 'node' }), node('Neg', ['x'], ['h'])) }),
    [warns('E1103', 'nodes read values before they are made, 1 times; the nodes were sorted', `${n0}.input[0]`, 'node')],
    { command: 'convert', options: ['-o', 'out.onnx'], writes: ['out.onnx'] },
  ),
];

const names: Case[] = [
  withNode(
    'P17',
    'an input that nothing produces',
    node('Add', ['x', 'nope'], ['y'], { at: 'node' }),
    error('E1104', 'node #0 Add reads "nope", which nothing produces', `${n0}.input[1]`, 'node'),
  ),
  check(
    'P17',
    'an input with a misspelt name',
    { nodes: node('Add', ['x', 'nope'], ['y'], { at: 'node' }), inputs: join(input('x'), input('note')) },
    error('E1104', 'node #0 Add reads "nope", which nothing produces', `${n0}.input[1]`, 'node', 'nearest name: "note"'),
  ),
  check(
    'P17',
    'an output that nothing produces',
    { outputs: output('Y', { at: 'out' }) },
    error('E1104', 'the graph reads "Y", which nothing produces', 'graph.output[0]', 'out', 'nearest name: "y"'),
  ),
  check(
    'P18',
    'two producers of a name',
    { nodes: join(node('Relu', ['x'], ['y']), node('Neg', ['x'], ['y'], { at: 'second' })) },
    error('E1102', 'the name "y" is taken by another value of the graph', 'graph.node[1].output[0]', 'second'),
  ),
  withNode(
    'P18',
    'two outputs of a node with one name',
    node('Split', ['x'], ['y', 'y'], { at: 'node', more: intAttribute('num_outputs', 2) }),
    error('E1102', 'the name "y" is taken by another value of the graph', `${n0}.output[1]`, 'node'),
  ),
  check(
    'P18',
    'a node that makes an input',
    { nodes: join(node('Relu', ['x'], ['x'], { at: 'node' }), node('Relu', ['x'], ['y'])) },
    error('E1102', 'the name "x" is taken by another value of the graph', `${n0}.output[0]`, 'node'),
  ),
  check(
    'P18',
    'a name of the graph around in a nested graph',
    {
      inputs: join(input('x'), condition()),
      nodes: iff('c', 'y', branch('x', node('Neg', ['x'], ['x'], { at: 'inner' })), branch('e', node('Neg', ['x'], ['e']))),
    },
    error('E1111', 'the name "x" hides one of the graph around it', `${n0}.attribute[0].g.node[0].output[0]`, 'inner'),
  ),
  check(
    'P19',
    'an initializer twice',
    { initializers: join(initializer('w', 1, [1], zeros(4)), initializer('w', 1, [2], mark('second'), zeros(8))) },
    error('E1102', 'the initializer "w" occurs twice', 'graph.initializer[1]', 'second'),
  ),
  check(
    'P19',
    'an input twice',
    { inputs: join(input('x'), input('x', { at: 'second' })) },
    error('E1102', 'the name "x" is taken by another value of the graph', 'graph.input[1]', 'second'),
  ),
  check(
    'P19',
    'an output twice',
    { outputs: join(output('y'), output('y', { at: 'second' })) },
    error('E1102', 'the output "y" occurs twice', 'graph.output[1]', 'second'),
  ),
];

const empty = (op: string, option: string, param: string, i = 1): Expected =>
  error('E1302', `node #0 ${op} has an empty name for the ${option} input ${param}`, `${n0}.input[${i}]`, 'node');
const runs = (variant: string, n: Piece, ...findings: Expected[]): Case =>
  hostile('P20', `${variant}, to run`, () => model({ nodes: n }), findings, {
    command: 'run',
    options: ['--inputs', 'x.npy'],
    beside: { 'x.npy': ones() },
  });

/** Six ones as an array of NumPy. */
export function ones(): Uint8Array {
  const head = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }".padEnd(117);
  const bytes = new Uint8Array(128 + 24);
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, 118, 0]);
  for (let i = 0; i < 117; i++) bytes[10 + i] = head.charCodeAt(i);
  bytes[127] = 10;
  bytes.set(new Uint8Array(new Float32Array(6).fill(1).buffer), 128);
  return bytes;
}

const unnamed: Case[] = [
  withNode('P20', 'in a variadic input', node('Max', ['x', ''], ['y'], { at: 'node' }), empty('Max', 'variadic', 'data_0')),
  withNode(
    'P20',
    'in the middle of a variadic input',
    node('Sum', ['x', '', 'x'], ['y'], { at: 'node' }),
    empty('Sum', 'variadic', 'data_0'),
  ),
  withNode('P20', 'in a required input', node('Add', ['x', ''], ['y'], { at: 'node' }), empty('Add', 'required', 'B')),
  withNode('P20', 'in the first input', node('Relu', [''], ['y'], { at: 'node' }), empty('Relu', 'required', 'X', 0)),
  withNode('P20', 'in an optional input', node('LayerNormalization', ['x', 'x', ''], ['y'])),
  ...['Max', 'Min', 'Sum', 'Mean'].map(op =>
    runs(
      `in a variadic input of ${op}`,
      node(op, ['x', 'x', ''], ['y'], { at: 'node' }),
      error('E1302', `${op}: has an empty name for the variadic input data_0`, undefined, 'node'),
    ),
  ),
  runs(
    'in a required input',
    node('Add', ['x', ''], ['y'], { at: 'node' }),
    error('E1302', 'Add: has an empty name for the required input B', undefined, 'node'),
  ),
];

const counted = (variant: string, n: Piece, message: string, what: string): Case =>
  withNode('P21', variant, n, error('E1302', `node #0 ${message}`, `${n0}.${what}`, 'node'));
const arities: Case[] = [
  counted('too few inputs', node('Add', ['x'], ['y'], { at: 'node' }), 'Add has 1 input, expected 2', 'input'),
  counted('no inputs', node('Max', [], ['y'], { at: 'node' }), 'Max has 0 inputs, expected 1 or more', 'input'),
  counted('too many inputs', node('Relu', ['x', 'x'], ['y'], { at: 'node' }), 'Relu has 2 inputs, expected 1', 'input'),
  counted(
    'too many optional inputs',
    node('Clip', ['x', '', '', 'x'], ['y'], { at: 'node' }),
    'Clip has 4 inputs, expected 1 to 3',
    'input',
  ),
  counted('too many outputs', node('Relu', ['x'], ['y', 'z'], { at: 'node' }), 'Relu has 2 outputs, expected 1', 'output'),
  check(
    'P21',
    'no outputs',
    { nodes: join(node('Relu', ['x'], ['y']), node('Relu', ['x'], [], { at: 'second' })) },
    error('E1302', 'node #1 Relu has 0 outputs, expected 1', 'graph.node[1].output', 'second'),
  ),
];

const a0 = `${n0}.attribute[0]`;
const attributed = (variant: string, attributes: Piece, ...findings: Expected[]): Case =>
  withNode('P22', variant, node('Softmax', ['x'], ['y'], { at: 'node', more: attributes }), ...findings);
const at = mark('attribute');
const axis = 'node #0 Softmax attribute axis is of type';
const attributes: Case[] = [
  attributed('of another type', attribute('axis', 1, at, float(2, 1)), error('E1303', `${axis} float, expected int`, a0, 'attribute')),
  attributed('without a type', attribute('axis', undefined, at, int(3, 1)), error('E1303', 'the attribute has no type', a0, 'attribute')),
  attributed(
    'of a type that does not exist',
    attribute('axis', 77, at, int(3, 1)),
    error('E1303', 'the attribute type 77 does not exist', a0, 'attribute'),
  ),
  attributed(
    'with two values',
    attribute('axis', 2, at, int(3, 1), float(2, 1)),
    error('E1303', 'the attribute has 2 values: f, i', a0, 'attribute'),
  ),
  attributed(
    'with the value of another type',
    attribute('axis', 2, at, float(2, 1)),
    error('E1303', 'the attribute is of type int, its value is in f', a0, 'attribute'),
  ),
  attributed(
    'twice',
    join(intAttribute('axis', 1), intAttribute('axis', 0, at)),
    error('E1303', 'the attribute "axis" occurs twice', `${n0}.attribute[1]`, 'attribute'),
  ),
  attributed(
    'that the operator does not have',
    intAttribute('axes', 1, at),
    error('E1303', 'node #0 Softmax has no attribute "axes"', a0, 'attribute', 'nearest name: axis'),
  ),
  attributed(
    'without a name',
    attribute(undefined, 2, at, int(3, 1)),
    error('E1303', 'the attribute has no name', a0, 'attribute'),
    error('E1303', 'node #0 Softmax has no attribute ""', a0, 'attribute'),
  ),
  attributed('of a tool', intAttribute('__tool', 1)),
  withNode(
    'P22',
    'that is required and absent',
    node('Cast', ['x'], ['y'], { at: 'node' }),
    error('E1303', 'node #0 Cast lacks the required attribute to', `${n0}.attribute`, 'node'),
  ),
  withNode(
    'P22',
    'a text for a number',
    node('Cast', ['x'], ['y'], { at: 'node', more: attribute('to', 3, at, text(4, 'FLOAT')) }),
    error('E1303', 'node #0 Cast attribute to is of type string, expected int', a0, 'attribute'),
  ),
  check(
    'P22',
    'a number for a graph',
    {
      inputs: join(input('x'), condition()),
      nodes: node('If', ['c'], ['y'], {
        more: join(graphAttribute('then_branch', branch('t', node('Neg', ['x'], ['t']))), attribute('else_branch', 1, at, float(2, 1))),
      }),
    },
    error('E1303', 'node #0 If attribute else_branch is of type float, expected graph', `${n0}.attribute[1]`, 'attribute'),
  ),
];

const call = (name: string, from = 'a', to = 'b', more: Piece = none): Piece => nodeFields(name, [from], [to], { domain: 'local', more });
const local = join(opset(21), opset(1, 'local'));
const calling = (row: string, variant: string, functions: Piece, ...findings: Expected[]): Case =>
  check(row, variant, { opsets: local, functions, nodes: node('f', ['x'], ['y'], { domain: 'local', at: 'node' }) }, ...findings);
const relu = nodeFields('Relu', ['a'], ['b']);
const recursion = (message: string, index = 0, where = 'f'): Expected =>
  error('E1108', `functions call each other in a circle: ${message}`, `functions[${index}]`, where);

/** Thirty functions, each of which calls the one before it twice. */
const doubling = (): Piece =>
  join(
    ...Array.from({ length: 30 }, (_, i) =>
      fn(
        i === 29 ? 'f' : `f${i}`,
        ['a'],
        ['c'],
        i === 0 ? [nodeFields('Relu', ['a'], ['c'])] : [call(`f${i - 1}`, 'a', 'b'), call(`f${i - 1}`, 'b', 'c')],
      ),
    ),
  );

const functions: Case[] = [
  calling('P35', 'a function that calls itself', fn('f', ['a'], ['b'], [call('f')], { at: 'f' }), recursion('"local.f" → "local.f"')),
  calling(
    'P35',
    'two functions that call each other',
    join(fn('f', ['a'], ['b'], [call('g')], { at: 'f' }), fn('g', ['a'], ['b'], [call('f')])),
    recursion('"local.f" → "local.g" → "local.f"'),
  ),
  calling(
    'P35',
    'a function that calls itself in a branch',
    fn(
      'f',
      ['a'],
      ['b'],
      [
        nodeFields('If', ['a'], ['b'], {
          more: join(
            graphAttribute('then_branch', msg(1, call('f', 'a', 't')), text(2, 't'), output('t')),
            graphAttribute('else_branch', branch('e', node('Relu', ['a'], ['e']))),
          ),
        }),
      ],
      { at: 'f' },
    ),
    recursion('"local.f" → "local.f"'),
  ),
  hostile(
    'P36',
    'thirty functions that double',
    () => model({ opsets: local, functions: doubling(), nodes: node('f', ['x'], ['y'], { domain: 'local' }) }),
    [],
  ),
  hostile(
    'P36',
    'thirty functions that double, to run',
    () => model({ opsets: local, functions: doubling(), nodes: node('f', ['x'], ['y'], { domain: 'local' }) }),
    [error('E1009', 'inlining functions makes 536870912 nodes, more than 1000000')],
    { command: 'run', options: ['--inputs', 'x.npy'], beside: { 'x.npy': ones() }, exit: 'limit' },
  ),
  calling(
    'P37',
    'a reference to an attribute that does not exist',
    fn('f', ['a'], ['b'], [nodeFields('Softmax', ['a'], ['b'], { more: reference('axis', 'no', 2, at) })]),
    error('E1303', 'the attribute "axis" refers to "no", which no function around it has', 'functions[0].node[0]', 'attribute'),
  ),
  withNode(
    'P37',
    'a reference outside a function',
    node('Softmax', ['x'], ['y'], { more: reference('axis', 'no', 2, at) }),
    error('E1303', 'the attribute "axis" refers to "no", which no function around it has', n0, 'attribute'),
  ),
  calling('P37', 'overloads', join(fn('f', ['a'], ['b'], [relu]), fn('f', ['a'], ['b'], [relu], { more: text(13, 'two') }))),
  calling(
    'P37',
    'a function twice',
    join(fn('f', ['a'], ['b'], [relu]), fn('f', ['a'], ['b'], [relu], { at: 'second' })),
    error('E1102', 'the function "local.f" is defined twice', 'functions[1]', 'second'),
  ),
  calling(
    'P37',
    'a function without opsets',
    fn('f', ['a'], ['b'], [join(mark('relu'), relu)], { opsets: none }),
    error('E1106', 'node #0 Relu is of domain "ai.onnx", which the function does not import', 'functions[0].node[0]', 'relu'),
  ),
  calling(
    'P37',
    'an operator that the opset of the function lacks',
    fn('f', ['a'], ['b'], [join(mark('gelu'), nodeFields('Gelu', ['a'], ['b']))], { opsets: functionOpset(13) }),
    error('E1301', 'node #0 Gelu is known since opset 20, the model imports 13', 'functions[0].node[0]', 'gelu'),
  ),
];

export const graphCases: readonly Case[] = [
  ...missing,
  ...operators,
  ...orders,
  ...names,
  ...unnamed,
  ...arities,
  ...attributes,
  ...functions,
];
