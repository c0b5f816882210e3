// Folders in the layout of the standard's backend tests: a model, and folders test_data_set_* with a file for each value.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { DataSet } from '../api.ts';
import { fail } from '../errors.ts';
import { FileSource } from './files.ts';
import { system } from './system-error.ts';

/**
 * The data sets of a folder, in the order of their numbers. Files are opened.
 * @throws ModelError E5001 where there is no folder, no data set in it, or no expected output in one; E5004 for gaps in the numbers
 */
export async function dataSetsIn(folder: string): Promise<DataSet[]> {
  const names = numbered(await system(folder, 'read', () => readdir(folder)), /^test_data_set_(\d+)$/);
  if (names.length === 0) throw fail('E5001', `${folder} has no folder test_data_set_*`, { file: folder });
  return Promise.all(names.map(name => dataSetOf(join(folder, name), name)));
}

async function dataSetOf(folder: string, name: string): Promise<DataSet> {
  const files = await system(folder, 'read', () => readdir(folder));
  const open = (kind: string): Promise<FileSource[]> => {
    const found = numbered(files, new RegExp(`^${kind}_(\\d+)\\.pb$`));
    const missing = found.findIndex((file, i) => file !== `${kind}_${i}.pb`);
    if (missing >= 0) throw fail('E5001', `${folder} has ${found[missing]}, but no ${kind}_${missing}.pb`, { file: folder });
    return Promise.all(found.map(file => FileSource.open(join(folder, file))));
  };
  const [inputs, outputs] = [await open('input'), await open('output')];
  if (outputs.length === 0) throw fail('E5001', `${folder} has no output_*.pb`, { file: folder });
  return { name, inputs, outputs };
}

const numbered = (names: readonly string[], pattern: RegExp): string[] =>
  names.filter(name => pattern.test(name)).sort((a, b) => Number(pattern.exec(a)![1]) - Number(pattern.exec(b)![1]));
