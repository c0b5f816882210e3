// Runs every hostile case through the command line, in a process of its own, and measures it:
// npm run hostile -- [--only REGEX] [--third 0|1|2|all] [--rows] [--write DIR] [--anchors FILE] [--kills N] [--json FILE]
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { codes, exitCodes } from '../../src/errors.ts';
import { printAnchors, writeCases } from './anchors.ts';
import type { Case, Expected, Fault, Measured } from './case.ts';
import { cases } from './cases.ts';
import { lay, meant } from './judge.ts';
import { runKills } from './kills.ts';
import type { Piece } from './wire.ts';

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    third: { type: 'string', default: 'all' },
    rows: { type: 'boolean', default: false },
    write: { type: 'string' },
    anchors: { type: 'string' },
    kills: { type: 'string' },
    json: { type: 'string' },
  },
});

/** Beyond the bare start of Node, where a case has no limits of its own. */
const mostSeconds = 2;
const mostMegabytes = 64;
/** A busy machine can hold up any process: only a case that is slow each time is slow. */
const tries = 3;

const main = resolve('dist/cli/main.js');
const root = mkdtempSync(join(tmpdir(), 'omnix-hostile-'));
const meter = fileURLToPath(new URL('meter.js', import.meta.url));
/** The code itself: what lies there is no part of a case. */
const code = resolve('.') + sep;

const isBusy = (): boolean => loadavg()[0]! > availableParallelism();

interface Ran {
  readonly status: number | string;
  readonly out: string;
  readonly err: string;
  readonly seconds: number;
  readonly megabytes: number;
  readonly opened: readonly string[];
  readonly reached: readonly string[];
}

function node(args: readonly string[], cwd: string, fault?: Fault & { readonly file: string }): Promise<Ran> {
  const meterFile = join(root, 'meter.txt');
  rmSync(meterFile, { force: true });
  return new Promise(done => {
    const started = performance.now();
    const child = spawn(process.execPath, ['--import', meter, ...args], {
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, HOSTILE_METER: meterFile, ...(fault && { HOSTILE_FAULT: JSON.stringify(fault) }), NO_COLOR: '1' },
      timeout: 120_000,
    });
    const text = { out: '', err: '' };
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text.out += chunk));
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (text.err += chunk));
    child.on('close', (code, signal) => {
      const wall = (performance.now() - started) / 1000;
      // The cast: meter.ts writes it.
      const measured = existsSync(meterFile) ? (JSON.parse(readFileSync(meterFile, 'utf8')) as Measured) : undefined;
      const { megabytes = Number.POSITIVE_INFINITY, processor = wall, opened = [], reached = [] } = measured ?? {};
      // Where more processes want to run than can, the clock says more of the others than of this one. One that hangs is stopped.
      const seconds = isBusy() ? Math.min(wall, processor) : wall;
      done({ status: code ?? signal ?? 'none', ...text, seconds, megabytes, opened, reached });
    });
  });
}

/** The least that a process of Node takes here. */
async function bareStart(): Promise<{ seconds: number; megabytes: number }> {
  const runs: Ran[] = [];
  for (let i = 0; i < 5; i++) runs.push(await node(['-e', '0'], root));
  return { seconds: Math.min(...runs.map(r => r.seconds)), megabytes: Math.min(...runs.map(r => r.megabytes)) };
}

/** What lies in a folder: kind, size, content and times, by path. */
function snapshot(folder: string, prefix = ''): Map<string, string> {
  const found = new Map<string, string>();
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const facts = lstatSync(path);
    if (facts.isDirectory()) for (const [inner, said] of snapshot(path, `${prefix}${name}/`)) found.set(inner, said);
    const content = facts.isFile()
      ? createHash('sha1').update(readFileSync(path)).digest('hex')
      : facts.isSymbolicLink()
        ? readlinkSync(path)
        : '';
    if (!facts.isDirectory()) found.set(prefix + name, `${facts.mode} ${facts.size} ${facts.mtimeMs} ${content}`);
  }
  return found;
}

