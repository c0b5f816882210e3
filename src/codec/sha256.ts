// SHA-256 of what comes in parts, which the platform's own does not take. Digests are texts of hexadecimal digits.
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';

export class Sha256 {
  readonly #sum = sha256.create();

  update(bytes: Uint8Array): this {
    this.#sum.update(bytes);
    return this;
  }

  digest(): string {
    return bytesToHex(this.#sum.digest());
  }
}

export async function sha256Of(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<string> {
  const sum = new Sha256();
  for await (const chunk of chunks) sum.update(chunk);
  return sum.digest();
}
