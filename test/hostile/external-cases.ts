// X01 to X16: data outside the model file.
import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join as path } from 'node:path';
import { type Case, type Expected, error, hostile, warns } from './case.ts';
import { external, initializer, isExternal, model } from './onnx-wire.ts';
import { join, mark, type Piece } from './wire.ts';

const w = 'graph.initializer[0]';
const sha1 = 'ae5bd8efea5322c4d9986d06680a781392f9a642';
/** 32 bytes, of which the weight takes 16. */
const data = Uint8Array.from({ length: 32 }, (_, i) => i);

/** A float32[4] with these entries. */
const weight = (name: string, at: string, ...entries: Piece[]): Piece => initializer(name, 1, [4], mark(at), ...entries, isExternal);
const withEntries = (...entries: Piece[]): Piece => model({ initializers: weight('w', 'w', ...entries) });
const located = (location: string | number[], ...more: Piece[]): Piece => withEntries(external('location', location), ...more);

const bad = (code: Expected['code'], message: string): Expected => error(code, message, w, 'w');
const odd = (code: Expected['code'], message: string): Expected => warns(code, message, w, 'w');

const refused = (row: string, location: string | number[], shown: string, reason: string): Case =>
  hostile(row, `the location ${shown}`, () => located(location), [bad('E1401', `the location "${shown}" ${reason}`)]);

const leaves = 'leaves the folder of the model';
const sign = 'holds a backslash or colon';
const controls = 'holds control characters or invalid bytes';
const locations: Case[] = [
  refused('X01', '../../etc/passwd', '../../etc/passwd', leaves),
  refused('X01', '..', '..', leaves),
  refused('X02', '/etc/passwd', '/etc/passwd', 'is absolute'),
  refused('X02', 'C:\\x', 'C:\\\\x', sign),
  refused('X02', 'C:x', 'C:x', sign),
  refused('X02', '\\\\host\\share', '\\\\\\\\host\\\\share', sign),
  refused('X02', '//host/x', '//host/x', 'is absolute'),
  refused('X02', 'file:///etc/passwd', 'file:///etc/passwd', sign),
  refused('X02', 'http://example.com/x', 'http://example.com/x', sign),
  refused('X03', 'sub/../../x', 'sub/../../x', leaves),
  refused('X03', 'a/./../../x', 'a/./../../x', leaves),
  refused('X03', 'sub/../w.data', 'sub/../w.data', leaves),
  refused('X03', 'a\\..\\x', 'a\\\\..\\\\x', sign),
  refused('X03', 'w.data.', 'w.data.', 'has a segment that ends in a dot or space'),
  refused('X03', 'w.data ', 'w.data ', 'has a segment that ends in a dot or space'),
  refused('X03', 'NUL', 'NUL', 'names a device'),
  refused('X03', 'con.data', 'con.data', 'names a device'),
  refused('X03', 'sub/COM1', 'sub/COM1', 'names a device'),
  refused('X03', 'w.data:stream', 'w.data:stream', sign),
  refused('X03', 'a//b', 'a//b', 'has an empty segment'),
  refused('X03', '', '', 'has an empty segment'),
  refused('X04', 'w.data\0.txt', 'w.data\\x00.txt', controls),
  refused('X04', 'w.data\n', 'w.data\\n', controls),
  refused('X04', [0x77, 0xff], 'w\\xff', controls),
  refused('X13', '*/_ORT_MEM_ADDR_/*', '*/_ORT_MEM_ADDR_/*', 'is an address in memory'),
];

/** Where files lie that no model may reach: beside the folder of the case. */
const outside = (at: string): string => `${dirname(at)}-outside`;
/** A link at the place, to a file or folder made outside. */
const linkOut = (isFolder: boolean) => (at: string) => {
  const target = outside(at);
  mkdirSync(target, { recursive: true });
  writeFileSync(path(target, 'w.data'), data);
  symlinkSync(isFolder ? target : path(target, 'w.data'), at);
};
const onDisk = (
  row: string,
  variant: string,
  beside: Case['beside'],
  findings: Expected[],
  location = 'w.data',
  given: object = {},
): Case => hostile(row, variant, () => located(location), findings, { beside, ...given });
const missing = (location: string): Expected => bad('E1402', `external data file "${location}" does not exist beside the model`);
const irregular = bad('E1402', 'external data file "w.data" is not a regular file');
const escapes = (location: string): Expected => bad('E1401', `external data file "${location}" leads outside the folder of the model`);

const kinds: Case[] = [
  onDisk('X05', 'a link to the outside', { 'w.data': linkOut(false) }, [escapes('w.data')]),
  onDisk('X05', 'a folder that is a link to the outside', { sub: linkOut(true) }, [escapes('sub/w.data')], 'sub/w.data'),
  onDisk('X05', 'a link to itself', { 'w.data': at => symlinkSync('w.data', at) }, [missing('w.data')]),
  onDisk('X05', 'a link to nothing', { 'w.data': at => symlinkSync('nowhere', at) }, [missing('w.data')]),
  onDisk('X05', 'a link inside the folder', { 'real.data': exactly(16), 'w.data': at => symlinkSync('real.data', at) }, []),
  onDisk('X06', 'a second name', { 'w.data': hardLink }, [
    odd('E1401', 'the data "w.data" has 2 names on the disk, so it may be a file of somebody else'),
  ]),
  onDisk(
    'X06',
    'a second name, with --strict',
    { 'w.data': hardLink },
    [odd('E1401', 'the data "w.data" has 2 names on the disk, so it may be a file of somebody else')],
    'w.data',
    {
      options: ['--strict'],
      exit: 'no',
    },
  ),
  onDisk('X07', 'a folder', { 'w.data': at => mkdirSync(at) }, [irregular]),
  onDisk('X07', 'a pipe', { 'w.data': at => execFileSync('mkfifo', [at]) }, [irregular]),
  onDisk('X07', 'a link to a device', { 'w.data': at => symlinkSync('/dev/zero', at) }, [escapes('w.data')]),
  onDisk('X07', 'a link to the memory of the process', { 'w.data': at => symlinkSync('/proc/self/mem', at) }, [escapes('w.data')]),
  onDisk('X08', 'a missing file', {}, [missing('w.data')]),
  onDisk('X08', 'a missing folder', {}, [missing('sub/w.data')], 'sub/w.data'),
  hostile('X08', 'no location', () => withEntries(external('offset', '0')), [
    bad('E1402', 'the data is external, and no location says where'),
  ]),
];

