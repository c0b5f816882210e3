// CRC-32 and the platform's deflate streams, shared by the zip reader and writer. Knows no container.

/** CRC-32 (IEEE 802.3) of `bytes`, continuing from the checksum `previous` of the bytes before them. */
export function crc32(bytes: Uint8Array, previous = 0): number {
  const t = crcTable();
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
}

let table: Int32Array | undefined;

function crcTable(): Int32Array {
  if (table) return table;
  table = new Int32Array(8 * 256);
  for (let n = 0; n < 256; n++) {
    let c = n;
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
    table[n] = c;
  }
  for (let i = 256; i < table.length; i++) {
    const c = table[i - 256]!;
    table[i] = (c >>> 8) ^ table[c & 255]!;
  }
  return table;
}

/** Raw deflate of the chunks. Throws what `input` throws. */
export const deflate = (input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> =>
  through(new CompressionStream('deflate-raw'), input);

/** Raw inflate of the chunks, lazily: stop iterating to stop the work. Throws what `input` throws, or the platform's error for bad data. */
export const inflate = (input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> =>
  through(new DecompressionStream('deflate-raw'), input);

async function* through(stream: CompressionStream | DecompressionStream, input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const writer = stream.writable.getWriter();
  const reader = stream.readable.getReader();
  let inputFailed: { error: unknown } | undefined;
  const feed = async (): Promise<void> => {
    try {
      // The type asks for an ArrayBuffer behind the view; no source here hands out shared memory.
      for await (const chunk of input) await writer.write(chunk as Uint8Array<ArrayBuffer>).catch(dataFailed);
      await writer.close().catch(dataFailed);
    } catch (error) {
      if (!(error instanceof DataFailed)) inputFailed = { error };
      await writer.abort(error).catch(() => {});
    }
  };
  void feed();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (inputFailed) throw inputFailed.error;
      if (done) return;
      yield value;
    }
  } catch (error) {
    throw inputFailed ? inputFailed.error : error;
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** The stream refused its data; the reading side throws the reason. */
class DataFailed extends Error {}
const dataFailed = (cause: unknown): never => {
  throw new DataFailed('the stream failed', { cause });
};
