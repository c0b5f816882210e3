// Named tensors without a graph: what checkpoints hold, and what models compute with.
import type { Tensor } from './tensor.ts';

export interface Weights {
  /** By name, in the order of the file. Large ones stay ranges of it. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** What the file says about itself, as text. */
  readonly metadata: ReadonlyMap<string, string>;
}
