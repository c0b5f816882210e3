// One dataset by the HDF5 library in WebAssembly, which is loaded when the first file needs it: for indexes of chunks that only the newest
// files have. The library sees a file system in memory with this one file in it. What leads to the dataset has been read and checked before.
import { fail, ModelError } from '../errors.ts';
import type { Source } from './source.ts';

/** Most bytes of a file that is given to the library, which holds all of it and what it reads. */
const largest = 2 ** 30;

interface Wasm {
  activate_throwing_error_handler(): void;
  get_dataset_data(file: bigint, path: string, count: null, offset: null, strides: null, at: bigint): number;
  _malloc(length: number): number;
  _free(at: number): void;
  readonly HEAPU8: Uint8Array;
  readonly FS: { writeFile(path: string, bytes: Uint8Array): void; unlink(path: string): void };
}

let counter = 0;

/**
 * The elements of a dataset as they are stored, in order.
 * @throws ModelError E1006 where the library fails, E1009 for a file that is too large for it
 */
export async function readByLibrary(source: Source, path: string, length: number): Promise<Uint8Array> {
  const place = { file: source.name, path };
  if (source.size > largest || length > largest)
    throw fail('E1009', `${path} has chunks that only the HDF5 library reads, which takes files up to ${largest} bytes`, {
      ...place,
      limit: { name: 'hdf5.library', value: largest },
    });
  if (length === 0) return new Uint8Array(0);
  const library = await import('h5wasm');
  // The cast: functions of the module that its types leave out.
  const wasm = (await library.ready) as unknown as Wasm;
  // Errors are thrown, not printed.
  wasm.activate_throwing_error_handler();
  const name = `/${counter++}.h5`;
  wasm.FS.writeFile(name, await source.read(0, source.size));
  const at = wasm._malloc(length);
  try {
    const file = new library.File(name, 'r');
    try {
      wasm.get_dataset_data(file.file_id, `/${path}`, null, null, null, BigInt(at));
      return wasm.HEAPU8.slice(at, at + length);
    } finally {
      file.close();
    }
  } catch (error) {
    if (error instanceof ModelError) throw error;
    const why = error instanceof Error ? error.message.split('\n')[0]!.slice(0, 200) : 'it gave up';
    throw fail('E1006', `the HDF5 library cannot read ${path}: ${why}`, place, { cause: error });
  } finally {
    wasm._free(at);
    wasm.FS.unlink(name);
  }
}
