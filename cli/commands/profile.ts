// omnix profile: where the time of a run goes, step by step, beside what the machine reaches at best.
import { Session, withInputShapes } from '../../src/api.ts';
import type { ProfileEvent } from '../../src/exec/profile.ts';
import { loadCpuAddon } from '../../src/node/addon.ts';
import { writeFileAtomic } from '../../src/node/files.ts';
import { feedsFor } from '../arrays.ts';
import { backendFor } from '../backends.ts';
import { checkOutput, readModel, whileWriting, writeToStdout } from '../files.ts';
import { type LimitOptions, runOptions } from '../limits.ts';
import type { Outcome, Output } from '../output.ts';
import { parseShapes } from '../shapes.ts';
import { bytesText, columns, countText, plural, shown } from '../terminal.ts';

export interface ProfileOptions extends LimitOptions {
  readonly inputs?: string;
  readonly inputShape?: readonly string[];
  readonly backend: string;
  readonly winograd?: boolean;
  readonly threads?: number;
  readonly warmUp: number;
  readonly runs: number;
  readonly top: number;
  readonly trace?: string;
  readonly overwrite?: boolean;
}

export async function profile([path]: readonly string[], options: ProfileOptions, out: Output): Promise<Outcome> {
  const { threads, overwrite = false } = options;
  if (options.trace !== undefined) checkOutput(options.trace, overwrite, { isText: true });
  const backend = await backendFor(options, out);
  const shapes = parseShapes('--input-shape', options.inputShape ?? []);
  const { model, findings } = await out.stage('read', () => readModel(path!, options));
  const session = await Session.create(shapes ? withInputShapes(model, shapes) : model, { backend });
  const feeds = await feedsFor(session.inputs, options.inputs, out);
  const limits = runOptions(options);
  const runs: (readonly ProfileEvent[])[] = [];
  await out.stage('run', async report => {
    for (let i = 0; i < options.warmUp; i++) await session.run(feeds, limits);
    while (runs.length < Math.max(1, options.runs)) {
      runs.push(await session.profile(feeds, limits));
      report(plural(runs.length, 'run'));
    }
  });
  await session.dispose();
  const best = options.backend === 'cpu' ? await out.stage('measure', async () => limitsOfMachine(threads)) : undefined;
  const steps = medians(runs);
  if (options.trace !== undefined) await writeTrace(options.trace, runs.at(-1)!, overwrite);
  const total = steps.reduce((ms, s) => ms + s.milliseconds, 0);
  const kinds = summed(steps, s => s.kind);
  const text = [
    ...tableOf(summed(steps, s => `${s.kind}\u0000${s.label}`).slice(0, options.top), total, best, true),
    '',
    ...tableOf(kinds, total, best, false),
    '',
    `${total.toFixed(3)} ms in ${plural(steps.length, 'step')}, the median of ${plural(runs.length, 'run')}`,
    ...(best ? [`this machine reaches ${rate(best.flops)} FLOP/s and reads ${bytesText(best.bytes)}/s`] : []),
  ];
  return { results: { milliseconds: total, limits: best, kinds, steps }, findings, text };
}

interface Limits {
  readonly flops: number;
  readonly bytes: number;
}

function limitsOfMachine(threads = 0): Limits | undefined {
  const addon = loadCpuAddon();
  return typeof addon === 'string' ? undefined : addon.measure(threads);
}

type Row = Omit<ProfileEvent, 'start'> & { readonly count: number };

/** Each step with the median of its time over the runs; the last run alone where the runs were not the same steps. */
function medians(runs: readonly (readonly ProfileEvent[])[]): Row[] {
  const last = runs.at(-1)!;
  const alike = runs.filter(run => run.length === last.length && run.every((e, i) => e.label === last[i]!.label));
  return last.map(({ start: _, ...event }, i) => {
    const times = alike.map(run => run[i]!.milliseconds).sort((a, b) => a - b);
    return { ...event, milliseconds: times[times.length >> 1]!, count: 1 };
  });
}

/** Rows of one key together, the longest first. */
function summed(steps: readonly Row[], keyOf: (step: Row) => string): Row[] {
  const rows = new Map<string, Row>();
  for (const step of steps) {
    const before = rows.get(keyOf(step));
    rows.set(
      keyOf(step),
      before
        ? {
            ...before,
            milliseconds: before.milliseconds + step.milliseconds,
            flops: before.flops + step.flops,
            bytes: before.bytes + step.bytes,
            count: before.count + step.count,
          }
        : step,
    );
  }
  return [...rows.values()].sort((a, b) => b.milliseconds - a.milliseconds);
}

/** So much of what the machine reaches: of its arithmetic or of its memory, whichever bounds the step. */
const shareOf = (row: Row, best: Limits): number =>
  Math.max(row.flops / best.flops, row.bytes / best.bytes) / (Math.max(row.milliseconds, 1e-6) / 1000);

function tableOf(rows: readonly Row[], total: number, best: Limits | undefined, labels: boolean): string[] {
  const head = ['ms', '%', 'steps', 'FLOP/s', 'bytes/s', ...(best ? ['of limit'] : []), 'kernel', ...(labels ? ['from'] : [])];
  const lines = rows.map(row => {
    const seconds = Math.max(row.milliseconds, 1e-6) / 1000;
    return [
      row.milliseconds.toFixed(3),
      ((100 * row.milliseconds) / total).toFixed(1),
      String(row.count),
      row.flops ? rate(row.flops / seconds) : '-',
      row.bytes ? bytesText(row.bytes / seconds) : '-',
      ...(best ? [`${Math.round(100 * shareOf(row, best))} %`] : []),
      row.kind,
      ...(labels ? [shown(row.label, 60)] : []),
    ];
  });
  return columns([head, ...lines], { right: [0, 1, 2, 3, 4, ...(best ? [5] : [])] });
}

const rate = (perSecond: number): string => countText(Math.round(perSecond));

async function writeTrace(path: string, events: readonly ProfileEvent[], overwrite: boolean): Promise<void> {
  const chunks = [new TextEncoder().encode(JSON.stringify(traceOf(events)))];
  if (path === '-') await writeToStdout(chunks);
  else await whileWriting(() => writeFileAtomic(path, chunks, { overwrite }));
}

/** The form that chrome://tracing and Perfetto read: complete events, in microseconds. */
const traceOf = (events: readonly ProfileEvent[]): object => ({
  traceEvents: events.map(e => ({
    ph: 'X',
    pid: 1,
    tid: e.kind === 'host' ? 2 : 1,
    name: e.label,
    cat: e.kind,
    ts: (e.start - events[0]!.start) * 1000,
    dur: e.milliseconds * 1000,
    args: { kernel: e.kind, flops: e.flops, bytes: e.bytes },
  })),
  displayTimeUnit: 'ms',
});
