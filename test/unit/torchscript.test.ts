// TorchScript: its text as a tree, its programs as models, and what is wrong with broken ones to the letter.
import { describe, expect, test } from 'vitest';
import { MemorySource } from '../../src/codec/source.ts';
import { ModelError } from '../../src/errors.ts';
import type { ReadOptions } from '../../src/formats/format.ts';
import { parseSource } from '../../src/formats/torch/script/parse.ts';
import type { Model } from '../../src/ir/graph.ts';
import { formatType } from '../../src/ir/types.ts';
import { read, readWeights, Session, Tensor } from '../../src/node/index.ts';
import { oneClass, type ScriptParts, type ScriptTensor, scriptArchive } from './script-archive.ts';

const errorsOf = async (run: () => unknown): Promise<string[]> => {
  try {
    await run();
  } catch (error) {
    if (error instanceof ModelError)
      return error.findings.map(f => `${f.code} ${f.message}${f.path?.includes('.py') ? ` @${f.path}` : ''}`);
    throw error;
  }
  return [];
};

const floats = (dims: readonly number[], data?: readonly number[]): ScriptTensor => ({
  type: 'float32',
  dims,
  data: data ?? Array.from({ length: dims.reduce((n, d) => n * d, 1) }, (_, i) => i / 4 - 1),
});
const modelOf = async (parts: ScriptParts, options: ReadOptions = {}): Promise<Model> =>
  (await read(new MemorySource(await scriptArchive(parts), 'm.pt'), options)).model;
const opsOf = (model: Model): string[] => model.graph.nodes.map(n => n.op);
const x = (dims: readonly number[], data: readonly number[]): Record<string, Tensor> => ({
  x: new Tensor('float32', Float32Array.from(data), dims),
});

async function runOf(parts: ScriptParts, inputs: Record<string, Tensor>): Promise<Record<string, number[]>> {
  const session = await Session.create(await modelOf(parts));
  const outputs = await session.run(inputs);
  return Object.fromEntries(
    Object.entries(outputs).map(([name, t]) => [name, Array.from((t as Tensor).data as ArrayLike<number>, Number)]),
  );
}

