// H01 to H04: HDF5 files that end early, lead in circles or out of the file, or take more than they hold.
import { deflateSync } from 'node:zlib';
import { type Code, codes } from '../../src/errors.ts';
import { type Case, error, hostile } from './case.ts';
import {
  attribute,
  type Blocks,
  chunkEntry,
  chunked,
  contiguous,
  continued,
  dataset,
  externalLink,
  filters,
  group,
  hardLink,
  hdf,
  header,
  heapAttribute,
  localHeap,
  message,
  oldGroup,
  type Superblock,
  softLink,
  symbolTable,
  treeNode,
} from './hdf-wire.ts';
import { join, little, none, type Piece, raw, utf8 } from './wire.ts';

/** A file and the error of it, whose place is a mark or counted by the case. */
function broken(
  row: string,
  variant: string,
  blocks: Blocks,
  wrong: (at: (mark: string) => number) => readonly [code: Code, message: string, path?: string | undefined, offset?: string | number],
  { superblock = {}, hint }: { readonly superblock?: Superblock; readonly hint?: string } = {},
): Case {
  const make = (): Piece => hdf(blocks, superblock);
  const { marks } = make();
  const [code, text, path, offset] = wrong(name => marks!.get(name) ?? Number.NaN);
  return hostile(row, variant, make, [error(code, text, path, offset, hint)], {
    file: 'bad.h5',
    command: 'convert',
    options: ['-o', 'out.onnx'],
    exit: codes[code].exit,
  });
}

const dense = {
  class_name: 'Sequential',
  config: {
    name: 'net',
    layers: [{ class_name: 'Dense', config: { name: 'd', units: 2, use_bias: false, batch_input_shape: [null, 1] } }],
  },
};
const config = attribute('model_config', JSON.stringify(dense));

/** A model whose one weight is what is wrong with the file. */
const weighing = (weight: Blocks[string], rest: Blocks = {}): Blocks => ({
  root: at => group(config, hardLink('model_weights', at('weights'))),
  weights: at => group(hardLink('kernel', at('kernel'))),
  kernel: weight,
  ...rest,
});
const kernel = 'model_weights/kernel';
const sized = { root: () => group() };

const superblocks: Case[] = [
  broken(
    'H01',
    'a file that is cut off',
    sized,
    () => ['E1005', 'the header says that the file ends at byte 1144, it has 144', undefined, 40],
    {
      superblock: { cut: 1000 },
    },
  ),
  broken('H01', 'a base address of 2^63', sized, () => ['E1006', 'base address 9223372036854775808, expected 0', undefined, 24], {
    superblock: { base: 2n ** 63n },
  }),
  broken('H01', 'offsets of 3 bytes', sized, () => ['E1006', 'offsets of 3 bytes, expected 4 or 8', undefined, 13], {
    superblock: { widths: [3, 8] },
  }),
  broken('H01', 'lengths of 16 bytes', sized, () => ['E1006', 'lengths of 16 bytes, expected 4 or 8', undefined, 14], {
    superblock: { widths: [8, 16] },
  }),
  broken('H01', 'a root beyond the end', sized, () => ['E1005', 'the root group lies at byte 4096 of 144', undefined, 64], {
    superblock: { root: 4096 },
  }),
  broken('H01', 'a root that is no header', { root: () => raw(new Uint8Array(64)) }, at => [
    'E1006',
    `no object header at offset ${at('root')}: version 0, expected 1 or 2`,
    undefined,
    'root',
  ]),
];