function exactly(length: number): Uint8Array {
  return data.slice(0, length);
}
function hardLink(at: string): void {
  writeFileSync(`${at}.other`, exactly(16));
  linkSync(`${at}.other`, at);
}

const ranged = (row: string, variant: string, entries: Record<string, string>, ...findings: Expected[]): Case =>
  hostile(row, variant, () => located('w.data', ...Object.entries(entries).map(([key, value]) => external(key, value))), findings, {
    beside: { 'w.data': data },
  });
const beyond = (from: number | string, to: number | string): Expected =>
  bad('E1403', `bytes ${from} to ${to} lie outside "w.data" of 32 bytes`);
const noNumber = (key: string, value: string): Expected => bad('E1403', `the ${key} "${value}" is not a decimal number`);

const ranges: Case[] = [
  ranged('X09', 'a sound range', { offset: '16', length: '16' }),
  ranged('X09', 'an offset beyond the end', { offset: '33', length: '0' }, beyond(33, 33)),
  ranged('X09', 'a range that ends beyond the end', { offset: '24' }, beyond(24, 40)),
  ranged('X09', 'a length of 9e15', { length: '9000000000000000' }, beyond(0, '9000000000000000')),
  ranged('X09', 'an end that wraps', { offset: '18446744073709551608', length: '16' }, noNumber('offset', '18446744073709551608')),
  ranged(
    'X09',
    'an end that wraps below 2^63',
    { offset: '9223372036854775807', length: '9223372036854775807' },
    beyond('9223372036854775807', '18446744073709551614'),
  ),
  ...['-1', 'abc', '1e1', ' 8', '8 ', '08', '+8', '0x8', '', '8.0', '８'].map(value =>
    ranged('X09', `the offset ${JSON.stringify(value)}`, { offset: value }, noNumber('offset', value)),
  ),
  ranged('X09', 'the length "0x10"', { length: '0x10' }, noNumber('length', '0x10')),
  ranged('X10', 'a length that is too short', { length: '12' }, bad('E1203', 'the external length is 12, type and shape say 16 bytes')),
  ranged('X10', 'a length that is too long', { length: '20' }, bad('E1203', 'the external length is 20, type and shape say 16 bytes')),
  hostile('X10', 'no length, and a short file', () => located('w.data'), [bad('E1403', 'bytes 0 to 16 lie outside "w.data" of 15 bytes')], {
    beside: { 'w.data': exactly(15) },
  }),
  hostile(
    'X11',
    'unknown keys',
    () => located('w.data', external('__class__', 'x', 'first'), external('__proto__', 'x', 'second')),
    [
      warns('E1403', 'the key "__class__" is unknown', `${w}.external_data[1]`, 'first'),
      warns('E1403', 'the key "__proto__" is unknown', `${w}.external_data[2]`, 'second'),
    ],
    { beside: { 'w.data': data } },
  ),
  hostile(
    'X11',
    'a key twice',
    () => located('w.data', external('location', '../x', 'second')),
    [error('E1010', 'the key "location" occurs twice', `${w}.external_data[1]`, 'second')],
    { beside: { 'w.data': data } },
  ),
  hostile('X12', 'the model file itself', () => located('bad.onnx'), [odd('E1403', 'the data "bad.onnx" is the model file itself')]),
  hostile(
    'X12',
    'two tensors that share some bytes',
    () =>
      model({
        initializers: join(
          weight('w', 'w', external('location', 'w.data')),
          weight('v', 'v', external('location', 'w.data'), external('offset', '8')),
        ),
      }),
    [warns('E1403', 'the data overlaps that of "w"', 'graph.initializer[1]', 'v')],
    { beside: { 'w.data': data } },
  ),
  hostile(
    'X12',
    'two tensors that share all bytes',
    () => model({ initializers: join(weight('w', 'w', external('location', 'w.data')), weight('v', 'v', external('location', 'w.data'))) }),
    [],
    { beside: { 'w.data': data } },
  ),
  ranged('X15', 'a right checksum', { checksum: sha1 }),
  ranged(
    'X15',
    'a wrong checksum',
    { checksum: '0'.repeat(40) },
    bad('E1012', `the checksum of "w.data" is ${sha1}, the model says "${'0'.repeat(40)}"`),
  ),
  hostile('X16', 'a location that exists, to convert', () => located('sub/w.data'), [], {
    command: 'convert',
    options: ['-o', 'out.onnx'],
    beside: { 'sub/w.data': data, 'out.onnx.data.txt': 'kept' },
    writes: ['out.onnx'],
  }),
  hostile(
    'X16',
    'a location outside, to convert',
    () => located('../w.data'),
    [bad('E1401', 'the location "../w.data" leaves the folder of the model')],
    {
      command: 'convert',
      options: ['-o', 'out.onnx'],
    },
  ),
];

export const externalCases: readonly Case[] = [...locations, ...kinds, ...ranges];