/** What became of the files: made, gone or changed, but for those that the command is to make. */
function changes(before: Map<string, string>, after: Map<string, string>, writes: readonly string[]): string[] {
  const names = [...new Set([...before.keys(), ...after.keys()])];
  return [
    ...names
      .filter(name => before.get(name) !== after.get(name) && !writes.includes(name))
      .map(name => `the file ${name} was made or changed`),
    ...writes.filter(name => !after.has(name)).map(name => `the file ${name} was not made`),
  ];
}

/** Where a path leads; a file that is gone by now lay in its folder. */
function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return join(existsSync(dirname(path)) ? realpathSync(dirname(path)) : dirname(path), basename(path));
  }
}

/** What a process opened outside of the folder of the model, and whatever it began to reach beyond it. */
const outside = ({ opened, reached }: Ran, folder: string): string[] => [
  ...opened
    .filter(path => !path.startsWith(code) && !real(path).startsWith(real(folder) + sep) && real(path) !== real(folder))
    .map(path => `opened ${path}`),
  ...reached.map(what => `began ${what}`),
];

/** Controls, and what reorders or hides text: none of it may reach a terminal. */
const unsafe = /(?!\n)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;

/** The line of a finding as the command prints it, as far as no name in it is cut. */
const lineOf = ({ severity, code, message }: Expected): string => `${severity} ${code} ${codes[code].name}: ${message.slice(0, 190)}`;

function judgeText(c: Case, ran: Ran, piece: Piece): string[] {
  const problems: string[] = [];
  const expected = meant(c.findings, piece);
  const said = ran.out + ran.err;
  if (ran.status !== exitCodes[c.exit]) problems.push(`exit ${ran.status}, expected ${exitCodes[c.exit]}`);
  if (/^ +at (.*\()?(file:|\/).*:\d+:\d+\)?$|node:internal/m.test(ran.out + ran.err)) problems.push('a stack trace');
  if (unsafe.test(ran.out + ran.err)) problems.push('controls in the output');
  if (c.json) return [...problems, ...judgeJson(ran.out, expected)];
  for (const finding of expected) if (!said.includes(lineOf(finding))) problems.push(`does not say: ${lineOf(finding)}`);
  const count = said.match(/^\S.*?: (error|warning) E\d{4} /gm)?.length ?? 0;
  if (count !== expected.length) problems.push(`${count} findings, expected ${expected.length}`);
  for (const text of c.prints) if (!ran.out.includes(text)) problems.push(`does not print: ${text.slice(0, 100)}`);
  for (const line of c.notes ?? []) if (!ran.err.includes(line)) problems.push(`does not note: ${line}`);
  return problems;
}

function judgeJson(text: string, expected: readonly Expected[]): string[] {
  // The cast: what the command prints is judged here, field by field.
  const { findings } = JSON.parse(text) as { findings: Expected[] };
  const same =
    findings.length === expected.length && expected.every((e, i) => e.message === findings[i]!.message && e.offset === findings[i]!.offset);
  return same ? [] : ['the JSON has other findings'];
}

interface Result {
  readonly c: Case;
  readonly problems: readonly string[];
  readonly seconds: number;
  readonly megabytes: number;
}

async function runCase(c: Case, bare: { seconds: number; megabytes: number }): Promise<Result> {
  const folder = join(mkdtempSync(join(root, 'case-')), 'models');
  mkdirSync(folder);
  const piece = lay(c, folder);
  const before = snapshot(join(folder, '..'));
  const seconds = c.limits?.seconds ?? mostSeconds;
  const megabytes = c.limits?.megabytes ?? mostMegabytes + (2 * piece.bytes.length) / 2 ** 20;
  const args = [main, c.command, ...(c.json ? ['--json'] : []), c.file, ...c.options];
  let best: Result | undefined;
  for (let i = 0; i < tries && !(best && best.seconds <= seconds); i++) {
    if (i > 0) for (const name of c.writes) rmSync(join(folder, name), { force: true });
    const ran = await node(args, folder, c.fault && { ...c.fault, file: c.file });
    const taken = { seconds: ran.seconds - bare.seconds, megabytes: ran.megabytes - bare.megabytes };
    const after = snapshot(join(folder, '..'));
    const problems = [
      ...judgeText(c, ran, piece),
      ...outside(ran, folder),
      ...changes(
        before,
        after,
        c.writes.map(name => `models/${name}`),
      ),
    ];
    if (c.same !== undefined && !readFileSync(join(folder, c.same)).equals(piece.bytes)) problems.push(`${c.same} has other bytes`);
    if (taken.megabytes > megabytes) problems.push(`${taken.megabytes.toFixed(0)} MiB, at most ${megabytes.toFixed(0)}`);
    if (!best || taken.seconds < best.seconds) best = { c, problems, ...taken };
  }
  rmSync(join(folder, '..'), { recursive: true, force: true });
  const { problems, ...rest } = best!;
  return { ...rest, problems: rest.seconds > seconds ? [...problems, `${rest.seconds.toFixed(1)} s, at most ${seconds}`] : problems };
}

