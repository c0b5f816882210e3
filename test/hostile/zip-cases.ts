// Z01 to Z11: archives that two readers could understand differently, or that take more than they hold.
import { crc32, deflateRawSync } from 'node:zlib';
import { type Code, codes } from '../../src/errors.ts';
import { type Case, type Expected, error, hostile, warns } from './case.ts';
import { kerasEntries } from './keras-cases.ts';
import { checkpointEntries, dict, entriesOf, guess, pickle, programEntries, root, scriptEntries, tensor } from './pickle-wire.ts';
import { join, little, mark, none, type Piece, raw, utf8 } from './wire.ts';
import { type ZipEnd, type ZipEntry, zip } from './zip-wire.ts';

/** A kind of archive, and its entry that is tampered with, which is read whole. */
interface Carrier {
  readonly title: string;
  readonly file: string;
  readonly command: 'weights' | 'info';
  readonly entries: readonly ZipEntry[];
  readonly entry: string;
  readonly findings: readonly Expected[];
}

const weights = pickle(dict(['w', tensor()]));
const carriers: readonly Carrier[] = [
  {
    title: 'a checkpoint',
    file: 'bad.pth',
    command: 'weights',
    entries: entriesOf(checkpointEntries(weights)),
    entry: 'm/data.pkl',
    findings: [],
  },
  {
    title: 'a TorchScript program',
    file: 'bad.pt',
    command: 'info',
    entries: entriesOf(scriptEntries(pickle(root(tensor())))),
    entry: 'm/data.pkl',
    findings: [guess],
  },
  {
    title: 'a .pt2 program',
    file: 'bad.pt2',
    command: 'info',
    entries: entriesOf(programEntries()),
    entry: 'm/models/model.json',
    findings: [],
  },
  { title: 'a Keras model', file: 'bad.keras', command: 'info', entries: kerasEntries(), entry: 'config.json', findings: [] },
];

/** What to do with the entry of a carrier, or with all of them. */
type Tamper = (entries: ZipEntry[], at: number) => ZipEntry[];
const change =
  (facts: Partial<ZipEntry> | ((entry: ZipEntry) => Partial<ZipEntry>)): Tamper =>
  (entries, at) =>
    entries.map((entry, i) => (i === at ? { ...entry, ...(typeof facts === 'function' ? facts(entry) : facts) } : entry));
const alike: Tamper = entries => entries;

interface Where {
  readonly entry: string;
  readonly data: Uint8Array;
  /** What follows it. */
  readonly next: string;
  /** How many entries there are. */
  readonly count: number;
  /** Offset of a mark. */
  at(mark: string): number;
}
/** What is wrong; the place is a mark. */
type Wrong = (where: Where) => readonly [code: Code, message: string, path?: string | undefined, offset?: string | number];

function made(carrier: Carrier, tamper: Tamper, end: ZipEnd = {}): Piece {
  const entries = [...carrier.entries];
  return zip(
    tamper(
      entries,
      entries.findIndex(e => e.name === carrier.entry),
    ),
    end,
  );
}

function inEach(
  row: string,
  variant: string,
  tamper: Tamper,
  wrong: Wrong,
  end?: ZipEnd,
  given: { readonly large?: boolean } = {},
): Case[] {
  return carriers.map(carrier => {
    const piece = given.large ? undefined : made(carrier, tamper, end);
    const entries = [...carrier.entries];
    const place = entries.findIndex(e => e.name === carrier.entry);
    const where: Where = {
      entry: carrier.entry,
      data: entries[place]!.data.bytes,
      next: entries[place + 1]!.name,
      count: entries.length,
      at: name => piece?.marks?.get(name) ?? Number.NaN,
    };
    const [code, message, path, offset] = wrong(where);
    return hostile(row, `${variant}, in ${carrier.title}`, () => made(carrier, tamper, end), [error(code, message, path, offset)], {
      file: carrier.file,
      command: carrier.command,
      exit: codes[code].exit,
      ...given,
    });
  });
}

/** Something wrong with the entry, which is said of it where it lies in the directory (`#`), or where its header (`@`) or data begin. */
const ofEntry = (
  row: string,
  variant: string,
  tamper: Tamper,
  code: Code,
  what: string | ((data: Uint8Array) => string),
  sign = '@',
): Case[] =>
  inEach(row, variant, tamper, ({ entry, data }) => [
    code,
    `archive entry "${entry}" ${typeof what === 'string' ? what : what(data)}`,
    entry,
    `${entry}${sign}`,
  ]);

