// Files that belong to a model: opened beside it, and never outside its folder.
import { constants, promises as fs } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import type { Source } from '../codec/source.ts';
import { fail } from '../errors.ts';
import { formats } from '../formats/index.ts';
import { quoted } from '../ir/text.ts';
import { FileSource } from './files.ts';

/** The file of a model: where the path is that of a folder, the main file of the first format that has one there. */
export async function modelFile(path: string): Promise<string> {
  const isFolder = await fs.stat(path).then(
    facts => facts.isDirectory(),
    () => false,
  );
  if (!isFolder) return path;
  for (const { mainFile } of formats) {
    const inside = mainFile && join(path, mainFile);
    if (
      inside &&
      (await fs.stat(inside).then(
        facts => facts.isFile(),
        () => false,
      ))
    )
      return inside;
  }
  return path;
}

/**
 * Opens data files named by a model. The name has been checked to be a plain relative path; here links are followed, and the
 * file they lead to must lie in the real folder of the model.
 */
export const openBeside = (model: string): ((location: string) => Promise<Source>) => {
  const open = new Map<string, Promise<Source>>();
  return location => {
    let source = open.get(location);
    if (!source) {
      source = openInside(dirname(model), location);
      open.set(location, source);
    }
    return source;
  };
};

async function openInside(folder: string, location: string): Promise<Source> {
  const path = join(folder, location);
  const file = `external data file ${quoted(location)}`;
  const root = await fs.realpath(folder);
  const real = await fs.realpath(path).catch((cause: unknown) => {
    throw fail('E1402', `${file} does not exist beside the model`, {}, { cause });
  });
  if (real !== root && !real.startsWith(root.endsWith(sep) ? root : root + sep))
    throw fail('E1401', `${file} leads outside the folder of the model`);
  const facts = await fs.stat(real);
  if (!facts.isFile()) throw fail('E1402', `${file} is not a regular file`);
  await fs.access(real, constants.R_OK).catch((cause: unknown) => {
    throw fail('E5002', `${file} may not be read`, {}, { cause });
  });
  const source = await FileSource.open(real, { regular: true });
  // A folder on the way that was changed for a link meanwhile would have led elsewhere.
  if ((await fs.realpath(path).catch(() => undefined)) === real) return source;
  await source.close();
  throw fail('E5005', `${file} was moved while it was opened`);
}
