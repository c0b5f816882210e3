// Writing files so that a path holds either its old content or the whole new one. Knows no format.
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, openSync, readlinkSync, rmSync } from 'node:fs';
import { access, constants, type FileHandle, link, lstat, open, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fail, type ModelError } from '../errors.ts';
import { checkedPath, errorCode, system, systemError, writeError } from './system-error.ts';

const largestCall = 2 ** 30;

/** The system calls of a write; tests replace them to make the disk fail. */
export interface WriteCalls {
  /** Write some of the chunk and give the number of bytes written. */
  write(handle: FileHandle, chunk: Uint8Array): Promise<number>;
  sync(handle: FileHandle): Promise<void>;
  rename(from: string, to: string): Promise<void>;
}

export interface WriteOptions {
  /** Replace an existing file. */
  readonly overwrite?: boolean | undefined;
  readonly calls?: Partial<WriteCalls> | undefined;
}

const systemCalls: WriteCalls = {
  write: async (handle, chunk) => (await handle.write(chunk, 0, Math.min(chunk.length, largestCall))).bytesWritten,
  sync: handle => handle.sync(),
  rename,
};

/**
 * Temporary files of writes that are under way. The process has one set of them, because a signal handler must find them all.
 */
const temporaries = new Set<string>();

/** Delete the temporary files of all writes under way, for a handler of SIGINT or SIGTERM that then ends the process. */
export function removeTemporaries(): void {
  for (const path of temporaries) rmSync(path, { force: true });
  temporaries.clear();
}

/**
 * A file that appears whole or not at all: it is written beside its path under another name, flushed to the disk and renamed.
 * Each must end with `commit` or `abort`. Devices and pipes, which cannot be replaced, are written directly.
 */
export class AtomicWrite {
  /** What errors call the target. */
  readonly path: string;
  /** True when the target did not exist as the write began. */
  readonly fresh: boolean;
  /** Bytes written so far. */
  written = 0;
  readonly #target: string;
  readonly #temporary: string | undefined;
  readonly #handle: FileHandle;
  readonly #overwrite: boolean;
  readonly #calls: WriteCalls;
  #open = true;

  private constructor(path: string, place: Place, handle: FileHandle, temporary: string | undefined, options: WriteOptions) {
    this.path = path;
    this.fresh = place.existing === undefined;
    this.#target = place.target;
    this.#temporary = temporary;
    this.#handle = handle;
    this.#overwrite = options.overwrite === true;
    this.#calls = { ...systemCalls, ...options.calls };
  }

  /**
   * Begin to write `path`, following a symbolic link. Temporary files of it are deleted where their process is gone, and where they are
   * an hour old.
   * Errors: E4002 the file exists and `overwrite` is not set, E5001 no such folder, E5002 permission, E5003 disk full, E5004 other.
   */
  static async create(path: string, options: WriteOptions = {}): Promise<AtomicWrite> {
    const place = await resolveTarget(path, options.overwrite === true);
    if (place.direct) return new AtomicWrite(path, place, await system(path, 'written', () => open(place.target, 'w')), undefined, options);
    const folder = dirname(place.target);
    const prefix = temporaryPrefix(place.target);
    await removeStale(folder, prefix);
    const temporary = join(folder, `${prefix}${machine()}-${process.pid}-${randomBytes(6).toString('hex')}.tmp`);
    ignoreSizeSignal();
    const handle = await system(path, 'written', () => openTemporary(temporary));
    const write = new AtomicWrite(path, place, handle, temporary, options);
    const { existing } = place;
    if (existing) await write.#guard(() => handle.chmod(existing.mode & 0o7777));
    return write;
  }

