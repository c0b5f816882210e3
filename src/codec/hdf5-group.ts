// What a group of an HDF5 file holds, by name: in symbol tables, in messages of its header, or in a heap.
import { fail } from '../errors.ts';
import { heapRecords } from './hdf5-dense.ts';
import type { Cursor, HdfFile } from './hdf5-file.ts';
import { kinds, type Messages } from './hdf5-header.ts';

/** Where the header of an object is. */
export interface Link {
  readonly name: string;
  readonly at: number;
}

/** The most links of a file, and nodes of one tree. */
export const mostObjects = 200_000;

/** Errors: E1011 for links that are not to objects of the file, and as the file is read. */
export async function linksOf(file: HdfFile, messages: Messages): Promise<Link[]> {
  const links = messages.all(kinds.link).map(linkIn);
  const info = messages.find(kinds.linkInfo);
  if (info) {
    info.skip(1);
    info.skip(info.u8() & 1 ? 8 : 0);
    const [heap, names] = [info.find(), info.find()];
    // Records of names: a hash, and the place in the heap.
    if (heap !== undefined && names !== undefined)
      for (const body of await heapRecords(file, heap, names, { 5: 4 })) links.push(linkIn(body));
  }
  const table = messages.find(kinds.symbols);
  if (table) links.push(...(await symbols(file, table.address(), table.address())));
  return links;
}

export const isGroup = (messages: Messages): boolean =>
  [kinds.linkInfo, kinds.symbols, kinds.link].some(kind => messages.all(kind).length > 0);

function linkIn(body: Cursor): Link {
  body.skip(1);
  const flags = body.u8();
  const kind = flags & 8 ? body.u8() : 0;
  body.skip((flags & 4 ? 8 : 0) + (flags & 16 ? 1 : 0));
  const name = body.text(body.uint(1 << (flags & 3)));
  if (kind === 0) return { name, at: body.address() };
  if (kind === 1) throw refused(body, name, `a soft link to ${quoted(body.text(body.u16()))}`);
  if (kind !== 64) throw refused(body, name, `a link of kind ${kind}`);
  body.skip(3);
  throw refused(body, name, `a link to the file ${quoted(body.string())}`);
}
const quoted = (text: string): string => JSON.stringify(text.slice(0, 200));
const refused = ({ file, start }: Cursor, name: string, what: string) =>
  fail('E1011', `${name} is ${what}`, { file: file.source.name, offset: start, path: name });

/** Old groups: a tree whose leaves are tables of symbols, with the names in a heap of their own. */
async function symbols(file: HdfFile, tree: number, heapAt: number): Promise<Link[]> {
  const heap = await file.signed(heapAt, 8 + 2 * file.lengthWidth + file.addressWidth, 'HEAP', 0, 'local heap');
  heap.skip(3);
  const size = heap.length();
  heap.skip(file.lengthWidth);
  const names = await file.block(heap.address(), size, 'local heap');
  const textAt = (offset: number): string => {
    const text = names.again();
    text.skip(offset);
    return text.string();
  };
  const links: Link[] = [];
  for (const { child } of await treeLeaves(file, tree, 0, file.lengthWidth)) {
    const head = await file.signed(child, 8, 'SNOD', 1, 'symbol table');
    head.skip(1);
    const count = head.u16();
    const entries = await file.block(child + 8, count * (2 * file.addressWidth + 24), 'symbol table');
    for (let i = 0; i < count; i++) {
      const name = textAt(entries.uint(file.addressWidth));
      const start = entries.offset;
      const at = entries.find();
      const [cache, , scratch] = [entries.u32(), entries.u32(), entries.part(16)];
      if (cache === 2) throw refused(entries, name, `a soft link to ${quoted(textAt(scratch.u32()))}`);
      if (at === undefined) throw file.fail('E1006', `${name} has no address`, start);
      links.push({ name, at });
    }
  }
  return links;
}

/** What the leaves of an old tree lead to, each with the key before it. @throws ModelError E1105 for a circle */
export async function treeLeaves(file: HdfFile, root: number, kind: number, keyWidth: number): Promise<{ key: Cursor; child: number }[]> {
  const seen = new Set<number>();
  const leaves: { key: Cursor; child: number }[] = [];
  const open: { at: number; level: number | undefined }[] = [{ at: root, level: undefined }];
  for (let next = open.shift(); next; next = open.shift()) {
    const { at, level: expected } = next;
    if (seen.has(at)) throw file.fail('E1105', `the tree at offset ${root} leads to its node at offset ${at} twice`, at);
    seen.add(at);
    if (seen.size + leaves.length > mostObjects) throw tooMany(file);
    const head = await file.block(at, 8 + 2 * file.addressWidth, 'tree node');
    head.expect('TREE');
    const [found, level, count] = [head.u8(), head.u8(), head.u16()];
    if (found !== kind) throw file.fail('E1006', `a tree node of type ${found}, expected ${kind}`, at + 4);
    if (expected !== undefined && level !== expected)
      throw file.fail('E1006', `a tree node of level ${level}, expected ${expected}`, at + 5);
    const body = await file.block(at + 8 + 2 * file.addressWidth, count * (keyWidth + file.addressWidth), 'tree node');
    for (let i = 0; i < count; i++) {
      const [key, child] = [body.part(keyWidth), body.address()];
      if (level === 0) leaves.push({ key, child });
      else open.push({ at: child, level: level - 1 });
    }
  }
  return leaves;
}
export const tooMany = (file: HdfFile) =>
  fail('E1009', `more than ${mostObjects} objects`, { file: file.source.name, limit: { name: 'hdf5.objects', value: mostObjects } });
