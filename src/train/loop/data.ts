// Data to train on: examples by their number, and batches of them in an order that a seed decides. Knows no files.
import { fail } from '../../errors.ts';
import { resident, Tensor, type TypedArray, viewBytes } from '../../ir/tensor.ts';
import { quoted } from '../../ir/text.ts';
import { byteLength } from '../../ir/types.ts';
import { randomNumbers } from '../../validate/random.ts';

/** Tensors by name, each with the examples of the batch along its first axis. */
export type Batch = Readonly<Record<string, Tensor>>;

/** Examples that can be asked for by their number. */
export interface Dataset {
  /** How many examples there are. */
  readonly size: number;
  /** Examples of these numbers, in this order. */
  batch(examples: readonly number[]): Batch | Promise<Batch>;
}

/** Batches as they come: called once for each epoch. */
export type Stream = () => AsyncIterable<Batch> | Iterable<Batch>;

/** What `fit` takes: arrays with examples along the first axis, a dataset, batches as they come, or what may be gone through once. */
export type TrainingData = Dataset | Stream | AsyncIterable<Batch> | Batch;

export const isDataset = (data: TrainingData): data is Dataset => 'batch' in data && typeof data.batch === 'function';
const isStream = (data: TrainingData): data is Stream => typeof data === 'function';
const isIterable = (data: TrainingData): data is AsyncIterable<Batch> => Symbol.asyncIterator in data;

/** Data in one of two forms. Errors: E6015. */
export async function dataOf(data: TrainingData): Promise<Dataset | Stream> {
  if (isStream(data) || isDataset(data)) return data;
  if (isIterable(data)) return once(data);
  return arrayDataset(data);
}

function once(batches: AsyncIterable<Batch>): Stream {
  let isGone = false;
  return () => {
    if (isGone) throw fail('E6015', 'these batches can be gone through once; give a function that makes them for each epoch');
    isGone = true;
    return batches;
  };
}

/**
 * Arrays as examples, which are the first axis.
 * @throws ModelError E6015 for arrays of different lengths, and where there is none
 */
export async function arrayDataset(arrays: Batch): Promise<Dataset> {
  const entries: [string, Tensor][] = [];
  for (const [name, tensor] of Object.entries(arrays)) entries.push([name, await resident(tensor)]);
  const [first] = entries;
  if (!first) throw fail('E6015', 'there are no arrays to train on');
  for (const [name, { dims }] of entries)
    if (dims.length === 0 || dims[0] !== first[1].dims[0])
      throw fail('E6015', `${quoted(name)} has ${dims[0] ?? 'no'} examples, ${quoted(first[0])} has ${first[1].dims[0] ?? 'none'}`);
  return {
    size: first[1].dims[0]!,
    batch: examples => Object.fromEntries(entries.map(([name, tensor]) => [name, rowsOf(tensor, examples)])),
  };
}

/** Rows of a tensor along its first axis. */
export function rowsOf(tensor: Tensor, rows: readonly number[]): Tensor {
  const dims = [rows.length, ...tensor.dims.slice(1)];
  const size = dims.slice(1).reduce((n, d) => n * d, 1);
  if (tensor.type === 'string') {
    const strings = tensor.strings();
    return new Tensor(
      'string',
      rows.flatMap(row => strings.slice(row * size, (row + 1) * size)),
      dims,
    );
  }
  const length = byteLength(tensor.type, size);
  const bytes = tensor.bytes();
  const made = new Uint8Array(rows.length * length);
  for (const [i, row] of rows.entries()) made.set(bytes.subarray(row * length, (row + 1) * length), i * length);
  return new Tensor(tensor.type, viewBytes(tensor.type, made) as TypedArray, dims);
}

/** Some of the examples of a dataset. */
export const subset = (data: Dataset, examples: readonly number[]): Dataset => ({
  size: examples.length,
  batch: wanted => data.batch(wanted.map(i => examples[i]!)),
});

/**
 * Examples to train on and others to judge by, chosen by a seed.
 * @param share how many of all are to judge by, from 0 to below 1
 */
export function splitDataset(data: Dataset, share: number, seed: number): { readonly training: Dataset; readonly validation: Dataset } {
  const order = shuffled(data.size, seed, -1);
  const count = Math.round(data.size * share);
  if (!(share >= 0 && share < 1) || count >= data.size) throw fail('E4001', `a share of ${share} leaves nothing to train on`);
  const inOrder = (examples: readonly number[]): readonly number[] => examples.toSorted((a, b) => a - b);
  return { training: subset(data, inOrder(order.slice(count))), validation: subset(data, inOrder(order.slice(0, count))) };
}

