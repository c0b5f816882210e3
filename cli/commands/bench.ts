// omnix bench: how long a model takes, run by run, beside ONNX Runtime on request.
import { Session, withInputShapes } from '../../src/api.ts';
import { type Arrays, feedsFor } from '../arrays.ts';
import { backendFor } from '../backends.ts';
import { readModel } from '../files.ts';
import { type LimitOptions, runOptions } from '../limits.ts';
import { type Engine, onnxRuntime } from '../onnxruntime.ts';
import type { Outcome, Output } from '../output.ts';
import { parseShapes } from '../shapes.ts';
import { bytesText, columns, timeText } from '../terminal.ts';

export interface BenchOptions extends LimitOptions {
  readonly inputs?: string;
  readonly inputShape?: readonly string[];
  readonly backend: string;
  readonly winograd?: boolean;
  readonly threads?: number;
  readonly vs?: string;
  readonly warmUp: number;
  readonly seconds: number;
}

export async function bench([path]: readonly string[], options: BenchOptions, out: Output): Promise<Outcome> {
  const { threads } = options;
  const backend = await backendFor(options, out);
  const shapes = parseShapes('--input-shape', options.inputShape ?? []);
  const reading = performance.now();
  const { model: read, findings } = await out.stage('read', () => readModel(path!, options));
  const model = shapes ? withInputShapes(read, shapes) : read;
  const load = performance.now() - reading;
  const ours = await made(backend.name, async () => {
    const session = await Session.create(model, { backend });
    const limits = runOptions(options);
    return { session, run: (feeds: Arrays) => session.run(feeds, limits), dispose: () => session.dispose() };
  });
  const feeds = await feedsFor(ours.engine.session.inputs, options.inputs, out);
  const engines: Measured[] = [ours];
  if (options.vs !== undefined) engines.push(await made('onnxruntime', () => onnxRuntime(model, threads)));
  for (const one of engines) one.first = await timed(() => one.engine.run(feeds));
  await out.stage('run', report => measure(engines, feeds, options, report));
  for (const { engine } of engines) await engine.dispose();
  const rows = engines.map(({ name, create, first, times }) => ({ name, create, first, ...statisticsOf(times) }));
  const peak = process.resourceUsage().maxRSS * 1024;
  const results = { load, peakBytes: peak, inputs: Object.entries(feeds).map(([name, { type, dims }]) => ({ name, type, dims })), rows };
  return { results, findings, text: tableOf(rows, load, peak) };
}

interface Measured<E extends Engine = Engine> {
  readonly name: string;
  readonly engine: E;
  /** Milliseconds from the model to what can run. */
  readonly create: number;
  /** Milliseconds of the first run. */
  first: number;
  /** Milliseconds of each run after the warm-up. */
  readonly times: number[];
}

async function made<E extends Engine>(name: string, create: () => Promise<E>): Promise<Measured<E>> {
  const started = performance.now();
  const engine = await create();
  return { name, engine, create: performance.now() - started, first: 0, times: [] };
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await run();
  return performance.now() - started;
}

/** Runs in turns, so that what else the machine does meets all engines alike. */
async function measure(
  engines: readonly Measured[],
  feeds: Arrays,
  { warmUp, seconds }: BenchOptions,
  report: (text: string) => void,
): Promise<void> {
  for (let i = 0; i < warmUp; i++) for (const { engine } of engines) await engine.run(feeds);
  const start = performance.now();
  do {
    for (const { engine, times } of engines) times.push(await timed(() => engine.run(feeds)));
    report(`${engines[0]!.times.length} runs`);
  } while (performance.now() - start < seconds * 1000);
}

interface Statistics {
  readonly runs: number;
  readonly avg: number;
  readonly p50: number;
  readonly p90: number;
  readonly p95: number;
  readonly p99: number;
  readonly min: number;
  readonly max: number;
  readonly std: number;
}

export function statisticsOf(times: readonly number[]): Statistics {
  const sorted = times.toSorted((a, b) => a - b);
  // The nearest rank: a time that was measured, not one between two.
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!;
  const avg = times.reduce((sum, t) => sum + t, 0) / times.length;
  const std = Math.sqrt(times.reduce((sum, t) => sum + (t - avg) ** 2, 0) / times.length);
  return { runs: times.length, avg, p50: at(0.5), p90: at(0.9), p95: at(0.95), p99: at(0.99), min: sorted[0]!, max: sorted.at(-1)!, std };
}

type Row = Statistics & { readonly name: string; readonly create: number; readonly first: number };

function tableOf(rows: readonly Row[], load: number, peak: number): string[] {
  const names = ['avg', 'p50', 'p90', 'p95', 'p99', 'min', 'max', 'std'] as const;
  const lines = rows.map(row => [
    row.name,
    ...names.map(name => row[name].toFixed(3)),
    (1000 / row.avg).toFixed(1),
    timeText(row.create),
    timeText(row.first),
  ]);
  const table = columns([['ms', ...names, 'runs/s', 'create', 'first run'], ...lines], { right: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] });
  const [ours, other] = rows;
  const ratio = other ? [`${ours!.name} takes ${(ours!.p50 / other.p50).toFixed(2)} of the time of ${other.name} (p50)`] : [];
  return [...table, `load ${timeText(load)}   ${rows[0]!.runs} runs   peak of the process ${bytesText(peak)}`, ...ratio];
}
