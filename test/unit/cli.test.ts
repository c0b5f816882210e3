// The command line as a process: what it prints where, how it ends, what it leaves on the disk. Needs the build in dist.
import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { symbol } from '../../src/ir/dims.ts';
import { tensorType } from '../../src/ir/types.ts';
import { Graph, Model, newBuilder, save, saveArrays, Tensor, Value } from '../../src/node/index.ts';
import { newestOpset } from '../../src/ops/schema.ts';
import { commandLine, main } from './cli-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'omnix-cli-'));
const at = (name: string): string => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const { omnix, shell, json } = commandLine(folder);

/** y = relu(x + w) with x float32[batch,3]. */
function tinyModel({ input = 'x', output = 'y', weights = [1, -2, 3] } = {}): Model {
  const x = new Value(input, tensorType('float32', [symbol('batch'), 3]));
  const w = new Value('w', undefined, { tensor: new Tensor('float32', weights.slice(0, 3), [3]), parameter: true });
  const b = newBuilder();
  const y = b.Relu(b.Add(x, w));
  const graph = new Graph('tiny', { inputs: [x], outputs: [{ name: output, value: y }], nodes: b.nodes, initializers: [w] });
  return new Model(graph, { irVersion: 10, opsets: new Map([['', newestOpset('')!]]), producer: { name: 'test', version: '1' } });
}

/** A model of a few megabytes, so that writing it takes a while. */
function largeModel(): Model {
  const size = 1 << 20;
  const x = new Value('x', tensorType('float32', [size]));
  const w = new Value('w', undefined, { tensor: new Tensor('float32', new Float32Array(size).fill(0.5), [size]), parameter: true });
  const b = newBuilder();
  const y = b.Add(x, w);
  return new Model(new Graph('large', { inputs: [x], outputs: [{ name: 'y', value: y }], nodes: b.nodes, initializers: [w] }), {
    irVersion: 10,
    opsets: new Map([['', newestOpset('')!]]),
  });
}

const x = new Tensor('float32', [1, 2, 3, -4, 5, -6], [2, 3]);
const y = new Tensor('float32', [2, 0, 6, 0, 3, 0], [2, 3]);

beforeAll(async () => {
  await save(tinyModel(), at('tiny.onnx'));
  await save(largeModel(), at('large.onnx'));
  await saveArrays(at('in.npz'), { x });
  await saveArrays(at('x.npy'), { x });
  await saveArrays(at('out.npz'), { y });
  await saveArrays(at('wrong.npz'), { y: new Tensor('float32', [2, 0, 6, 0, 3.5, 0], [2, 3]) });
  writeFileSync(at('empty.onnx'), '');
  writeFileSync(at('page.onnx'), '<!DOCTYPE html><html><body>404</body></html>');
  writeFileSync(at('lfs.onnx'), 'version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 12345\n');
  writeFileSync(at('zip.onnx'), Buffer.concat([Buffer.from('PK\x05\x06'), Buffer.alloc(18)]));
  writeFileSync(at('random.onnx'), Buffer.from(Array.from({ length: 400 }, (_, i) => (i * 151 + 255) & 255)));
  writeFileSync(at('short.onnx'), readFileSync(at('tiny.onnx')).subarray(0, -20));
  mkdirSync(at('folder.onnx'));
});