/** The first entry of the directory, whichever carrier it is. */
const first = (at: Where['at']): string => ['m/data.pkl#', 'm/archive_format#', 'config.json#'].find(name => !Number.isNaN(at(name)))!;

const ends: Case[] = [
  ...inEach(
    'Z01',
    'no end record',
    alike,
    () => ['E1006', 'archive has no end record: it is cut off or not a zip file', undefined, 'file end'],
    {
      without: true,
      suffix: mark('file end'),
    },
  ),
  ...inEach(
    'Z01',
    'two end records',
    alike,
    () => ['E1006', 'archive has two end records, so readers disagree on its content', undefined, 'second'],
    {
      comment: join(mark('second'), utf8('PK\x05\x06'), raw(new Uint8Array(18))),
    },
  ),
  ...inEach('Z01', 'a comment that is cut off', alike, () => ['E1005', 'archive comment needs 5 more bytes', undefined, 'file end'], {
    comment: none,
    suffix: mark('file end'),
    cut: 5,
  }),
  ...inEach(
    'Z01',
    'bytes behind the end record',
    alike,
    () => ['E1007', '4 bytes follow the end record of the archive', undefined, 'behind'],
    {
      suffix: join(mark('behind'), raw([1, 2, 3, 4])),
    },
  ),
  ...inEach(
    'Z01',
    'bytes between the directory and its end',
    alike,
    ({ at, count }) => ['E1006', `archive directory has 0 entries, its end record says ${count}`, undefined, at(first(at)) + 3],
    { before: raw([1, 2, 3]) },
  ),
];

const headers: Case[] = [
  ...ofEntry(
    'Z02',
    'another name in the local header',
    change(e => ({ local: { name: e.name.replace(/.$/, 'X') } })),
    'E1006',
    'has another name in its local header',
  ),
  ...ofEntry('Z02', 'another size in the local header', change({ local: { size: 7 } }), 'E1006', 'has other sizes in its local header'),
  ...ofEntry(
    'Z02',
    'another method in the local header',
    change({ local: { method: 8 } }),
    'E1006',
    'has another method in its local header',
  ),
  ...ofEntry(
    'Z02',
    'another checksum in the local header',
    change({ local: { crc: 7 } }),
    'E1006',
    'has another checksum in its local header',
  ),
  ...ofEntry('Z02', 'other flags in the local header', change({ local: { flags: 2048 } }), 'E1006', 'has other flags in its local header'),
  ...ofEntry(
    'Z02',
    'a descriptor that says something else',
    change({ both: { flags: 8 }, after: join(utf8('PK\x07\x08'), little(4, 1), little(4, 2), little(4, 3)) }),
    'E1006',
    'contradicts its data descriptor',
  ),
  ...inEach(
    'Z02',
    'no local header where the directory says',
    change(({ data: { bytes } }) => ({
      central: { size: bytes.length - 1, compressedSize: bytes.length - 1 },
      at: starts => starts.at(-1)! + 1,
    })),
    ({ entry, at }) => ['E1006', `archive entry "${entry}" has no local header`, entry, at(`${entry}@`) + 1],
  ),
];

/** The entry twice, the second time under another name and with another content. */
const again =
  (name: (name: string) => string): Tamper =>
  (entries, at) => [...entries, { name: name(entries[at]!.name), data: pickle(dict()) }];
const duplicates: Case[] = [
  ...inEach(
    'Z03',
    'a name twice',
    again(n => n),
    ({ entry }) => ['E1010', `archive entry "${entry}" occurs twice`, entry, `${entry}@`],
  ),
  ...inEach(
    'Z03',
    'names that differ by case',
    again(n => n.toUpperCase()),
    ({ entry }) => [
      'E1010',
      `archive entry "${entry.toUpperCase()}" has the same name as "${entry}" on some systems`,
      entry.toUpperCase(),
      `${entry.toUpperCase()}@`,
    ],
  ),
  ...inEach(
    'Z03',
    'names that differ by how Unicode is composed',
    entries => [...entries, { name: 'm/\u00e9', data: none }, { name: 'm/e\u0301', data: none }],
    () => ['E1010', 'archive entry "m/e\u0301" has the same name as "m/\u00e9" on some systems', 'm/e\u0301', 'm/e\u0301@'],
  ),
];