const circles: Case[] = [
  broken('H02', 'an object header that leads to itself', { root: at => header(continued(at('root') + 16, 24, 'to')) }, at => [
    'E1105',
    `the object header at offset ${at('root')} leads back to offset ${at('root') + 16}`,
    undefined,
    'to',
  ]),
  broken('H02', 'an object header that goes on beyond the end', { root: () => header(continued(2 ** 40, 24)) }, at => [
    'E1005',
    `object header of 24 bytes reaches beyond the end of the file of ${at('root') + 40}`,
    undefined,
    2 ** 40,
  ]),
  broken('H02', 'a message beyond its header', { root: () => header(join(little(2, 1), little(2, 800), little(4, 0))) }, at => [
    'E1005',
    'a message of the object header needs 800 more bytes',
    undefined,
    at('root') + 16,
  ]),
  broken(
    'H02',
    'a tree that leads to itself',
    {
      root: at => oldGroup(at('tree'), at('heap')),
      heap: at => localHeap(at('names'), 8),
      names: () => utf8('\0a\0\0\0\0\0\0'),
      tree: at => treeNode(0, 1, [join(little(8, 0), little(8, at('tree')))]),
    },
    at => ['E1105', `the tree at offset ${at('tree')} leads to its node at offset ${at('tree')} twice`, undefined, 'tree'],
  ),
  broken(
    'H02',
    'a tree with one node twice',
    {
      root: at => oldGroup(at('tree'), at('heap')),
      heap: at => localHeap(at('names'), 8),
      names: () => utf8('\0a\0\0\0\0\0\0'),
      tree: at =>
        treeNode(
          0,
          1,
          [1, 1].map(() => join(little(8, 0), little(8, at('leaf')))),
        ),
      leaf: () => treeNode(0, 0, []),
    },
    at => ['E1105', `the tree at offset ${at('tree')} leads to its node at offset ${at('leaf')} twice`, undefined, 'leaf'],
  ),
  broken(
    'H02',
    'a name outside of its heap',
    {
      root: at => oldGroup(at('tree'), at('heap')),
      heap: at => localHeap(at('names'), 8),
      names: () => utf8('\0a\0\0\0\0\0\0'),
      tree: at => treeNode(0, 0, [join(little(8, 0), little(8, at('table')))]),
      table: at => symbolTable([99, at('root')]),
    },
    at => ['E1005', `local heap ends at offset ${at('names') + 8}, needs 91 more bytes`, undefined, 'names'],
  ),
  broken('H02', 'a group in itself', { root: at => group(hardLink('a', at('root'))) }, () => [
    'E1105',
    'the group a is the group /',
    undefined,
    'root',
  ]),
  broken('H02', 'a name twice', { root: at => group(hardLink('a', at('x')), hardLink('a', at('x'))), x: () => group() }, () => [
    'E1010',
    'the group / holds a twice',
    '',
  ]),
  broken('H02', 'a soft link', { root: () => group(softLink('a', '/a')) }, () => ['E1011', 'a is a soft link to "/a"', 'a', 'link a']),
  broken('H02', 'a link to another file', { root: () => group(externalLink('a', '/etc/passwd', '/x')) }, () => [
    'E1011',
    'a is a link to the file "/etc/passwd"',
    'a',
    'link a',
  ]),
  broken(
    'H02',
    'elements in another file',
    weighing(() => dataset([1, 2], contiguous(0, 8), message(0x07, raw([1, 0, 0, 0, 1, 0, 1, 0]), 'list'))),
    () => ['E1011', `${kernel} has its elements in other files`, kernel, 'list'],
  ),
  broken(
    'H02',
    'elements of datasets of other files',
    weighing(() => dataset([1, 2], message(0x08, raw([4, 3])))),
    () => ['E1011', `${kernel} is made of datasets of other files`, kernel],
  ),
];

const compressed = (content: Uint8Array, messages: readonly Piece[] = [filters(1)], stored: Piece = raw(deflateSync(content))): Blocks =>
  weighing(at => dataset([1, 2], chunked(at('tree'), [1, 2]), ...messages), {
    tree: at => treeNode(1, 0, [chunkEntry(at('chunk'), stored.bytes.length, [0, 0])]),
    chunk: () => stored,
  });
const fileSize = (blocks: Blocks): number => hdf(blocks).bytes.length;

