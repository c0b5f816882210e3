// K14 and K15: code of TorchScript, and programs of torch.export as JSON.
import { type Code, codes } from '../../src/errors.ts';
import { type Case, type Expected, error, hostile } from './case.ts';
import { archive, type Entries, guess, type Program, pickle, program, programEntries, root, scriptEntries, tensor } from './pickle-wire.ts';
import { join, type Piece, raw, utf8 } from './wire.ts';

const M = '__torch__.M';
/** A program whose method `forward` has these lines; `more` goes before its class. */
const code = (lines: readonly string[], more = ''): string =>
  `${more}class M(Module):
  __parameters__ = []
  __buffers__ = []
  w : Tensor
  def forward(self: ${M},
    x: Tensor) -> Tensor:
${lines.map(line => `    ${line}\n`).join('')}`;
const first = 7;

const script =
  (text: string, more: Entries = {}) =>
  (): Piece =>
    archive({ ...scriptEntries(pickle(root(tensor())), text), ...more });
const given = (file: string, code: Code): Parameters<typeof hostile>[4] => ({
  file,
  command: 'convert',
  options: ['-o', 'out.onnx'],
  exit: codes[code].exit,
});
function inCode(variant: string, text: string, code: Code, message: string, path?: string): Case {
  return hostile('K14', variant, script(text), [error(code, message, path)], given('bad.pt', code));
}
/** Wrong at a line and column of the code, which the message says too where the text itself is wrong. */
const at = (variant: string, text: string, code: Code, message: string, line = first, column = 1): Case => {
  const place = `code/__torch__.py:${line}:${column}`;
  return inCode(variant, text, code, `${place}: ${message}`, place);
};
const where = (line: number, column: number): string => `code/__torch__.py:${line}:${column}`;

const nested = (levels: number): string => code([`return ${'torch.neg('.repeat(levels)}x${')'.repeat(levels)}`]);
const texts: Case[] = [
  at('calls nested 100,000 deep', nested(100_000), 'E1008', 'brackets are nested deeper than 200', first, 5 + 7 + 10 * 200 + 9),
  at('dots 100,000 long', code([`return x${'.a'.repeat(100_000)}`]), 'E1008', 'code is nested deeper than 200', first, 415),
  at(
    'blocks nested 300 deep',
    code(Array.from({ length: 300 }, (_, i) => `${' '.repeat(i)}if True:`)),
    'E1008',
    'blocks are nested deeper than 200',
    first + 199,
    5 + 199,
  ),
  at(
    'a number of 100,000 digits',
    code([`return torch.add(x, ${'9'.repeat(100_000)})`]),
    'E1009',
    'a number of more than 1000 digits',
    first,
    5 + 20 + 100_000,
  ),
  at('text that is not ended', code(['return "x']), 'E1006', 'a string is not ended', first, 14),
  at('a bracket that is not closed', code(['return torch.neg(x']), 'E1006', 'a bracket is not closed', first + 1),
  at('no code at all', '\0\x01\x02', 'E1006', 'an unexpected "\\u0000"', 1),
  at('a class that the code lacks', 'x = 1\n', 'E1006', 'expected a class or a function, found "x"', 1),
  at('an import in a method', code(['import os', 'return x']), 'E1006', 'expected the end of the line, found "os"', first, 12),
  at('raise', code(['raise x']), 'E2002', 'raise has no conversion', first, 5),
];

const functions = (levels: number): string =>
  Array.from(
    { length: levels },
    (_, i) => `def f${i}(x: Tensor) -> Tensor:\n  return ${i === 0 ? 'x' : `__torch__.f${i - 1}(__torch__.f${i - 1}(x))`}\n`,
  ).join('');
/** A loop of 60 rounds over one line, after another. */
const rounds = (before: string, line: string, after = 'return x', count = 60): string =>
  code([before, `for k in range(${count}):`, `  ${line}`, after]);
