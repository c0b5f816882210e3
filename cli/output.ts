// What every command says and how it ends: data on standard output, everything else on standard error, one envelope for --json,
// one way to print findings, and the exit code. Knows no command.
import { createRequire } from 'node:module';
import { type Json, writeJson } from '../src/codec/json.ts';
import { type Code, codes, type ExitKind, exitCodes, type Finding, ModelError } from '../src/errors.ts';
import { bytesText, escaped, type Paint, painter, plural, shown, shownMessage, timeText, wantsColour } from './terminal.ts';

/** The version of the package. */
export const version = (createRequire(import.meta.url)('omnix/package.json') as { version: string }).version;

export interface GlobalOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly debug?: boolean;
  /** False after `--no-color`. */
  readonly color?: boolean;
}

/** What a command found. `results` is what --json prints, `text` what people read; both are data. */
export interface Outcome {
  readonly results: unknown;
  /** Lines for standard output. */
  readonly text?: readonly string[];
  /** Also printed on standard error, unless `text` holds them already. */
  readonly findings?: readonly Finding[];
  readonly findingsInText?: boolean;
  readonly exit?: ExitKind;
}

interface Timing {
  readonly stage: string;
  readonly ms: number;
}

/** After this many milliseconds a stage that still runs is named on a terminal. */
const patience = 500;

/** Says how far a part of the work is; shown on terminals only, and not too often. */
export type Report = (text: string) => void;

/** At least so many milliseconds lie between two texts of a progress line. */
const pace = 100;

/** A line on standard error that is written over. Work that never waits still shows: writing to a terminal does not wait either. */
class ProgressLine {
  readonly #name: string;
  #next: number;
  #width = 0;

  constructor(name: string, started: number) {
    this.#name = name;
    this.#next = started + patience;
  }