describe('the text', () => {
  const lines = (...text: string[]): string => `${text.join('\n')}\n`;
  test('classes, functions and expressions become a tree', () => {
    const { classes, functions } = parseSource(
      lines(
        'class A(Module):',
        '  __parameters__ = ["w", ]',
        '  w : Tensor',
        '  p : Final[float] = 0.5',
        '  __annotations__["0"] = __torch__.B',
        '  def forward(self: __torch__.A,',
        '      x: Tensor, k: Optional[int]=None) -> Tuple[Tensor, Tensor]:',
        '    a, b, = torch.f(x, [1, -2], "a\\n\\x41\\u00e9\\101", y=-inf, )',
        '    for i in range(3):',
        '      pass',
        '    while b:',
        '      b = (a)[0]',
        '    return (a, b)',
        'def f() -> NoneType:',
        '  return None',
      ),
      'a.py',
    );
    const a = classes.get('A')!;
    expect([...a.attributes.keys()]).toEqual(['w', 'p', '0']);
    expect([...a.values.keys()]).toEqual(['__parameters__', 'p']);
    const { parameters, body } = a.methods.get('forward')!;
    expect(parameters.map(p => [p.name, p.default?.kind])).toEqual([
      ['self', undefined],
      ['x', undefined],
      ['k', 'constant'],
    ]);
    expect(body.map(s => s.kind)).toEqual(['assign', 'for', 'while', 'return']);
    expect(body[0]).toMatchObject({
      target: { kind: 'tuple', items: [{ name: 'a' }, { name: 'b' }] },
      value: {
        args: [{ name: 'x' }, { items: [{ value: 1 }, { value: -2 }] }, { value: 'a\nA\u00e9A' }],
        keywords: [{ name: 'y', value: { value: -Infinity } }],
      },
    });
    expect([...functions.keys()]).toEqual(['f']);
  });

  test.each([
    ['def f():\n  x = "a', 'E1006 a.py:2:9: a string is not ended'],
    ['def f():\n  x = (1', 'E1006 a.py:2:9: a bracket is not closed'],
    ['def f():\n  x = 1)\n', 'E1006 a.py:2:8: a ) that closes nothing'],
    ['def f():\n  x = 1\n   y = 2\n', 'E1006 a.py:3:4: '],
    ['def f():\n\tx = 1\n', 'E1006 a.py:2:1: a tab in the indentation'],
    ['def f():\n    x = 1\n  y = 2\n', 'E1006 a.py:3:3: the indentation fits no block around it'],
    ['def f():\nx = 1\n', 'E1006 a.py:2:1: expected an indented block, found "x"'],
    ['x = 1\n', 'E1006 a.py:1:1: expected a class or a function, found "x"'],
    ['def f():\n  x = 12abc\n', 'E1006 a.py:2:9: a number that runs into a name'],
    ['def f():\n  x = "\\ud"\n', 'E1006 a.py:2:10: a malformed escape'],
    ['def f():\n  try:\n    pass\n', 'E2002 a.py:2:3: try has no conversion'],
    ['def f():\n  x = 1j\n', 'E2002 a.py:2:7: complex numbers have no conversion'],
    ['def f():\n  x = a $ b\n', 'E1006 a.py:2:9: an unexpected "$"'],
    ['def f():\n  pass\ndef f():\n  pass\n', 'E1006 a.py:3:5: a second function f'],
    [`def f():\n  x = ${'('.repeat(300)}\n`, 'E1008 a.py:2:207: brackets are nested deeper than 200'],
    [`def f():\n  x = ${'not '.repeat(300)}y\n`, 'E1008 a.py:2:803: code is nested deeper than 200'],
    [`def f():\n  x = a${'.b'.repeat(300)}\n`, 'E1008 a.py:2:410: code is nested deeper than 200'],
    [Array.from({ length: 300 }, (_, i) => `${' '.repeat(i)}if a:`).join('\n'), 'E1008 a.py:202:202: blocks are nested deeper than 200'],
  ])('%#: %.20j', async (text, message) => {
    const [found] = await errorsOf(() => parseSource(text, 'a.py'));
    expect(found?.slice(0, message.length)).toBe(message);
  });

  test('long lines of signs take linear time', async () => {
    const began = Date.now();
    for (const part of ['"\\', '((', '1.', 'a.', '-', '[1,', '# ', ' '])
      await errorsOf(() => parseSource(`def f():\n  x = ${part.repeat(200_000)}`, 'a.py'));
    expect(Date.now() - began).toBeLessThan(5000);
  });
});

const linear: ScriptParts = {
  code: {
    '__torch__.py': [
      'class M(Module):',
      '  __parameters__ = []',
      '  fc : __torch__.nn.Linear',
      '  def forward(self: __torch__.M, x: Tensor) -> Tensor:',
      '    fc = self.fc',
      '    return torch.relu((fc).forward(x, ))',
      '',
    ].join('\n'),
    '__torch__/nn.py': [
      'class Linear(Module):',
      '  __parameters__ = ["weight", "bias", ]',
      '  weight : Tensor',
      '  bias : Tensor',
      '  def forward(self: __torch__.nn.Linear, input: Tensor) -> Tensor:',
      '    bias = self.bias',
      '    weight = self.weight',
      '    return torch.linear(input, weight, bias)',
      '',
    ].join('\n'),
  },
  root: {
    className: '__torch__.M',
    attributes: { fc: { className: '__torch__.nn.Linear', attributes: { weight: floats([3, 2]), bias: floats([3]) } } },
  },
  traced: [floats([4, 2])],
};

