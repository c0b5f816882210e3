// omnix convert --dry-run: what stands in the way of each target format, without writing anything.
import { type Blocker, blockersOf, type DryRun, dryRun } from '../../src/dry-run.ts';
import { type ExitKind, type Finding, fail } from '../../src/errors.ts';
import { formatNamed, formatOfName, formats } from '../../src/formats/index.ts';
import type { Model } from '../../src/ir/graph.ts';
import { listOf } from '../edit.ts';
import type { Outcome, Output } from '../output.ts';
import { bytesText, columns, plural, shown, shownMessage } from '../terminal.ts';
import { checkFormat, dtypeNamed, versions, versionsOf, type WriteOptions } from '../writing.ts';

/** What a model is converted to for --dry-run: the formats of --to, else that of -o, else all. */
export function targetsOf({ to, output }: Pick<WriteOptions, 'to'> & { readonly output?: string | undefined }): string[] {
  const names = to === undefined ? [] : listOf([to]);
  if (names.length > 0) {
    for (const name of names) checkFormat({ to: name, output: '-' });
    return [...new Set(names)];
  }
  if (output === undefined) return formats.filter(f => f.write).map(f => f.name);
  checkFormat({ output });
  return [formatOfName(output)!.name];
}

/** Gets the model to convert, reading it. */
type Prepare = () => Promise<{ readonly model: Model; readonly findings: readonly Finding[] }>;

export async function dryRuns(
  input: string,
  targets: readonly string[],
  options: Omit<WriteOptions, 'output'>,
  prepare: Prepare,
  out: Output,
): Promise<Outcome> {
  const found = await attempt(prepare);
  const rows: Row[] = [];
  for (const name of targets) rows.push({ name, ...(found.model ? await one(found.model, name, options, out) : found.run) });
  const ok = rows.every(row => row.blockers.length === 0);
  return {
    results: { input, targets: rows.map(rowJson) },
    text: rows.flatMap(row => rowLines(row, out)),
    findings: [...found.findings, ...rows.flatMap(row => row.written?.findings ?? [])],
    exit: ok ? 'ok' : 'no',
  };
}

interface Row extends DryRun {
  readonly name: string;
}

/** Operators without a conversion stand in the way of every target. */
const ofSources: ReadonlySet<ExitKind> = new Set(['unsupported']);

async function attempt(
  prepare: Prepare,
): Promise<{ readonly findings: readonly Finding[] } & ({ readonly model: Model } | { readonly model?: undefined; readonly run: DryRun })> {
  try {
    return await prepare();
  } catch (error) {
    return { findings: [], run: { blockers: blockersOf(error, ofSources) } };
  }
}

async function one(model: Model, format: string, options: Omit<WriteOptions, 'output'>, out: Output): Promise<DryRun> {
  const { opset, target, fuse, keepIoTypes, externalData } = options;
  const row = formatNamed(format)!;
  const name = `model${row.extensions[0]}`;
  const wanted = { format, name, opset, target, fuse, keepIoTypes, externalData, dtype: dtypeNamed(options.dtype) };
  return out.stage(
    format,
    () => dryRun(model, wanted),
    ({ blockers }) => (blockers.length === 0 ? 'ok' : plural(countOf(blockers), 'problem')),
  );
}

const countOf = (blockers: readonly Blocker[]): number => blockers.reduce((n, b) => n + b.count, 0);

const rowJson = ({ name, blockers, written }: Row) => ({
  format: name,
  ok: blockers.length === 0,
  ...(written && { ...versions(written.model), files: written.files.map(f => ({ name: f.name, bytes: f.length })) }),
  blockers,
});

/** The most places that are shown; --json has them all. */
const mostPlaces = 3;

function rowLines({ name, blockers, written }: Row, out: Output): string[] {
  const title = name.padEnd(9);
  if (written) {
    const bytes = written.files.reduce((n, f) => n + f.length, 0);
    const words = written.format.spelling ? versionsOf(written.model) : written.format.title;
    return [`${title}  ${out.paint('green', 'ok')}       ${words}, ${bytesText(bytes)}`];
  }
  const table = blockers.map(({ count, operator, code, reason, places }) => [
    String(count),
    shown(operator ?? '–', 40),
    code,
    shownMessage(reason),
    placesText(places),
  ]);
  const lines = columns([['count', 'operator', 'code', 'reason', 'places'], ...table], { right: [0] });
  return [`${title}  ${out.paint('red', 'blocked')}  ${plural(countOf(blockers), 'problem')}`, ...lines.map(line => `  ${line}`)];
}

function placesText(places: readonly string[]): string {
  const more = places.length - mostPlaces;
  return (
    places
      .slice(0, mostPlaces)
      .map(place => shown(place, 40))
      .join(', ') + (more > 0 ? `, … ${more} more` : '')
  );
}

/** Options that say what becomes of files. Errors: E4001. */
export function refuseWriting(options: Readonly<Record<string, unknown>>): void {
  for (const [key, option] of [
    ['verify', '--verify'],
    ['map', '--map'],
  ] as const)
    if (options[key] !== undefined) throw fail('E4001', `${option} needs the written file; --dry-run writes none`);
}
