// Files on disk, read by range. Writing them is in atomic-write.ts. Knows no format.
import { constants as bufferLimits } from 'node:buffer';
import { type BigIntStats, close, createReadStream, constants as fileFlags, fstatSync, open, read, readSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { MemorySource, type Source } from '../codec/source.ts';
import { fail } from '../errors.ts';
import { checkedPath, system, systemError } from './system-error.ts';

export { AtomicWrite, removeTemporaries, type WriteCalls, type WriteOptions, writeFileAtomic, writeFilesAtomic } from './atomic-write.ts';

const openFile = promisify(open);
const readFile = promisify(read);
const closeFile = promisify(close);

/** Most bytes that are read without leaving the main thread. */
const shortRead = 65536;

const largestCall = 2 ** 30;
/** Opening a pipe would wait for its writer. Systems without these flags have neither pipes nor links of this kind. */
const onlyRegular = fileFlags.O_RDONLY | (fileFlags.O_NOFOLLOW ?? 0) | (fileFlags.O_NONBLOCK ?? 0);
/** What is read from a pipe must fit into one array. */
const largestPipe = Math.min(bufferLimits.MAX_LENGTH, 2 ** 32);

/** Closes files whose source was dropped: models keep ranges of their file for as long as they live, and nobody closes a model. */
const dropped = new FinalizationRegistry<number>(descriptor => close(descriptor, () => {}));

/** An opened regular file, or the whole content of a pipe. */
export class FileSource implements Source {
  readonly name: string;
  readonly size: number;
  /** Set for a regular file. */
  readonly path?: string;
  /** Set for a pipe. */
  readonly bytes?: Uint8Array;
  /** Set for a regular file. */
  readonly names?: number;
  #descriptor: number | undefined;
  readonly #opened: BigIntStats | undefined;

  private constructor(path: string, content: { descriptor: number; opened: BigIntStats } | Uint8Array) {
    this.name = path;
    if (content instanceof Uint8Array) {
      this.bytes = content;
      this.size = content.length;
    } else {
      this.path = path;
      this.size = Number(content.opened.size);
      this.names = Number(content.opened.nlink);
      this.#opened = content.opened;
      this.#descriptor = content.descriptor;
      dropped.register(this, content.descriptor, this);
    }
  }

  /**
   * Open a file for reading; a pipe is read to its end, or refused with `regular`, which does not follow a link either. It closes with
   * `close`, or when nothing refers to it any more.
   * Errors: E5001 not found, E5002 permission, E5004 a folder, a device or another system error, E1009 a pipe beyond `limit` bytes.
   */
  static async open(path: string, options: { readonly limit?: number; readonly regular?: boolean } = {}): Promise<FileSource> {
    const { limit = largestPipe, regular = false } = options;
    checkedPath(path);
    // Opening a device can have effects, so its kind is looked at first; the opened file is looked at again, as it may be another.
    refuseKind(await system(path, 'opened', () => stat(path)), path);
    const descriptor = await system(path, 'opened', () => openFile(path, regular ? onlyRegular : 'r'));
    let kept = false;
    try {
      const opened = fstatSync(descriptor, { bigint: true });
      refuseKind(opened, path);
      kept = opened.isFile();
      if (regular && !kept) throw fail('E5004', `${path} is a pipe, expected a file`, { file: path });
      if (kept) return new FileSource(path, { descriptor, opened });
      // The stream closes it, after the last read: one that is still under way would take from whatever gets its number next.
      kept = true;
      return new FileSource(path, await collect(createReadStream(path, { fd: descriptor }), path, limit));
    } catch (cause) {
      throw systemError(cause, path, 'read');
    } finally {
      if (!kept) await closeFile(descriptor);
    }
  }

  /**
   * Exactly `length` bytes from `offset`. Errors: E1005 outside the file, E1009 more than fits into memory,
   * E5004 a system error, E5005 the file was changed since it was opened.
   */
  async read(offset: number, length: number): Promise<Uint8Array> {
    const file = this.name;
    if (offset < 0 || length < 0 || offset > this.size - length)
      throw fail('E1005', `bytes ${offset} to ${offset + length} lie outside the file of ${this.size} bytes`, { file, offset });
    if (this.bytes) return this.bytes.subarray(offset, offset + length);
    const descriptor = this.#descriptor;
    if (descriptor === undefined) throw fail('E9001', `${file} was closed before it was read`, { file });
    const bytes = allocate(length, file, offset);
    for (let at = 0; at < length; ) {
      const count = Math.min(largestCall, length - at);
      // A round trip through the thread pool costs more than a short read does.
      const { bytesRead } = await system(file, 'read', async () =>
        count <= shortRead
          ? { bytesRead: readSync(descriptor, bytes, at, count, offset + at) }
          : readFile(descriptor, bytes, at, count, offset + at),
      );
      if (bytesRead === 0)
        throw fail('E5005', `${file} became shorter while it was read: it ends at byte ${offset + at}`, { file, offset });
      at += bytesRead;
    }
    this.#refuseChange(descriptor);
    return bytes;
  }

  /** Close the file; closing twice is allowed. */
  async close(): Promise<void> {
    const descriptor = this.#descriptor;
    if (descriptor === undefined) return;
    this.#descriptor = undefined;
    dropped.unregister(this);
    await closeFile(descriptor);
  }

  #refuseChange(descriptor: number): void {
    const before = this.#opened!;
    const now = fstatSync(descriptor, { bigint: true });
    if (now.size !== before.size || now.mtimeNs !== before.mtimeNs)
      throw fail('E5005', `${this.name} was changed while it was read: ${before.size} bytes became ${now.size}`, { file: this.name });
  }
}

/** Standard input to its end. Errors: E1009 more than `limit` bytes, E5004 a system error. */
export async function readStdin(options: { readonly limit?: number } = {}): Promise<MemorySource> {
  const name = '<stdin>';
  try {
    return new MemorySource(await collect(process.stdin, name, options.limit ?? largestPipe), name);
  } catch (cause) {
    throw systemError(cause, name, 'read');
  }
}

async function collect(chunks: AsyncIterable<Uint8Array>, file: string, limit: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of chunks) {
    size += part.length;
    if (size > limit)
      throw fail('E1009', `${file} gave more than ${limit} bytes; save it as a file first`, {
        file,
        limit: { name: 'pipe.bytes', value: limit },
      });
    parts.push(part);
  }
  const whole = allocate(size, file, 0);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function refuseKind(kind: Pick<BigIntStats, 'isDirectory' | 'isFile' | 'isFIFO'>, file: string): void {
  if (kind.isDirectory()) throw fail('E5004', `${file} is a folder, expected a file`, { file });
  if (!kind.isFile() && !kind.isFIFO()) throw fail('E5004', `${file} is a device or a socket, expected a file or a pipe`, { file });
}

function allocate(length: number, file: string, offset: number): Uint8Array {
  try {
    // Not from Node's pool, and not zeroed: every byte is filled before it is seen.
    return Buffer.allocUnsafeSlow(length);
  } catch (cause) {
    throw fail('E1009', `${length} bytes of ${file} do not fit into one array`, { file, offset }, { cause });
  }
}