const inLoop = where(first + 2, 11);
const tooLong = 'a list of 131072 items';
const tooMuchText = 'a text of 131072 characters';
const steps = (text: string): string => `the program takes more than ${1_000_000 + text.length} steps to follow`;
const twice = code(['return __torch__.f59(x)'], functions(60));
const endless = code(['i = 0', 'while True:', '  i = torch.add(i, 1)', 'return torch.add(x, i)']);
const itself = code(['return __torch__.f(x)'], 'def f(x: Tensor) -> Tensor:\n  return __torch__.f(x)\n');
const many = code(['i = 0', 'for k in range(1099511627776):', '  i = torch.add(i, k)', 'return torch.add(x, i)']);
const runs: Case[] = [
  inCode('a function that calls itself', itself, 'E1008', 'calls are nested deeper than 100', where(2, 10)),
  inCode('functions that call each other twice, 60 deep', twice, 'E1009', steps(twice), where(10, 23)),
  inCode('a loop without an end', endless, 'E1009', steps(endless), where(first + 2, 11)),
  inCode('a loop of 2^40 rounds', many, 'E1009', 'a loop of 1099511627776 rounds', where(first + 1, 5)),
  inCode('text that doubles in each round', rounds('s = "ab"', 's = torch.add(s, s)'), 'E1009', tooMuchText, inLoop),
  inCode('text that is formatted into itself', rounds('s = "{}{}"', 's = torch.format("{}{}", s, s)'), 'E1009', tooMuchText, inLoop),
  inCode(
    'text in which each letter becomes the text',
    rounds('s = "aa"', 's = torch.replace(s, "a", s)'),
    'E1009',
    `a text of ${65536 * 65537} characters`,
    inLoop,
  ),
  inCode('a list that doubles in each round', rounds('s = [1, 2]', 's = torch.add(s, s)'), 'E1009', tooLong, inLoop),
  inCode('a list that is extended by itself', rounds('s = [1, 2]', 'torch.extend(s, s)'), 'E1009', tooLong, where(first + 2, 7)),
  inCode('a list of 2^40 items', rounds('s = [1]', 's = torch.mul(s, 1099511627776)'), 'E1009', 'a list of 1099511627776 items', inLoop),
  inCode(
    'tuples that hold each other twice',
    code(['t = (1, 2)', ...new Array<string>(60).fill('t = (t, t)'), 'return t']),
    'E1009',
    'a tuple of more than 100000 values',
    where(first + 15, 9),
  ),
  inCode(
    'lists that hold each other twice',
    rounds('s = [1]', 's = [s, s]', 'return s'),
    'E1009',
    steps(rounds('s = [1]', 's = [s, s]', 'return s')),
  ),
  inCode(
    'a list that holds itself',
    code(['s = [1]', 'torch.append(s, s)', 'return s']),
    'E1006',
    'the program returns a value that contains itself',
  ),
  inCode(
    'lists that are nested in each round',
    rounds('s = [1]', 's = [s]', 'return s', 1000),
    'E1008',
    'the program returns values nested deeper than 600',
  ),
  hostile(
    'K14',
    'an integer that is squared in each round',
    script(rounds('i = 3', 'i = torch.mul(i, i)', 'return torch.add(x, i)')),
    [guess],
    {
      ...given('good.pt', 'E1006'),
      exit: 'ok',
      writes: ['out.onnx'],
    },
  ),
  inCode(
    'a constant that the archive lacks',
    code(['return torch.add(x, CONSTANTS.c7)']),
    'E1013',
    'the archive has no constant 7',
    where(first, 25),
  ),
  inCode(
    'a function that the code lacks',
    code(['return __torch__.os.system("id")']),
    'E1104',
    'the code has no __torch__.os.system',
    where(first, 12),
  ),
  hostile(
    'K14',
    'operators that do not exist',
    script(code(['y = torch.no_such_operator(x)', 'z = ops.mine.evil(x, "rm -rf /")', 'return torch.add(y, z)'])),
    [error('E2001', 'aten.no_such_operator: no conversion (1 node)'), error('E2001', 'mine.evil: no conversion (1 node)')],
    given('bad.pt', 'E2001'),
  ),
];

