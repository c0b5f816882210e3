// Small pieces of a source in any order, read page by page: a file is looked at here and there without being in memory.
import type { Source } from './source.ts';

const pageSize = 16384;
/** The most pages held; the oldest makes room. */
const mostPages = 1024;

export interface Pages {
  /** The bytes, where they are in memory. */
  at(offset: number, length: number): DataView | undefined;
  /** The bytes, read where they are not. The range must lie in the source. */
  load(offset: number, length: number): Promise<DataView>;
}

export const pagesOf = (source: Source): Pages => (source.bytes ? new Whole(source.bytes) : new PagedSource(source));

const viewOf = (bytes: Uint8Array, offset: number, length: number): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset + offset, length);

class Whole implements Pages {
  readonly #bytes: Uint8Array;
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }
  at(offset: number, length: number): DataView {
    return viewOf(this.#bytes, offset, length);
  }
  async load(offset: number, length: number): Promise<DataView> {
    return this.at(offset, length);
  }
}

class PagedSource implements Pages {
  readonly #source: Source;
  readonly #pages = new Map<number, Uint8Array>();

  constructor(source: Source) {
    this.#source = source;
  }

  at(offset: number, length: number): DataView | undefined {
    const start = offset - (offset % pageSize);
    const page = this.#pages.get(start);
    return page && offset - start + length <= page.length ? viewOf(page, offset - start, length) : undefined;
  }

  async load(offset: number, length: number): Promise<DataView> {
    const start = offset - (offset % pageSize);
    if (offset - start + length > pageSize) return viewOf(await this.#source.read(offset, length), 0, length);
    const page = await this.#source.read(start, Math.min(pageSize, this.#source.size - start));
    if (this.#pages.size >= mostPages) this.#pages.delete(this.#pages.keys().next().value!);
    this.#pages.set(start, page);
    return viewOf(page, offset - start, length);
  }
}
