// Programs in the layouts of older PyTorch, saved by those versions themselves (test/fixtures/exported/make.py), run beside PyTorch's
// numbers; and what broken ones get.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { MemorySource } from '../../src/codec/source.ts';
import { openZip } from '../../src/codec/zip.ts';
import { writeZip } from '../../src/codec/zip-write.ts';
import { ModelError } from '../../src/errors.ts';
import { flatProgram } from '../../src/formats/torch/marks.ts';
import { parseExpression } from '../../src/formats/torch/sizes.ts';
import { formatDim } from '../../src/ir/dims.ts';
import { bytesOfFile, load, loadArrays, read, Session, Tensor, write } from '../../src/node/index.ts';

const folder = fileURLToPath(new URL('../fixtures/exported/', import.meta.url));
const files = readdirSync(folder).filter(name => name.endsWith('.pt2'));

/** PyTorch 2.1 renamed parameters and buffers, in the state dict too. */
const nameIn = (file: string, name: string): string => (file.startsWith('torch-2.1.') ? `L__self___${name}` : name);

describe('programs saved by', () => {
  test('at least four versions are here', () => expect(files.length).toBeGreaterThanOrEqual(4));
  describe.each(files)('%s', file => {
    test('compute what PyTorch computed, for both batch sizes', async () => {
      const numbers = await loadArrays(join(folder, 'numbers.npz'));
      const session = await Session.create(await load(join(folder, file)));
      const outputs = session.outputNames.filter(name => !name.endsWith('.updated'));
      expect(outputs).toHaveLength(3);
      for (const i of [0, 1]) {
        const results = await session.run({ [session.inputNames[0]!]: numbers[`x${i}`]! });
        for (const [j, name] of outputs.entries()) {
          const [got, want] = [results[name]!, numbers[`y${i}${j}`]!];
          expect(got.dims).toEqual(want.dims);
          (want.data as Float32Array).forEach((y, k) => void expect((got.data as Float32Array)[k]).toBeCloseTo(y, 5));
        }
      }
    });
    test('keep the names of their weights, one for tied ones', async () => {
      const { graph } = await load(join(folder, file));
      const names = new Set(graph.nodes.flatMap(node => node.inputs.filter(v => v?.parameter).map(v => v!.name)));
      expect(names).toContain(nameIn(file, 'first.bias'));
      const tied = ['first.weight', 'second.weight'].map(name => nameIn(file, name));
      expect([...names].filter(name => tied.includes(name!))).toHaveLength(1);
    });
    test('write their buffer as one more output', async () => {
      const session = await Session.create(await load(join(folder, file)));
      const x = new Tensor('float32', new Float32Array(12), [2, 6]);
      const steps = nameIn(file, 'steps');
      const results = await session.run({ [session.inputNames[0]!]: x, [steps]: new Tensor('float32', Float32Array.of(41), [1]) });
      expect([...(results[`${steps}.updated`]!.data as Float32Array)]).toEqual([42]);
    });
    test('keep what their buffer begins with when they are written', async () => {
      const { files: written } = await write(await load(join(folder, file)), { name: 'm.onnx' });
      const parts: Uint8Array[] = [];
      for await (const part of bytesOfFile(written[0]!)) parts.push(part);
      const session = await Session.create(Buffer.concat(parts));
      const results = await session.run({ [session.inputNames[0]!]: new Tensor('float32', new Float32Array(12), [2, 6]) });
      expect(session.inputNames).toHaveLength(1);
      expect([...(results[`${nameIn(file, 'steps')}.updated`]!.data as Float32Array)]).toEqual([1]);
    });
  });
});

test('an archive of today whose weights are pickles is read too', async () => {
  const { entries } = await openZip(new MemorySource(readFileSync(join(folder, 'torch-2.7.1.pt2'))));
  const bytes = (name: string): Promise<Uint8Array> => entries.get(name)!.bytes();
  const files: [string, Uint8Array][] = [
    ['archive_format', Buffer.from('pt2')],
    ['models/model.json', await bytes(flatProgram)],
    ['data/weights/model.pt', await bytes('serialized_state_dict.pt')],
    ['data/constants/model.pt', await bytes('serialized_constants.pt')],
  ];
  const parts: Uint8Array[] = [];
  for await (const part of writeZip(files.map(([name, data]) => ({ name: `model/${name}`, data })))) parts.push(part.slice());
  const numbers = await loadArrays(join(folder, 'numbers.npz'));
  const session = await Session.create(await load(new MemorySource(Buffer.concat(parts), 'model.pt2')));
  const results = await session.run({ x: numbers['x0']! });
  const want = numbers['y00']!.data as Float32Array;
  want.forEach((y, k) => void expect((results[session.outputNames[0]!]!.data as Float32Array)[k]).toBeCloseTo(y, 5));
});

