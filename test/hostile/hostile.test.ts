// The catalogue of hostile inputs, in this process: what each command says, to the letter. `npm run hostile` runs the same cases in
// processes of their own and measures them.
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { load, openAmong, read, Session } from '../../src/api.ts';
import { MemorySource } from '../../src/codec/source.ts';
import { ModelError } from '../../src/errors.ts';
import { bindPlan } from '../../src/exec/bind.ts';
import { programOf } from '../../src/exec/gpu/kernels/index.ts';
import { stepNumber } from '../../src/exec/gpu/writer.ts';
import { compilePlan } from '../../src/exec/plan.ts';
import { referenceBackend } from '../../src/exec/reference.ts';
import { wgslOf } from '../../src/exec/webgpu/wgsl.ts';
import { constant, wordsOf } from '../../src/expr/expr.ts';
import { resident } from '../../src/ir/tensor.ts';
import { cpuBackend } from '../../src/node/addon.ts';
import { openBeside } from '../../src/node/beside.ts';
import { upgrade } from '../../src/opset/upgrade.ts';
import { lower, rewriteAll } from '../../src/passes/index.ts';
import { checkModel } from '../../src/validate/check.ts';
import { cases } from './cases.ts';
import { judge, lay, meant, said } from './judge.ts';
import {
  external,
  floatAttribute,
  initializer,
  input,
  intAttribute,
  intsAttribute,
  isExternal,
  model,
  node,
  output,
  rawData,
  typed,
  zeros,
} from './onnx-wire.ts';
import { join as joined, none, text } from './wire.ts';

/** What objects have before any hostile name was read. */
const prototype = Object.getOwnPropertyNames(Object.prototype).join();

const root = mkdtempSync(join(tmpdir(), 'omnix-hostile-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let count = 0;

const quick = cases.filter(c => !c.large && !c.fault);
const rows = [...new Set(quick.map(c => c.row))];

describe.each(rows)('%s', row => {
  test.each(quick.filter(c => c.row === row).map(c => [c.variant, c] as const))('%s', async (_, c) => {
    const folder = join(root, `${count++}`);
    mkdirSync(folder);
    const piece = lay(c, folder);
    const verdict = await judge(c, folder);
    expect(said(verdict.findings)).toEqual(meant(c.findings, piece));
    expect(verdict.exit).toBe(c.exit);
    if (c.same !== undefined) expect(readFileSync(join(folder, c.same)).equals(piece.bytes)).toBe(true);
    expect(Object.getOwnPropertyNames(Object.prototype).join()).toBe(prototype);
    for (const text of c.prints) expect(verdict.text.join('\n')).toContain(text);
    rmSync(folder, { recursive: true, force: true });
  });
});

/** How many rows each family of the catalogue has. */
const families = { P: 45, X: 17, K: 16, Z: 11, S: 8, T: 9, N: 4, J: 4 } as const;
/** Rows whose cases are tests below. */
const tested: readonly string[] = ['X14', 'X17'];

test.each(Object.entries(families))('every row of family %s has a case', (family, count) => {
  const wanted = Array.from({ length: count }, (_, i) => `${family}${String(i + 1).padStart(2, '0')}`);
  const found = [...new Set([...cases.map(c => c.row), ...tested])].filter(row => row.startsWith(family));
  expect(found.sort()).toEqual(wanted);
});

test('P02: a model that ends after any of its bytes says where, or what it lacks', async () => {
  const { bytes } = model({
    nodes: node('Transpose', ['x'], ['y'], { more: intsAttribute('perm', 1, 0) }),
    initializers: initializer('w', 1, [2, 3], zeros(24)),
  });
  for (let end = 1; end < bytes.length; end++) {
    const { findings } = await checkModel(new MemorySource(bytes.slice(0, end), 'cut.onnx'));
    const cut = findings.filter(f => f.code === 'E1005');
    // Between the fields of the model itself nothing is cut: ir_version, then the opset, then the graph.
    if (end === 2 || end === 6) expect(findings.map(f => f.code)).toContain('E1101');
    else {
      expect(cut.map(f => f.offset)).toEqual([end]);
      expect(cut[0]!.message).toMatch(
        new RegExp(`^ends inside (field \\S+|the tag of a field) at offset ${end}, needs [1-9]\\d* more bytes$`),
      );
    }
  }
});

const withData = (location: string) => model({ initializers: initializer('w', 1, [4], external('location', location), isExternal) }).bytes;

async function errorOf(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
  } catch (error) {
    if (error instanceof ModelError) return `${error.code} ${error.message}`;
    throw error;
  }
  return 'it was read';
}

describe('X14', () => {
  const elements = async (folder: string, change: (path: string) => void): Promise<string> => {
    writeFileSync(join(folder, 'w.data'), new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer));
    const loaded = await load(new MemorySource(withData('w.data'), 'm.onnx'), { open: openBeside(join(folder, 'm.onnx')) });
    change(join(folder, 'w.data'));
    return errorOf(async () => {
      expect([...((await resident(loaded.graph.initializers[0]!.tensor!)).data as Float32Array)]).toEqual([1, 2, 3, 4]);
    });
  };
  test('a file that is changed for another after it was opened is read as it was', async () => {
    const folder = mkdtempSync(join(root, 'swap-'));
    const swap = (path: string): void => {
      renameSync(path, `${path}.old`);
      symlinkSync('/etc/passwd', path);
    };
    expect(await elements(folder, swap)).toBe('it was read');
  });
  test('a file that is written after it was opened is refused', async () => {
    const folder = mkdtempSync(join(root, 'write-'));
    expect(await elements(folder, path => writeFileSync(path, new Uint8Array(64)))).toMatch(/^E5005 /);
  });
});

