// Data to measure a model on: an .npz or .npy, a folder of them, or a folder of test data sets. Files are read one at a time, each time anew.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { readInputs } from '../src/api.ts';
import { fail, ModelError } from '../src/errors.ts';
import { readArrays } from '../src/formats/arrays.ts';
import type { Model, Value } from '../src/ir/graph.ts';
import { resident, Tensor } from '../src/ir/tensor.ts';
import { elementTypes, formatShape, formatType } from '../src/ir/types.ts';
import { dataSetsIn } from '../src/node/data-sets.ts';
import { FileSource } from '../src/node/files.ts';
import { matchArrays } from '../src/validate/compare.ts';
import type { Arrays } from './arrays.ts';

/** The most samples of an open batch that are run at once: what lies inside of a model is in memory meanwhile. */
const together = 8;

/** Errors: E4004 for a folder without data, E3001, E3003 and what reading throws, with the file. */
export function samplesIn(path: string, { graph }: Model): AsyncIterable<Arrays> {
  const inputs = graph.inputs.filter(v => !v.tensor);
  return {
    async *[Symbol.asyncIterator]() {
      for (const { file, load } of await filesOf(path, inputs)) {
        try {
          yield* divided(await load(), inputs);
        } catch (error) {
          throw error instanceof ModelError ? error.within({ file }) : error;
        }
      }
    },
  };
}

interface DataFile {
  readonly file: string;
  readonly load: () => Promise<Arrays>;
}

async function filesOf(path: string, inputs: readonly Value[]): Promise<DataFile[]> {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return [arraysOf(path)];
  const names = readdirSync(path).sort();
  const arrays = names.filter(name => /\.np[yz]$/i.test(name)).map(name => arraysOf(join(path, name)));
  if (arrays.length > 0) return arrays;
  if (!names.some(name => /^test_data_set_\d+$/.test(name)))
    throw fail('E4004', `${path} has no .npz, no .npy and no test_data_set_*`, { file: path });
  return (await dataSetsIn(path)).map(set => ({ file: join(path, set.name), load: () => readInputs(set, inputs) }));
}

const arraysOf = (file: string): DataFile => ({ file, load: async () => readArrays(await FileSource.open(file)) });

/** The samples of one file: along an axis before those of the inputs, or along a first axis that is the batch of all of them. */
async function* divided(given: Arrays, inputs: readonly Value[]): AsyncGenerator<Arrays> {
  const { arrays } = matchArrays(
    given,
    inputs.map(v => v.name),
    'input',
  );
  const all = await Promise.all(inputs.map(async v => ({ v, tensor: await resident(arrays[v.name]!) })));
  const more = all.filter(({ v, tensor }) => v.shape && tensor.dims.length === v.shape.length + 1);
  const [first] = all;
  if (!first) return;
  const count = first.tensor.dims[0] ?? 1;
  if (more.length > 0) {
    const other = all.find(e => !more.includes(e) || e.tensor.dims[0] !== count);
    if (other)
      throw fail(
        'E3003',
        `input ${other.v.name} ${formatType(other.v.type)}: expected ${count} samples before its axes, as others have, got ${formatShape(other.tensor.dims)}`,
      );
    for (let i = 0; i < count; i++) yield part(all, t => slice(t, i, i + 1).reshape(t.dims.slice(1)));
    return;
  }
  const step = batchOf(all, count);
  for (let i = 0; i < count || i === 0; i += step) yield part(all, t => (step >= count ? t : slice(t, i, Math.min(count, i + step))));
}

interface Given {
  readonly v: Value;
  readonly tensor: Tensor;
}

const part = (all: readonly Given[], take: (t: Tensor) => Tensor): Arrays =>
  Object.fromEntries(all.map(({ v, tensor }) => [v.name, take(tensor)]));

/** How many indices of the first axis are one sample: all of them where that axis is no batch. */
function batchOf(all: readonly Given[], count: number): number {
  const sizes = new Set(all.map(({ v }) => v.shape?.[0]).map(d => (typeof d === 'object' ? d.key : d)));
  const [size] = sizes;
  if (sizes.size !== 1 || size === undefined || all.some(({ tensor }) => tensor.dims[0] !== count)) return Math.max(1, count);
  if (typeof size === 'number') return size > 0 && count % size === 0 ? size : Math.max(1, count);
  return together;
}

/** A range of the first axis. */
function slice(tensor: Tensor, from: number, to: number): Tensor {
  const rows = tensor.dims[0]!;
  if (elementTypes[tensor.type].bits < 8 || tensor.type === 'string') throw fail('E3002', `samples of ${tensor.type} cannot be divided`);
  const bytes = tensor.bytes();
  const row = bytes.length / Math.max(1, rows);
  return new Tensor(tensor.type, bytes.slice(from * row, to * row), tensor.dims.with(0, to - from));
}
