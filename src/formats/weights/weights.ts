// How a format of files of weights is told, read and written.
import type { Source } from '../../codec/source.ts';
import type { Finding } from '../../errors.ts';
import type { Weights } from '../../ir/weights.ts';
import type { ReadOptions } from '../format.ts';

export interface WeightsRead extends Weights {
  /** What is odd but harmless. */
  readonly findings: readonly Finding[];
}

/** One row a format in `index.ts`. */
export interface WeightFormat {
  readonly name: string;
  /** For people. */
  readonly title: string;
  readonly extensions: readonly string[];
  /** Whether the content is of this format. `head` are the first bytes, up to 4096. */
  detect(head: Uint8Array, source: Source): boolean | Promise<boolean>;
  read(source: Source, options: Pick<ReadOptions, 'open'>): Promise<WeightsRead>;
  /** The file, chunk by chunk. `name` is that of the file. */
  write?(weights: Weights, name: string): AsyncIterable<Uint8Array>;
}