describe('broken flat archives', () => {
  const bytes = readFileSync(join(folder, files.at(-1)!));
  type Entries = Map<string, Uint8Array>;
  async function errorOf(edit: (entries: Entries) => Promise<void> | void): Promise<string> {
    const entries: Entries = new Map();
    for (const [name, entry] of (await openZip(new MemorySource(bytes))).entries) entries.set(name, await entry.bytes());
    await edit(entries);
    const error = await read(new MemorySource(await packed(entries), 'old.pt2')).then(
      () => new Error('it was read'),
      e => e,
    );
    if (!(error instanceof ModelError)) throw error;
    expect(error.findings[0]!.file).toMatch(/^old\.pt2/);
    return `${error.code} ${error.message}`;
  }
  async function packed(entries: Entries): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    for await (const part of writeZip([...entries].map(([name, data]) => ({ name, data })))) parts.push(part.slice());
    return Buffer.concat(parts);
  }
  const states = 'serialized_state_dict.pt';
  /** The archive inside the archive, changed. */
  const inState = (edit: (entries: Entries) => void) => async (outer: Entries) => {
    const inner: Entries = new Map();
    for (const [name, entry] of (await openZip(new MemorySource(outer.get(states)!))).entries) inner.set(name, await entry.bytes());
    edit(inner);
    outer.set(states, await packed(inner));
  };
  const pickle = (edit: (text: string) => string) =>
    inState(
      entries =>
        void entries.set('archive/data.pkl', Buffer.from(edit(Buffer.from(entries.get('archive/data.pkl')!).toString('latin1')), 'latin1')),
    );

  test.each<[string, (entries: Entries) => Promise<void> | void, RegExp]>([
    ['no weights', e => void e.delete(states), /^E1013 the archive has no weights for \S+ \(and \d+ more\)$/],
    ['weights that are no archive', e => void e.set(states, new Uint8Array(40)), /^E100[56] /],
    ['an archive without a pickle', inState(e => void e.delete('archive/data.pkl')), /^E1013 the archive has no data\.pkl$/],
    ['a storage that is missing', inState(e => void e.delete('archive/data/1')), /^E1013 the record data\/1 is missing$/],
    [
      'a storage that is short',
      inState(e => void e.set('archive/data/1', new Uint8Array(100))),
      /^E1203 storage 1: 36 elements of float32 are 144 bytes, the record has 100$/,
    ],
    [
      'another byte order',
      inState(e => void e.set('archive/byteorder', Buffer.from('big'))),
      /^E2002 byteorder: expected little, found "big"$/,
    ],
    [
      'a pickle that calls something else',
      pickle(text => text.replace('ctorch._utils\n_rebuild_tensor_v2\n', 'cposix\nsystem\n')),
      /^E1015 the pickle calls posix\.system at offset \d+; only tensors and containers are read$/,
    ],
    [
      'a storage of a type that does not exist',
      pickle(text => text.replace('ctorch\nFloatStorage\n', 'ctorch\nNobodyStorage\n')),
      /^E2002 storages of torch\.NobodyStorage have no conversion$/,
    ],
    ['bytes behind the pickle', pickle(text => `${text}N.`), /^E1007 2 bytes follow the pickle$/],
    [
      'a reference that is no storage',
      pickle(text => text.replace('storage', 'storagf')),
      /^E1006 the pickle has a reference that is no storage$/,
    ],
    ['a program that is no JSON', e => void e.set(flatProgram, Buffer.from('{')), /^E1005 /],
  ])('%s', async (_, edit, message) => expect(await errorOf(edit)).toMatch(message));
});

describe('size expressions as people read them', () => {
  test.each([
    ['s0', 's0'],
    ['2*s0', '2*s0'],
    ['s0 - 1', 's0-1'],
    ['-s0 + 4', '-s0+4'],
    ['s0**2', 's0*s0'],
    ['2*(s0 + 1)', '2*s0+2'],
    ['((s0 - 1)//2) + 1', 'floordiv(s0-1,2)+1'],
    ['Mod(s0, 3)', 'mod(s0,3)'],
    ['Max(1, s0)', 'max(s0,1)'],
    ['s0/2', '?'],
    ['1.5*s0', '?1*s0'],
    ['floor(s0/2)', '?'],
  ])('%s', (text, dim) => expect(formatDim(parseExpression(text))).toBe(dim));
  test.each(['s0 +', '(s0', '2 s0', '* s0', 's0)'])('%j is malformed', text => {
    expect(() => parseExpression(text)).toThrow(ModelError);
  });
  test.each(['-'.repeat(1e5), '('.repeat(1e5), `${'2**'.repeat(1e5)}2`])('deep nesting is an error, not a crash', text => {
    expect(() => parseExpression(text)).toThrow(/nested deeper/);
  });
});
