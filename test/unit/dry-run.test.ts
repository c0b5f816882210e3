// Dry runs: they say ok of what converts and of nothing else, and name everything that stands in the way.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { WriteModelOptions } from '../../src/api.ts';
import { ModelError } from '../../src/errors.ts';
import { bytesOfFile, dryRun, load, type Model, write } from '../../src/node/index.ts';
import { casesOfArchive } from '../conformance/cases.ts';
import { commandLine } from './cli-process.ts';
import { bytesOfModel, info, modelOf, node } from './onnx-messages.ts';

const selection = fileURLToPath(new URL('../conformance/selection.zip', import.meta.url));
const cases = (await casesOfArchive(selection)).filter((_, i) => i % 4 === 0);
const wanted: readonly WriteModelOptions[] = [
  { format: 'onnx', name: 'm.onnx' },
  { format: 'onnx', name: 'm.onnx', opset: 11 },
  { format: 'onnx', name: 'm.onnx', dtype: 'float16' },
  { format: 'pt2', name: 'm.pt2' },
];

/** How many problems a conversion ends with, all of it written. */
async function problemsOf(model: Model, options: WriteModelOptions): Promise<number> {
  try {
    for (const file of (await write(model, options)).files) for await (const chunk of bytesOfFile(file)) chunk.length;
    return 0;
  } catch (error) {
    if (error instanceof ModelError) return error.findings.length;
    throw error;
  }
}

describe('agrees with the conversion', () => {
  test.each(cases.map(c => [c.name, c] as const))('%s', async (_, c) => {
    const model = await load(await c.file('model.onnx'));
    for (const options of wanted) {
      const { blockers, written } = await dryRun(model, options);
      expect(blockers.reduce((n, b) => n + b.count, 0)).toBe(await problemsOf(model, options));
      expect(written === undefined).toBe(blockers.length > 0);
    }
  });
});

describe('on the command line', () => {
  const folder = mkdtempSync(join(tmpdir(), 'omnix-dry-'));
  const { omnix, json } = commandLine(folder);
  beforeAll(() => {
    const named = (name: string, inputs: string[], output: string) => ({ ...node('BitwiseAnd', inputs, [output]), name });
    const graph = {
      input: [info('x', [2], 6), info('y', [2], 6)],
      output: [info('z', [2], 6)],
      node: [named('first', ['x', 'y'], 'a'), node('Abs', ['a'], ['b']), named('second', ['b', 'x'], 'z')],
    };
    writeFileSync(join(folder, 'm.onnx'), bytesOfModel(modelOf(graph)));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test('a table for each format, exit code 1 where one is blocked, and no file', () => {
    const { code, out } = omnix('convert', 'm.onnx', '--to', 'onnx,pt2', '--opset', '8', '--dry-run', '-q');
    expect(out).toMatch(/^onnx +blocked +2 problems\n +count +operator +code +reason +places\n +2 +BitwiseAnd +E2004 .* first, second\n/);
    expect(out).toMatch(/\npt2 +ok +PyTorch exported program, /);
    expect(code).toBe(1);
    expect(readdirSync(folder)).toEqual(['m.onnx']);
  });
  test('as JSON, with every place', () => {
    const { results, code } = json('convert', 'm.onnx', '--opset', '20', '--dry-run');
    expect(results).toMatchObject({
      targets: expect.arrayContaining([expect.objectContaining({ format: 'pt2', ok: true, blockers: [] })]),
    });
    expect(code).toBe(0);
  });
  test.each<[string, string[], RegExp]>([
    ['a format that does not exist', ['--to', 'onnx,none'], /there is no format none/],
    ['what needs a file', ['--to', 'onnx', '--verify'], /--verify needs the written file; --dry-run writes none/],
    ['a map', ['--to', 'onnx', '--map', 'm.json'], /--map needs the written file/],
  ])('%s is wrong usage', (_, args, wanted) => {
    const { code, err } = omnix('convert', 'm.onnx', '--dry-run', ...args);
    expect(err).toMatch(wanted);
    expect(code).toBe(2);
  });
});

describe('maps on the command line', () => {
  const folder = mkdtempSync(join(tmpdir(), 'omnix-map-'));
  const { omnix, json } = commandLine(folder);
  const source = fileURLToPath(new URL('../../models/simple-nn/model.pt2', import.meta.url));
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each(['onnx', 'pt2'])('%s: the source itself swapped in gives the same file', format => {
    expect(omnix('convert', source, '-o', `m.${format}`, '--map', `m.${format}.json`, '-q').code).toBe(0);
    const { results } = json('swap-weights', `m.${format}`, '--map', `m.${format}.json`, '--weights', source, '-o', `n.${format}`);
    expect(results).toMatchObject({ format, files: [{ path: `n.${format}` }] });
    // The folder in a .pt2 archive has the name that the file was written under.
    expect(omnix('diff', `m.${format}`, `n.${format}`).code).toBe(0);
    expect(omnix('swap-weights', `m.${format}`, '--map', `m.${format}.json`, '--weights', source, '-o', `n.${format}`).err).toContain(
      'E4002',
    );
  });
  test('a map that does not belong to the model, and one without a file', () => {
    const wrong = omnix('swap-weights', 'm.onnx', '--map', 'm.pt2.json', '--weights', source, '-o', 'o.onnx');
    expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining('E4003 other-map: the map belongs to a file "m.pt2"')]);
    const nowhere = omnix('convert', source, '-o', '-', '--to', 'onnx', '--map', 'x.json');
    expect([nowhere.code, nowhere.err]).toEqual([2, expect.stringContaining('--map names the digest of the written file')]);
    expect(readdirSync(folder).filter(name => name.startsWith('o'))).toEqual([]);
  });
  test('of a simplified model', () => {
    expect(omnix('simplify', 'm.onnx', '-o', 's.onnx', '--map', 's.json', '--no-check', '-q').code).toBe(0);
    expect(omnix('swap-weights', 's.onnx', '--map', 's.json', '--weights', 'm.onnx', '-o', 't.onnx', '-q').code).toBe(0);
    expect(omnix('diff', 's.onnx', 't.onnx').code).toBe(0);
  });
});
