// Files as data to train on: arrays of NumPy, tables, folders of images.
import { stat } from 'node:fs/promises';
import { readCsv } from '../codec/csv.ts';
import { fail } from '../errors.ts';
import { readArrays } from '../formats/arrays.ts';
import { numbersOf, resident, type Tensor } from '../ir/tensor.ts';
import { quoted } from '../ir/text.ts';
import { arrayDataset, type Batch, type Dataset } from '../train/loop/data.ts';
import { tableData } from '../train/loop/table.ts';
import { FileSource } from './files.ts';
import { type ImageOptions, imageFolder } from './image-folder.ts';
import { system } from './system-error.ts';

export interface FileDataOptions {
  /** Columns of a table that are predicted, and those that are read. */
  readonly target?: readonly string[] | undefined;
  readonly features?: readonly string[] | undefined;
  /** Arrays have batches along their first axis and examples along the second. */
  readonly batched?: boolean | undefined;
  /** The array with the numbers of batches in the order in which they are trained on. */
  readonly order?: string | undefined;
  /** How images become arrays. */
  readonly images?: ImageOptions | undefined;
}

export interface FileData {
  readonly data: Dataset;
  /** What the numbers of classes stand for, where the files say that. */
  readonly classes?: readonly string[] | undefined;
  /** Batches as numbers of examples, where the file has them in an order. */
  readonly order?: readonly (readonly number[])[] | undefined;
}

/**
 * Data of a `.npz`, a `.csv`, or a folder of images.
 * @throws ModelError E6015 for data that is ragged or missing, E5001 where there is no such file
 */
export async function loadTrainingData(path: string, options: FileDataOptions = {}): Promise<FileData> {
  const isFolder = (await system(path, 'read', () => stat(path))).isDirectory();
  if (isFolder) {
    if (!options.images) throw fail('E4001', `${path} is a folder; images need the sizes of the input that they are for`);
    return imageFolder(path, options.images);
  }
  const source = await FileSource.open(path);
  if (/\.(csv|tsv|txt)$/i.test(path)) {
    const text = new TextDecoder().decode(await source.read(0, source.size));
    const { arrays, classes } = tableData(readCsv(text, path), { ...options, file: path });
    return { data: await arrayDataset(arrays), classes };
  }
  return arraysOf(await readArrays(source), options, path);
}

async function arraysOf(arrays: Batch, { batched = false, order: orderName }: FileDataOptions, file: string): Promise<FileData> {
  if (orderName !== undefined && !Object.hasOwn(arrays, orderName))
    throw fail('E6015', `there is no array ${quoted(orderName)} with an order of batches`, { file });
  const entries = Object.entries(arrays).filter(([name]) => name !== orderName);
  if (!batched) {
    if (orderName !== undefined) throw fail('E4001', 'an order of batches needs arrays with batches along the first axis');
    return { data: await arrayDataset(Object.fromEntries(entries)) };
  }
  const [first] = entries;
  if (!first || first[1].dims.length < 2) throw fail('E6015', 'arrays of batches need two axes or more', { file });
  const [batches, size] = first[1].dims as [number, number];
  const flat: [string, Tensor][] = [];
  for (const [name, tensor] of entries) {
    const { dims } = tensor;
    if (dims[0] !== batches || dims[1] !== size)
      throw fail('E6015', `${quoted(name)} has the shape [${dims}], ${quoted(first[0])} has [${first[1].dims}]`, { file, tensor: name });
    flat.push([name, (await resident(tensor)).reshape([batches * size, ...dims.slice(2)])]);
  }
  const given = orderName === undefined ? undefined : numbersOf(await resident(arrays[orderName]!));
  const order = (given ?? Array.from({ length: batches }, (_, i) => i)).map(b => Array.from({ length: size }, (_, i) => b * size + i));
  return { data: await arrayDataset(Object.fromEntries(flat)), order };
}