describe('help and version', () => {
  test('--version prints the version of the package', () => {
    expect(omnix('--version')).toMatchObject({ code: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
  });
  test.each([
    'convert',
    'info',
    'check',
    'run',
    'compare',
    'diff',
    'extract',
    'merge',
    'rename',
    'set-shape',
    'infer',
    'inline',
    'check-data',
    'doctor',
  ])('%s --help begins with examples', command => {
    const { code, out } = omnix(command, '--help');
    expect(code).toBe(0);
    expect(out.startsWith(`Examples:\n  omnix ${command}`)).toBe(true);
    expect(out).toContain('--json');
  });
  test('without a command the help is an error', () => {
    expect(omnix()).toMatchObject({ code: 2, out: '', err: expect.stringContaining('Usage: omnix') });
  });
});

describe('convert', () => {
  test('writes a model, says what, and verifies it on references', () => {
    const { code, out, err } = omnix('convert', 'tiny.onnx', '-o', 'a.onnx', '--verify', 'in.npz', 'out.npz');
    expect(code).toBe(0);
    expect(out).toBe('');
    for (const words of ['✓ read', '✓ write', 'wrote a.onnx', 'IR version', '✓ verify', 'reference outputs']) expect(err).toContain(words);
    expect(existsSync(at('a.onnx'))).toBe(true);
  });
  test('verifies against the source graph on inputs, or on random ones, and says so', () => {
    expect(omnix('convert', 'tiny.onnx', '-o', 'b1.onnx', '--verify', 'in.npz').err).toContain('in.npz, against the source graph');
    expect(omnix('convert', '--verify', 'tiny.onnx', '-o', 'b2.onnx').err).toContain('seeded random inputs, against the source graph');
  });
  test('finds arrays beside the model', () => {
    mkdirSync(at('case'));
    for (const [from, to] of [
      ['tiny.onnx', 'm.onnx'],
      ['in.npz', 'inputs.npz'],
      ['out.npz', 'outputs.npz'],
    ] as const)
      copyFileSync(at(from), at(`case/${to}`));
    expect(omnix('convert', 'case/m.onnx', '-o', 'case/n.onnx', '--verify')).toMatchObject({
      code: 0,
      err: expect.stringContaining('inputs.npz found beside'),
    });
  });
  test('a failed verification keeps the output and answers no', () => {
    const { code, err } = omnix('convert', 'tiny.onnx', '-o', 'c.onnx', '--verify', 'in.npz', 'wrong.npz');
    expect(code).toBe(1);
    expect(err).toContain('c.onnx is kept');
    expect(existsSync(at('c.onnx'))).toBe(true);
    const result = json('convert', 'tiny.onnx', '-o', 'c2.onnx', '--verify', 'in.npz', 'wrong.npz');
    expect(result.results).toMatchObject({ verification: { ok: false, outputs: [{ name: 'y', ok: false, maxAbs: 0.5 }] } });
  });
  test('shapes of inputs can be given, sizes open or not', () => {
    expect(omnix('convert', 'tiny.onnx', '-o', 'd.onnx', '--input-shape', 'x:[4,3]').code).toBe(0);
    expect(omnix('info', 'd.onnx').out).toMatch(/in +x +float32\[4,3\]/);
    expect(omnix('convert', 'tiny.onnx', '-o', 'd2.onnx', '--input-shape', 'x:rows,3').code).toBe(0);
    expect(omnix('info', 'd2.onnx').out).toContain('float32[rows,3]');
    expect(omnix('convert', 'tiny.onnx', '-o', 'd3.onnx', '--input-shape', 'nope:4,3')).toMatchObject({
      code: 2,
      err: expect.stringContaining('E3001'),
    });
    for (const bad of ['x', 'x:', 'x:1,,3', 'x:-1,3', 'x:[1,3', ':1,3'])
      expect(omnix('convert', 'tiny.onnx', '-o', 'd3.onnx', '--input-shape', bad).code).toBe(2);
  });
  test('element types of inputs can be given, and are those of the model', () => {
    expect(omnix('convert', 'tiny.onnx', '-o', 'd4.onnx', '--input-shape', 'x:float32[4,3]').code).toBe(0);
    for (const [shape, message] of [
      ['x:int64[4,3]', 'the input x is float32, --input-shape says int64'],
      ['y:int64', 'the model has no input y'],
    ] as const) {
      const { code, err } = omnix('convert', 'tiny.onnx', '-o', 'd5.onnx', '--input-shape', shape);
      expect(code).toBe(2);
      expect(err).toContain(message);
    }
  });
  test('the plan of a model is printed', () => {
    const { code, out } = omnix('plan', 'tiny.onnx');
    expect(code).toBe(0);
    expect(out).toMatch(/^0 {2}\w+ .*-> #\d/m);
    expect(json('plan', 'tiny.onnx').results).toMatchObject({ steps: [{ kind: expect.any(String) }], arenaBytes: 0 });
  });
  test('a model is timed', () => {
    const { results } = json('bench', 'tiny.onnx', '--backend', 'reference', '--seconds', '0', '--warm-up', '1', '--input-shape', 'x:2,3');
    expect(results).toMatchObject({ rows: [{ name: 'reference', runs: 1 }], inputs: [{ name: 'x', dims: [2, 3] }] });
    expect(omnix('bench', 'tiny.onnx', '--backend', 'reference', '--vs', 'tvm').code).toBe(2);
  });
  test('a model is profiled', () => {
    const { results } = json('profile', 'tiny.onnx', '--backend', 'reference', '--runs', '2', '--warm-up', '0', '--trace', 'trace.json');
    expect(results).toMatchObject({ steps: [{ kind: expect.any(String), count: 1 }] });
    const { traceEvents } = JSON.parse(readFileSync(at('trace.json'), 'utf8'));
    expect(traceEvents[0]).toMatchObject({ ph: 'X', ts: 0, dur: expect.any(Number) });
    expect(omnix('profile', 'tiny.onnx', '--backend', 'reference', '--trace', 'trace.json').code).toBe(2);
  });
  test('values of inputs are for programs that take them', () => {
    expect(omnix('convert', 'tiny.onnx', '-o', 'v.onnx', '--input-value', 'k=3')).toMatchObject({
      code: 2,
      err: expect.stringContaining('inputs of a model of ONNX take no values'),
    });
    for (const bad of ['k', '=3']) expect(omnix('convert', 'tiny.onnx', '-o', 'v.onnx', '--input-value', bad).code).toBe(2);
  });
  test('reads standard input and writes standard output', () => {
    const { code } = shell('"$NODE" "$MAIN" convert - -o - --to onnx < tiny.onnx > piped.onnx');
    expect(code).toBe(0);
    expect(omnix('check', 'piped.onnx').code).toBe(0);
    expect(omnix('convert', 'tiny.onnx', '-o', '-')).toMatchObject({ code: 2, out: '' });
  });
  test('refuses an existing output before any work', () => {
    const before = readFileSync(at('a.onnx'));
    const { code, err } = omnix('convert', 'missing.onnx', '-o', 'a.onnx');
    expect(code).toBe(2);
    expect(err).toContain('E4002');
    expect(readFileSync(at('a.onnx'))).toEqual(before);
    expect(omnix('convert', 'tiny.onnx', '-o', 'a.onnx', '--overwrite').code).toBe(0);
    expect(omnix('convert', 'a.onnx', '-o', 'a.onnx', '--overwrite', '--verify').code).toBe(0);
  });
});

describe('info', () => {
  test('shows one model on a screen', () => {
    const { code, out } = omnix('info', 'tiny.onnx');
    expect(code).toBe(0);
    for (const words of ['tiny.onnx', 'ONNX IR', 'ai.onnx', 'test 1', 'float32[batch,3]', '3 parameters', '2 nodes', 'Add 1', 'Relu 1'])
      expect(out).toContain(words);
  });
  test('shows several side by side', () => {
    expect(omnix('info', 'tiny.onnx', 'large.onnx').out).toMatch(/tiny\.onnx +large\.onnx/);
  });
  test('gives the same as JSON', () => {
    expect(json('info', 'tiny.onnx').results).toMatchObject({
      models: [
        {
          parameters: 3,
          weightBytes: 12,
          inputs: [{ name: 'x', type: 'float32[batch,3]' }],
          operators: [
            { name: 'Add', count: 1 },
            { name: 'Relu', count: 1 },
          ],
        },
      ],
    });
  });
  test('a closed pipe ends it quietly', () => {
    const { code, err } = shell('set -o pipefail; "$NODE" "$MAIN" info tiny.onnx --ops | head -1');
    expect([code, err]).toEqual([0, '']);
    expect(shell('"$NODE" "$MAIN" convert large.onnx -o - --to onnx -q | head -c 1 > /dev/null').err).toBe('');
  });
  test('colours only where asked to when not on a terminal', () => {
    expect(omnix('info', 'tiny.onnx').out).not.toContain('\x1b[');
    expect(shell('"$NODE" "$MAIN" info tiny.onnx', { FORCE_COLOR: '1' }).out).toContain('\x1b[');
    expect(shell('"$NODE" "$MAIN" info tiny.onnx --no-color', { FORCE_COLOR: '1' }).out).not.toContain('\x1b[');
  });
});

describe('check', () => {
  test('a valid model', () => {
    expect(omnix('check', 'tiny.onnx')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^0 errors, 0 warnings in .* — a valid model\n$/),
    });
    expect(json('check', 'tiny.onnx').results).toMatchObject({ valid: true, errors: 0 });
  });
  test('an operator that does not exist is named with its place', () => {
    const bytes = readFileSync(at('tiny.onnx'));
    bytes.write('Relx', bytes.indexOf('Relu'));
    writeFileSync(at('bad.onnx'), bytes);
    const { code, out } = omnix('check', 'bad.onnx');
    expect(code).toBe(1);
    expect(out).toMatch(/^bad\.onnx: error E1301 unknown-operator: .*\n {4}at .*graph\.node\[1\]/);
    expect(out).toMatch(/1 error, 0 warnings in .* — not a valid model\n$/);
    expect(json('check', 'bad.onnx').findings).toMatchObject([{ code: 'E1301' }]);
  });
  test('warnings count with --strict', () => {
    copyFileSync(at('tiny.onnx'), at('tiny.pt2'));
    expect(omnix('check', 'tiny.pt2')).toMatchObject({ code: 0, out: expect.stringContaining('warning E1014') });
    expect(omnix('check', 'tiny.pt2', '--strict').code).toBe(1);
  });
  test('several models are judged each by itself, and one that is none does not hide the others', () => {
    const bytes = readFileSync(at('tiny.onnx'));
    bytes.write('Relx', bytes.indexOf('Relu'));
    writeFileSync(at('bad.onnx'), bytes);
    const { code, out } = omnix('check', 'bad.onnx', 'tiny.onnx');
    expect(code).toBe(1);
    expect(out).toContain(
      'bad.onnx: 1 error, 0 warnings  — not a valid model\ntiny.onnx: 0 errors, 0 warnings  — a valid model\n2 files, 1 not valid:',
    );
    const all = json('check', 'missing.onnx', 'bad.onnx', 'tiny.onnx');
    expect(all.code).toBe(5);
    expect(all.results).toMatchObject({ valid: false, errors: 2, files: [{ valid: false }, { valid: false }, { valid: true }] });
  });
  test('--fix writes what it can repair, and ends as a check of the result does', () => {
    const whole = readFileSync(at('tiny.onnx'));
    writeFileSync(at('tail.onnx'), Buffer.concat([whole, Buffer.from([0xff, 0xff])]));
    const fixed = omnix('check', 'tail.onnx', '--fix', '-o', 'fixed.onnx');
    expect(fixed).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^tail\.onnx: repaired E1007 trailing-bytes: 2 bytes .*\n0 errors/),
    });
    expect(readFileSync(at('fixed.onnx')).equals(whole)).toBe(true);
    expect(omnix('check', 'tail.onnx', '--fix', '-o', 'fixed.onnx').err).toContain('E4002');
    const odd = Buffer.from(whole);
    odd.write('Relx', odd.indexOf('Relu'));
    writeFileSync(at('tail.onnx'), Buffer.concat([odd, Buffer.from([0xff, 0xff])]));
    const left = json('check', 'tail.onnx', '--fix', '-o', 'left.onnx');
    expect(left).toMatchObject({ code: 1, findings: [{ code: 'E1301', file: 'left.onnx' }], results: { repairs: [{ code: 'E1007' }] } });
    expect(omnix('check', 'short.onnx', '--fix', '-o', 'never.onnx')).toMatchObject({
      code: 3,
      err: expect.stringContaining('beyond repair'),
    });
    expect(existsSync(at('never.onnx'))).toBe(false);
    expect(omnix('check', 'tiny.onnx', '--fix').err).toContain('E4001');
  });
  test('--format sarif prints a log and ends as the text does', () => {
    const { code, out } = omnix('check', 'missing.onnx', 'tiny.onnx', '--format', 'sarif');
    expect(code).toBe(5);
    expect(JSON.parse(out)).toMatchObject({
      version: '2.1.0',
      runs: [
        {
          invocations: [{ exitCode: 5 }],
          results: [{ ruleId: 'E5001', level: 'error' }],
          artifacts: [{}, { location: { uri: 'tiny.onnx' } }],
        },
      ],
    });
    expect(omnix('check', 'tiny.onnx', '--format', 'sarif', '--json').code).toBe(2);
    expect(omnix('check', 'tiny.onnx', '--format', 'xml').err).toContain('E4001');
  });
});