describe('programs', () => {
  test('weights keep their names, nodes carry their module, traced inputs have open sizes', async () => {
    const model = await modelOf(linear);
    expect(model.graph.inputs.map(v => `${v.name} ${formatType(v.type)}`)).toEqual(['x float32[x_0,x_1]']);
    expect(model.graph.outputs.map(o => o.name)).toEqual(['output']);
    expect(model.graph.nodes[0]!.meta.metadata?.get('module')).toBe('fc');
    const weights = await readWeights(new MemorySource(await scriptArchive(linear), 'm.pt'));
    expect([...weights.tensors.keys()].sort()).toEqual(['fc.bias', 'fc.weight']);
    const { output } = await runOf(linear, x([1, 2], [2, 10]));
    expect(output).toEqual([0, 0, 2]);
  });

  test('without traced inputs the rank is what the first use makes likely, and said', async () => {
    const { model, findings } = await read(
      new MemorySource(await scriptArchive({ ...linear, traced: undefined } as unknown as ScriptParts), 'm.pt'),
    );
    expect(formatType(model.graph.inputs[0]!.type)).toBe('float32[input_0,input_1]'.replaceAll('input', 'x'));
    expect(findings.map(f => f.message)).toEqual(['TorchScript does not say the type of x; it is taken for float32[x_0,x_1]']);
  });

  test('a rank that does not matter is left open, and one that is given is taken', async () => {
    const parts = oneClass(', x: Tensor) -> Tensor', ['return torch.relu(torch.add(x, 1.))']);
    expect(formatType((await modelOf(parts)).graph.inputs[0]!.type)).toBe('float32[*]');
    const given = await modelOf(parts, { inputShapes: { x: ['batch', 3] } });
    expect(formatType(given.graph.inputs[0]!.type)).toBe('float32[batch,3]');
  });

  test('numbers, lists, known branches and loops are carried out', async () => {
    const parts = oneClass(
      ', x: Tensor) -> Tensor',
      [
        'n = 0',
        'ys = annotate(List[Tensor], [])',
        'for i in range(torch.add(1, 2)):',
        '  if torch.eq(torch.remainder(i, 2), 0):',
        '    _0 = torch.append(ys, torch.mul(x, float(i)))',
        '    n0 = torch.add(n, i)',
        '  else:',
        '    n0 = n',
        '  n = n0',
        'if torch.ne(torch.dim(x), 1):',
        '  ops.prim.RaiseException(torch.format("rank {}", torch.dim(x)), "builtins.ValueError")',
        'else:',
        '  pass',
        'if torch.__isnot__(self.missing, None):',
        '  y = torch.never(x)',
        'else:',
        '  y = torch.cat(ys)',
        'return torch.add(y, n)',
      ],
      { missing: null },
      ['missing : Optional[Tensor]'],
    );
    const model = await modelOf({ ...parts, traced: [floats([2])] });
    expect(opsOf(model)).not.toContain('If');
    expect(await runOf({ ...parts, traced: [floats([2])] }, x([2], [1, 2]))).toEqual({ output: [2, 2, 4, 6] });
  });

  test('what the run decides becomes If and Loop, with what was written in place', async () => {
    const parts = oneClass(', x: Tensor) -> Tuple[Tensor, int]', [
      'y = torch.clone(x)',
      'v = torch.select(y, 0, 0)',
      'if bool(torch.gt(torch.sum(x), 0)):',
      '  _0 = torch.add_(v, 10)',
      '  k = 1',
      'else:',
      '  k = 2',
      'z = y',
      'n = 0',
      'going = True',
      'while going:',
      '  z0 = torch.mul(z, 2)',
      '  n0 = torch.add(n, k)',
      '  going0 = bool(torch.lt(torch.max(z0), 100))',
      '  going, z, n = going0, z0, n0',
      'return (z, n)',
    ]);
    const traced = { ...parts, traced: [floats([2])] };
    expect(opsOf(await modelOf(traced))).toEqual(expect.arrayContaining(['If', 'Loop']));
    expect(await runOf(traced, x([2], [1, 2]))).toEqual({ output_0: [176, 32], output_1: [4] });
    expect(await runOf(traced, x([2], [-3, 1]))).toEqual({ output_0: [-384, 128], output_1: [14] });
  });

  test('a list that a loop of the run fills is stacked', async () => {
    const parts = oneClass(', x: Tensor) -> Tensor', [
      'ys = annotate(List[Tensor], [])',
      'h = torch.zeros([2])',
      'for t in range(torch.size(x, 0)):',
      '  h0 = torch.add(h, torch.select(x, 0, t))',
      '  _0 = torch.append(ys, h0)',
      '  h = h0',
      'return torch.stack(ys, 1)',
    ]);
    const traced = { ...parts, traced: [floats([5, 2])] };
    expect(await runOf(traced, x([3, 2], [1, 10, 2, 20, 3, 30]))).toEqual({ output: [1, 3, 6, 10, 30, 60] });
  });

  test('a buffer that is written becomes an input with a default and an output', async () => {
    const parts = oneClass(
      ', x: Tensor) -> Tensor',
      ['seen = self.seen', '_0 = torch.add_(seen, x)', 'return torch.mul(seen, 2)'],
      { seen: floats([2], [1, 2]) },
      ['seen : Tensor'],
    );
    const model = await modelOf({ ...parts, traced: [floats([2])] });
    expect(model.graph.inputs.map(v => v.name)).toEqual(['x', 'seen']);
    expect(model.graph.outputs.map(o => o.name)).toEqual(['output', 'seen.updated']);
  });

  const signatureOf = ({ graph }: Model): string[] => [
    ...graph.inputs.map(v => `${v.name} ${formatType(v.type)}${v.tensor ? ' with a default' : ''}`),
    ...graph.outputs.map(o => `-> ${o.name}`),
  ];
  const rebinding = (lines: readonly string[], attributes: Parameters<typeof oneClass>[2], members: readonly string[]): ScriptParts => ({
    ...oneClass(', x: Tensor) -> Tensor', lines, attributes, members),
    traced: [floats([2])],
  });

  test('attributes that get another value go from call to call, numbers too', async () => {
    const parts = rebinding(
      ['self.h = torch.add(self.h, x)', 'self.n = torch.add(self.n, 1)', 'self.last = x', 'return torch.mul(self.h, self.n)'],
      { h: floats([2], [1, 2]), n: 3, last: null },
      ['h : Tensor', 'n : int', 'last : Optional[Tensor]'],
    );
    expect(signatureOf(await modelOf(parts))).toEqual([
      'x float32[x_0]',
      'h float32[2] with a default',
      'n int64[] with a default',
      '-> output',
      '-> h.updated',
      '-> n.updated',
    ]);
    expect(await runOf(parts, x([2], [10, 20]))).toEqual({ output: [44, 88], 'h.updated': [11, 22], 'n.updated': [4] });
    const later = {
      ...x([2], [1, 1]),
      h: new Tensor('float32', Float32Array.of(11, 22), [2]),
      n: new Tensor('int64', BigInt64Array.of(4n), []),
    };
    expect(await runOf(parts, later)).toEqual({ output: [60, 115], 'h.updated': [12, 23], 'n.updated': [5] });
  });

  test('what is of another type before the first call needs a value for it, and known numbers are those of later calls', async () => {
    const parts = rebinding(
      [
        'if torch.__is__(self.pair, None):',
        '  a, c = torch.zeros_like(x), torch.ones_like(x)',
        'else:',
        '  a, c = torch.add(ops.prim.unchecked_unwrap_optional(self.pair)[0], x), x',
        'self.pair = (a, c)',
        'return torch.add(a, c)',
      ],
      { pair: null },
      ['pair : Optional[Tuple[Tensor, Tensor]]'],
    );
    const { model, findings } = await read(new MemorySource(await scriptArchive(parts), 'm.pt'));
    expect(signatureOf(model)).toEqual(['x float32[x_0]', 'pair.0 float32[x_0]', '-> output', '-> pair.0.updated']);
    expect(findings.map(f => `${f.code} ${f.message}`)).toEqual([
      'E2010 pair.0 is None before the first call and float32[x_0] after it: an input that needs a value for that call too',
    ]);
  });

  test('a list that grows with every call is refused', async () => {
    const parts = rebinding(['_0 = torch.append(self.all, x)', 'return torch.sum(torch.stack(self.all), [0])'], { all: [] }, [
      'all : List[Tensor]',
    ]);
    expect(await errorsOf(() => modelOf(parts))).toEqual([
      'E2001 what the program keeps from call to call has another form after each of them',
    ]);
  });

  test('inputs in dicts, lists and named tuples are inputs by the names of their parts', async () => {
    const parts = oneClass(', a: Dict[str, Tensor], c: List[Tensor], d: __torch__.P) -> Tensor', [
      'p, q, = c',
      'return torch.add(torch.mul(a["u"], a["v"]), torch.mul(torch.mul(p, q), torch.sub(d.s, d.t)))',
    ]);
    const code = { '__torch__.py': `${parts.code['__torch__.py']}class P(NamedTuple):\n  s : Tensor\n  t : Tensor\n` };
    expect((await modelOf({ ...parts, code })).graph.inputs.map(v => v.name)).toEqual(['a_u', 'a_v', 'c_0', 'c_1', 'd_s', 'd_t']);
    const unknown = oneClass(', a: List[Tensor]) -> Tensor', ['return torch.cat(a)']);
    expect(await errorsOf(() => modelOf(unknown))).toEqual(['E2002 the code does not say what is in the input a']);
    const named = await modelOf(unknown, { inputShapes: { a_0: [2], a_1: [3] } });
    expect(named.graph.inputs.map(v => `${v.name} ${formatType(v.type)}`)).toEqual(['a_0 float32[2]', 'a_1 float32[3]']);
  });

  test('an element type that is given is taken; with sizes too nothing is guessed', async () => {
    const parts = oneClass(', x: Tensor) -> Tensor', ['return torch.add(x, 1)']);
    const typed = await modelOf(parts, { inputTypes: { x: 'int32' } });
    expect(formatType(typed.graph.inputs[0]!.type)).toBe('int32[*]');
    const { model, findings } = await read(new MemorySource(await scriptArchive(parts), 'm.pt'), {
      inputTypes: { x: 'float64' },
      inputShapes: { x: ['n', 2] },
    });
    expect(formatType(model.graph.inputs[0]!.type)).toBe('float64[n,2]');
    expect(findings).toEqual([]);
  });

  test('values that are given stand for inputs', async () => {
    const parts = oneClass(', x: Tensor, k: int, mode: str, mask: Optional[Tensor]=None, f: float=0.5) -> Tensor', [
      'if torch.eq(mode, "twice"):',
      '  y = torch.mul(x, 2)',
      'else:',
      '  y = x',
      'return torch.mul(torch.add(y, k), f)',
    ]);
    const inputShapes = { x: [2] };
    const model = await modelOf(parts, { inputShapes, inputValues: { k: 3, mode: 'twice', mask: null, f: 2 } });
    expect(model.graph.inputs.map(v => v.name)).toEqual(['x']);
    expect(await (await Session.create(model)).run(x([2], [1, 2]))).toMatchObject({ output: { data: Float32Array.of(10, 14) } });
    for (const [inputValues, message] of [
      [{ k: 3 }, 'E2002 the input mode is a str, which has no conversion'],
      [{ k: 1.5, mode: '' }, 'E3002 the input k is a int, which cannot be "1.5"'],
      [{ mode: '', nope: 1 }, 'E3001 the program has no input nope that takes a value'],
    ] as const)
      expect(await errorsOf(() => modelOf(parts, { inputShapes, inputValues }))).toEqual([message]);
  });

  test('constants, dtypes by number and sizes as tensors', async () => {
    const parts = oneClass(', x: Tensor) -> Tensor', [
      'n = ops.prim.NumToTensor(torch.size(x, 0))',
      'm = torch.mul(n, CONSTANTS.c0)',
      'y = torch.arange(int(m), dtype=6)',
      'return torch.reshape(y, [int(n), -1])',
    ]);
    const traced = { ...parts, constants: [{ type: 'int64' as const, dims: [], data: [2] }], traced: [floats([3])] };
    expect(await runOf(traced, x([2], [0, 0]))).toEqual({ output: [0, 1, 2, 3] });
  });
});

