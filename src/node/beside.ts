// Files that belong to a model: opened beside it, and never outside its folder.
import { constants, promises as fs } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import type { Source } from '../codec/source.ts';
import { fail } from '../errors.ts';
import { FileSource } from './files.ts';

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
  const root = await fs.realpath(folder);
  const real = await fs.realpath(path).catch((cause: unknown) => {
    throw fail('E1402', `external data file ${location} does not exist beside the model`, {}, { cause });
  });
  if (real !== root && !real.startsWith(root.endsWith(sep) ? root : root + sep))
    throw fail('E1401', `external data file ${location} leads outside the folder of the model`);
  const facts = await fs.stat(real);
  if (!facts.isFile()) throw fail('E1402', `external data file ${location} is not a regular file`);
  await fs.access(real, constants.R_OK).catch((cause: unknown) => {
    throw fail('E5002', `external data file ${location} may not be read`, {}, { cause });
  });
  return FileSource.open(real);
}
