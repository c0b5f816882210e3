// omnix check: everything that is wrong with models, a finding a line.
import { read } from '../../src/api.ts';
import type { Source } from '../../src/codec/source.ts';
import { codes, type ExitKind, exitCodes, type Finding, fail, ModelError } from '../../src/errors.ts';
import type { ReadOptions } from '../../src/formats/format.ts';
import { detect } from '../../src/formats/index.ts';
import type { Model } from '../../src/ir/graph.ts';
import { save } from '../../src/node/models.ts';
import { runtimeNamed } from '../../src/opset/runtimes.ts';
import { checkModel } from '../../src/validate/check.ts';
import { checkTarget } from '../../src/validate/check-target.ts';
import { repairFile } from '../../src/validate/repair.ts';
import { checkOutput, openInput, whileWriting } from '../files.ts';
import type { ReadLimitOptions } from '../limits.ts';
import { fileText, findingLines, type Outcome, type Output } from '../output.ts';
import { sarif } from '../sarif.ts';
import { type Paint, plural, shown, shownMessage, timeText } from '../terminal.ts';

export interface CheckOptions extends ReadLimitOptions {
  /** Warnings count as errors. */
  readonly strict?: boolean;
  readonly format?: 'text' | 'sarif';
  /** A runtime that has to be able to run the models, such as `ort-1.20`. */
  readonly target?: string;
  /** Repair the model, and judge what was written. */
  readonly fix?: boolean;
  readonly output?: string;
  readonly overwrite?: boolean;
}

/** What was found in one file. */
interface Checked {
  readonly file: string;
  /** Absent where the file could not be opened. */
  readonly bytes?: number | undefined;
  readonly findings: readonly Finding[];
  readonly errors: number;
  readonly warnings: number;
  readonly valid: boolean;
  readonly exit: ExitKind;
}

export async function check(paths: readonly string[], options: CheckOptions, out: Output): Promise<Outcome> {
  requireUsage(paths, options, out);
  const started = performance.now();
  const mended = options.fix ? await fix(paths[0]!, options, out) : undefined;
  const checked: Checked[] = [];
  for (const path of mended?.written ?? paths) checked.push(await checkFile(path, options));
  const findings = checked.flatMap(c => c.findings);
  // A file that is no model says more than one that is no valid model.
  const exit = checked.find(c => c.exit !== 'ok' && c.exit !== 'no')?.exit ?? checked.find(c => !c.valid)?.exit ?? 'ok';
  const repairs = mended?.repairs ?? [];
  const lines = [...repairs.map(f => repairLine(f, out.paint)), ...findings.flatMap(f => findingLines(f, out.paint))];
  return {
    results: {
      ...totals(checked),
      files: checked.map(({ file, valid, errors, warnings }) => ({ file, valid, errors, warnings })),
      ...(mended && { repairs }),
    },
    findings,
    findingsInText: true,
    text:
      options.format === 'sarif'
        ? [sarif({ files: checked, findings, exitCode: exitCodes[exit] })]
        : [...lines, ...summary(checked, performance.now() - started, out)],
    exit,
  };
}

/** Errors: E4001. */
function requireUsage(paths: readonly string[], options: CheckOptions, out: Output): void {
  if (paths.filter(p => p === '-').length > 1) throw fail('E4001', 'standard input can be read once');
  if (options.format === 'sarif' && out.options.json) throw fail('E4001', '--json and --format sarif ask for two forms of one output');
  if (options.target !== undefined) runtimeNamed(options.target);
  if (options.fix && (options.output === undefined || options.output === '-' || paths.length > 1))
    throw fail('E4001', '--fix repairs one model and writes it to a file: omnix check MODEL --fix -o REPAIRED');
  if (!options.fix && options.output !== undefined) throw fail('E4001', '-o names the file of --fix, which was not given');
}

interface Mended {
  /** The files to judge: the repaired one, or the given one where it is beyond repair. */
  readonly written?: readonly string[];
  readonly repairs: readonly Finding[];
}

