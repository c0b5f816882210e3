// A model by its path: a file, or a folder that one of its files stands for, with what lies beside it.
import { access, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Source } from '../codec/source.ts';
import { fail } from '../errors.ts';
import { mainFiles } from '../formats/index.ts';
import { openBeside } from './beside.ts';
import { FileSource } from './files.ts';
import { checkedPath } from './system-error.ts';

export interface OpenedModel {
  readonly source: Source;
  /** Opens files of the model's folder. */
  readonly open: (location: string) => Promise<Source>;
}

/**
 * Open a model for reading.
 * @throws ModelError E5004 for a folder that holds no model, and what opening files throws
 */
export async function openModel(path: string): Promise<OpenedModel> {
  const file = (await isFolder(path)) ? await mainFileIn(path) : path;
  return { source: await FileSource.open(file), open: openBeside(file) };
}

const isFolder = (path: string): Promise<boolean> =>
  stat(checkedPath(path)).then(
    found => found.isDirectory(),
    () => false,
  );

async function mainFileIn(folder: string): Promise<string> {
  for (const name of mainFiles()) {
    const file = join(folder, name);
    if (
      await access(file).then(
        () => true,
        () => false,
      )
    )
      return file;
  }
  throw fail('E5004', `${folder} is a folder without ${mainFiles().join(' or ')}`, { file: folder });
}