/** An entry whose data reaches beyond the beginning of the next. */
const reaching =
  (bytes: number | bigint, next: (where: Where) => number): Wrong =>
  where => [
    'E1006',
    `archive entry "${where.entry}" of ${bytes} bytes overlaps what begins at ${next(where)}`,
    where.entry,
    `${where.entry}@`,
  ];
const nextEntry = ({ at, next }: Where): number => at(`${next}@`);
const overlaps: Case[] = [
  ...inEach(
    'Z04',
    'two entries at one place',
    (entries, at) => [...entries, { ...entries[at]!, name: 'm/copy', at: starts => starts[at]! }],
    ({ entry, data, at }) => [
      'E1006',
      `archive entry "m/copy" of ${data.length} bytes overlaps what begins at ${at(`${entry}@`)}`,
      'm/copy',
      `${entry}@`,
    ],
  ),
  ...inEach(
    'Z04',
    'an entry that reaches into the next',
    change({ both: { size: 3000, compressedSize: 3000 } }),
    reaching(3000, nextEntry),
  ),
  ...inEach(
    'Z04',
    'an entry that is the archive itself',
    entries => [...entries, { name: 'm/self', data: none, at: () => 0 }],
    () => ['E1006', 'archive entry "m/self" of 0 bytes overlaps what begins at 0', 'm/self', 0],
  ),
];

const zeros = (megabytes: number): Piece => ({ bytes: new Uint8Array(megabytes * 2 ** 20) });
const bombs: Case[] = [
  ...inEach(
    'Z05',
    '200 MB in 195 KB',
    (entries, at) => entries.map((e, i) => (i === at ? { name: e.name, data: zeros(200), deflate: true } : e)),
    ({ entry }) => ['E1009', `archive entry "${entry}" inflates to more than 200 times its size`, entry, `${entry}@`],
    undefined,
    { large: true },
  ),
  ...inEach(
    'Z05',
    '20 MB that state to be 1000 bytes',
    (entries, at) => entries.map((e, i) => (i === at ? { name: e.name, data: zeros(20), deflate: true, both: { size: 1000 } } : e)),
    ({ entry }) => ['E1006', `archive entry "${entry}" inflates to more than the 1000 bytes it states`, entry, entry],
  ),
  ...inEach(
    'Z05',
    '65 MB in 65 KB',
    (entries, at) => entries.map((e, i) => (i === at ? { name: e.name, data: zeros(65), deflate: true } : e)),
    ({ entry }) => ['E1009', `archive entry "${entry}" inflates to more than 200 times its size`, entry, `${entry}@`],
    undefined,
    { large: true },
  ),
  ...inEach('Z05', 'a size that deflate cannot reach', change({ deflate: true, both: { size: 2 ** 31 } }), ({ entry, data }) => [
    'E1006',
    `archive entry "${entry}" cannot inflate from ${deflateRawSync(data).length} to 2147483648 bytes`,
    entry,
    `${entry}#`,
  ]),
];

const unsafe = (name: string | readonly number[], reason: string): Case[] =>
  inEach(
    'Z06',
    `the name ${JSON.stringify(name)}`,
    entries => [...entries, { name: 'x', data: none, both: { name } }],
    () =>
      typeof name === 'string'
        ? ['E1011', `archive entry ${JSON.stringify(name)} has an unsafe name: it ${reason}`, name, 'x#']
        : ['E1110', 'archive entry has a name that is not UTF-8', undefined, 'x#'],
  );
const dots = "has an empty, '.' or '..' part";
const names: Case[] = [
  ...unsafe('../x', dots),
  ...unsafe('m/../../x', dots),
  ...unsafe('/x', 'is an absolute path'),
  ...unsafe('C:\\x', 'names a drive'),
  ...unsafe('\\\\h\\x', 'has a backslash'),
  ...unsafe('m/a\0b', 'has a control character'),
  ...unsafe('', 'is empty'),
  ...carriers.map(carrier =>
    hostile(
      'Z06',
      `entries that objects treat specially, in ${carrier.title}`,
      () => made(carrier, entries => [...entries, ...['__proto__', 'constructor'].map(name => ({ name, data: none }))]),
      carrier.findings,
      {
        file: carrier.file,
        command: carrier.command,
      },
    ),
  ),
];

