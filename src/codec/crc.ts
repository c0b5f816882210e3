// Cyclic redundancy checks of 32 bits, by the polynomials that files use.

/** Checksum of bytes, continuing from the checksum `previous` of the bytes before them. */
export type Checksum = (bytes: Uint8Array, previous?: number) => number;

/** CRC-32 (IEEE 802.3). */
export const crc32: Checksum = checksum(0xedb88320);
/** CRC-32C (Castagnoli). */
export const crc32c: Checksum = checksum(0x82f63b78);

/** A checksum rotated and shifted, as it is stored among bytes that another checksum covers. */
export const maskCrc = (crc: number): number => (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;

/** CRC-32C in that form. */
export const maskedCrc32c = (bytes: Uint8Array): number => maskCrc(crc32c(bytes));

function checksum(polynomial: number): Checksum {
  let table: Int32Array | undefined;
  return (bytes, previous = 0) => {
    const t = (table ??= tableOf(polynomial));
    let crc = ~previous;
    let i = 0;
    // Eight bytes a step: row k of the table advances a byte over the k bytes that follow it.
    for (const last = bytes.length - 7; i < last; i += 8) {
      const a = crc ^ (bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24));
      crc =
        t[0x700 + (a & 255)]! ^
        t[0x600 + ((a >>> 8) & 255)]! ^
        t[0x500 + ((a >>> 16) & 255)]! ^
        t[0x400 + (a >>> 24)]! ^
        t[0x300 + bytes[i + 4]!]! ^
        t[0x200 + bytes[i + 5]!]! ^
        t[0x100 + bytes[i + 6]!]! ^
        t[bytes[i + 7]!]!;
    }
    for (; i < bytes.length; i++) crc = (crc >>> 8) ^ t[(crc ^ bytes[i]!) & 255]!;
    return ~crc >>> 0;
  };
}

function tableOf(polynomial: number): Int32Array {
  const table = new Int32Array(8 * 256);
  for (let n = 0; n < 256; n++) {
    let c = n;
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ polynomial : c >>> 1;
    table[n] = c;
  }
  for (let i = 256; i < table.length; i++) {
    const c = table[i - 256]!;
    table[i] = (c >>> 8) ^ table[c & 255]!;
  }
  return table;
}
