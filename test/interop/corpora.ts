// node dist/test/interop/corpora.js FOLDER... [--backend cpu] [--only NAME,...] [--formats onnx,pt2,...] [--third 0] [--times]: every model of
// the corpora in FOLDERs, in each of its formats, read and run on a backend, beside the numbers that its framework recorded, at the second
// sizes too. Files that are off in their own runtime, which case.json says, are counted apart, and so are steps that the backend leaves to
// the host. Ends with `N passed, N failed`.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { backendNamed } from '../../cli/backends.ts';
import { ModelError } from '../../src/errors.ts';
import { load, MemorySource, readArrays, Session, Tensor } from '../../src/node/index.ts';
import { compareTensors, numbersOf } from '../../src/validate/compare.ts';
import { placing } from '../placed.ts';

type Arrays = Readonly<Record<string, Tensor>>;

/** What of a case.json is read here. */
interface CorpusCase {
  readonly name: string;
  readonly tolerance?: { readonly rtol?: number };
  readonly formats: Readonly<Record<string, string>>;
  readonly checks?: Readonly<Record<string, Check>>;
  /** Outputs that a format could express, where that is not all. */
  readonly outputs_of?: Readonly<Record<string, readonly string[]>>;
  /** The tensors that outputs are in a format that lost their names. */
  readonly frozen_io?: Readonly<Record<string, { readonly outputs: Readonly<Record<string, string>> }>>;
  readonly onnx_io?: { readonly outputs: Readonly<Record<string, string>> };
}

interface Check {
  readonly error?: string;
  readonly off?: unknown;
  readonly rel?: number;
  readonly error2?: string;
  readonly off2?: unknown;
  readonly rel2?: number;
}

interface Job {
  readonly case: CorpusCase;
  readonly folder: string;
  readonly file: string;
  readonly kind: Kind;
}

/** Formats by what tells their files, with the name under which `outputs_of` has them and, for shorter types, what may be lost. */
const kinds = [
  { name: 'onnx', is: /\.onnx$/, family: 'onnx' },
  { name: 'pt2', is: /\.pt2$/, family: 'pt2' },
  { name: 'torchscript', is: /\.(pt|jit)$/, family: 'torchscript' },
  { name: 'keras', is: /\.keras$/, family: 'keras' },
  { name: 'h5', is: /\.h5$/, family: 'h5' },
  { name: 'graphdef', is: /\.pb$/, family: 'graphdef' },
  { name: 'tflite_quantized', is: /(int8|dynamic).*\.tflite$/, family: 'tflite', tolerance: 0.25 },
  { name: 'tflite_half', is: /fp16.*\.tflite$/, family: 'tflite', tolerance: 2e-2 },
  { name: 'tflite', is: /\.tflite$/, family: 'tflite' },
  { name: 'tfjs', is: /^tfjs_/, family: 'tfjs' },
  { name: 'saved_model', is: /saved_model$|^exported/, family: 'saved_model' },
] as const satisfies readonly { name: string; is: RegExp; family: string; tolerance?: number }[];
type Kind = (typeof kinds)[number];

/** Files that are refused because they do not hold what a run needs, with the error; one that is not refused fails. */
const refusals: Readonly<Record<string, string>> = {
  'subclassed model.keras': 'E2001',
  'subclassed tfjs_layers_k3': 'E2001',
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    backend: { type: 'string', default: 'cpu' },
    only: { type: 'string' },
    formats: { type: 'string' },
    third: { type: 'string', default: 'all' },
    times: { type: 'boolean' },
  },
});
const only = values.only?.split(',');
const formats = values.formats?.split(',');

