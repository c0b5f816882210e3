// Weights of a `.pt2` archive: records of raw storage bytes, described by a configuration beside them.
import { entrySource, type Zip } from '../../codec/zip.ts';
import { fail } from '../../errors.ts';
import { Tensor } from '../../ir/tensor.ts';
import type { Cursor } from './json.ts';
import { readSaved } from './saved.ts';
import { elementOfCode, readSize } from './sizes.ts';
import { type Lie, tensorInStorage } from './storage.ts';

/**
 * The tensor that a payload entry describes.
 * @param folder of the record, such as `data/weights`
 */
export async function readPayload(zip: Zip, root: string, folder: string, name: string, payload: Cursor): Promise<Tensor> {
  const record = payload.get('path_name').text;
  if (record.includes('/') || record.includes('\\') || record.startsWith('.'))
    throw fail('E1011', `${payload.path}: the record name ${JSON.stringify(record)} leaves its folder`, {
      path: payload.path,
      tensor: name,
    });
  const entry = zip.entries.get(`${root}/${folder}/${record}`);
  if (!entry) throw fail('E1013', `the record ${folder}/${record} of ${name} is missing`, { tensor: name, path: payload.path });
  if (payload.find('use_pickle')?.boolean) {
    const { value } = await readSaved(await entrySource(entry, record));
    if (value instanceof Tensor) return value;
    throw fail('E1006', `${folder}/${record}: expected a tensor`, { tensor: name, path: payload.path });
  }
  const facts = readMeta(payload.get('tensor_meta'), name);
  const storage = entry.method === 0 ? await entry.range() : await entry.bytes();
  return tensorInStorage(name, facts, storage);
}

function readMeta(meta: Cursor, name: string): Lie {
  const numbers = (key: string): number[] =>
    meta.get(key).items.map(item => {
      const size = readSize(item);
      if (typeof size === 'number' && Number.isSafeInteger(size) && size >= 0) return size;
      throw fail('E1202', `${item.path}: a stored tensor needs sizes that are numbers, found ${size}`, { path: item.path, tensor: name });
    });
  const [dims, strides] = [numbers('sizes'), numbers('strides')];
  if (strides.length !== dims.length)
    throw fail('E1202', `${meta.path}: ${dims.length} sizes and ${strides.length} strides`, { path: meta.path, tensor: name });
  const offset = readSize(meta.get('storage_offset'));
  if (typeof offset !== 'number' || offset < 0)
    throw fail('E1202', `${meta.path}: storage_offset ${offset}`, { path: meta.path, tensor: name });
  return { type: elementOfCode(meta.get('dtype')), dims, strides, offset, path: meta.path };
}
