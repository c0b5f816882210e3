// omnix convert: read a model of one format and write it in another, and on request run what was written.
import { type InputShapes, type Loaded, withInputShapes, write } from '../../src/api.ts';
import { fail } from '../../src/errors.ts';
import { bytesOfFile } from '../../src/formats/format.ts';
import { formatNamed, formatOfName, formats } from '../../src/formats/index.ts';
import type { Model } from '../../src/ir/graph.ts';
import { save } from '../../src/node/index.ts';
import { nearestName } from '../../src/ops/nearest.ts';
import { runtimeNamed } from '../../src/opset/runtimes.ts';
import { checkOutput, readModel, whileWriting, writeToStdout } from '../files.ts';
import type { ReadLimitOptions } from '../limits.ts';
import { fileText, type Outcome, type Output } from '../output.ts';
import { plural, shown } from '../terminal.ts';
import { verify } from '../verify.ts';

export interface ConvertOptions extends ReadLimitOptions {
  readonly output: string;
  readonly to?: string;
  readonly opset?: number;
  readonly target?: string;
  readonly externalData?: boolean;
  readonly allowCustom?: boolean;
  readonly fuse?: boolean;
  readonly inputShape?: readonly string[];
  /** True without arrays. */
  readonly verify?: true | readonly string[];
  readonly overwrite?: boolean;
}

export async function convert(args: readonly string[], options: ConvertOptions, out: Output): Promise<Outcome> {
  const { input, arrays } = inputAndArrays(args, options.verify);
  const { output, overwrite = false } = options;
  const shapes = parseShapes(options.inputShape ?? []);
  checkFormat(options);
  if (options.target !== undefined) runtimeNamed(options.target);
  checkOutput(output, overwrite);
  if (output === '-' && options.verify) throw fail('E4001', '--verify reads the written file again; it needs -o with a path');

  const loaded = await out.stage('read', () => readModel(input, options), readWords);
  const source = shapes ? await out.stage('shapes', async () => withInputShapes(loaded.model, shapes)) : loaded.model;
  const written = await out.stage(
    'write',
    () => writeModel(source, options),
    w => `${plural(w.files.length, 'file')}`,
  );
  for (const f of written.files) out.note(`wrote ${fileText(f.path, f.bytes)}`);
  out.note(`  ${written.format.title}, ${versionsOf(written.model)}`);

  const results = { input, format: written.format.name, files: written.files, ...versions(written.model) };
  if (!options.verify) return { results, findings: loaded.findings };
  try {
    const verified = await out.stage(
      'verify',
      () => verify({ input, output, source, arrays, out }),
      v => v.words,
    );
    for (const line of verified.lines) out.note(line);
    if (!verified.ok) out.note(`${out.paintNote('red', 'verification failed')}; ${shown(output, 200)} is kept`);
    const { ok, how, outputs } = verified;
    return { results: { ...results, verification: { ok, how, outputs } }, findings: loaded.findings, exit: ok ? 'ok' : 'no' };
  } catch (error) {
    out.note(`verification was not possible; ${shown(output, 200)} is kept`);
    throw error;
  }
}

/** --verify takes as many words as follow it; only .npz and .npy among them are its own. */
function inputAndArrays(
  args: readonly string[],
  given: true | readonly string[] | undefined,
): { input: string; arrays: readonly string[] } {
  const words = given === undefined || given === true ? [] : given;
  const isArrays = (path: string): boolean => /\.np[zy]$/i.test(path);
  const arrays = words.filter(isArrays);
  const [input, ...more] = [...args, ...words.filter(w => !isArrays(w))];
  if (input === undefined) throw fail('E4001', "missing required argument 'input'");
  if (more.length > 0) throw fail('E4001', `too many arguments: one input is expected, found ${input} and ${more.join(', ')}`);
  if (arrays.length > 2) throw fail('E4001', `--verify takes at most two files of arrays, found ${arrays.length}`);
  return { input, arrays };
}

function checkFormat({ to, output }: ConvertOptions): void {
  const names = formats.filter(f => f.write).map(f => f.name);
  if (to !== undefined && !formatNamed(to)) {
    const near = nearestName(to, names);
    throw fail('E4001', `there is no format ${to}; ${near ? `did you mean ${near}?` : `written are ${names.join(', ')}`}`);
  }
  if (to !== undefined || formatOfName(output)) return;
  const reason = output === '-' ? 'standard output has no name' : `the name ${output} tells no format`;
  throw fail('E4001', `${reason}; pass --to with one of ${names.join(', ')}`);
}

/** `x:1,3,224` and `x:[batch,3]`; the name is all before the last colon. Errors: E4001. */
function parseShapes(texts: readonly string[]): InputShapes | undefined {
  if (texts.length === 0) return undefined;
  const shapes = texts.map((text): [string, (number | string)[]] => {
    const [, name, list] = /^(.+):(?:\[([^[\]]*)\]|[^[\]]*)$/s.exec(text) ?? [];
    const sizes = list ?? text.slice((name ?? '').length + 1);
    const dims = sizes.trim() === '' ? [] : sizes.split(',').map(s => s.trim());
    if (name === undefined || (dims.length === 0 && list === undefined) || !dims.every(d => /^(\d{1,15}|[A-Za-z_]\w{0,99})$/.test(d)))
      throw fail('E4001', `--input-shape ${text}: expected NAME:DIMS such as x:1,3,224,224 or x:batch,3`);
    return [name, dims.map(d => (/^\d/.test(d) ? Number(d) : d))];
  });
  const twice = shapes.find(([name], i) => shapes.findIndex(([other]) => other === name) < i);
  if (twice) throw fail('E4001', `--input-shape names ${twice[0]} twice`);
  return Object.fromEntries(shapes);
}

interface WrittenFiles {
  readonly model: Model;
  readonly format: { readonly name: string; readonly title: string };
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
}

async function writeModel(
  model: Model,
  { output, to, opset, target, fuse, externalData, overwrite }: ConvertOptions,
): Promise<WrittenFiles> {
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

const readWords = ({ format, model, findings }: Loaded): string =>
  [
    format.title,
    ...(format.name === 'onnx' ? [versionsOf(model)] : []),
    ...(findings.length > 0 ? [plural(findings.length, 'warning')] : []),
  ].join(', ');

const versions = ({ irVersion, opsets }: Model): object => ({
  irVersion,
  opsets: [...opsets].map(([domain, version]) => ({ domain: domain || 'ai.onnx', version })),
});

const versionsOf = ({ irVersion, opsets }: Model): string =>
  `opset ${[...opsets].map(([domain, version]) => `${shown(domain || 'ai.onnx')} ${version}`).join(', ')}, IR version ${irVersion}`;