const jobs = positionals.flatMap(jobsIn).filter((_, i) => values.third === 'all' || i % 3 === Number(values.third));
/** Steps that the host carries out, by operators and reason. */
const onHost = new Map<string, number>();
const backend = placing(await backendNamed(values.backend), (label, reason) => {
  if (reason === undefined) return;
  const operators = label.split('; ').map(part => part.split(' ')[0]);
  const what = `${operators.join('; ')}: ${reason}`;
  onHost.set(what, (onHost.get(what) ?? 0) + 1);
});
let [passed, failed, apart] = [0, 0, 0];
for (const job of jobs) {
  if (setsOf(job)[0] !== '') {
    apart++;
    continue;
  }
  const start = performance.now();
  const name = `${job.case.name} ${job.file}`;
  const said = await judge(job).catch(spelt);
  const refusal = refusals[name];
  const wrong = refusal === undefined ? said : said?.startsWith(refusal) ? undefined : `${said ?? 'runs'}, expected ${refusal}`;
  if (wrong === undefined) passed++;
  else failed++;
  const time = values.times ? ` ${((performance.now() - start) / 1000).toFixed(1)} s` : '';
  if (wrong !== undefined || values.times)
    console.log(`${wrong === undefined ? 'ok' : 'FAIL'}${time} ${name}${wrong === undefined ? '' : `: ${wrong.slice(0, 300)}`}`);
}
for (const [what, count] of [...onHost].sort()) console.log(`on the host: ${count} times ${what}`);
console.log(`${apart} files are off in their own runtime and not judged`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;

/** The largest difference beside the largest magnitude that a case allows. */
function toleranceOf({ case: of, kind }: Job): number {
  return 'tolerance' in kind ? kind.tolerance : Math.max(of.tolerance?.rtol ?? 1e-3, 1e-4);
}

/** The inputs with which a file does in its own runtime what its source did. */
function setsOf(job: Job): string[] {
  const { error, off, rel = 0, error2, off2, rel2 = 0 } = job.case.checks?.[job.file] ?? {};
  const most = 'tolerance' in job.kind ? job.kind.tolerance : 0;
  const isGood = { '': error === undefined && (!off || rel <= most), '2': error2 === undefined && (!off2 || rel2 <= most) };
  return (['', '2'] as const).filter(set => isGood[set] && existsSync(join(job.folder, `outputs${set}.npz`)));
}

/** Files of weights are no models and have no job. */
function jobsIn(corpus: string): Job[] {
  return readdirSync(corpus)
    .sort()
    .filter(name => existsSync(join(corpus, name, 'case.json')) && (!only || only.includes(name)))
    .flatMap(name => {
      const folder = join(corpus, name);
      const found = JSON.parse(readFileSync(join(folder, 'case.json'), 'utf8')) as CorpusCase;
      return Object.keys(found.formats).flatMap(file => {
        const kind = file.includes('weights') ? undefined : kinds.find(k => k.is.test(file));
        return kind && (!formats || formats.includes(kind.name)) ? [{ case: found, folder, file, kind }] : [];
      });
    });
}

async function judge(job: Job): Promise<string | undefined> {
  const { case: of, folder, file } = job;
  const session = await Session.create(await load(join(folder, of.formats[file]!)), { backend });
  try {
    for (const set of setsOf(job)) {
      const given = await arraysOf(folder, `inputs${set}`);
      const names = session.inputsFor(Object.keys(given));
      const feeds = Object.fromEntries(matched(given, names).map((t, i) => [names[i]!, t]));
      const wrong = compare(job, await runRows(session, feeds), await arraysOf(folder, `outputs${set}`));
      if (wrong !== undefined) return `${set ? 'second inputs: ' : ''}${wrong}`;
    }
    return undefined;
  } finally {
    await session.dispose();
  }
}

/** Outputs; a model of a batch of one gets the rows of its inputs one by one, as the converter of TensorFlow Lite fixes some. */
async function runRows(session: Session, feeds: Arrays): Promise<Arrays> {
  const fixed = session.inputs.filter(({ type }) => type?.kind === 'tensor' && type.shape?.[0] === 1).map(v => v.name);
  const rows = Math.max(...fixed.map(name => feeds[name]?.dims[0] ?? 1), 1);
  if (rows === 1) return session.run(feeds);
  const made: Arrays[] = [];
  for (let k = 0; k < rows; k++)
    made.push(
      await session.run(Object.fromEntries(Object.entries(feeds).map(([name, t]) => [name, fixed.includes(name) ? rowOf(t, k) : t]))),
    );
  return Object.fromEntries(Object.keys(made[0]!).map(name => [name, joined(made.map(m => m[name]!))]));
}

/** One row of the batch, and rows put together: of types whose elements are numbers of a typed array. */
function rowOf(t: Tensor, at: number): Tensor {
  const length = t.data.length / t.dims[0]!;
  return new Tensor(t.type, Array.from(t.data as Float32Array).slice(at * length, (at + 1) * length), t.dims.with(0, 1));
}
function joined(rows: readonly Tensor[]): Tensor {
  const [first] = rows as readonly [Tensor];
  return new Tensor(
    first.type,
    rows.flatMap(t => Array.from(t.data as Float32Array)),
    first.dims.with(0, rows.length),
  );
}

async function arraysOf(folder: string, name: string): Promise<Arrays> {
  return readArrays(new MemorySource(readFileSync(join(folder, `${name}.npz`)), `${name}.npz`));
}

/** The largest difference beside the largest magnitude, which is what the tolerances of the cases are of; integers are equal. */
function compare(job: Job, made: Arrays, recorded: Arrays): string | undefined {
  const { case: of, file, kind } = job;
  const subset = Object.keys(made).length < Object.keys(recorded).length ? of.outputs_of?.[kind.family] : undefined;
  const expected = subset ? Object.fromEntries(subset.filter(n => n in recorded).map(n => [n, recorded[n]!])) : recorded;
  const tensors = of.frozen_io?.[file]?.outputs ?? (kind.name === 'onnx' ? of.onnx_io?.outputs : undefined) ?? {};
  const named = new Map(Object.entries(tensors).flatMap(([name, tensor]) => [tensor, tensor.split(':')[0]!].map(t => [t, name] as const)));
  const names = Object.keys(made);
  const numbers = kind.name === 'tfjs' ? Object.keys(expected).sort() : [];
  const wanted = matched(
    expected,
    names.map(n => named.get(n) ?? named.get(n.split(':')[0]!) ?? numbers[numberOf(n)] ?? n),
  );
  if (wanted.length === 0 || names.length < wanted.length) return `${names.length} outputs, expected ${Object.keys(expected).length}`;
  for (const [i, want] of wanted.entries()) {
    const largest = Array.from(numbersOf(want), Number).reduce(
      (most, x) => (Number.isFinite(x) ? Math.max(most, Math.abs(x)) : most),
      1e-6,
    );
    const compared = compareTensors(names[i]!, made[names[i]!]!, want, { rtol: 0, atol: toleranceOf(job) * largest });
    if (!compared.ok) return `${names[i]}: ${compared.reason ?? `off by ${compared.relativeToLargest.toExponential(1)} of the largest`}`;
  }
  return undefined;
}

/** Where the converter to TensorFlow.js dropped a name, its place in the order of the alphabet. */
function numberOf(name: string): number {
  const found = /^Identity(?:_(\d+))?$/.exec(name);
  return found ? Number(found[1] ?? 0) : Number.NaN;
}

/** Arrays for names: those of these names, else of these names without decoration, else in order. */
function matched(given: Arrays, names: readonly string[]): Tensor[] {
  if (names.every(n => n in given)) return names.map(n => given[n]!);
  const plain = (name: string): string =>
    name
      .split(':')[0]!
      .replace(/^(serving_default|signature_wrapper)_/, '')
      .toLowerCase();
  const byPlain = new Map(Object.entries(given).map(([name, t]) => [plain(name), t]));
  if (byPlain.size === Object.keys(given).length && names.every(n => byPlain.has(plain(n)))) return names.map(n => byPlain.get(plain(n))!);
  const all = Object.values(given);
  return names.length <= all.length ? all.slice(0, names.length) : [];
}

function spelt(error: unknown): string {
  if (error instanceof ModelError) return `${error.code} ${error.message}`;
  return `crashed: ${(error as Error).stack?.split('\n').slice(0, 4).join(' ')}`;
}