describe('files that are no models', () => {
  test.each([
    ['empty.onnx', 3, 'E1001'],
    ['page.onnx', 3, 'E1004'],
    ['lfs.onnx', 3, 'E1003'],
    ['zip.onnx', 3, 'E1002'],
    ['random.onnx', 3, 'E10'],
    ['short.onnx', 3, 'E1005'],
    ['missing.onnx', 5, 'E5001'],
    ['folder.onnx', 5, 'E5004'],
  ])('%s ends with %i and %s, whatever the command', (name, code, finding) => {
    for (const args of [
      ['info', name],
      ['check', name],
      ['convert', name, '-o', 'never.onnx'],
      ['run', name, '--inputs', 'in.npz'],
    ]) {
      const ended = omnix(...args);
      expect([args[0], ended.code]).toEqual([args[0], code]);
      const { out, err } = ended;
      expect(out + err).toContain(`${name}: error ${finding}`);
      expect(out + err).not.toMatch(/ at .*\.js:\d+/);
      expect(json(...args).findings[0]?.code.startsWith(finding)).toBe(true);
    }
    expect(existsSync(at('never.onnx'))).toBe(false);
  });
});

describe('run', () => {
  test('writes arrays and shows a table', () => {
    const { code, out, err } = omnix('run', 'tiny.onnx', '--inputs', 'in.npz', '-o', 'made.npz');
    expect([code, out]).toEqual([0, '']);
    expect(err).toMatch(/y +float32 +\[2,3\] +0 +6 +1\.833 +0/);
    expect(omnix('compare', 'tiny.onnx', '--inputs', 'in.npz', '--expect', 'made.npz').code).toBe(0);
    expect(omnix('run', 'tiny.onnx', '--inputs', 'in.npz', '-o', 'made.npz').code).toBe(2);
  });
  test('pairs by order and says so', () => {
    expect(omnix('run', 'tiny.onnx', '--inputs', 'x.npy')).toMatchObject({ code: 0, err: expect.stringContaining('array as x') });
  });
  test('inputs that do not fit are usage errors', () => {
    expect(omnix('run', 'large.onnx', '--inputs', 'in.npz')).toMatchObject({ code: 2, err: expect.stringContaining('E3003') });
  });
  test('a backend must exist', () => {
    expect(omnix('run', 'tiny.onnx', '--inputs', 'in.npz', '--backend', 'referense')).toMatchObject({
      code: 2,
      err: expect.stringContaining('did you mean reference?'),
    });
  });
  test('the cpu backend computes the same', () => {
    const { code } = shell('"$NODE" "$MAIN" compare tiny.onnx --inputs in.npz --expect out.npz --backend cpu');
    expect(code).toBe(0);
  });
  test('an addon that cannot be used is a line, and the reference backend computes', () => {
    /** The header of an addon for another processor, a half of one, and bytes of something else. */
    const header = Buffer.alloc(64);
    header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
    const half = Buffer.from(header);
    half.writeUInt16LE(process.arch === 'arm64' ? 183 : 62, 18);
    half.writeBigUInt64LE(10_000n, 40);
    header.writeUInt16LE(process.arch === 'arm64' ? 62 : 183, 18);
    for (const [name, bytes, reason] of [
      ['absent.node', undefined, 'is not there'],
      ['other.node', header, 'is for another processor than'],
      ['half.node', half, 'is not whole'],
      ['text.node', Buffer.alloc(100, 'no addon\n'), 'is not an addon for this system'],
    ] as const) {
      if (bytes) writeFileSync(at(name), bytes);
      const { code, err } = shell('"$NODE" "$MAIN" compare tiny.onnx --inputs in.npz --expect out.npz --backend cpu', {
        OMNIX_ADDON: at(name),
      });
      const lines = err.split('\n').filter(line => line.includes('backend'));
      expect([name, code, lines.length]).toEqual([name, 0, 1]);
      if (process.platform === 'linux') expect(lines[0]).toContain(`${name} ${reason}`);
    }
  });
});

