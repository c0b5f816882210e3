// Other weights in a `.pt2` archive that was written here: its records, by the names that its configurations give them.
import type { Source } from '../../../codec/source.ts';
import { openZip } from '../../../codec/zip.ts';
import { patchZip } from '../../../codec/zip-patch.ts';
import { fail } from '../../../errors.ts';
import { type Stored, storedOf, type Tensor } from '../../../ir/tensor.ts';
import type { Chunk } from '../../format.ts';
import { recordNames } from '../pt2.ts';

/**
 * The parts of the archive with the content of other tensors in the place of those of their names.
 * @throws ModelError E3001 for a name that it does not have, E1203 for a tensor of another size
 */
export async function patchArchive(source: Source, tensors: ReadonlyMap<string, Tensor>): Promise<readonly Chunk[]> {
  const records = await recordNames(await openZip(source));
  const contents = new Map<string, Stored>();
  for (const [name, tensor] of tensors) {
    const record = records.get(name);
    if (record === undefined) throw fail('E3001', `the archive has no tensor ${name}`, { file: source.name, tensor: name });
    contents.set(record, storedOf(tensor));
  }
  return patchZip(source, contents);
}
