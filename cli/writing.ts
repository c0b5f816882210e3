// Models to files or standard output, for every command that writes one, and what is said about it.
import { type Loaded, write } from '../src/api.ts';
import { type Finding, fail } from '../src/errors.ts';
import { bytesOfFile } from '../src/formats/format.ts';
import { formatNamed, formatOfName, formats } from '../src/formats/index.ts';
import type { Model } from '../src/ir/graph.ts';
import { save } from '../src/node/index.ts';
import { nearestName } from '../src/ops/nearest.ts';
import { whileWriting, writeToStdout } from './files.ts';
import { fileText, type Output } from './output.ts';
import { plural, shown } from './terminal.ts';

export interface WriteOptions {
  readonly output: string;
  readonly to?: string;
  readonly opset?: number;
  readonly target?: string;
  readonly externalData?: boolean;
  readonly fuse?: boolean;
  readonly overwrite?: boolean;
}

/** Whether the result is text, which a terminal may show. Errors: E4001 a format that does not exist or is not told. */
export function checkFormat({ to, output }: WriteOptions): boolean {
  const names = formats.filter(f => f.write).map(f => f.name);
  if (to !== undefined && !formatNamed(to)) {
    const near = nearestName(to, names);
    throw fail('E4001', `there is no format ${to}; ${near ? `did you mean ${near}?` : `written are ${names.join(', ')}`}`);
  }
  const format = to === undefined ? formatOfName(output) : formatNamed(to);
  if (format) return format.isText ?? false;
  const reason = output === '-' ? 'standard output has no name' : `the name ${output} tells no format`;
  throw fail('E4001', `${reason}; pass --to with one of ${names.join(', ')}`);
}

interface WrittenFiles {
  readonly model: Model;
  readonly findings: readonly Finding[];
  readonly format: { readonly name: string; readonly title: string };
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
}

/** What --json says of a model that was written. */
export interface WrittenModel {
  readonly format: string;
  readonly files: WrittenFiles['files'];
  readonly irVersion: number;
  readonly opsets: readonly { readonly domain: string; readonly version: number }[];
}

/** Write a model and say what was written; findings are warnings of what the format has no place for. Errors: as `save`. */
export async function writeModel(
  model: Model,
  options: WriteOptions,
  out: Output,
): Promise<{ readonly written: WrittenModel; readonly findings: readonly Finding[] }> {
  const written = await out.stage(
    'write',
    () => writeFiles(model, options),
    w => `${plural(w.files.length, 'file')}`,
  );
  for (const f of written.files) out.note(`wrote ${fileText(f.path, f.bytes)}`);
  out.note(`  ${written.format.title}, ${versionsOf(written.model)}`);
  return { written: { format: written.format.name, files: written.files, ...versions(written.model) }, findings: written.findings };
}

async function writeFiles(model: Model, { output, to, opset, target, fuse, externalData, overwrite }: WriteOptions): Promise<WrittenFiles> {
  if (output !== '-') {
    const saved = await whileWriting(() => save(model, output, { format: to, opset, target, fuse, externalData, overwrite }));
    return { ...saved, files: saved.files.map((f, i) => ({ path: saved.paths[i]!, bytes: f.length })) };
  }
  if (externalData) throw fail('E4001', '--external-data writes two files; standard output takes one');
  const written = await write(model, { format: to, opset, target, fuse, name: 'model' });
  const file = written.files[0];
  if (!file || written.files.length > 1) throw fail('E4001', `${written.format.title} is more than one file; standard output takes one`);
  return { ...written, files: [{ path: '<stdout>', bytes: await writeToStdout(bytesOfFile(file)) }] };
}

/** What was read, in words. */
export const readWords = ({ format, model, findings }: Loaded): string =>
  [
    format.title,
    ...(format.spelling ? [versionsOf(model)] : []),
    ...(findings.length > 0 ? [plural(findings.length, 'warning')] : []),
  ].join(', ');

const versions = ({ irVersion, opsets }: Model): Pick<WrittenModel, 'irVersion' | 'opsets'> => ({
  irVersion,
  opsets: [...opsets].map(([domain, version]) => ({ domain: domain || 'ai.onnx', version })),
});

const versionsOf = ({ irVersion, opsets }: Model): string =>
  `opset ${[...opsets].map(([domain, version]) => `${shown(domain || 'ai.onnx')} ${version}`).join(', ')}, IR version ${irVersion}`;
