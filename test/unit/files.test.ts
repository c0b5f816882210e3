import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { rename } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { build } from 'esbuild';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ModelError } from '../../src/errors.ts';
import { AtomicWrite, FileSource, removeTemporaries, type WriteCalls, writeFileAtomic, writeFilesAtomic } from '../../src/node/files.ts';

const root = mkdtempSync(join(realpathSync(tmpdir()), 'omnix-files-'));
const posix = process.platform !== 'win32';
let folder: string;
let bundle: string;
let counter = 0;

beforeAll(async () => {
  // Children run the code as JavaScript.
  bundle = join(root, 'files.mjs');
  await build({
    entryPoints: [join(import.meta.dirname, '../../src/node/files.ts')],
    outfile: bundle,
    bundle: true,
    format: 'esm',
    platform: 'node',
    logLevel: 'error',
  });
});
beforeEach(() => {
  folder = join(root, String(counter++));
  mkdirSync(folder);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const at = (name: string): string => join(folder, name);
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const left = (): string[] => readdirSync(folder).filter(name => name.startsWith('.omnix-'));

async function failure(action: Promise<unknown>): Promise<ModelError> {
  const error = await action.then(
    () => new Error('nothing failed'),
    error => error,
  );
  if (!(error instanceof ModelError)) throw error;
  return error;
}

describe('FileSource', () => {
  it('reads ranges', async () => {
    writeFileSync(at('f'), 'hello world');
    const source = await FileSource.open(at('f'));
    expect(source).toMatchObject({ name: at('f'), path: at('f'), size: 11 });
    expect(Buffer.from(await source.read(6, 5)).toString()).toBe('world');
    expect((await source.read(11, 0)).length).toBe(0);
    expect((await failure(source.read(7, 5))).code).toBe('E1005');
    await source.close();
    await source.close();
    expect((await failure(source.read(0, 1))).code).toBe('E9001');
  });

  it('names what it cannot open', async () => {
    expect((await failure(FileSource.open(at('none')))).code).toBe('E5001');
    writeFileSync(at('f'), '');
    expect((await failure(FileSource.open(at('f/below')))).code).toBe('E5001');
    expect((await failure(FileSource.open(folder))).message).toContain('is a folder');
    expect((await failure(FileSource.open('a\0b'))).code).toBe('E4001');
    if (posix) expect((await failure(FileSource.open('/dev/zero'))).code).toBe('E5004');
    if (posix && process.getuid?.() !== 0) {
      chmodSync(at('f'), 0);
      expect((await failure(FileSource.open(at('f')))).code).toBe('E5002');
    }
  });

  it('notices that the file was cut, or written, while it is read', async () => {
    writeFileSync(at('f'), 'x'.repeat(100));
    const source = await FileSource.open(at('f'));
    await source.read(0, 100);
    truncateSync(at('f'), 50);
    expect((await failure(source.read(40, 20))).code).toBe('E5005');
    expect((await failure(source.read(0, 10))).code).toBe('E5005');
    await source.close();
    const again = await FileSource.open(at('f'));
    writeFileSync(at('f'), 'y'.repeat(50));
    utimesSync(at('f'), 1, 1);
    expect((await failure(again.read(0, 10))).code).toBe('E5005');
    await again.close();
  });

  it.runIf(posix)('reads a pipe to its end, up to a limit', async () => {
    for (const limit of [5, 4]) {
      const pipe = at(`pipe${limit}`);
      execFileSync('mkfifo', [pipe]);
      const opening = FileSource.open(pipe, { limit });
      const writer = spawn('sh', ['-c', 'printf hello > "$0"', pipe]);
      if (limit === 4) expect((await failure(opening)).code).toBe('E1009');
      else {
        const source = await opening;
        expect(source.path).toBe(undefined);
        expect(Buffer.from(await source.read(1, 3)).toString()).toBe('ell');
      }
      writer.kill();
    }
  });

  it.runIf(posix)('reads standard input', () => {
    const script = `const { readStdin } = await import(process.argv[1]); console.log((await readStdin({ limit: 5 }).catch(e => e.code)).size)`;
    const run = (input: string): string =>
      execFileSync(process.execPath, ['--input-type=module', '-e', script, bundle], { input }).toString().trim();
    expect(run('hello')).toBe('5');
    expect(run('')).toBe('0');
    expect(run('hello!')).toBe('undefined');
  });
});

describe('writeFileAtomic', () => {
  it('writes all chunks and gives their size', async () => {
    expect(await writeFileAtomic(at('f'), [bytes('hello '), bytes(''), bytes('world')])).toBe(11);
    expect(readFileSync(at('f'), 'utf8')).toBe('hello world');
    expect(readdirSync(folder)).toEqual(['f']);
  });

  it('refuses to overwrite unless it is told to, and then keeps the mode', async () => {
    writeFileSync(at('f'), 'old');
    chmodSync(at('f'), 0o640);
    const error = await failure(writeFileAtomic(at('f'), [bytes('new')]));
    expect(error).toMatchObject({ code: 'E4002', message: `${at('f')} exists` });
    expect(readFileSync(at('f'), 'utf8')).toBe('old');
    await writeFileAtomic(at('f'), [bytes('new')], { overwrite: true });
    expect(readFileSync(at('f'), 'utf8')).toBe('new');
    if (posix) expect(statSync(at('f')).mode & 0o777).toBe(0o640);
    expect(left()).toEqual([]);
  });

  it('refuses a file that appears while it writes', async () => {
    const write = await AtomicWrite.create(at('f'));
    await write.write(bytes('mine'));
    writeFileSync(at('f'), 'theirs');
    expect((await failure(write.commit())).code).toBe('E4002');
    expect(readFileSync(at('f'), 'utf8')).toBe('theirs');
    expect(left()).toEqual([]);
  });

  it.runIf(posix)('follows a symbolic link and leaves it one', async () => {
    mkdirSync(at('real'));
    writeFileSync(at('real/f'), 'old');
    symlinkSync(at('real/f'), at('link'));
    await writeFileAtomic(at('link'), [bytes('new')], { overwrite: true });
    expect(readFileSync(at('real/f'), 'utf8')).toBe('new');
    expect(realpathSync(at('link'))).toBe(at('real/f'));
  });

  it('replaces the name, not the content that another name shares', async () => {
    writeFileSync(at('f'), 'old');
    linkSync(at('f'), at('other'));
    await writeFileAtomic(at('f'), [bytes('new')], { overwrite: true });
    expect(readFileSync(at('other'), 'utf8')).toBe('old');
  });

  it.runIf(posix)('writes to a device directly', async () => {
    expect(await writeFileAtomic('/dev/null', [bytes('hello')])).toBe(5);
  });

  it('names what it cannot write', async () => {
    expect((await failure(writeFileAtomic(at('none/f'), []))).code).toBe('E5001');
    expect((await failure(writeFileAtomic(folder, [], { overwrite: true }))).message).toContain('is a folder');
    expect((await failure(writeFileAtomic(at('x'.repeat(300)), []))).code).toBe('E5004');
    if (posix && process.getuid?.() !== 0) {
      chmodSync(folder, 0o500);
      expect((await failure(writeFileAtomic(at('f'), []))).code).toBe('E5002');
      chmodSync(folder, 0o700);
    }
  });

  it.each(['x'.repeat(250), 'ü'.repeat(120), 'with\nnewline', '.hidden', '-'])('writes the name %j', async name => {
    await writeFileAtomic(at(name), [bytes('new')]);
    expect(readdirSync(folder)).toEqual([name]);
  });

  it('leaves the old file when the content cannot be made', async () => {
    writeFileSync(at('f'), 'old');
    const chunks = function* (): Generator<Uint8Array> {
      yield bytes('some');
      throw new Error('no more');
    };
    await expect(writeFileAtomic(at('f'), chunks(), { overwrite: true })).rejects.toThrow('no more');
    expect(readFileSync(at('f'), 'utf8')).toBe('old');
    expect(left()).toEqual([]);
  });

  it.runIf(posix)('deletes at once what a process left that is gone', async () => {
    const { pid } = spawnSync('true');
    const other = spawn('sleep', ['60']);
    const write = await AtomicWrite.create(at('f'));
    const own = left()[0]!;
    const [gone, running, elsewhere] = [pid, other.pid!, pid].map((owner, i) =>
      own.replace(`-${process.pid}-`, `-${owner}-`).replace(/\.[0-9a-f]{8}-/, old => (i === 2 ? '.00000000-' : old)),
    );
    for (const name of [gone!, running!, elsewhere!]) writeFileSync(at(name), '');
    await writeFileAtomic(at('f'), []);
    expect(left().sort()).toEqual([own, running!, elsewhere!].sort());
    await write.abort();
    other.kill();
  });

  it('deletes its temporary files older than an hour, and no others', async () => {
    const names = [
      '.omnix-f.0123456789ab.tmp',
      '.omnix-f.ba9876543210.tmp',
      '.omnix-g.0123456789ab.tmp',
      '.omnix-f.txt.0123456789ab.tmp',
      '.omnix-f.x.tmp',
    ];
    for (const name of names) {
      writeFileSync(at(name), '');
      if (name !== names[1]) utimesSync(at(name), Date.now() / 1000 - 4000, Date.now() / 1000 - 4000);
    }
    await writeFileAtomic(at('f'), []);
    expect(left().sort()).toEqual(names.slice(1).sort());
  });

  it('lets a signal handler remove what is half written', async () => {
    const write = await AtomicWrite.create(at('f'));
    await write.write(bytes('half'));
    expect(left().length).toBe(1);
    removeTemporaries();
    expect(readdirSync(folder)).toEqual([]);
    await write.abort();
  });

  it('writes two outputs of one name so that one wins whole', async () => {
    const contents = ['a', 'b'].map(letter => bytes(letter.repeat(100_000)));
    await Promise.all(contents.map(content => writeFileAtomic(at('f'), [content], { overwrite: true })));
    expect(contents.map(content => Buffer.compare(content, readFileSync(at('f'))))).toContain(0);
    expect(left()).toEqual([]);
  });
});

const failing = (code: string): Error => Object.assign(new Error(`${code}: injected`), { code });

/** Calls of which the n-th, counted over all kinds, fails; writes take at most seven bytes at once. */
function faulty(n: number, code: string): { calls: WriteCalls; count: () => number } {
  let count = 0;
  const step = (): void => {
    if (++count === n) throw failing(code);
  };
  const calls: WriteCalls = {
    rename: async (from, to) => {
      step();
      await rename(from, to);
    },
    write: async (handle, chunk) => {
      step();
      return (await handle.write(chunk, 0, Math.min(7, chunk.length))).bytesWritten;
    },
    sync: async handle => {
      step();
      await handle.sync();
    },
  };
  return { calls, count: () => count };
}

describe('a failing disk', () => {
  const content = [bytes('0123456789'), bytes('x'.repeat(30)), bytes('end')];

  it.each(['ENOSPC', 'EDQUOT', 'EFBIG', 'EIO'])('leaves the old file and no temporary one after %s at any call', async code => {
    const { calls: sound, count } = faulty(0, code);
    expect(await writeFileAtomic(at('sound'), content, { overwrite: true, calls: sound })).toBe(43);
    expect(readFileSync(at('sound'), 'utf8')).toBe(`0123456789${'x'.repeat(30)}end`);
    for (let n = 1; n <= count(); n++) {
      writeFileSync(at('f'), 'old');
      const error = await failure(writeFileAtomic(at('f'), content, { overwrite: true, calls: faulty(n, code).calls }));
      expect(error.code).toBe(code === 'EIO' ? 'E5004' : 'E5003');
      expect(error.message).toContain(at('f'));
      if (code !== 'EIO') expect(error.message).toMatch(/after \d+ bytes/);
      expect(readFileSync(at('f'), 'utf8')).toBe('old');
      expect(left()).toEqual([]);
      rmSync(at('f'));
      // Without leave to replace, the last step is a link, which no call stands for.
      if (n < count()) await failure(writeFileAtomic(at('f'), content, { calls: faulty(n, code).calls }));
      expect(existsSync(at('f'))).toBe(false);
    }
  });

  it('tries again after an interruption', async () => {
    for (let n = 1; n < 9; n++) await writeFileAtomic(at('f'), content, { overwrite: true, calls: faulty(n, 'EINTR').calls });
    expect(readFileSync(at('f')).length).toBe(43);
  });

  it('ends when nothing is written any more', async () => {
    const calls = { write: async () => 0 };
    expect((await failure(writeFileAtomic(at('f'), content, { calls }))).message).toMatch(/after 0 bytes, at least 10 more are needed/);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('survives a rename that fails', async () => {
    writeFileSync(at('f'), 'old');
    const calls = { rename: async () => Promise.reject(failing('EIO')) };
    expect((await failure(writeFileAtomic(at('f'), content, { overwrite: true, calls }))).code).toBe('E5004');
    expect(readFileSync(at('f'), 'utf8')).toBe('old');
    expect(left()).toEqual([]);
  });

  it.runIf(posix)('meets the file size limit of the system', () => {
    writeFileSync(at('f'), 'old');
    const script = `
      const { writeFileAtomic } = await import(process.argv[1]);
      const chunk = new Uint8Array(1 << 20);
      try { await writeFileAtomic(process.argv[2], [chunk, chunk, chunk], { overwrite: true }); }
      catch (error) { console.log(error.code, error.message); }`;
    const command = `ulimit -f 1024 && exec "$0" --input-type=module -e "$1" "$2" "$3"`;
    const output = execFileSync('bash', ['-c', command, process.execPath, script, bundle, at('f')]).toString();
    expect(output).toMatch(/^E5003 .*file size limit is reached after \d+ bytes, at least \d+ more/);
    expect(output).toContain(at('f'));
    expect(readFileSync(at('f'), 'utf8')).toBe('old');
    expect(left()).toEqual([]);
  });
});

describe('writeFilesAtomic', () => {
  it.each(['ENOSPC', 'EDQUOT', 'EFBIG', 'EIO'])('leaves the old pair and nothing else after %s at any call', async code => {
    const files = [
      { path: at('data-2'), chunks: [bytes('new weights'), bytes('and more')] },
      { path: at('model'), chunks: [bytes('data-2')] },
    ];
    const { calls: sound, count } = faulty(0, code);
    await writeFilesAtomic(files, { overwrite: true, calls: sound });
    // Two files, each written in parts, flushed twice and put in place.
    expect(count()).toBe(2 + 2 + 1 + 2 * 3);
    rmSync(at('data-2'));
    for (let n = 1; n <= count(); n++) {
      writeFileSync(at('data-1'), 'old weights');
      writeFileSync(at('model'), 'data-1');
      const error = await failure(writeFilesAtomic(files, { overwrite: true, calls: faulty(n, code).calls }));
      expect(error.code).toBe(code === 'EIO' ? 'E5004' : 'E5003');
      expect(readdirSync(folder).sort()).toEqual(['data-1', 'model']);
      expect(readFileSync(at('data-1'), 'utf8') + readFileSync(at('model'), 'utf8')).toBe('old weightsdata-1');
    }
  });

  it('puts nothing in place before everything is written', async () => {
    writeFileSync(at('model'), 'old');
    const chunks = async function* (): AsyncGenerator<Uint8Array> {
      expect(existsSync(at('data'))).toBe(false);
      yield bytes('model');
    };
    const files = [
      { path: at('data'), chunks: [bytes('weights')] },
      { path: at('model'), chunks: chunks() },
    ];
    expect((await failure(writeFilesAtomic(files))).code).toBe('E4002');
    expect(readdirSync(folder)).toEqual(['model']);
    files[1] = { path: at('model'), chunks: chunks() };
    expect(await writeFilesAtomic(files, { overwrite: true })).toEqual([7, 5]);
    expect(readFileSync(at('data'), 'utf8') + readFileSync(at('model'), 'utf8')).toBe('weightsmodel');
  });

  it('takes back the data when the model cannot be put in place', async () => {
    writeFileSync(at('model'), 'old');
    for (const fails of ['data', 'model']) {
      const calls: Partial<WriteCalls> = {
        rename: async (from, to) => {
          if (to.endsWith(fails)) throw failing('EIO');
          writeFileSync(to, readFileSync(from));
          rmSync(from);
        },
      };
      const files = ['data', 'model'].map(name => ({ path: at(name), chunks: [bytes('new')] }));
      expect((await failure(writeFilesAtomic(files, { overwrite: true, calls }))).code).toBe('E5004');
      expect(readdirSync(folder)).toEqual(['model']);
      expect(readFileSync(at('model'), 'utf8')).toBe('old');
    }
  });
});

describe.runIf(posix)('a killed process', () => {
  it('leaves the old or the new content, and consistent pairs', async () => {
    // Generation g is a data file of its own name and a model that names it; both are made of one byte.
    const script = `
      const { writeFilesAtomic } = await import(process.argv[1]);
      const { rmSync } = await import('node:fs');
      const folder = process.argv[2];
      for (let g = 1; ; g++) {
        const name = 'data-' + process.argv[3] + '-' + g;
        const chunk = new Uint8Array(1 << 18).fill(g);
        const model = new TextEncoder().encode(name + ' ' + g);
        await writeFilesAtomic(
          [{ path: folder + '/' + name, chunks: [chunk, chunk, chunk] }, { path: folder + '/model', chunks: [model.subarray(0, 4), model.subarray(4)] }],
          { overwrite: true });
        if (g > 1) rmSync(folder + '/data-' + process.argv[3] + '-' + (g - 1));
        console.log(g);
      }`;
    let generations = 0;
    for (let run = 0; run < 20; run++) {
      const child = spawn(process.execPath, ['--input-type=module', '-e', script, bundle, folder, String(run)]);
      let output = '';
      child.stdout.on('data', chunk => (output += chunk));
      const ended = new Promise(resolve => child.on('exit', resolve));
      while (!output) await sleep(5);
      await sleep(Math.random() * 40);
      child.kill('SIGKILL');
      await ended;
      generations += output.trim().split('\n').length;
      const [name, value] = readFileSync(at('model'), 'utf8').split(' ');
      const data = readFileSync(at(name!));
      expect(data.length).toBe(3 << 18);
      expect(data.every(byte => byte === (Number(value) & 255))).toBe(true);
    }
    expect(generations).toBeGreaterThan(20);
  });
});
