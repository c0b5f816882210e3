// N01 to N04: arrays of NumPy as inputs of a run.
import { type Case, type Expected, error, hostile } from './case.ts';
import { model } from './onnx-wire.ts';

const text = (s: string): Uint8Array => Uint8Array.from(s, c => c.charCodeAt(0));
const concat = (...parts: Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap(p => [...p]));
const magic = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59);

/** An .npy of version 1.0 whose header is `header`, or claims to be `claimed` bytes long. */
const npy = (header: string, data: Uint8Array, claimed = header.length, version = [1, 0]): Uint8Array =>
  concat(magic, Uint8Array.from(version), Uint8Array.of(claimed & 255, claimed >> 8), text(header), data);
const literal = (descr: string, shape: string, fortran = 'False'): string =>
  `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': ${shape}, }\n`;
const six = new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer);
const bigEndian = Uint8Array.from(six, (_, i) => six[(i & ~3) + 3 - (i & 3)]!);

const runs = (row: string, variant: string, file: string, content: Uint8Array, findings: Expected[], given: object = {}): Case =>
  hostile(row, variant, () => model(), findings, {
    command: 'run',
    file: 'good.onnx',
    options: ['--inputs', file],
    beside: { [file]: content },
    ...given,
  });
/** The header begins at byte 10. */
const refused = (row: string, variant: string, content: Uint8Array, code: Expected['code'], message: string, offset?: number): Case =>
  runs(row, variant, 'x.npy', content, [error(code, message, undefined, offset)], code === 'E2002' ? { exit: 'unsupported' } : {});

const headers: Case[] = [
  refused('N01', 'an empty file', new Uint8Array(0), 'E1001', 'the file is empty'),
  refused('N01', 'a text', text('hello'), 'E1002', 'neither an .npy nor an .npz file', 0),
  refused('N01', 'only the magic', magic, 'E1005', '.npy file of 6 bytes ends inside its header', 0),
  refused(
    'N01',
    'a header that is code',
    npy("__import__('os').system('id')\n", six),
    'E1006',
    ".npy header: expected '{', found \"__import__('os').sys\"",
    10,
  ),
  refused(
    'N01',
    'a value that is code',
    npy("{'descr': __import__('os'), 'fortran_order': False, 'shape': (2, 3), }\n", six),
    'E1006',
    ".npy header: expected a string, found \"__import__('os'), 'f\"",
    20,
  ),
  refused(
    'N01',
    'a length beyond the file',
    npy(literal('<f4', '(2, 3)'), six, 60_000),
    'E1005',
    '.npy header needs 60000 bytes, found 84',
    10,
  ),
  refused(
    'N01',
    'a length that is too short',
    npy(literal('<f4', '(2, 3)'), six, 20),
    'E1006',
    '.npy header: expected a string that ends, found "\'fo"',
    10 + "{'descr': '<f4', ".length,
  ),
  refused(
    'N01',
    'version 9',
    npy(literal('<f4', '(2, 3)'), six, undefined, [9, 0]),
    'E2002',
    '.npy version 9.0; 1.0, 2.0 and 3.0 are read here',
    6,
  ),
  refused(
    'N01',
    'a key twice',
    npy("{'descr': '<f4', 'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }\n", six),
    'E1010',
    ".npy header: key 'descr' occurs twice",
    10 + "{'descr': '<f4', 'descr'".length,
  ),
  refused(
    'N02',
    'objects',
    npy(literal('|O', '(1,)'), text('\x80\x04N.')),
    'E2002',
    '.npy type "|O" holds Python objects, which needs pickle',
    0,
  ),
  refused('N03', 'a negative size', npy(literal('<f4', '(-2, 3)'), six), 'E1202', '.npy shape [-2, 3] is impossible', 10),
  refused(
    'N03',
    'sizes that overflow',
    npy(literal('<f4', '(1099511627776, 1099511627776)'), six),
    'E1202',
    '.npy shape [1099511627776, 1099511627776] is impossible',
    10,
  ),
  refused(
    'N03',
    'too many dimensions',
    npy(literal('<f4', `(${'1, '.repeat(65)})`), six),
    'E1202',
    '.npy header: shape has more than 64 dimensions',
    10 + literal('<f4', '(').indexOf('(') + 1 + 64 * 3 + 1,
  ),
  refused(
    'N03',
    'data that is too short',
    npy(literal('<f4', '(2, 4)'), six),
    'E1005',
    '.npy data of type f4 and shape [2, 4] needs 32 bytes, found 24',
    10 + literal('<f4', '(2, 4)').length,
  ),
  refused(
    'N03',
    'bytes after the data',
    npy(literal('<f4', '(2, 3)'), concat(six, six)),
    'E1007',
    '24 bytes follow the .npy data',
    10 + literal('<f4', '(2, 3)').length + six.length,
  ),
  refused(
    'N03',
    'a record',
    npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2, 3), }\n", six),
    'E2002',
    '.npy header: the type is a record of fields; save one array for each field',
    10 + "{'descr': [".length,
  ),
  refused(
    'N03',
    'text that is none',
    npy(literal('<U3', '(2,)'), six),
    'E1006',
    'array array: text holds the code point 1065353216, which does not exist',
  ),
  refused('N03', 'a type that does not exist', npy(literal('<q9', '(2,)'), six), 'E1006', '.npy type "<q9" does not exist', 0),
];