const parts: Case[] = [
  hostile(
    'K14',
    'a version of the future',
    script(code(['return x']), { version: utf8('99\n') }),
    [error('E2002', 'version: expected at most 10, found "99"', 'version')],
    given('bad.pt', 'E2002'),
  ),
  hostile(
    'K14',
    'a version of 10 MB',
    script(code(['return x']), { version: raw(new Uint8Array(10_000_000).fill(0x31)) }),
    [error('E1009', 'archive entry "m/version" has 10000000 bytes, at most 1024 are read', 'm/version')],
    given('bad.pt', 'E1009'),
  ),
  hostile(
    'K14',
    'code outside of the archive',
    script(code(['return x']), { 'code/../../evil.py': utf8('x') }),
    [
      error(
        'E1011',
        `archive entry "m/code/../../evil.py" has an unsafe name: it has an empty, '.' or '..' part`,
        'm/code/../../evil.py',
        'm/code/../../evil.py#',
      ),
    ],
    given('bad.pt', 'E1011'),
  ),
  hostile(
    'K14',
    'a program of the lite interpreter',
    () =>
      archive({ 'data.pkl': pickle(root(tensor())), 'data/0': raw(new Uint8Array(24)), 'bytecode.pkl': pickle(), version: utf8('3\n') }),
    [error('E2002', 'this is a program of the lite interpreter, bytecode without source; save it with torch.jit.save', 'bytecode.pkl')],
    given('bad.ptl', 'E2002'),
  ),
];

const json = (change: (p: Program) => void): string => {
  const made = program();
  change(made);
  return JSON.stringify(made);
};
/** What the archive says of the tensor x. */
const facts = (): Record<string, unknown> => program().graph_module.graph.tensor_values['x']!;
const exported = (variant: string, text: string | Piece, findings: readonly Expected[]): Case =>
  hostile('K15', variant, () => archive(programEntries(text)), findings, given('bad.pt2', findings[0]!.code));
const model = 'm/models/model.json';
const deep = join(utf8('{"a":'), raw(new Uint8Array(1_000_000).fill(0x5b)));
const whole = JSON.stringify(program());
const schema = (major: unknown): string => json(p => void (p.schema_version = { major, minor: 0 }));
const sized = (text: string): string =>
  json(p => void ((p.graph_module.graph.tensor_values['x']!['sizes'] as unknown[])[0] = { as_expr: { expr_str: text, hint: null } }));

const expression = 'graph_module.graph.tensor_values.x.sizes[0].as_expr.expr_str';
const node = 'graph_module.graph.nodes[0]';
const programs: Case[] = [
  exported('lists nested 1,000,000 deep', deep, [error('E1008', 'JSON text is nested deeper than 200', model, 5 + 199)]),
  exported('a number beyond float64', whole.replace('"major":8', '"major":1e999'), [
    error('E1006', 'JSON number 1e999 exceeds float64', model, whole.indexOf('"major":8') + 8),
  ]),
  exported('an integer of 2000 digits', whole.replace('"major":8', `"major":${'9'.repeat(2000)}`), [
    error('E1009', 'JSON integer of 2000 digits, at most 1000 are read', model, whole.indexOf('"major":8') + 8),
  ]),
  exported('a key twice', whole.replace('{', '{"opset_version":{},'), [
    error(
      'E1010',
      'JSON object has the key "opset_version" twice',
      model,
      whole.lastIndexOf('"opset_version"') + '"opset_version":{},'.length,
    ),
  ]),
  exported('a program that is cut off', whole.slice(0, 100), [
    error('E1005', "JSON text: expected ',' or '}', found the end of the text", model, 100),
  ]),
  exported('a program that is a list', '[]', [error('E1006', 'the program: expected an object, found a list of 0', '')]),
  exported('a schema of the future', schema(99), [
    error('E2002', 'schema_version.major: expected at most 8, found 99', 'schema_version.major'),
  ]),
  exported('a schema of no version', schema('8'), [
    error('E1006', 'schema_version.major: expected a number, found the string "8"', 'schema_version.major'),
  ]),
  exported('a schema before the first', schema(-1), [
    error('E2002', 'schema_version.major: expected at most 8, found -1', 'schema_version.major'),
  ]),
  exported('a size that is code', sized('__import__("os").system("id")'), [
    error('E1006', 'malformed size expression "__import__(\\"os\\").system(\\"id\\")"', expression),
  ]),
  exported('a size nested 100,000 deep', sized(`${'('.repeat(100_000)}1${')'.repeat(100_000)}`), [
    error('E1008', 'a size expression is nested deeper than 200', expression),
  ]),
  ...['9**9**9**9', '(a + b + c + d)**1000', Array.from({ length: 40 }, (_, i) => `(a${i} + b${i})`).join('*')].map(size =>
    hostile('K15', `the size ${size.slice(0, 40)}`, () => archive(programEntries(sized(size))), [], {
      file: 'good.pt2',
      command: 'info',
      prints: ['x  float32[?,3]'],
    }),
  ),
  exported(
    'a reference in the place of a node',
    json(p => void Object.assign(p.graph_module.graph, { nodes: [{ $ref: '#/a' }] })),
    [error('E1101', `${node} has no field target`, node)],
  ),
  exported(
    'an operator that does not exist',
    json(p => void (p.graph_module.graph.nodes[0]!.target = 'torch.ops.mine.evil.default')),
    [error('E2001', 'mine.evil.default: no conversion (1 node)')],
  ),
  exported(
    'a function of Python',
    json(p => void (p.graph_module.graph.nodes[0]!.target = 'os.system')),
    [error('E2001', 'os.system: no conversion (1 node)')],
  ),
  exported(
    'a value that nothing makes',
    json(p => void (p.graph_module.graph.nodes[0]!.inputs[0]!.arg = { as_tensor: { name: 'z' } })),
    [error('E1104', `${node}.inputs[0].arg.as_tensor: nothing produces z`, `${node}.inputs[0].arg.as_tensor`)],
  ),
  exported(
    'names that objects treat specially',
    json(p => void (p.graph_module.graph.nodes[0]!.inputs[0]!.arg = { as_tensor: { name: '__proto__' } })),
    [error('E1104', `${node}.inputs[0].arg.as_tensor: nothing produces __proto__`, `${node}.inputs[0].arg.as_tensor`)],
  ),
];