describe('compare', () => {
  test('within tolerance', () => {
    const { code, out } = omnix('compare', 'tiny.onnx', '--inputs', 'in.npz', '--expect', 'out.npz');
    expect(code).toBe(0);
    expect(out).toMatch(/^output +dtype +shape +max abs.*\ny +float32 +\[2,3\].* ok\n$/);
  });
  test('out of tolerance shows the worst element and what would pass', () => {
    const { code, out } = omnix('compare', 'tiny.onnx', '--inputs', 'in.npz', '--expect', 'wrong.npz', '--rtol', '0');
    expect(code).toBe(1);
    expect(out).toContain('FAIL (rtol 0, atol 0.00001)');
    expect(out).toContain('worst at [1,1]: 3 vs 3.5 expected');
    expect(out).toContain('atol≥5.0e-1');
    expect(omnix('compare', 'tiny.onnx', '--inputs', 'in.npz', '--expect', 'wrong.npz', '--atol', '0.5').code).toBe(0);
    expect(json('compare', 'tiny.onnx', '--inputs', 'in.npz', '--expect', 'wrong.npz').results).toMatchObject({
      outputs: [{ ok: false, maxAbs: 0.5 }],
    });
  });
});

test('doctor names versions, the processor and every backend', () => {
  const { code, out } = omnix('doctor');
  expect(code).toBe(0);
  for (const words of ['omnix', process.versions.node, 'backend reference', 'backend cpu']) expect(out).toContain(words);
  expect(json('doctor').results).toMatchObject({
    versions: { node: process.versions.node },
    backends: [{ name: 'reference', available: true }, { name: 'cpu' }, { name: 'webgpu' }],
  });
});