/** The rows of a table. */
interface Group {
  readonly name: string;
  readonly cases: number;
  readonly failed: number;
  /** The worst of each, beyond the bare start of Node. */
  readonly seconds: number;
  readonly megabytes: number;
}

function groups(results: readonly Result[], groupOf: (c: Case) => string): Group[] {
  const byGroup = new Map<string, Result[]>();
  for (const result of results) byGroup.set(groupOf(result.c), [...(byGroup.get(groupOf(result.c)) ?? []), result]);
  return [...byGroup].map(([name, list]) => {
    const worst = (of: (r: Result) => number): number => Number(Math.max(...list.map(of)).toFixed(1));
    const failed = list.filter(r => r.problems.length > 0).length;
    return { name, cases: list.length, failed, seconds: worst(r => r.seconds), megabytes: worst(r => r.megabytes) };
  });
}

const lineOfGroup = ({ name, cases, failed, seconds, megabytes }: Group): string =>
  `${name.padEnd(22)} ${String(cases).padStart(5)} ${String(failed).padStart(6)} ${seconds.toFixed(1).padStart(8)} ${megabytes.toFixed(1).padStart(8)}`;

const families: readonly (readonly [string, string])[] = [
  ['P', 'ONNX'],
  ['X', 'external data'],
  ['K', 'pickles and programs'],
  ['Z', 'archives'],
  ['S', 'safetensors'],
  ['T', 'TensorFlow'],
  ['F', 'TensorFlow Lite'],
  ['J', 'TensorFlow.js'],
  ['H', 'HDF5'],
  ['N', 'arrays'],
  ['O', 'output'],
  ['D', 'disk'],
];
const familyOf = ({ row, limits }: Case): string => {
  const [letter, name] = families.find(([l]) => row.startsWith(l))!;
  return limits ? `${letter} ${name}, great size` : `${letter} ${name}`;
};

async function catalogue(): Promise<number> {
  const wanted = cases.filter(
    (c, i) =>
      (options.only === undefined || new RegExp(options.only).test(`${c.row} ${c.variant}`)) &&
      (options.third === 'all' || i % 3 === Number(options.third)),
  );
  const bare = await bareStart();
  console.log(`bare start of Node: ${bare.seconds.toFixed(2)} s, ${bare.megabytes.toFixed(0)} MiB; all below is beyond it`);
  const results: Result[] = [];
  for (const c of wanted) {
    const result = await runCase(c, bare);
    results.push(result);
    for (const problem of result.problems) console.log(`FAILED ${c.row} ${c.variant}: ${problem}`);
  }
  console.log(`${'family'.padEnd(22)} cases failed seconds      MiB`);
  const rows = groups(results, options.rows ? c => c.row : familyOf);
  for (const row of rows) console.log(lineOfGroup(row));
  if (options.json) writeFileSync(options.json, `${JSON.stringify(rows, null, 1)}\n`);
  const failed = results.filter(r => r.problems.length > 0).length;
  console.log(`${results.length - failed} passed, ${failed} failed`);
  return failed;
}

try {
  if (options.write !== undefined) writeCases(options.write);
  else if (options.anchors !== undefined) await printAnchors(options.anchors, join(root, 'anchors'), options.json);
  else if (options.kills !== undefined) process.exitCode = (await runKills(Number(options.kills), root)) === 0 ? 0 : 1;
  else process.exitCode = (await catalogue()) === 0 ? 0 : 1;
} finally {
  rmSync(root, { recursive: true, force: true });
}