describe('X17', () => {
  const file = (name: string, bytes: Uint8Array): File => new File([bytes as Uint8Array<ArrayBuffer>], name);
  const data = file('w.data', new Uint8Array(16));
  test.each<[string, File[], string, string]>([
    ['the file of the name', [data], 'w.data', 'it was read'],
    ['the file of the last part of the name', [data], 'sub/w.data', 'it was read'],
    [
      'no file of the name',
      [file('v.data', new Uint8Array(16))],
      'w.data',
      'E1402 the data is in "w.data", and 0 files of that name were chosen, expected 1',
    ],
    ['two files of the name', [data, data], 'w.data', 'E1402 the data is in "w.data", and 2 files of that name were chosen, expected 1'],
    ['a path that leaves the folder', [data], '../w.data', 'E1401 the location "../w.data" leaves the folder of the model'],
  ])('%s', async (_, files, location, expected) => {
    expect(await errorOf(() => read(withData(location), { open: openAmong(files) }))).toBe(expected);
  });
});

describe('limits', () => {
  const chain = joined(node('Relu', ['x'], ['a']), node('Relu', ['a'], ['y']));
  test.each<[string, object, string]>([
    ['depth', { depth: 2 }, 'E1008 nesting deeper than 2 at offset'],
    ['nodes', { nodes: 1 }, 'E1009 the model has more than 1 nodes'],
    ['rank', { rank: 0 }, 'E1202 the type has rank 2, the limit is 0'],
  ])('%s', async (name, limits, message) => {
    const { bytes } = model({ nodes: chain });
    expect(await errorOf(() => read(bytes, { limits }))).toContain(message);
    expect((await checkModel(new MemorySource(bytes), { limits })).findings[0]!.limit).toEqual({ name, value: Object.values(limits)[0] });
    expect(await errorOf(() => read(bytes))).toBe('it was read');
  });
});

