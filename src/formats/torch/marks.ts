// What archives of PyTorch are told by, without what reads them.
import type { Source } from '../../codec/source.ts';
import { openZip, type Zip } from '../../codec/zip.ts';
import { ModelError } from '../../errors.ts';

/**
 * Whether a file is an archive with the marks of a format. One that cannot be opened is of the format that its name says, so that its reader
 * says what is wrong; something before the archive is looked past where the name is of the format.
 */
export async function isArchive(
  head: Uint8Array,
  source: Source,
  extensions: readonly string[],
  hasMarks: (zip: Zip) => boolean,
): Promise<boolean> {
  const isNamed = extensions.some(extension => source.name.toLowerCase().endsWith(extension));
  const isZip = head[0] === 0x50 && head[1] === 0x4b;
  if (!isZip && !isNamed) return false;
  try {
    return hasMarks(await openZip(source));
  } catch (error) {
    if (error instanceof ModelError) return isZip && isNamed;
    throw error;
  }
}

/** The entry of a flat archive that holds the program. */
export const flatProgram = 'serialized_exported_program.json';
/** Whether an archive is of the flat layout. */
export const isFlat = (zip: Zip): boolean => zip.entries.has(flatProgram);

/** The folder of an archive as PyTorch writes it since 2.8. */
export function exportRoot(zip: Zip): string | undefined {
  for (const name of zip.entries.keys()) {
    const found = /^([^/]+)\/models\/[^/]+\.json$/.exec(name);
    if (found && zip.entries.has(`${found[1]}/archive_format`)) return found[1];
  }
  return undefined;
}

/** Whether an archive has the marks of torch.export. */
export const isPt2 = (zip: Zip): boolean => isFlat(zip) || exportRoot(zip) !== undefined;

/** The folder of an archive of TorchScript, with its slash. */
export function scriptRoot(zip: Zip): string | undefined {
  for (const name of zip.entries.keys()) {
    const root = /^([^/]+\/)(?:constants\.pkl|bytecode\.pkl)$/.exec(name)?.[1];
    if (root !== undefined && zip.entries.has(`${root}data.pkl`)) return root;
  }
  return undefined;
}
