// Runs a case in this process: its files in a folder, the function of its command, and what that says.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { check } from '../../cli/commands/check.ts';
import { convert } from '../../cli/commands/convert.ts';
import { info } from '../../cli/commands/info.ts';
import { run } from '../../cli/commands/run.ts';
import { weights } from '../../cli/commands/weights.ts';
import { type Outcome, Output } from '../../cli/output.ts';
import { codes, type ExitKind, type Finding, ModelError } from '../../src/errors.ts';
import type { Case, Expected } from './case.ts';
import type { Piece } from './wire.ts';

/** Make the files of a case in a folder that exists. */
export function lay(c: Case, folder: string): Piece {
  const piece = c.make();
  writeFileSync(join(folder, c.file), piece.bytes);
  for (const [name, content] of Object.entries(c.beside)) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    if (typeof content === 'function') content(path, folder);
    else writeFileSync(path, content);
  }
  return piece;
}

export interface Verdict {
  readonly exit: ExitKind;
  readonly findings: readonly Finding[];
  readonly text: readonly string[];
}

/** The options of a case as the command's function takes them. */
function optionsOf(c: Case, folder: string): Record<string, unknown> {
  const options: Record<string, unknown> = c.command === 'run' ? { backend: 'reference' } : {};
  for (let i = 0; i < c.options.length; i++) {
    const word = c.options[i]!;
    if (word === '--strict') options['strict'] = true;
    else if (word === '-o') options['output'] = join(folder, c.options[++i]!);
    else if (word === '--inputs') options['inputs'] = join(folder, c.options[++i]!);
    else throw new Error(`a case has the option ${word}, which is not known here`);
  }
  return options;
}

export async function judge(c: Case, folder: string): Promise<Verdict> {
  const commands = { check, info, convert, run, weights } as unknown as Record<
    string,
    (args: readonly string[], options: unknown, out: Output) => Promise<Outcome>
  >;
  const out = new Output({ quiet: true, color: false });
  try {
    const { exit = 'ok', findings = [], text = [] } = await commands[c.command]!([join(folder, c.file)], optionsOf(c, folder), out);
    return { exit, findings, text };
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    return { exit: codes[error.code].exit, findings: error.findings, text: [] };
  }
}

/** The findings of a verdict in the form in which cases expect them. */
export const said = (findings: readonly Finding[]): Expected[] =>
  findings.map(({ severity, code, message, path, offset, hint }) => ({ severity, code, message, path, offset, hint }));

/** The expectation with its marks as offsets. */
export const meant = (expected: readonly Expected[], { marks }: Piece): Expected[] =>
  expected.map(e => {
    const offset = typeof e.offset === 'string' ? marks?.get(e.offset) : e.offset;
    if (typeof e.offset === 'string' && offset === undefined) throw new Error(`the file has no mark ${e.offset}`);
    return { ...e, offset };
  });