const wide = (size: bigint): Piece => join(little(2, 1), little(2, 16), little(8, size), little(8, size));
const zip64: Case[] = [
  ...inEach(
    'Z07',
    'a size of 2^63',
    change({ central: { size: 0xffffffff, compressedSize: 0xffffffff, extra: wide(2n ** 63n) } }),
    reaching(2 ** 63, nextEntry),
  ),
  ...ofEntry(
    'Z07',
    'no size where the directory refers to one',
    change({ central: { size: 0xffffffff } }),
    'E1006',
    'lacks its Zip64 sizes',
    '#',
  ),
  ...ofEntry('Z07', 'another disk', change({ disk: 3 }), 'E2002', 'lies on disk 3', '#'),
  ...inEach(
    'Z07',
    'an archive of several disks',
    alike,
    () => ['E2002', 'archive is split over several disks (this is disk 2)', undefined, 'end'],
    { disk: 2 },
  ),
  ...inEach(
    'Z07',
    'a count of entries that lies',
    alike,
    ({ count }) => ['E1006', `archive directory has ${count} entries, its end record says 99`, undefined, 'end'],
    { count: 99 },
  ),
  ...inEach(
    'Z07',
    'a directory beyond the file',
    alike,
    ({ at }) => [
      'E1006',
      `archive directory of ${at('end') - at(first(at))} bytes at 2147483648 does not end at its end record`,
      undefined,
      'end',
    ],
    { at: 2 ** 31 },
  ),
  ...inEach(
    'Z07',
    'counts that need a record that is missing',
    alike,
    () => ['E1006', 'archive needs a Zip64 end record and has none', undefined, 'end'],
    { count: 0xffff },
  ),
];

const features: Case[] = [
  ...ofEntry('Z08', 'an encrypted entry', change({ both: { flags: 1 } }), 'E2002', 'is encrypted', '#'),
  ...ofEntry(
    'Z08',
    'an unknown method',
    change({ both: { method: 12 } }),
    'E2002',
    'is compressed by method 12; 0 and 8 are read here',
    '#',
  ),
  ...ofEntry(
    'Z08',
    'a flag that no reader knows',
    change({ both: { flags: 0x4000 } }),
    'E2002',
    'has flag bits 0x4000 that are not read here',
    '#',
  ),
  ...ofEntry(
    'Z08',
    'an encrypted directory',
    change({ both: { flags: 0x2000 } }),
    'E2002',
    'has flag bits 0x2000 that are not read here',
    '#',
  ),
  ...ofEntry(
    'Z08',
    'a stored entry of two sizes',
    change({ both: { compressedSize: 3 } }),
    'E1006',
    data => `is stored, yet has sizes ${data.length} and 3`,
    '#',
  ),
  ...ofEntry(
    'Z09',
    'a checksum that is wrong',
    change({ both: { crc: 0x12345678 } }),
    'E1012',
    data => `has checksum 0x${crc32(data).toString(16)}, the archive says 0x12345678`,
  ),
];

const junk = utf8('MZ, or whatever a loader of programs begins with\n');
const polyglots: Case[] = [
  ...carriers.map(carrier =>
    hostile(
      'Z10',
      `something before the archive, in ${carrier.title}`,
      () => made(carrier, alike, { prefix: junk }),
      [warns('E1006', `${junk.bytes.length} bytes precede the archive`, undefined, 0), ...carrier.findings],
      { file: carrier.file, command: carrier.command },
    ),
  ),
  ...carriers.map(carrier =>
    hostile(
      'Z10',
      `a web page before the archive, in ${carrier.title}`,
      () => made(carrier, alike, { prefix: utf8('<!DOCTYPE html><html></html>\n') }),
      carrier.command === 'weights'
        ? [warns('E1006', '29 bytes precede the archive', undefined, 0)]
        : [error('E1004', 'this is an HTML page')],
      { file: carrier.file, command: carrier.command },
    ),
  ),
];

const links: Case[] = [
  ...ofEntry('Z11', 'a symbolic link', change({ host: 3, attributes: 0xa1ff0000 }), 'E1011', 'is a symbolic link', '#'),
  ...ofEntry('Z11', 'a device', change({ host: 3, attributes: 0x61ff0000 }), 'E1011', 'is neither a file nor a folder', '#'),
  ...inEach(
    'Z11',
    'a folder with content',
    change(e => ({ both: { name: `${e.name}/` } })),
    ({ entry }) => ['E1006', `archive entry "${entry}/" is a folder with content`, `${entry}/`, `${entry}#`],
  ),
];

export const zipCases: readonly Case[] = [
  ...ends,
  ...headers,
  ...duplicates,
  ...overlaps,
  ...bombs,
  ...names,
  ...zip64,
  ...features,
  ...polyglots,
  ...links,
];
