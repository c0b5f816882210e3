// omnix convert: read a model of one format and write it in another, and on request run what was written.
import { withInputShapes } from '../../src/api.ts';
import { layout } from '../../src/edit/layout.ts';
import { type NameRule, type ReplacedWeights, replaceWeights } from '../../src/edit/weights.ts';
import { fail } from '../../src/errors.ts';
import type { Model } from '../../src/ir/graph.ts';
import type { DataType } from '../../src/ir/types.ts';
import { loadWeights } from '../../src/node/models.ts';
import { runtimeNamed } from '../../src/opset/runtimes.ts';
import { checkOutput, type Ends, readModel } from '../files.ts';
import type { ReadLimitOptions } from '../limits.ts';
import { type OrderOptions, orders } from '../orders.ts';
import type { Outcome, Output } from '../output.ts';
import { nameRules } from '../rename.ts';
import { parseInputTypes, parseValues } from '../shapes.ts';
import { plural, shown } from '../terminal.ts';
import { verify } from '../verify.ts';
import { checkFormat, checkMap, dtypeNamed, readWords, type WriteOptions, writeModel } from '../writing.ts';
import { dryRuns, refuseWriting, targetsOf } from './dry-run.ts';

export interface ConvertOptions extends Omit<WriteOptions, 'output'>, ReadLimitOptions, OrderOptions, Ends {
  readonly output?: string;
  readonly allowCustom?: boolean;
  readonly quantizedIo?: boolean;
  readonly inputShape?: readonly string[];
  readonly inputValue?: readonly string[];
  readonly weights?: string;
  readonly rename?: readonly string[];
  /** True without arrays. */
  readonly verify?: true | readonly string[];
  readonly dryRun?: boolean;
}

export async function convert(args: readonly string[], options: ConvertOptions, out: Output): Promise<Outcome> {
  const { input, arrays } = inputAndArrays(args, options.verify);
  const { output, overwrite = false } = options;
  const { shapes, types } = parseInputTypes('--input-shape', options.inputShape ?? []);
  const values = parseValues('--input-value', options.inputValue ?? []);
  if (options.target !== undefined) runtimeNamed(options.target);
  const dtype = dtypeNamed(options.dtype);
  if (options.keepIoTypes && dtype === undefined) throw fail('E4001', '--keep-io-types goes with --dtype');
  const rename = nameRules(options.rename);
  if (rename.length > 0 && options.weights === undefined) throw fail('E4001', '--rename goes with --weights');
  const wanted = orders(options);
  const prepare = async (): Promise<Prepared> => {
    const loaded = await out.stage(
      'read',
      () => readModel(input, { ...options, inputShapes: shapes, inputTypes: types, inputValues: values }, options),
      readWords,
    );
    requireTypes(loaded.model, types);
    const shaped = shapes ? await out.stage('shapes', async () => withInputShapes(loaded.model, shapes)) : loaded.model;
    const { model: weighted, findings } = await withWeights(shaped, options.weights, rename, out);
    const model = wanted.inputs || wanted.outputs ? await out.stage('layout', async () => layout(weighted, wanted)) : weighted;
    return { model, loaded, findings: [...loaded.findings, ...findings] };
  };
  if (options.dryRun) {
    refuseWriting({ ...options });
    return dryRuns(input, targetsOf(options), options, prepare, out);
  }
  if (output === undefined) throw fail('E4001', "required option '-o, --output <path>' not specified");
  const writing = { ...options, output };
  const format = checkFormat(writing);
  checkOutput(output, overwrite, format);
  checkMap(writing);
  if (options.verify && !format.read) throw fail('E4001', `--verify reads the written file again; ${format.title} is not read`);
  if (output === '-' && options.verify) throw fail('E4001', '--verify reads the written file again; it needs -o with a path');

  const { model: source, loaded, findings: found } = await prepare();
  const { written, findings: left } = await writeModel(source, writing, out, { model: source, loaded });
  const results = { input, ...written };
  const findings = [...found, ...left];
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

/** @throws ModelError E3001 for names of no input, E3002 for element types that inputs do not have */
function requireTypes({ graph }: Model, types: Readonly<Record<string, DataType>>): void {
  for (const [name, element] of Object.entries(types)) {
    const input = graph.inputs.find(value => value.name === name);
    if (!input) throw fail('E3001', `the model has no input ${shown(name)}; it has ${graph.inputs.map(v => shown(v.name)).join(', ')}`);
    const { type } = input;
    if (type?.kind === 'tensor' && type.element !== element)
      throw fail('E3002', `the input ${shown(name)} is ${type.element}, --input-shape says ${element}`);
  }
}

/** The model to write, and what it was read from. */
interface Prepared extends Pick<ReplacedWeights, 'model' | 'findings'> {
  readonly loaded: Awaited<ReturnType<typeof readModel>>;
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