describe('what cannot be read', () => {
  const forward = (...lines: string[]): ScriptParts => ({ ...oneClass(', x: Tensor) -> Tensor', lines), traced: [floats([2, 2])] });
  test.each<[string, ScriptParts, readonly string[]]>([
    [
      'operators without a conversion are listed',
      forward('a, b = torch.linalg_eig(x)', 'c = ops.quantized.odd(torch.relu(a))', 'd = ops.quantized.odd(x)', 'return torch.add(c, d)'),
      ['E2001 aten.linalg_eig: no conversion (1 node)', 'E2001 quantized.odd: no conversion (1 node)'],
    ],
    ['a name that nothing makes', forward('return y'), ['E1104 nothing is called y @code/__torch__.py:5:12']],
    ['a function that is not there', forward('return __torch__.f(x, )'), ['E1104 the code has no __torch__.f @code/__torch__.py:5:12']],
    ['an attribute that is not there', forward('return self.w'), ['E1104 __torch__.M has no w @code/__torch__.py:5:12']],
    ['arguments of no overload', forward('return torch.relu("a")'), ['E2001 aten.relu: no overload takes (str) @code/__torch__.py:5:12']],
    ['a constant beyond the archive', forward('return CONSTANTS.c7'), ['E1013 the archive has no constant 7 @code/__torch__.py:5:12']],
    ['an error on every path', forward('ops.prim.RaiseException("no", "E")', 'return x'), ['E2002 the program raises: no']],
    ['calls without end', forward('return (self).forward(x, )'), ['E1008 calls are nested deeper than 100 @code/__torch__.py:5:13']],
    [
      'a loop without end',
      forward('while True:', '  pass', 'return x'),
      ['E1009 a loop of more than 100000 rounds @code/__torch__.py:5:5'],
    ],
    [
      'a loop of very many rounds',
      forward('for i in range(1000000000):', '  pass', 'return x'),
      ['E1009 a loop of 1000000000 rounds @code/__torch__.py:5:5'],
    ],
    ['a long list', forward('y = torch.mul([1], 1000000000)', 'return x'), ['E1009 a list of 1000000000 items @code/__torch__.py:5:9']],
    [
      'a version from the future',
      { ...forward('return x'), entries: { version: '99\n' } },
      ['E2002 version: expected at most 10, found "99"'],
    ],
    ['big-endian storages', { ...forward('return x'), entries: { byteorder: 'big' } }, ['E2002 byteorder: expected little, found "big"']],
    [
      'code that is no code',
      { ...forward('return x'), entries: { 'code/__torch__.py': 'class M(Module::)\n' } },
      ['E1006 code/__torch__.py:1:15: expected , or ), found ":" @code/__torch__.py:1:15'],
    ],
    [
      'a program for mobile devices',
      { ...forward('return x'), code: {}, entries: { 'bytecode.pkl': 'x' } },
      ['E2002 this is a program of the lite interpreter, bytecode without source; save it with torch.jit.save'],
    ],
    [
      'a class that the pickle must not name',
      { ...forward('return x'), root: { className: 'os.system', attributes: {} } },
      ['E1015 the pickle calls os.system at offset 2; only tensors and containers are read'],
    ],
  ])('%s', async (_, parts, messages) => {
    const bytes = await scriptArchive(parts);
    expect(await errorsOf(() => read(new MemorySource(bytes, 'm.pt')))).toEqual(messages);
  });

  test('operators without a conversion can be kept', async () => {
    const model = await modelOf(forward('return ops.quantized.odd(torch.add(x, 1), 2)'), { allowCustom: true });
    expect(model.graph.nodes.map(n => n.qualifiedName)).toEqual(['Add', 'quantized.odd']);
  });

  test('an entry that leaves the archive', async () => {
    const bytes = await scriptArchive({ ...forward('return x'), entries: { 'code/aa/aa/x.py': '' } });
    const changed = Buffer.from(Buffer.from(bytes).toString('latin1').replaceAll('m/code/aa/aa/x.py', 'm/code/../../x.py'), 'latin1');
    expect((await errorsOf(() => read(new MemorySource(changed, 'm.pt'))))[0]).toMatch(/^E1011 /);
  });
});