test('--limit bounds what is read, and the error names the limit', async () => {
  await save(tinyModel(), at('limited.onnx'));
  const { code, findings } = json('check', 'limited.onnx', '--limit', 'depth=2', '--limit', 'nodes=9');
  expect(code).toBe(7);
  expect(findings).toMatchObject([{ code: 'E1008', limit: { name: 'depth', value: 2 } }]);
  expect(omnix('info', 'limited.onnx', '--limit', 'depth=200').code).toBe(0);
});

describe('usage errors', () => {
  test.each([
    [['conver'], 'Did you mean convert?'],
    [['info', 'tiny.onnx', '--opps'], 'Did you mean --ops?'],
    [['info'], 'models'],
    [['inline', 'tiny.onnx', 'more', '-o', 'never.onnx'], 'too many arguments'],
    [['check', 'tiny.onnx', '--limit', 'depht=200'], 'One of depth'],
    [['convert', 'tiny.onnx', '-o', 'q.onnx', '--opset', 'x'], 'whole number'],
    [['convert', 'tiny.onnx', '-o', 'q.onnx', '--to', 'onx'], 'did you mean onnx?'],
    [['convert', 'tiny.onnx', '-o', 'q.onnx', '--target', 'ort-2'], 'known are ort-1.12'],
    [['convert', 'tiny.onnx', '-o', 'q.onnx', '--target', 'ort-1.14', '--opset', '19'], 'newer than 18'],
    [['convert', 'tiny.onnx', '-o', 'q.what'], 'tells no format'],
    [['compare', 'tiny.onnx', '--inputs', 'in.npz', '--expect', 'out.npz', '--rtol', '-1'], 'at least 0'],
  ])('%j', (args, words) => {
    const { code, err } = omnix(...args);
    expect(code).toBe(2);
    expect(err).toContain('E4001');
    expect(err).toContain(words);
    expect(json(...args).findings[0]?.code).toBe('E4001');
  });
});

