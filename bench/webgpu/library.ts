// What the bench takes from the library, as a page imports it.
import { MemorySource, readArrays, type Tensor } from '../../src/index.ts';

export { load, Session, type Tensor, webgpuBackend } from '../../src/index.ts';

export const loadArraysOf = (bytes: Uint8Array): Promise<Record<string, Tensor>> => readArrays(new MemorySource(bytes, 'inputs.npz'));