  /** Append all of `chunk`. On an error the temporary file is gone. Errors: E5003 disk full or size limit, E5004 other. */
  async write(chunk: Uint8Array): Promise<void> {
    this.#refuseEnded();
    for (let at = 0; at < chunk.length; ) {
      const rest = chunk.subarray(at);
      const count = await this.#guard(() => this.#calls.write(this.#handle, rest), rest.length);
      if (count === 0)
        await this.#guard(() => Promise.reject(Object.assign(new Error('nothing was written'), { code: 'ENOSPC' })), rest.length);
      at += count;
      this.written += count;
    }
  }

  /** Put the file in place. Errors: as `write`, and E4002 when the target came to exist meanwhile and may not be replaced. */
  async commit(): Promise<void> {
    await this.flush();
    await this.#guard(() => this.#handle.close());
    const temporary = this.#temporary;
    if (temporary !== undefined) {
      await this.#guard(() => this.#putInPlace(temporary));
      temporaries.delete(temporary);
      await syncFolder(dirname(this.#target));
    }
    this.#open = false;
  }

  /** Bring what was written to the disk, so that `commit` has little left that can fail. Errors: as `write`. */
  async flush(): Promise<void> {
    this.#refuseEnded();
    if (this.#temporary !== undefined) await this.#guard(() => this.#calls.sync(this.#handle));
  }

  /** Give up: delete the temporary file and leave the target as it is. Does nothing after `commit`. */
  async abort(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#handle.close().catch(() => {});
    if (this.#temporary === undefined) return;
    await rm(this.#temporary, { force: true }).catch(() => {});
    temporaries.delete(this.#temporary);
  }

  async #putInPlace(temporary: string): Promise<void> {
    if (!this.#overwrite) {
      // Only a link refuses to replace a file that came to exist meanwhile; some file systems have none.
      try {
        await link(temporary, this.#target);
        await rm(temporary, { force: true });
        return;
      } catch (cause) {
        if (errorCode(cause) === 'EEXIST') throw existsError(this.path);
        if (await exists(this.#target)) throw existsError(this.path);
      }
    }
    await this.#calls.rename(temporary, this.#target);
  }

  #refuseEnded(): void {
    if (!this.#open) throw fail('E9001', `the write of ${this.path} has ended`, { file: this.path });
  }

  async #guard<T>(call: () => Promise<T>, needed = 0): Promise<T> {
    for (;;) {
      try {
        return await call();
      } catch (cause) {
        if (errorCode(cause) === 'EINTR') continue;
        await this.abort();
        throw writeError(cause, this.path, this.written, needed);
      }
    }
  }
}

/**
 * Write one file whole or not at all and give its size in bytes. What `chunks` throws is thrown again.
 * Errors: as `AtomicWrite`.
 */
export async function writeFileAtomic(
  path: string,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: WriteOptions = {},
): Promise<number> {
  const write = await AtomicWrite.create(path, options);
  try {
    for await (const chunk of chunks) await write.write(chunk);
    await write.commit();
    return write.written;
  } finally {
    await write.abort();
  }
}

/**
 * Write files that belong together, such as the external data of a model and then the model. All bytes are on the disk before the
 * first file is put in place, and the last one is put in place last; when that fails, the ones that are new are deleted again.
 * The set changes as one if every file but the last has a path that did not exist. Gives the sizes in bytes.
 * Errors: as `AtomicWrite`.
 */
export async function writeFilesAtomic(
  files: Iterable<{ readonly path: string; readonly chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array> }>,
  options: WriteOptions = {},
): Promise<number[]> {
  const writes: AtomicWrite[] = [];
  const committed: AtomicWrite[] = [];
  try {
    for (const { path, chunks } of files) {
      const write = await AtomicWrite.create(path, options);
      writes.push(write);
      for await (const chunk of chunks) await write.write(chunk);
      await write.flush();
    }
    for (const write of writes) {
      await write.commit();
      committed.push(write);
    }
    return writes.map(write => write.written);
  } catch (error) {
    for (const write of committed) if (write.fresh) await rm(write.path, { force: true }).catch(() => {});
    throw error;
  } finally {
    for (const write of writes) await write.abort();
  }
}

/**
 * The new file, known to the handler of signals from the moment that it is there: it is made in one go with that, and what opens it after
 * that does not make it again.
 */
async function openTemporary(path: string): Promise<FileHandle> {
  closeSync(openSync(path, 'wx'));
  temporaries.add(path);
  try {
    return await open(path, 'r+');
  } catch (cause) {
    rmSync(path, { force: true });
    temporaries.delete(path);
    throw cause;
  }
}

interface Place {
  readonly target: string;
  readonly existing: { readonly mode: number } | undefined;
  readonly direct: boolean;
}

async function resolveTarget(path: string, overwrite: boolean): Promise<Place> {
  const missing = (cause: unknown): undefined => {
    if (errorCode(cause) === 'ENOENT') return undefined;
    throw systemError(cause, path, 'written');
  };
  checkedPath(path);
  const entry = await lstat(path).catch(missing);
  if (!entry) {
    const folder = dirname(path);
    if (!(await exists(folder))) throw fail('E5001', `the folder ${folder} of ${path} does not exist`, { file: path });
    return { target: path, existing: undefined, direct: false };
  }
  const existing = await stat(path).catch(missing);
  if (existing?.isDirectory()) throw fail('E5004', `${path} is a folder, expected a file`, { file: path });
  if (existing && !existing.isFile()) return { target: path, existing, direct: true };
  if (!overwrite) throw existsError(path);
  // A link to nothing is itself what gets replaced.
  if (!existing) return { target: path, existing: undefined, direct: false };
  // A rename would replace even a file that its owner made read-only.
  await system(path, 'written', () => access(path, constants.W_OK));
  return { target: await system(path, 'written', () => realpath(path)), existing, direct: false };
}

/** Long names are shortened, as a temporary name must fit into the 255 bytes of most file systems. */
function temporaryPrefix(target: string): string {
  const name = basename(target);
  const short = Buffer.byteLength(name) <= 180 ? name : createHash('sha256').update(name).digest('hex').slice(0, 16);
  return `.omnix-${short}.`;
}

const longestWrite = 3_600_000;

/** Delete what earlier writes left: of processes that are gone at once, of others, which may run on another machine, after an hour. */
async function removeStale(folder: string, prefix: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names) {
    const made = name.startsWith(prefix) ? /^(?:([0-9a-f]{8})-(\d+)-)?[0-9a-f]{12}\.tmp$/.exec(name.slice(prefix.length)) : null;
    const path = join(folder, name);
    if (!made || temporaries.has(path)) continue;
    const age = await stat(path).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => 0,
    );
    const isOrphan = made[1] === machine() && !isRunning(Number(made[2]));
    if (isOrphan || age > longestWrite) await rm(path, { force: true }).catch(() => {});
  }
}

/** Where process numbers are ours: the machine, and on Linux the namespace, which containers have of their own. */
function machine(): string {
  let namespace = '';
  try {
    namespace = readlinkSync('/proc/self/ns/pid');
  } catch {
    // Other systems have one for all processes.
  }
  return createHash('sha256').update(`${hostname()} ${namespace}`).digest('hex').slice(0, 8);
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    return errorCode(cause) !== 'ESRCH';
  }
}

let sizeSignalIgnored = false;

/** Without a listener a write beyond the file size limit ends the process before it can clean up; with one the write gives EFBIG. */
function ignoreSizeSignal(): void {
  if (sizeSignalIgnored || process.platform === 'win32') return;
  sizeSignalIgnored = true;
  process.on('SIGXFSZ', () => {});
}

/** A rename is only certain to survive a power loss once the folder is flushed; systems that cannot flush folders need no care. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined);
  await handle?.sync().catch(() => {});
  await handle?.close().catch(() => {});
}

const exists = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );

const existsError = (path: string): ModelError => fail('E4002', `${path} exists`, { file: path });
