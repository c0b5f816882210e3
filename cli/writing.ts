// Models to files or standard output, for every command that writes one, and what is said about it.
import { resolve } from 'node:path';
import { type Loaded, write } from '../src/api.ts';
import type { Source } from '../src/codec/source.ts';
import type { Half, Narrowed } from '../src/edit/narrow.ts';
import { type Finding, fail } from '../src/errors.ts';
import { bytesOfFile, type Format } from '../src/formats/format.ts';
import { formatNamed, formatOfName, formats } from '../src/formats/index.ts';
import type { Model } from '../src/ir/graph.ts';
import { type MapOptions, save } from '../src/node/models.ts';
import { nearestName } from '../src/ops/nearest.ts';
import { checkOutput, whileWriting, writeToStdout } from './files.ts';
import { fileText, type Output } from './output.ts';
import { plural, shown } from './terminal.ts';

export interface WriteOptions {
  readonly output: string;
  readonly to?: string;
  /** The option that says `to`, where it is not --to. */
  readonly formatOption?: string;
  readonly opset?: number;
  readonly target?: string;
  readonly externalData?: boolean;
  readonly fuse?: boolean;
  readonly overwrite?: boolean;
  readonly dtype?: string;
  readonly keepIoTypes?: boolean;
  /** The file of a map. */
  readonly map?: string;
}

/** Refuse a map before any work is done for it. Errors: E4001, and as `checkOutput`. */
export function checkMap({ map, output, overwrite = false }: WriteOptions): void {
  if (map === undefined) return;
  if (output === '-' || map === '-')
    throw fail('E4001', '--map names the digest of the written file; it needs -o with a path, and one of its own');
  if (resolve(map) === resolve(output)) throw fail('E4001', '--map and -o name the same file');
  checkOutput(map, overwrite);
}

const halves: Readonly<Record<string, Half>> = { fp16: 'float16', float16: 'float16', bf16: 'bfloat16', bfloat16: 'bfloat16' };

/** The type of a --dtype. Errors: E4001. */
export function dtypeNamed(name: string | undefined): Half | undefined {
  if (name === undefined) return undefined;
  if (!Object.hasOwn(halves, name)) throw fail('E4001', `--dtype ${name}: expected fp16 or bf16`);
  return halves[name];
}

/** The format to write. Errors: E4001 a format that does not exist or is not told. */
export function checkFormat({ to, output, formatOption = '--to' }: Pick<WriteOptions, 'to' | 'output' | 'formatOption'>): Format {
  const names = formats.filter(f => f.write).map(f => f.name);
  if (to !== undefined && !formatNamed(to)) {
    const near = nearestName(to, names);
    throw fail('E4001', `there is no format ${to}; ${near ? `did you mean ${near}?` : `written are ${names.join(', ')}`}`);
  }
  const format = to === undefined ? formatOfName(output) : formatNamed(to);
  if (format) return format;
  const reason = output === '-' ? 'standard output has no name' : `the name ${output} tells no format`;
  throw fail('E4001', `${reason}; pass ${formatOption} with one of ${names.join(', ')}`);
}

interface WrittenFiles {
  readonly model: Model;
  readonly findings: readonly Finding[];
  readonly format: { readonly name: string; readonly title: string };
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
  readonly narrowed?: Pick<Narrowed, 'clamped' | 'kept'>;
}

/** What --json says of a model that was written. */
export interface WrittenModel {
  readonly format: string;
  readonly files: WrittenFiles['files'];
  /** The file of the map, where one was asked for. */
  readonly map?: string | undefined;
  readonly irVersion: number;
  readonly opsets: readonly { readonly domain: string; readonly version: number }[];
  /** With --dtype. */
  readonly narrowed?: {
    readonly clamped: Narrowed['clamped'];
    readonly keptFloat32: readonly { readonly name: string; readonly count: number }[];
  };
}

/** The model that a map is about, and what it was read from. */
export interface Mapped {
  readonly model: Model;
  readonly loaded: Pick<Loaded, 'format'> & { readonly source: Source };
}