const overflowing = weighing(() => dataset([2n ** 40n, 2n ** 40n], contiguous(0, 8)));
const hollow = weighing(() => dataset([2 ** 20, 2 ** 10], chunked(2n ** 64n - 1n, [1, 2])));
const sizes: Case[] = [
  broken('H03', 'sizes beyond 2^64', overflowing, () => [
    'E1009',
    `${kernel} takes 4835703278458516698824704 bytes in a file of ${fileSize(overflowing)}`,
    kernel,
  ]),
  broken('H03', '4 GiB that were never written', hollow, () => [
    'E1009',
    `${kernel} takes 4294967296 bytes in a file of ${fileSize(hollow)}`,
    kernel,
  ]),
  broken(
    'H03',
    'a size beyond 2^53',
    weighing(() => dataset([2n ** 63n], contiguous(0, 8))),
    at => ['E1006', 'a number beyond 2^53 in message dataspace', undefined, at('kernel') + 32],
  ),
  broken(
    'H03',
    'more bytes than sizes',
    weighing(() => dataset([1, 2], contiguous(96, 12))),
    () => ['E1006', `${kernel} has 12 bytes, its sizes come to 8`, kernel, 'layout'],
  ),
  broken(
    'H03',
    'elements beyond the end',
    weighing(() => dataset([1, 2], contiguous(2 ** 30, 8))),
    at => ['E1005', `bytes 1073741824 to 1073741832 lie outside the file of ${at('kernel') + 112} bytes`, undefined, 2 ** 30],
  ),
  broken('H03', '32 filters', compressed(new Uint8Array(8), [filters(...new Array<number>(32).fill(1))]), () => [
    'E1009',
    `${kernel} has 32 filters`,
    kernel,
    'filters',
  ]),
  broken('H03', 'an unknown filter', compressed(new Uint8Array(8), [filters(32015)]), () => [
    'E2002',
    `${kernel} is compressed by filter 32015, read are deflate, shuffle, fletcher32`,
    kernel,
  ]),
  broken('H03', 'a chunk that inflates to 10 MB', compressed(new Uint8Array(1e7)), () => [
    'E1006',
    `a chunk of ${kernel} inflates to more than 8 bytes`,
  ]),
  broken('H03', 'a chunk of fewer bytes', compressed(new Uint8Array(4)), at => [
    'E1006',
    `a chunk of ${kernel} has 4 bytes, expected 8`,
    undefined,
    at('chunk'),
  ]),
  broken('H03', 'a chunk of broken deflate data', compressed(none.bytes, [filters(1)], raw([1, 2, 3, 4])), () => [
    'E1006',
    `a chunk of ${kernel} has broken deflate data after 0 bytes`,
  ]),
  broken('H03', 'a chunk with another checksum', compressed(none.bytes, [filters(3)], raw(new Uint8Array(12).fill(7))), () => [
    'E1012',
    `a chunk of ${kernel} has another checksum`,
  ]),
  broken(
    'H03',
    'a chunk outside of the sizes',
    weighing(at => dataset([1, 2], chunked(at('tree'), [1, 2])), { tree: () => treeNode(1, 0, [chunkEntry(96, 8, [5, 0])]) }),
    at => ['E1006', `${kernel} has a chunk at [5,0] that has no place there`, undefined, at('tree') + 24],
  ),
  broken(
    'H03',
    'chunks without a size',
    weighing(() => dataset([1, 2], chunked(96, [0, 2]))),
    () => ['E1006', `${kernel} has chunks of sizes [0,2,4] for [1,2,4]`, kernel, 'layout'],
  ),
];

const levels = 30;
const doubling: Blocks = Object.fromEntries(
  Array.from({ length: levels + 1 }, (_, i) => [
    i === 0 ? 'root' : `g${i}`,
    (at: (name: string) => number) => (i === levels ? group() : group(hardLink('a', at(`g${i + 1}`)), hardLink('b', at(`g${i + 1}`)))),
  ]),
);
const nested: Blocks = Object.fromEntries(
  Array.from({ length: 100 }, (_, i) => [
    i === 0 ? 'root' : `g${i}`,
    (at: (name: string) => number) => (i === 99 ? group() : group(hardLink('a', at(`g${i + 1}`)))),
  ]),
);
const heaps: Case[] = [
  broken('H04', '30 groups with two names each for the next', doubling, () => [
    'E1105',
    `the group ${'a/'.repeat(29)}b is the group /${'a/'.repeat(29)}a`,
    undefined,
    'g30',
  ]),
  broken('H04', '100 groups in each other', nested, () => [
    'E1009',
    'groups are nested deeper than 64',
    new Array<string>(64).fill('a').join('/'),
  ]),
  broken(
    'H04',
    'a text in a heap that does not have it',
    {
      root: at => group(heapAttribute('model_config', at('heap'), 9, 5)),
      heap: () =>
        join(utf8('GCOL'), raw([1, 0, 0, 0]), little(8, 48), little(2, 1), little(6, 0), little(8, 8), utf8('12345678'), little(8, 0)),
    },
    at => ['E1006', `the global heap at offset ${at('heap')} has no object 9`, undefined, 'heap'],
  ),
  broken(
    'H04',
    'a text longer than its heap',
    {
      root: at => group(heapAttribute('model_config', at('heap'), 1, 5)),
      heap: () =>
        join(
          utf8('GCOL'),
          raw([1, 0, 0, 0]),
          little(8, 48),
          little(2, 1),
          little(6, 0),
          little(8, 2 ** 40),
          utf8('12345678'),
          little(8, 0),
        ),
    },
    at => ['E1005', `global heap ends at offset ${at('heap') + 48}, needs ${2 ** 40 - 16} more bytes`, undefined, at('heap') + 32],
  ),
];

export const hdfCases: readonly Case[] = [...superblocks, ...circles, ...sizes, ...heaps];
