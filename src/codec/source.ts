// Where bytes come from: a file, a Blob or memory, read by range. Knows no format.
import { fail } from '../errors.ts';

/** Random-access bytes. `read` never returns fewer bytes than asked; reading past the end is an error of the caller. */
export interface Source {
  /** What errors call it: a path, or `<stdin>`. */
  readonly name: string;
  readonly size: number;
  /** The whole content, where it is in memory. */
  readonly bytes?: Uint8Array;
  /** How many names the file has on its disk, where that is known. */
  readonly names?: number;
  /** The path of the file, where there is one, so that native code can read or map it by itself. */
  readonly path?: string;
  read(offset: number, length: number): Promise<Uint8Array>;
}

export class MemorySource implements Source {
  readonly name: string;
  readonly bytes: Uint8Array;
  constructor(bytes: Uint8Array, name = '<memory>') {
    this.name = name;
    this.bytes = bytes;
  }
  get size(): number {
    return this.bytes.length;
  }
  async read(offset: number, length: number): Promise<Uint8Array> {
    return this.bytes.subarray(offset, offset + length);
  }
}

export class BlobSource implements Source {
  readonly name: string;
  readonly blob: Blob;
  constructor(blob: Blob, name = '<blob>') {
    this.blob = blob;
    this.name = name;
  }
  get size(): number {
    return this.blob.size;
  }
  async read(offset: number, length: number): Promise<Uint8Array> {
    return new Uint8Array(await this.blob.slice(offset, offset + length).arrayBuffer());
  }
}

/** A range of a source, not read yet. */
export class ByteRange {
  readonly source: Source;
  readonly offset: number;
  readonly length: number;
  constructor(source: Source, offset: number, length: number) {
    if (offset < 0 || length < 0 || offset > source.size - length)
      throw fail('E1005', `bytes ${offset} to ${offset + length} lie outside the file of ${source.size} bytes`, {
        file: source.name,
        offset,
      });
    this.source = source;
    this.offset = offset;
    this.length = length;
  }
  read(offset = 0, length = this.length - offset): Promise<Uint8Array> {
    return this.source.read(this.offset + offset, length);
  }
}

/** A range of a source as a source of its own, for files inside files. */
export class PartSource implements Source {
  readonly name: string;
  readonly range: ByteRange;
  constructor(range: ByteRange, name: string) {
    this.range = range;
    this.name = name;
  }
  get size(): number {
    return this.range.length;
  }
  read(offset: number, length: number): Promise<Uint8Array> {
    return this.range.read(offset, length);
  }
}

/** Sources one behind the other as one. */
export class JoinedSource implements Source {
  readonly name: string;
  readonly size: number;
  readonly #parts: readonly { readonly source: Source; readonly start: number }[];

  constructor(sources: readonly Source[], name: string) {
    let end = 0;
    this.#parts = sources.map(source => {
      const start = end;
      end += source.size;
      return { source, start };
    });
    this.name = name;
    this.size = end;
  }

  /** A range, of the source that it lies in where that is one. */
  range(offset: number, length: number): ByteRange {
    const [only, ...more] = this.#within(offset, length);
    return only && more.length === 0 ? only : new ByteRange(this, offset, length);
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const ranges = this.#within(offset, length);
    if (ranges.length === 1) return ranges[0]!.read();
    const bytes = new Uint8Array(length);
    let to = 0;
    for (const range of ranges) {
      bytes.set(await range.read(), to);
      to += range.length;
    }
    return bytes;
  }

  #within(offset: number, length: number): ByteRange[] {
    return this.#parts.flatMap(({ source, start }) => {
      const [from, to] = [Math.max(offset, start), Math.min(offset + length, start + source.size)];
      return from < to ? [new ByteRange(source, from - start, to - from)] : [];
    });
  }
}
