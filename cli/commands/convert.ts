// omnix convert: read a model of one format and write it in another, and on request run what was written.
import { withInputShapes } from '../../src/api.ts';
import { type NameRule, type ReplacedWeights, replaceWeights } from '../../src/edit/weights.ts';
import { fail } from '../../src/errors.ts';
import type { Model } from '../../src/ir/graph.ts';
import { loadWeights } from '../../src/node/index.ts';
import { runtimeNamed } from '../../src/opset/runtimes.ts';
import { checkOutput, type Ends, readModel } from '../files.ts';
import type { ReadLimitOptions } from '../limits.ts';
import type { Outcome, Output } from '../output.ts';
import { parseShapes } from '../shapes.ts';
import { plural, shown } from '../terminal.ts';
import { verify } from '../verify.ts';
import { checkFormat, dtypeNamed, readWords, type WriteOptions, writeModel } from '../writing.ts';

export interface ConvertOptions extends WriteOptions, ReadLimitOptions, Ends {
  readonly allowCustom?: boolean;
  readonly inputShape?: readonly string[];
  readonly weights?: string;
  readonly rename?: readonly string[];
  /** True without arrays. */
  readonly verify?: true | readonly string[];
}

export async function convert(args: readonly string[], options: ConvertOptions, out: Output): Promise<Outcome> {
  const { input, arrays } = inputAndArrays(args, options.verify);
  const { output, overwrite = false } = options;
  const shapes = parseShapes('--input-shape', options.inputShape ?? []);
  const isText = checkFormat(options);
  if (options.target !== undefined) runtimeNamed(options.target);
  const dtype = dtypeNamed(options.dtype);
  if (options.keepIoTypes && dtype === undefined) throw fail('E4001', '--keep-io-types goes with --dtype');
  const rename = nameRules(options.rename ?? []);
  if (rename.length > 0 && options.weights === undefined) throw fail('E4001', '--rename goes with --weights');
  checkOutput(output, overwrite, isText);
  if (output === '-' && options.verify) throw fail('E4001', '--verify reads the written file again; it needs -o with a path');

  const loaded = await out.stage('read', () => readModel(input, { ...options, inputShapes: shapes }, options), readWords);
  const shaped = shapes ? await out.stage('shapes', async () => withInputShapes(loaded.model, shapes)) : loaded.model;
  const { model: source, findings: unused } = await withWeights(shaped, options.weights, rename, out);
  const { written, findings: left } = await writeModel(source, options, out);
  const results = { input, ...written };
  const findings = [...loaded.findings, ...unused, ...left];
  if (!options.verify) return { results, findings };
  try {
    const verified = await out.stage(
      'verify',
      () => verify({ input, output, source, arrays, dtype, out }),
      v => v.words,
    );
    for (const line of verified.lines) out.note(line);
    if (!verified.ok) out.note(`${out.paintNote('red', 'verification failed')}; ${shown(output, 200)} is kept`);
    const { ok, how, outputs } = verified;
    return { results: { ...results, verification: { ok, how, outputs } }, findings, exit: ok ? 'ok' : 'no' };
  } catch (error) {
    out.note(`verification was not possible; ${shown(output, 200)} is kept`);
    throw error;
  }
}

/** The model with the weights of a file, where one is given. */
async function withWeights(
  model: Model,
  path: string | undefined,
  rename: readonly NameRule[],
  out: Output,
): Promise<Pick<ReplacedWeights, 'model' | 'findings'>> {
  if (path === undefined) return { model, findings: [] };
  return out.stage(
    'weights',
    async () => replaceWeights(model, await loadWeights(path), { rename }),
    ({ count }) => plural(count, 'tensor'),
  );
}

/** Errors: E4001. */
const nameRules = (given: readonly string[]): NameRule[] =>
  given.map(text => {
    const at = text.indexOf('=');
    if (at < 1 || at !== text.lastIndexOf('=')) throw fail('E4001', `--rename ${text}: expected OLD=NEW, such as module.*=*`);
    return { from: text.slice(0, at), to: text.slice(at + 1) };
  });

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
