// SHA-256 of bytes that come in parts, which the platform's own digest does not take.
// Source: FIPS 180-4.

const primes = (count: number): number[] => {
  const found: number[] = [];
  for (let n = 2; found.length < count; n++) if (found.every(p => n % p !== 0)) found.push(n);
  return found;
};
/** The first 32 bits after the point. */
const fraction = (x: number): number => Math.floor((x - Math.floor(x)) * 2 ** 32);
const initial = primes(8).map(p => fraction(Math.sqrt(p)));
const constants = Uint32Array.from(primes(64), p => fraction(Math.cbrt(p)));

/** The same bits as signed integers, in which all of this is computed. */
const signed = new Int32Array(constants.buffer);

const blockSize = 64;

/** Takes bytes, and gives the digest of all of them in hexadecimal. */
export class Sha256 {
  readonly #state = Int32Array.from(initial, x => x | 0);
  readonly #words = new Int32Array(64);
  readonly #rest = new Uint8Array(blockSize);
  #filled = 0;
  #length = 0;

  update(bytes: Uint8Array): this {
    this.#length += bytes.length;
    let at = 0;
    if (this.#filled > 0) {
      at = Math.min(blockSize - this.#filled, bytes.length);
      this.#rest.set(bytes.subarray(0, at), this.#filled);
      this.#filled += at;
      if (this.#filled < blockSize) return this;
      this.#block(new DataView(this.#rest.buffer), 0);
      this.#filled = 0;
    }
    const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (; at + blockSize <= bytes.length; at += blockSize) this.#block(v, at);
    this.#rest.set(bytes.subarray(at));
    this.#filled = bytes.length - at;
    return this;
  }

  /** The digest; nothing is taken after it. */
  digest(): string {
    const bits = BigInt(this.#length) * 8n;
    const padding = new Uint8Array((this.#filled < 56 ? 56 : 120) - this.#filled + 8);
    padding[0] = 0x80;
    new DataView(padding.buffer).setBigUint64(padding.length - 8, bits);
    this.update(padding);
    return Array.from(this.#state, x => (x >>> 0).toString(16).padStart(8, '0')).join('');
  }

  #block(v: DataView, at: number): void {
    const w = this.#words;
    for (let i = 0; i < 16; i++) w[i] = v.getInt32(at + 4 * i);
    for (let i = 16; i < 64; i++) {
      const x = w[i - 15]!;
      const y = w[i - 2]!;
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[i] = (w[i - 16]! + s0 + w[i - 7]! + s1) | 0;
    }
    const s = this.#state;
    let a = s[0]!;
    let b = s[1]!;
    let c = s[2]!;
    let d = s[3]!;
    let e = s[4]!;
    let f = s[5]!;
    let g = s[6]!;
    let h = s[7]!;
    for (let i = 0; i < 64; i++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + signed[i]! + w[i]!) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      // One by one: a list of eight would be made anew in every round.
      h = g;
      g = f;
      f = e;
      e = (d + t1) | 0;
      d = c;
      c = b;
      b = a;
      a = (t1 + t2) | 0;
    }
    s[0]! += a;
    s[1]! += b;
    s[2]! += c;
    s[3]! += d;
    s[4]! += e;
    s[5]! += f;
    s[6]! += g;
    s[7]! += h;
  }
}

/** The digest of bytes that are read in parts. */
export async function sha256Of(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<string> {
  const sum = new Sha256();
  for await (const chunk of chunks) sum.update(chunk);
  return sum.digest();
}
