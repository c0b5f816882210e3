// The platform's deflate streams, shared by the zip reader and writer. Knows no container.

/** Raw deflate of the chunks. Throws what `input` throws. */
export const deflate = (input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> =>
  through(new CompressionStream('deflate-raw'), input);

/** Raw inflate of the chunks, lazily: stop iterating to stop the work. Throws what `input` throws, or the platform's error for bad data. */
export const inflate = (input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> =>
  through(new DecompressionStream('deflate-raw'), input);

/** The same for deflate data with a header and a checksum, as zlib writes it. */
export const inflateZlib = (input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> =>
  through(new DecompressionStream('deflate'), input);

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