/** Write a model and say what was written; findings are warnings of what the format has no place for. Errors: as `save`. */
export async function writeModel(
  model: Model,
  options: WriteOptions,
  out: Output,
  mapped?: Mapped,
): Promise<{ readonly written: WrittenModel; readonly findings: readonly Finding[] }> {
  const written = await out.stage(
    'write',
    () => writeFiles(model, options, mapped),
    w => `${plural(w.files.length, 'file')}`,
  );
  for (const f of written.files) out.note(`wrote ${fileText(f.path, f.bytes)}`);
  if (options.map !== undefined) out.note(`wrote ${shown(options.map, 200)}`);
  out.note(`  ${written.format.title}, ${versionsOf(written.model)}`);
  for (const line of narrowedLines(written.narrowed)) out.note(line);
  return {
    written: {
      format: written.format.name,
      files: written.files,
      map: options.map,
      ...versions(written.model),
      ...narrowedJson(written.narrowed),
    },
    findings: written.findings,
  };
}

const narrowedJson = (narrowed: WrittenFiles['narrowed']): Pick<WrittenModel, 'narrowed'> =>
  narrowed ? { narrowed: { clamped: narrowed.clamped, keptFloat32: [...narrowed.kept].map(([name, count]) => ({ name, count })) } } : {};

/** What did not fit the float type. */
function narrowedLines(narrowed: WrittenFiles['narrowed']): string[] {
  if (!narrowed) return [];
  const kept = [...narrowed.kept].map(([name, count]) => `${shown(name, 40)} ${count}`);
  const clamped = narrowed.clamped.slice(0, 8).map(({ name, over, under }) => {
    const parts = [over > 0 ? `${over} too large` : '', under > 0 ? `${under} too small` : ''].filter(text => text !== '');
    return `  warning: ${shown(name)}: ${parts.join(', ')}; the nearest number other than zero and infinity is written`;
  });
  const more = narrowed.clamped.length - clamped.length;
  return [
    ...(kept.length > 0 ? [`  float32 still: ${kept.join(', ')}`] : []),
    ...clamped,
    ...(more > 0 ? [`  … ${more} more such weights`] : []),
  ];
}

async function writeFiles(
  model: Model,
  { output, to, externalData, overwrite, ...given }: WriteOptions,
  mapped?: Mapped,
): Promise<WrittenFiles> {
  const { opset, target, fuse, keepIoTypes } = given;
  const options = { opset, target, fuse, keepIoTypes, dtype: dtypeNamed(given.dtype), format: to };
  if (output !== '-') {
    const map = given.map === undefined || !mapped ? undefined : mapOptions(given.map, mapped);
    const saved = await whileWriting(() => save(model, output, { ...options, externalData, overwrite, map }));
    return { ...saved, files: saved.files.map((f, i) => ({ path: saved.paths[i]!, bytes: f.length })) };
  }
  if (externalData) throw fail('E4001', '--external-data writes two files; standard output takes one');
  const written = await write(model, { ...options, name: 'model' });
  const file = written.files[0];
  if (!file || written.files.length > 1) throw fail('E4001', `${written.format.title} is more than one file; standard output takes one`);
  return { ...written, files: [{ path: '<stdout>', bytes: await writeToStdout(bytesOfFile(file)) }] };
}

const mapOptions = (path: string, { model, loaded: { format, source } }: Mapped): MapOptions => ({
  path,
  model,
  format: format.name,
  file: source,
});

/** What was read, in words. */
export const readWords = ({ format, model, findings }: Loaded): string =>
  [
    format.title,
    ...(format.spelling ? [versionsOf(model)] : []),
    ...(findings.length > 0 ? [plural(findings.length, 'warning')] : []),
  ].join(', ');

export const versions = ({ irVersion, opsets }: Model): Pick<WrittenModel, 'irVersion' | 'opsets'> => ({
  irVersion,
  opsets: [...opsets].map(([domain, version]) => ({ domain: domain || 'ai.onnx', version })),
});

export const versionsOf = ({ irVersion, opsets }: Model): string =>
  `opset ${[...opsets].map(([domain, version]) => `${shown(domain || 'ai.onnx')} ${version}`).join(', ')}, IR version ${irVersion}`;