/** The numbers from 0 in an order by chance, the same for the same seed and epoch. */
export function shuffled(count: number, seed: number, epoch: number): number[] {
  const next = randomNumbers(Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(epoch + 2, 0x85ebca6b));
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

export interface BatchOptions {
  /** Examples in a batch; the last may have fewer. */
  readonly batch: number;
  readonly shuffle: boolean;
  readonly dropLast: boolean;
  readonly seed: number;
  /** The batches of each epoch, as numbers of examples, in the place of an order by chance. */
  readonly order?: readonly (readonly number[])[] | undefined;
}

/** The batches of an epoch as numbers of examples. Errors: E6015 for an order that names examples which there are not. */
export function batchesOf(
  data: Dataset,
  epoch: number,
  { batch, shuffle, dropLast, seed, order }: BatchOptions,
): readonly (readonly number[])[] {
  if (order) {
    const odd = order.flat().find(i => !(Number.isInteger(i) && i >= 0 && i < data.size));
    if (odd !== undefined) throw fail('E6015', `the order of batches names example ${odd}, there are ${data.size}`);
    return order;
  }
  const examples = shuffle ? shuffled(data.size, seed, epoch) : Array.from({ length: data.size }, (_, i) => i);
  const count = dropLast ? Math.floor(data.size / batch) : Math.ceil(data.size / batch);
  return Array.from({ length: count }, (_, i) => examples.slice(i * batch, (i + 1) * batch));
}

/** Goes through promises so that the next ones are made while one is used. */
export async function* prefetched<T>(make: readonly (() => T | Promise<T>)[], ahead = 2): AsyncGenerator<T> {
  const waiting: Promise<T>[] = [];
  const start = (i: number): void => {
    const given = make[i];
    if (!given) return;
    const promise = (async () => given())();
    // An error is thrown where its batch is asked for.
    promise.catch(() => {});
    waiting.push(promise);
  };
  for (let i = 0; i < Math.min(ahead, make.length); i++) start(i);
  for (let i = 0; i < make.length; i++) {
    yield await waiting.shift()!;
    start(i + ahead);
  }
}

/** Numbers of each channel, along the second axis, made to lie around 0: what is taken from them, and what they are divided by. */
export interface Normalisation {
  readonly field: string;
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** A dataset whose field is normalised. Errors: E6015 for a field that is not there or has other channels. */
export function normalised(data: Dataset, { field, mean, std }: Normalisation): Dataset {
  return {
    size: data.size,
    async batch(examples) {
      const batch = await data.batch(examples);
      const tensor = batch[field];
      if (!tensor) throw fail('E6015', `the data has no ${quoted(field)} to normalise`);
      const [, channels = 1, ...inner] = tensor.dims;
      if (channels !== mean.length || channels !== std.length)
        throw fail('E6015', `${quoted(field)} has ${channels} channels, the normalisation has ${mean.length} and ${std.length}`);
      const step = inner.reduce((n, d) => n * d, 1);
      const values = tensor.data as ArrayLike<number | bigint>;
      const made = Float32Array.from(values, (x, i) => {
        const channel = Math.floor(i / step) % channels;
        return (Number(x) - mean[channel]!) / std[channel]!;
      });
      return { ...batch, [field]: new Tensor('float32', made, tensor.dims) };
    },
  };
}

/** Mean and standard deviation of each channel of a field over all examples. */
export async function statisticsOf(data: Dataset, field: string): Promise<Normalisation> {
  const sums: { total: number; squares: number; count: number }[] = [];
  for (let from = 0; from < data.size; from += 256) {
    const numbers = Array.from({ length: Math.min(256, data.size - from) }, (_, i) => from + i);
    const tensor = (await data.batch(numbers))[field];
    if (!tensor) throw fail('E6015', `the data has no ${quoted(field)} to normalise`);
    const [, channels = 1, ...inner] = tensor.dims;
    const step = inner.reduce((n, d) => n * d, 1);
    for (let i = 0; i < tensor.size; i++) {
      const sum = (sums[Math.floor(i / step) % channels] ??= { total: 0, squares: 0, count: 0 });
      const x = Number(tensor.data[i]);
      sum.total += x;
      sum.squares += x * x;
      sum.count++;
    }
  }
  const mean = sums.map(s => s.total / s.count);
  // What is the same everywhere stays as it is.
  const std = sums.map((s, i) => Math.sqrt(Math.max(0, s.squares / s.count - mean[i]! ** 2)) || 1);
  return { field, mean, std };
}

/** How many examples a batch has. */
export const sizeOf = (batch: Batch): number => Math.max(1, ...Object.values(batch).map(t => t.dims[0] ?? 1));
