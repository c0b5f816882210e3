// The formats of weights, and how a file of weights is read: a checkpoint, arrays of NumPy, or the weights of a model.
import type { Source } from '../../codec/source.ts';
import { openZip } from '../../codec/zip.ts';
import { fail, ModelError } from '../../errors.ts';
import type { Tensor } from '../../ir/tensor.ts';
import { readArrays, writeArrays } from '../arrays.ts';
import type { ReadOptions } from '../format.ts';
import { checkpointIndex } from '../tensorflow/checkpoint.ts';
import { checkpoint } from '../torch/checkpoint.ts';
import { kerasWeights } from './keras.ts';
import { safetensors, safetensorsIndex } from './safetensors.ts';
import type { WeightFormat, WeightsRead } from './weights.ts';

export type { WeightFormat, WeightsRead } from './weights.ts';

const npz: WeightFormat = {
  name: 'npz',
  title: 'NumPy arrays',
  extensions: ['.npz'],
  async detect(head, source) {
    if (head[0] !== 0x50 || head[1] !== 0x4b) return false;
    try {
      return [...(await openZip(source, { foldCase: false })).entries.keys()].every(name => name.endsWith('.npy'));
    } catch (error) {
      if (error instanceof ModelError) return source.name.endsWith('.npz');
      throw error;
    }
  },
  read: async source => ({ tensors: new Map(Object.entries(await readArrays(source))), metadata: new Map(), findings: [] }),
  write: ({ tensors }) => writeArrays(Object.fromEntries(tensors) as Record<string, Tensor>),
};

/** In the order in which contents are tried. */
export const weightFormats: readonly WeightFormat[] = [safetensors, safetensorsIndex, kerasWeights, checkpoint, checkpointIndex, npz];

/** The format of weights that a file name asks for. */
export const weightFormatOfName = (name: string): WeightFormat | undefined =>
  weightFormats.find(f => f.extensions.some(e => name.toLowerCase().endsWith(e)));

export const weightFormatNamed = (name: string): WeightFormat | undefined => weightFormats.find(f => f.name === name);

const headLength = 4096;

/** The format of a file of weights by its content; undefined where it is none. @throws ModelError E1001 for an empty file */
export async function detectWeights(source: Source): Promise<WeightFormat | undefined> {
  if (source.size === 0) throw fail('E1001', 'the file is empty', { file: source.name });
  const head = await source.read(0, Math.min(headLength, source.size));
  for (const format of weightFormats) if (await format.detect(head, source)) return format;
  return undefined;
}

export interface WeightsOfFile extends WeightsRead {
  readonly format: WeightFormat;
}

/** Read a file of weights. @returns undefined where the content is of no such format */
export async function readWeights(source: Source, options: Pick<ReadOptions, 'open'> = {}): Promise<WeightsOfFile | undefined> {
  const format = await detectWeights(source);
  return format && { ...(await format.read(source, options)), format };
}