  update(text: string): void {
    const now = performance.now();
    if (now < this.#next) return;
    this.#next = now + pace;
    this.show(text);
  }

  show(text: string): void {
    const line = `  ${this.#name} … ${text}`;
    process.stderr.write(`${line.padEnd(this.#width)}\r`);
    this.#width = line.length;
  }

  clear(): void {
    if (this.#width > 0) process.stderr.write(`${' '.repeat(this.#width)}\r`);
  }
}

/** Where a command reports while it works. */
export class Output {
  readonly timings: Timing[] = [];
  readonly options: GlobalOptions;
  /** Colours of standard output and of standard error. */
  readonly paint: Paint;
  readonly paintNote: Paint;

  constructor(options: GlobalOptions) {
    const facts = { env: process.env, allowed: options.color !== false };
    this.options = options;
    this.paint = painter(wantsColour({ ...facts, isTTY: process.stdout.isTTY === true }));
    this.paintNote = painter(wantsColour({ ...facts, isTTY: process.stderr.isTTY === true }));
  }

  /** --json silences what is said on the way, as its reader gets all of it in the envelope; --verbose brings it back. */
  get #silent(): boolean {
    return this.options.quiet === true || (this.options.json === true && this.options.verbose !== true);
  }

  /** A line on standard error; the caller has escaped the names in it. */
  note(line: string): void {
    if (!this.#silent) process.stderr.write(`${line}\n`);
  }

  /** A line on standard error with --verbose. */
  detail(line: string): void {
    if (this.options.verbose) this.note(line);
  }

  /** Run a part of the work and say how long it took. `describe` adds a word about what came out; `report` says how far it is. */
  async stage<T>(name: string, work: (report: Report) => Promise<T>, describe: (result: T) => string = () => ''): Promise<T> {
    const started = performance.now();
    const onTerminal = process.stderr.isTTY === true && !this.#silent;
    const line = new ProgressLine(name, started);
    const timer = onTerminal ? setTimeout(() => line.show(''), patience) : undefined;
    let passed = false;
    let words = '';
    try {
      const result = await work(onTerminal ? text => line.update(text) : () => {});
      words = describe(result);
      passed = true;
      return result;
    } finally {
      clearTimeout(timer);
      line.clear();
      const ms = performance.now() - started;
      this.timings.push({ stage: name, ms });
      // Of a stage that failed the error speaks.
      if (passed) this.note(`${this.paintNote('green', '✓')} ${name.padEnd(8)} ${timeText(ms).padStart(8)}${words ? `  ${words}` : ''}`);
    }
  }
}

/** Run a command and end the process with its answer; an error is an answer too. */
export async function perform(command: string, options: GlobalOptions, action: (out: Output) => Promise<Outcome>): Promise<void> {
  const out = new Output(options);
  const started = performance.now();
  try {
    const outcome = await action(out);
    finish(command, out, outcome, started);
  } catch (error) {
    finishWithError(command, out, error, started);
  }
}

function finish(
  command: string,
  out: Output,
  { results, text = [], findings = [], findingsInText, exit = 'ok' }: Outcome,
  started: number,
) {
  process.exitCode = exitCodes[exit];
  if (out.options.json) return writeEnvelope(command, out, { results, findings, ok: exit === 'ok', started });
  if (!findingsInText && !out.options.quiet) for (const f of findings) for (const line of findingLines(f, out.paintNote)) out.note(line);
  if (text.length > 0) process.stdout.write(`${text.join('\n')}\n`);
}

/** The most findings that are printed; --json holds them all. */
const mostFindings = 1000;

function finishWithError(command: string, out: Output, error: unknown, started: number): void {
  const known = error instanceof ModelError ? error : internalError(error);
  process.exitCode = exitCodes[codes[known.code].exit];
  if (out.options.json) writeEnvelope(command, out, { results: null, findings: known.findings, ok: false, started });
  else {
    const { findings } = known;
    const lines = findings.slice(0, mostFindings).flatMap(f => findingLines(f, out.paintNote));
    if (findings.length > mostFindings)
      lines.push(`… and ${plural(findings.length - mostFindings, 'more finding')}; --json prints them all`);
    const hint = findings[0] && hintOf(findings[0]);
    if (hint) lines.push(`    ${out.paintNote('dim', `hint: ${hint}`)}`);
    process.stderr.write(`${lines.join('\n')}\n`);
  }
  if (out.options.debug) process.stderr.write(`${stackOf(error)}\n`);
}

/** Any error that is no ModelError is a defect of omnix. */
function internalError(error: unknown): ModelError {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new ModelError({ code: 'E9001', severity: 'error', message: text, hint: `${codes.E9001.repair} --debug prints the stack.` });
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return escaped(String(error));
  const own = (error.stack ?? error.message).split('\n').map(escaped).join('\n');
  return error.cause === undefined ? own : `${own}\ncaused by ${stackOf(error.cause)}`;
}

const hintOf = (f: Finding): string => {
  const { repair } = codes[f.code];
  return f.hint ? '' : repair === 'See the message.' ? '' : repair;
};

/** `file: error E1203 tensor-size: message`, and the place where it is known. */
export function findingLines(f: Finding, paint: Paint): string[] {
  const severity = paint(f.severity === 'error' ? 'red' : 'yellow', f.severity);
  const lines = [`${shown(f.file ?? 'omnix', 200)}: ${severity} ${f.code} ${codes[f.code].name}: ${shownMessage(f.message)}`];
  const place = placeText(f);
  const after = [place && `at ${place}`, f.hint && shownMessage(f.hint)].filter(Boolean);
  if (after.length > 0) lines.push(`    ${after.join('; ')}`);
  return lines;
}

function placeText({ path, node, tensor, offset, length }: Finding): string {
  const named =
    node && `node${node.index === undefined ? '' : ` #${node.index}`} ${shown(node.op)}${node.name ? ` "${shown(node.name)}"` : ''}`;
  const parts = [path && shown(path, 200), named, tensor === undefined ? undefined : `tensor "${shown(tensor)}"`].filter(Boolean);
  const bytes =
    offset === undefined ? '' : `file offset 0x${offset.toString(16)}${length === undefined ? '' : `, ${plural(length, 'byte')}`}`;
  const where = parts.join(', ');
  return where ? where + (bytes && ` (${bytes})`) : bytes;
}

interface Envelope {
  readonly results: unknown;
  readonly findings: readonly Finding[];
  readonly ok: boolean;
  readonly started: number;
}

function writeEnvelope(command: string, out: Output, { results, findings, ok, started }: Envelope): void {
  const envelope = {
    tool: 'omnix',
    version,
    command,
    ok,
    exitCode: process.exitCode,
    results,
    findings: findings.map(f => ({ ...f, name: codes[f.code as Code].name, hint: f.hint ?? codes[f.code].repair })),
    timings: { totalMs: rounded(performance.now() - started), stages: out.timings.map(t => ({ ...t, ms: rounded(t.ms) })) },
  };
  process.stdout.write(`${writeJson(toJson(envelope), { indent: 2 })}\n`);
}

const rounded = (ms: number): number => Math.round(ms * 1000) / 1000;

/** Plain data as JSON: what is undefined is left out, integers beyond 2^53 become strings, which every reader of JSON keeps. */
function toJson(value: unknown): Json {
  if (value === undefined || value === null) return null;
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean') return value;
  if (Array.isArray(value)) return value.map(toJson);
  const entries = Object.entries(value).filter(([, v]) => v !== undefined && typeof v !== 'function');
  return Object.fromEntries(entries.map(([key, v]) => [key, toJson(v)]));
}

/** `path  1.2 KiB`. */
export const fileText = (path: string, bytes: number): string => `${shown(path, 200)}  ${bytesText(bytes)}`;
