// Collects a text as bytes, piece by piece, so that no piece has to be joined to one string as long as the whole.
import { fail } from '../errors.ts';
import type { Encoded } from './protobuf-write.ts';
import { longestText } from './text-cursor.ts';
import { encodeUtf8 } from './utf8.ts';

/** How many UTF-16 units are collected before they are encoded. */
const step = 65536;

/** Errors: E2002 a text longer than any that is read back, E1110 lone surrogates. */
export class TextSink {
  readonly #chunks: Uint8Array[] = [];
  #pieces: string[] = [];
  #waiting = 0;
  #length = 0;

  write(...pieces: readonly string[]): void {
    for (const piece of pieces) {
      this.#pieces.push(piece);
      this.#waiting += piece.length;
    }
    if (this.#waiting >= step) this.#flush();
  }

  #flush(): void {
    const chunk = encodeUtf8(this.#pieces.join(''));
    this.#pieces = [];
    this.#waiting = 0;
    this.#length += chunk.length;
    if (this.#length > longestText)
      throw fail('E2002', `the text would be longer than ${longestText} bytes, which is the most that is read back`);
    this.#chunks.push(chunk);
  }

  finish(): Encoded {
    this.#flush();
    return { length: this.#length, chunks: this.#chunks };
  }
}