const lie = (change: Record<string, unknown>): Entries => ({
  'data/weights/model_weights_config.json': utf8(
    JSON.stringify({
      config: {
        w: {
          path_name: 'weight_0',
          is_param: true,
          use_pickle: false,
          tensor_meta: facts(),
          ...change,
        },
      },
    }),
  ),
  'data/weights/weight_0': raw(new Uint8Array(24)),
});
const meta = (change: Record<string, unknown>): Entries => lie({ tensor_meta: { ...facts(), ...change } });
const weights = (variant: string, entries: Entries, ...findings: Expected[]): Case =>
  hostile('K15', `weights: ${variant}`, () => archive(programEntries(undefined, entries)), findings, given('bad.pt2', findings[0]!.code));
const config = 'data/weights/model_weights_config.json.config.w';
const stored: Case[] = [
  weights(
    'a record outside of its folder',
    lie({ path_name: '../../x' }),
    error('E1011', `${config}: the record name "../../x" leaves its folder`, config),
  ),
  weights(
    'a record that is missing',
    lie({ path_name: 'weight_9' }),
    error('E1013', 'the record data/weights/weight_9 of w is missing', config),
  ),
  weights(
    'sizes beyond the record',
    meta({ sizes: [{ as_int: 200 }, { as_int: 3 }] }),
    error('E1203', 'w: float32[200,3] with strides [3,1] needs 2400 bytes of storage, the record has 24', `${config}.tensor_meta`),
  ),
  weights(
    'sizes whose product overflows',
    meta({ sizes: [{ as_int: 2 ** 40 }, { as_int: 2 ** 40 }], strides: [{ as_int: 0 }, { as_int: 0 }] }),
    error('E1009', `w: float32[${2 ** 40},${2 ** 40}] takes ${4 * 2 ** 80} bytes, its storage has 24`, `${config}.tensor_meta`),
  ),
  weights(
    'a negative stride',
    meta({ strides: [{ as_int: -3 }, { as_int: 1 }] }),
    error(
      'E1202',
      `${config}.tensor_meta.strides[0]: a stored tensor needs sizes that are numbers, found -3`,
      `${config}.tensor_meta.strides[0]`,
    ),
  ),
  weights(
    'a type that does not exist',
    meta({ dtype: 99 }),
    error('E1201', `${config}.tensor_meta.dtype: element type 99 does not exist`, `${config}.tensor_meta.dtype`),
  ),
];

export const programCases: readonly Case[] = [...texts, ...runs, ...parts, ...programs, ...stored];
