// Links and attributes of which an object has many: records in trees of the second version, which lead to places in a heap.
import type { Cursor, HdfFile } from './hdf5-file.ts';

/**
 * The contents of the heap at `heapAt` that the tree at `treeAt` lists.
 * @param kinds how many bytes stand before the place in the heap, by types of records
 */
export async function heapRecords(
  file: HdfFile,
  heapAt: number,
  treeAt: number,
  kinds: Readonly<Record<number, number>>,
): Promise<Cursor[]> {
  const heap = await heapOf(file, heapAt);
  const { type, records } = await recordsOf(file, treeAt);
  const before = kinds[type];
  if (before === undefined) throw file.fail('E1006', `a tree of records of type ${type}`, treeAt);
  const found: Cursor[] = [];
  for (const record of records) {
    record.skip(before);
    found.push(await heap(record.part(record.left)));
  }
  return found;
}

const widthOf = (most: number): number => {
  let width = 1;
  for (let n = most; n >= 256; n = Math.floor(n / 256)) width++;
  return width;
};

/** The records of a tree, those of inner nodes included. */
async function recordsOf(file: HdfFile, at: number): Promise<{ readonly type: number; readonly records: readonly Cursor[] }> {
  const head = await file.signed(at, 16 + file.addressWidth + 2 + file.lengthWidth, 'BTHD', 0, 'tree');
  const [type, nodeSize, recordSize, depth] = [head.u8(), head.u32(), head.u16(), head.u16()];
  head.skip(2);
  const [root, count] = [head.find(), head.u16()];
  const overhead = 10;
  if (recordSize === 0 || nodeSize < overhead + recordSize) throw file.fail('E1006', `a tree of nodes of ${nodeSize} bytes`, at);
  if (depth > 16) throw file.fail('E1006', `a tree of depth ${depth}`, at);
  // How many bytes each level takes to count the records below it follows from how many fit.
  const leafMost = Math.floor((nodeSize - overhead) / recordSize);
  const countWidth = widthOf(leafMost);
  const totals = [leafMost];
  const pointer = (level: number): number => file.addressWidth + countWidth + (level > 1 ? widthOf(totals[level - 1]!) : 0);
  for (let level = 1; level <= depth; level++) {
    const most = Math.floor((nodeSize - overhead - pointer(level)) / (recordSize + pointer(level)));
    totals.push(Math.min((most + 1) * totals[level - 1]! + most, Number.MAX_SAFE_INTEGER));
  }
  const records: Cursor[] = [];
  const seen = new Set<number>();
  const open = root === undefined ? [] : [{ at: root, count, level: depth }];
  for (let next = open.shift(); next; next = open.shift()) {
    if (seen.has(next.at)) throw file.fail('E1105', `the tree at offset ${at} leads to its node at offset ${next.at} twice`, next.at);
    seen.add(next.at);
    const node = await file.signed(next.at, nodeSize, next.level > 0 ? 'BTIN' : 'BTLF', 0, 'tree node');
    node.skip(1);
    for (let i = 0; i < next.count; i++) records.push(node.part(recordSize));
    for (let i = 0; next.level > 0 && i <= next.count; i++) {
      const child = node.part(pointer(next.level));
      open.push({ at: child.address(), count: child.uint(countWidth), level: next.level - 1 });
    }
  }
  return { type, records };
}

/** A heap, as what gives the contents of a place in it. */
async function heapOf(file: HdfFile, at: number): Promise<(id: Cursor) => Promise<Cursor>> {
  const { addressWidth, lengthWidth } = file;
  const head = await file.signed(at, 22 + 12 * lengthWidth + 3 * addressWidth, 'FRHP', 0, 'heap');
  head.skip(2);
  if (head.u16() > 0) throw file.fail('E2002', 'heaps that are compressed are not read', at);
  head.skip(1);
  const largest = head.u32();
  head.skip(lengthWidth + addressWidth + lengthWidth + addressWidth + 8 * lengthWidth);
  const [columns, first, mostDirect, bits] = [head.u16(), head.length(), head.length(), head.u16()];
  head.skip(2);
  const [root, rows] = [head.find(), head.u16()];
  if (columns === 0 || first === 0 || mostDirect < first || bits > 64) throw file.fail('E1006', 'a heap without blocks', at);
  const offsetWidth = Math.ceil(bits / 8);
  const lengthBytes = Math.min(widthOf(mostDirect), widthOf(largest));
  const sizeOf = (row: number): number => first * 2 ** Math.max(0, row - 1);
  const directRows = Math.log2(mostDirect) - Math.log2(first) + 2;

  /** The block that holds a place, and where it begins there. */
  async function blockAt(place: number): Promise<{ at: number; from: number }> {
    let [node, from, count] = [root, 0, rows];
    for (let depth = 0; node !== undefined && depth < 64; depth++) {
      if (count === 0) return { at: node, from };
      let row = 0;
      let start = from;
      while (row < count && place >= start + columns * sizeOf(row)) start += columns * sizeOf(row++);
      if (row >= count) break;
      const column = Math.floor((place - start) / sizeOf(row));
      const head = await file.signed(node, 5 + addressWidth + offsetWidth + count * columns * addressWidth, 'FHIB', 0, 'heap block');
      head.skip(addressWidth + offsetWidth + (row * columns + column) * addressWidth);
      node = head.find();
      from = start + column * sizeOf(row);
      count = row < directRows ? 0 : Math.log2(sizeOf(row)) - Math.log2(first * columns) + 1;
    }
    throw file.fail('E1006', `the heap at offset ${at} has nothing at place ${place}`, at);
  }

  return async id => {
    const kind = (id.u8() >> 4) & 3;
    if (kind !== 0) throw file.fail('E2002', 'objects in heaps that are very large or very small are not read', id.start);
    const [place, length] = [id.uint(offsetWidth), id.uint(lengthBytes)];
    const block = await blockAt(place);
    return file.block(block.at + place - block.from, length, 'heap object');
  };
}