/** Errors: as `checkOutput`, E4001 for a model of another format. */
async function fix(path: string, { output = '', overwrite = false, limit }: CheckOptions, out: Output): Promise<Mended> {
  checkOutput(output, overwrite);
  const { source, options } = await openInput(path, { limits: limit });
  const { format } = await detect(source);
  if (format.name !== 'onnx') throw fail('E4001', `--fix repairs ONNX files, ${path} is ${format.title}`);
  try {
    const { model, repairs } = await repairFile(source, options);
    const { files, paths } = await whileWriting(() => save(model, output, { format: 'onnx', overwrite }));
    files.forEach((f, i) => {
      out.note(`wrote ${fileText(paths[i]!, f.length)}`);
    });
    return { written: [output], repairs };
  } catch (error) {
    if (!(error instanceof ModelError) || error.findings.some(f => /^E[45]/.test(f.code))) throw error;
    out.note(`${shown(path, 200)} is beyond repair; nothing was written`);
    return { repairs: [] };
  }
}

const repairLine = (f: Finding, paint: Paint): string =>
  `${shown(f.file ?? '', 200)}: ${paint('green', 'repaired')} ${f.code} ${codes[f.code].name}: ${shownMessage(f.message)}`;

async function checkFile(path: string, { strict = false, limit, target }: CheckOptions): Promise<Checked> {
  const { source, model, failure, findings: found } = await judge(path, { limits: limit });
  const file = source?.name ?? path;
  const refused = model && target !== undefined ? checkTarget(model, target) : [];
  const findings = [...found, ...refused].map(f => ({ ...f, file: f.file ?? file }));
  const errors = findings.filter(f => f.severity === 'error');
  const warnings = findings.length - errors.length;
  const valid = errors.length === 0 && (!strict || warnings === 0);
  return {
    file,
    bytes: source?.size,
    findings,
    errors: errors.length,
    warnings,
    valid,
    exit: valid ? 'ok' : failure ? codes[failure.code].exit : model ? 'no' : exitOf(errors[0]),
  };
}

const totals = (checked: readonly Checked[]) => ({
  valid: checked.every(c => c.valid),
  errors: checked.reduce((n, c) => n + c.errors, 0),
  warnings: checked.reduce((n, c) => n + c.warnings, 0),
});

/** A line a file where there are several, and one about all. */
function summary(checked: readonly Checked[], ms: number, out: Output): string[] {
  const counts = ({ errors, warnings }: Pick<Checked, 'errors' | 'warnings'>): string =>
    `${plural(errors, 'error')}, ${plural(warnings, 'warning')}`;
  const verdict = ({ valid }: Pick<Checked, 'valid'>): string =>
    valid ? out.paint('green', 'a valid model') : out.paint('red', 'not a valid model');
  const all = totals(checked);
  if (checked.length === 1) return [`${counts(all)} in ${timeText(ms)}  — ${verdict(all)}`];
  const invalid = checked.filter(c => !c.valid).length;
  return [
    ...checked.map(c => `${shown(c.file, 200)}: ${counts(c)}  — ${verdict(c)}`),
    `${plural(checked.length, 'file')}, ${invalid} not valid: ${counts(all)} in ${timeText(ms)}`,
  ];
}

interface Judged {
  /** Absent where the file could not be opened. */
  readonly source?: Source;
  /** Absent where it could not be read. */
  readonly model?: Model | undefined;
  readonly findings: readonly Finding[];
  /** What ended the look at it. */
  readonly failure?: ModelError;
}

/** What stops one file from being read is a finding too, so that the others are looked at. */
async function judge(path: string, given: ReadOptions): Promise<Judged> {
  let source: Source | undefined;
  try {
    const opened = await openInput(path, given);
    source = opened.source;
    return { source, ...(await findingsOf(source, opened.options)) };
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    return { ...(source && { source }), findings: error.findings, failure: error };
  }
}

/** Of a model in ONNX all that the standard asks for, of others whether they can be read. Errors: E1001 to E1004. */
async function findingsOf(source: Source, options: ReadOptions): Promise<Judged> {
  const { format, findings } = await detect(source);
  if (!format.spelling) return read(source, options);
  const checked = await checkModel(source, { ...options, spelling: format.spelling });
  return { ...checked, findings: [...findings, ...checked.findings] };
}

/** A container that cannot be read is no model that could be judged. */
const exitOf = (first: Finding | undefined): ExitKind => (first && /^E(10|5)/.test(first.code) ? codes[first.code].exit : 'no');
