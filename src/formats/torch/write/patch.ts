// Other weights in an archive that was written here.
import type { Source } from '../../../codec/source.ts';
import { patchZip } from '../../../codec/zip-patch.ts';
import { fail } from '../../../errors.ts';
import { type Stored, storedOf, type Tensor } from '../../../ir/tensor.ts';
import type { Chunk } from '../../format.ts';

/**
 * The parts of an archive with the content of other tensors in the place of those of their names.
 * @param records of the archive, by the names of the tensors in them
 * @throws ModelError E3001 for a name that it does not have, E1203 for a tensor of another size
 */
export async function patchRecords(
  source: Source,
  records: ReadonlyMap<string, string>,
  tensors: ReadonlyMap<string, Tensor>,
): Promise<readonly Chunk[]> {
  const contents = new Map<string, Stored>();
  for (const [name, tensor] of tensors) {
    const record = records.get(name);
    if (record === undefined) throw fail('E3001', `the archive has no tensor ${name}`, { file: source.name, tensor: name });
    contents.set(record, storedOf(tensor));
  }
  return patchZip(source, contents);
}