describe('hostile names', () => {
  const evil = 'a\x1b[2J\u202e\x07b';
  test('reach a terminal escaped, and JSON in full', async () => {
    await save(tinyModel({ input: evil, output: '__proto__' }), at('evil.onnx'));
    for (const args of [
      ['info', 'evil.onnx'],
      ['run', 'evil.onnx', '--inputs', 'in.npz'],
      ['run', 'evil.onnx', '--inputs', 'empty.onnx'],
    ]) {
      const { out, err } = omnix(...args);
      expect(out + err).not.toMatch(/[\x00-\x09\x0b-\x1f\u202e]/);
    }
    expect(omnix('info', 'evil.onnx').out).toContain('a\\x1b[2J\\u202e\\x07b');
    expect(json('info', 'evil.onnx').results).toMatchObject({ models: [{ inputs: [{ name: evil }], outputs: [{ name: '__proto__' }] }] });
    expect(omnix('run', 'evil.onnx', '--inputs', 'in.npz', '-o', 'evil.npz')).toMatchObject({
      code: 0,
      err: expect.stringContaining('__proto__'),
    });
    expect(omnix('info', '\x1b[2Jmissing').err).not.toContain('\x1b');
  });
});

describe('the disk', () => {
  test('when it is full the old file stays and nothing else is left', () => {
    writeFileSync(at('old.onnx'), 'old');
    const { code, err } = shell('ulimit -f 1; "$NODE" "$MAIN" convert large.onnx -o old.onnx --overwrite');
    expect([code, err]).toEqual([5, expect.stringContaining('E5003')]);
    expect(readFileSync(at('old.onnx'), 'utf8')).toBe('old');
    expect(readdirSync(folder).filter(name => name.startsWith('.omnix'))).toEqual([]);
  });
  test('a process that is killed while it writes leaves the old file or the whole new one', async () => {
    const whole = shell('"$NODE" "$MAIN" convert large.onnx -o whole.onnx -q');
    expect(whole.code).toBe(0);
    const wanted = readFileSync(at('whole.onnx'));
    for (let delay = 80; delay <= 400; delay += 40) {
      writeFileSync(at('victim.onnx'), 'old');
      const child = spawn(process.execPath, [main, 'convert', 'large.onnx', '-o', 'victim.onnx', '--overwrite', '-q'], { cwd: folder });
      const ended = new Promise(resolve => child.on('exit', resolve));
      setTimeout(() => child.kill('SIGKILL'), delay);
      await ended;
      const left = readFileSync(at('victim.onnx'));
      expect(left.equals(wanted) || left.toString() === 'old').toBe(true);
    }
    for (const name of readdirSync(folder).filter(n => n.startsWith('.omnix'))) rmSync(at(name));
  });
  test.each(['SIGINT', 'SIGTERM'] as const)('%s removes temporary files', async signal => {
    for (let delay = 100; delay <= 350; delay += 50) {
      rmSync(at('stopped.onnx'), { force: true });
      const child = spawn(process.execPath, [main, 'convert', 'large.onnx', '-o', 'stopped.onnx', '-q'], { cwd: folder });
      const ended = new Promise<readonly [number | null, NodeJS.Signals | null]>(resolve => child.on('exit', (...how) => resolve(how)));
      setTimeout(() => child.kill(signal), delay);
      const [code, by] = await ended;
      // Outside of writing the system's own way to end applies, which a shell shows as the same number.
      expect(by === signal || code === 0 || code === (signal === 'SIGINT' ? 130 : 143)).toBe(true);
      expect(readdirSync(folder).filter(name => name.startsWith('.omnix'))).toEqual([]);
    }
  });
});