/** The shaders of a graph in the file, and the words that go with them. */
async function shadersOf(bytes: Uint8Array): Promise<{ readonly text: string; readonly words: readonly number[] }> {
  const { graph } = upgrade(await load(bytes));
  rewriteAll(graph, [lower]);
  const plan = compilePlan(graph);
  const bound = bindPlan(plan, new Map(plan.inputs.flatMap(p => p.view.shape.flatMap(d => (typeof d === 'number' ? [] : [[d.key, 2]])))));
  const passes = plan.steps.flatMap((step, i) => {
    const found = programOf({ step, isConstant: () => false }, wgslOf({ halves: 'bits', sums: 'memory' }));
    if (typeof found === 'string') return expect.fail(found);
    return found.flatMap(way => way.passes.map(pass => ({ pass, step: bound.steps[i]! })));
  });
  return {
    text: passes.map(({ pass }) => pass.text).join('\n'),
    words: passes.flatMap(({ pass, step }) => pass.parameters.map(p => (p === stepNumber ? 0 : p(step)))),
  };
}

describe('P30: bytes of booleans other than 0 and 1 count as true, as in onnxruntime', () => {
  const constants = joined(initializer('w', 9, [4], rawData([0, 2, 255, 1])), initializer('o', 9, [4], rawData([1, 1, 1, 1])));
  test.each<[string, readonly string[], number, readonly number[]]>([
    ['Cast', ['w'], 1, [0, 1, 1, 1]],
    ['Cast', ['w'], 2, [0, 1, 1, 1]],
    ['Not', ['w'], 9, [1, 0, 0, 0]],
    ['And', ['w', 'o'], 9, [0, 1, 1, 1]],
    ['Equal', ['w', 'o'], 9, [0, 1, 1, 1]],
    ['Xor', ['w', 'o'], 9, [1, 0, 0, 0]],
  ])('%s of %j to type %i', async (op, inputs, type, expected) => {
    const more = op === 'Cast' ? intAttribute('to', type) : none;
    const { bytes } = model({
      inputs: none,
      outputs: output('y', typed(type, [4])),
      initializers: constants,
      nodes: node(op, inputs, ['y'], { more }),
    });
    for (const backend of [referenceBackend(), cpuBackend()]) {
      if ((await backend.available()) !== true) continue;
      const session = await Session.create(bytes, { backend });
      expect([...((await session.run({}))['y']!.data as Uint8Array)]).toEqual(expected);
      await session.dispose();
    }
  });
});

test('O01: no name of a model reaches a shader', async () => {
  const names = ['a;}@compute fn m(){', '*/', '\n#include <x>', '"); system("x', 'é\u202e'];
  const nodes = joined(...names.slice(1).map((name, i) => node('Relu', [names[i]!], [name], { name })));
  const { text: shaders } = await shadersOf(
    model({ name: text(2, names[0]!), inputs: input(names[0]!, typed(1, [names[1]!, 3])), outputs: output(names.at(-1)!), nodes }).bytes,
  );
  for (const name of names) expect(shaders).not.toContain(name);
  expect(shaders).toMatch(/^[\n\x20-\x7e]*$/);
});

test.each<[string, number, number]>([
  ['NaN', Number.NaN, 0x7fc00000],
  ['an infinity', Number.NEGATIVE_INFINITY, 0xff800000],
  ['a negative zero', -0, 0x80000000],
  ['the largest number', 3.4028234663852886e38, 0x7f7fffff],
])('O02: %s in an attribute reaches a shader by its bits, as data', async (_, alpha, bits) => {
  const leaky = node('LeakyRelu', ['x'], ['y'], { more: floatAttribute('alpha', alpha) });
  const { text, words } = await shadersOf(model({ nodes: leaky }).bytes);
  expect(words).toContain(bits | 0);
  expect(text).toBe(
    (await shadersOf(model({ nodes: node('LeakyRelu', ['x'], ['y'], { more: floatAttribute('alpha', 0.5) }) }).bytes)).text,
  );
});

test('O02: a constant that float32 cannot hold is an infinity', () => {
  const { value } = constant(1e39, 'float32') as { readonly value: number };
  expect(wordsOf(value, 'float32')).toEqual([0x7f800000]);
});