/** What a run prints of Relu(x) where x holds 1 to 6. */
const right = ['y       float32  [2,3]    1    6   3.5    0'];
const converted: Case[] = [
  runs('N03', 'big-endian', 'x.npy', npy(literal('>f4', '(2, 3)'), bigEndian), [], { notes: right }),
  runs('N03', 'the first axis fastest', 'x.npy', npy(literal('<f4', '(2, 3)', 'True'), six), [], { notes: right }),
];

const crc = (bytes: Uint8Array): number => {
  let c = 0xffffffff;
  for (const byte of bytes) {
    c ^= byte;
    for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  }
  return ~c >>> 0;
};
const u16 = (n: number): Uint8Array => Uint8Array.of(n & 255, (n >> 8) & 255);
const u32 = (n: number): Uint8Array => concat(u16(n & 0xffff), u16(n >>> 16));

interface Entry {
  readonly name: string;
  readonly content: Uint8Array;
  /** What the archive says, where that is not so. */
  readonly method?: number;
  readonly flags?: number;
  readonly size?: number;
  readonly checksum?: number;
}

/** A zip archive that says of its entries what it is told. */
function zip(...entries: readonly Entry[]): Uint8Array {
  const locals: Uint8Array[] = [];
  const centrals: Uint8Array[] = [];
  let at = 0;
  for (const { name, content, method = 0, flags = 0, size = content.length, checksum = crc(content) } of entries) {
    const fields = concat(
      u16(20),
      u16(flags),
      u16(method),
      u32(0),
      u32(checksum),
      u32(content.length),
      u32(size),
      u16(name.length),
      u16(0),
    );
    const local = concat(text('PK\x03\x04'), fields, text(name), content);
    centrals.push(concat(text('PK\x01\x02'), u16(20), fields, u16(0), u16(0), u16(0), u32(0), u32(at), text(name)));
    locals.push(local);
    at += local.length;
  }
  const directory = concat(...centrals);
  const end = concat(text('PK\x05\x06'), u32(0), u16(entries.length), u16(entries.length), u32(directory.length), u32(at), u16(0));
  return concat(...locals, directory, end);
}

const x = npy(literal('<f4', '(2, 3)'), six);
/** Where an archive's first entry ends, whose name has this many bytes. */
const entryEnd = (nameLength: number): number => 30 + nameLength + x.length;
const archived = (variant: string, content: Uint8Array, code: Expected['code'], message: string, path?: string, offset?: number): Case =>
  runs('N04', variant, 'x.npz', content, [error(code, message, path, offset)], code === 'E2002' ? { exit: 'unsupported' } : {});
const archives: Case[] = [
  runs('N04', 'a sound archive', 'x.npz', zip({ name: 'x.npy', content: x }), [], { notes: right }),
  archived(
    'an array twice',
    zip({ name: 'x.npy', content: x }, { name: 'x.npy', content: x }),
    'E1010',
    'archive entry "x.npy" occurs twice',
    'x.npy',
    entryEnd(5),
  ),
  archived(
    'an array twice, once without an ending',
    zip({ name: 'x.npy', content: x }, { name: 'x', content: x }),
    'E1010',
    'archive holds array "x" twice',
    'x',
  ),
  archived(
    'a path that leaves the archive',
    zip({ name: '../x.npy', content: x }),
    'E1011',
    "archive entry \"../x.npy\" has an unsafe name: it has an empty, '.' or '..' part",
    '../x.npy',
    entryEnd(8),
  ),
  archived(
    'a wrong checksum',
    zip({ name: 'x.npy', content: x, checksum: 1 }),
    'E1012',
    `archive entry "x.npy" has checksum 0x${crc(x).toString(16)}, the archive says 0x1`,
    'x.npy',
    0,
  ),
  archived(
    'an encrypted entry',
    zip({ name: 'x.npy', content: x, flags: 1 }),
    'E2002',
    'archive entry "x.npy" is encrypted',
    'x.npy',
    entryEnd(5),
  ),
  archived(
    'an unknown method',
    zip({ name: 'x.npy', content: x, method: 99 }),
    'E2002',
    'archive entry "x.npy" is compressed by method 99; 0 and 8 are read here',
    'x.npy',
    entryEnd(5),
  ),
  archived(
    'a size that lies',
    zip({ name: 'x.npy', content: x, size: 9 }),
    'E1006',
    'archive entry "x.npy" is stored, yet has sizes 9 and 94',
    'x.npy',
    entryEnd(5),
  ),
  archived(
    'no directory',
    zip({ name: 'x.npy', content: x }).slice(0, 130),
    'E1006',
    'archive has no end record: it is cut off or not a zip file',
    undefined,
    130,
  ),
];

export const arrayCases: readonly Case[] = [...headers, ...converted, ...archives];
