// omnix check: everything that is wrong with a model, a finding a line.
import { read } from '../../src/api.ts';
import type { Source } from '../../src/codec/source.ts';
import { codes, type ExitKind, type Finding } from '../../src/errors.ts';
import type { ReadOptions } from '../../src/formats/format.ts';
import { detect } from '../../src/formats/index.ts';
import type { Model } from '../../src/ir/graph.ts';
import { checkModel } from '../../src/validate/check.ts';
import { openInput } from '../files.ts';
import type { ReadLimitOptions } from '../limits.ts';
import { findingLines, type Outcome, type Output } from '../output.ts';
import { plural, timeText } from '../terminal.ts';

export interface CheckOptions extends ReadLimitOptions {
  /** Warnings count as errors. */
  readonly strict?: boolean;
}

export async function check([path]: readonly string[], { strict = false, limit }: CheckOptions, out: Output): Promise<Outcome> {
  const started = performance.now();
  const { source, options } = await openInput(path!, { limits: limit });
  const { model, findings: found } = await findingsOf(source, options);
  const findings = found.map(f => ({ ...f, file: f.file ?? source.name }));
  const errors = findings.filter(f => f.severity === 'error');
  const warnings = findings.length - errors.length;
  const valid = errors.length === 0 && (!strict || warnings === 0);
  const verdict = valid ? out.paint('green', 'a valid model') : out.paint('red', 'not a valid model');
  const summary = `${plural(errors.length, 'error')}, ${plural(warnings, 'warning')} in ${timeText(performance.now() - started)}  — ${verdict}`;
  return {
    results: { file: source.name, valid, errors: errors.length, warnings },
    findings,
    findingsInText: true,
    text: [...findings.flatMap(f => findingLines(f, out.paint)), summary],
    exit: valid ? 'ok' : model ? 'no' : exitOf(errors[0]),
  };
}

interface Judged {
  /** Absent where it could not be read. */
  readonly model?: Model | undefined;
  readonly findings: readonly Finding[];
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
