// Types of elements, sizes and attributes in HDF5 files.
import { heapRecords } from './hdf5-dense.ts';
import type { Cursor, HdfFile } from './hdf5-file.ts';
import { kinds, type Messages } from './hdf5-header.ts';

export interface ElementType {
  /** As NumPy names it; a class that has no such name by its number. */
  readonly name: string;
  /** Bytes of an element. */
  readonly size: number;
  readonly isBigEndian: boolean;
  readonly text: 'fixed' | 'variable' | undefined;
}

/** Classes of types: integers, floats, texts, enumerations (booleans of h5py), lists of any length. */
export function elementIn(body: Cursor): ElementType {
  const kind = body.u8() & 15;
  const [bits] = [body.u8(), body.skip(2)];
  const size = body.u32();
  const made = (name: string, given: Partial<ElementType> = {}): ElementType => ({
    name,
    size,
    isBigEndian: (bits & 1) === 1,
    text: undefined,
    ...given,
  });
  if (kind === 0) return made(`${bits & 8 ? '' : 'u'}int${size * 8}`);
  if (kind === 1) {
    body.skip(5);
    // Two bytes with the exponent of a float32 are a bfloat16.
    return made(size === 2 && body.u8() === 8 ? 'bfloat16' : `float${size * 8}`);
  }
  if (kind === 3) return made('text', { text: 'fixed' });
  if (kind === 8 && size === 1) return made('bool');
  if (kind === 9 && (bits & 15) === 1) return made('text', { text: 'variable' });
  return made(`class ${kind}`);
}

/** Sizes; none for one element, undefined for no element at all. */
export function sizesIn(body: Cursor): readonly number[] | undefined {
  const version = body.u8();
  const rank = body.u8();
  if (version !== 1 && version !== 2) throw body.file.fail('E1006', `a dataspace of version ${version}, expected 1 or 2`, body.start);
  body.skip(version === 1 ? 6 : 1);
  const kind = version === 1 ? 1 : body.u8();
  if (kind === 2) return undefined;
  return Array.from({ length: rank }, () => body.length());
}

/** An attribute that is text. */
interface TextAttribute {
  readonly name: string;
  readonly element: ElementType;
  readonly count: number;
  readonly data: Cursor;
}

/** The texts of attributes of an object, by name; those that are no text are left out. */
export async function textsOf(file: HdfFile, messages: Messages): Promise<ReadonlyMap<string, readonly string[]>> {
  const bodies = messages.all(kinds.attribute);
  const info = messages.find(kinds.attributeInfo);
  if (info) {
    info.skip(1);
    info.skip(info.u8() & 1 ? 2 : 0);
    const [heap, names] = [info.find(), info.find()];
    if (heap !== undefined && names !== undefined) bodies.push(...(await heapRecords(file, heap, names, { 8: 0 })));
  }
  const found = new Map<string, readonly string[]>();
  for (const body of bodies) {
    const attribute = attributeIn(body);
    if (attribute.element.text) found.set(attribute.name, await valuesOf(file, attribute));
  }
  return found;
}

function attributeIn(body: Cursor): TextAttribute {
  const version = body.u8();
  if (version < 1 || version > 3) throw body.file.fail('E1006', `an attribute of version ${version}, expected 1 to 3`, body.start);
  const flags = body.u8();
  if (version > 1 && flags & 3) throw body.file.fail('E2002', 'types that attributes share are not read', body.start);
  const lengths = [body.u16(), body.u16(), body.u16()];
  if (version === 3) body.skip(1);
  // Parts of the first version are filled up to 8 bytes.
  const [name, type, space] = lengths.map(length => {
    const part = body.part(length);
    body.skip(version === 1 ? Math.min(-length & 7, body.left) : 0);
    return part;
  }) as [Cursor, Cursor, Cursor];
  const sizes = sizesIn(space);
  const count = sizes ? sizes.reduce((n, d) => n * d, 1) : 0;
  return { name: name.text(name.left), element: elementIn(type), count, data: body };
}

async function valuesOf(file: HdfFile, { element, count, data }: TextAttribute): Promise<string[]> {
  const texts: string[] = [];
  let total = 0;
  for (let i = 0; i < count && element.size > 0; i++) {
    const item = data.part(element.size, 'attribute');
    const text = element.text === 'fixed' ? item.text(element.size) : await heapText(file, item);
    texts.push(text);
    // Many may lie in one place of a heap.
    total += text.length;
    if (total > file.source.size) throw file.fail('E1006', 'an attribute has more text than the file', data.start);
  }
  return texts;
}

/** A text that lies in a heap of the whole file. */
async function heapText(file: HdfFile, item: Cursor): Promise<string> {
  const length = item.u32();
  const collection = item.find();
  if (length === 0 || collection === undefined || collection === 0) return '';
  const index = item.u32();
  const head = await file.signed(collection, 8 + file.lengthWidth, 'GCOL', 1, 'global heap');
  head.skip(3);
  const size = head.length();
  const objects = await file.block(collection, size, 'global heap');
  objects.skip(Math.min(size, 8 + file.lengthWidth));
  while (objects.left >= 8 + file.lengthWidth) {
    const found = objects.u16();
    objects.skip(6);
    const stored = objects.length();
    if (found === 0) break;
    if (found === index) return objects.part(stored, 'text').text(Math.min(length, stored));
    objects.skip(Math.min(Math.ceil(stored / 8) * 8, objects.left));
  }
  throw file.fail('E1006', `the global heap at offset ${collection} has no object ${index}`, collection);
}
