// omnix run: a model on arrays.
import { Session } from '../../src/api.ts';
import { archiveNames, flattened, writeArray, writeArrays } from '../../src/formats/arrays.ts';
import { kindOfDatum } from '../../src/ir/datum.ts';
import { Tensor } from '../../src/ir/tensor.ts';
import { formatShape } from '../../src/ir/types.ts';
import { writeFileAtomic } from '../../src/node/files.ts';
import { loadArrays, paired, type Statistics, statisticsOf } from '../arrays.ts';
import { backendFor } from '../backends.ts';
import { checkOutput, readModel, whileWriting, writeToStdout } from '../files.ts';
import { type LimitOptions, runOptions } from '../limits.ts';
import { fileText, type Outcome, type Output } from '../output.ts';
import { columns, numberText, shown } from '../terminal.ts';

export interface RunOptions extends LimitOptions {
  readonly inputs: string;
  readonly output?: string;
  readonly backend: string;
  readonly winograd?: boolean;
  readonly quantizedIo?: boolean;
  readonly overwrite?: boolean;
}

export async function run([path]: readonly string[], options: RunOptions, out: Output): Promise<Outcome> {
  const { output, overwrite = false } = options;
  if (output !== undefined) checkOutput(output, overwrite);
  const backend = await backendFor(options, out);
  const { model, findings } = await out.stage('read', () => readModel(path!, options));
  const given = await loadArrays(options.inputs);
  const session = await out.stage('prepare', () => Session.create(model, { backend }));
  const data = await out.stage('run', report =>
    session.evaluate(paired(given, session.inputsFor(Object.keys(given)), 'input', out), runOptions(options, report)),
  );
  await session.dispose();
  const made = flattened(data);
  for (const [name, datum] of Object.entries(data)) if (!(datum instanceof Tensor)) out.note(`${shown(name)} is ${kindOfDatum(datum)}`);
  const outputs = await Promise.all(
    Object.entries(made).map(async ([name, t]) => ({ name, type: t.type, dims: t.dims, statistics: await statisticsOf(t) })),
  );
  for (const line of outputTable(outputs)) out.note(line);
  if (output !== undefined) noteRenamed(Object.keys(made), out);
  const bytes = output === undefined ? undefined : await writeOutputs(output, made, overwrite);
  if (output !== undefined && bytes !== undefined) out.note(`wrote ${fileText(output === '-' ? '<stdout>' : output, bytes)}`);
  return { results: { backend: backend.name, outputs, ...(output !== undefined && { file: { path: output, bytes } }) }, findings };
}

function noteRenamed(names: readonly string[], out: Output): void {
  for (const [name, given] of archiveNames(names)) if (name !== given) out.note(`output ${shown(name)} is array ${given} of the archive`);
}

function writeOutputs(path: string, made: Readonly<Record<string, Tensor>>, overwrite: boolean): Promise<number> {
  const all = Object.values(made);
  const chunks = path.toLowerCase().endsWith('.npy') && all.length === 1 ? writeArray(all[0]!) : writeArrays(made);
  return path === '-' ? writeToStdout(chunks) : whileWriting(() => writeFileAtomic(path, chunks, { overwrite }));
}

interface OutputRow {
  readonly name: string;
  readonly type: string;
  readonly dims: readonly number[];
  readonly statistics: Statistics | undefined;
}

function outputTable(outputs: readonly OutputRow[]): string[] {
  const rows = outputs.map(({ name, type, dims, statistics: s }) => [
    shown(name),
    type,
    formatShape(dims),
    ...(s ? [s.min, s.max, s.mean, s.nan].map(numberText) : ['–', '–', '–', '–']),
  ]);
  return columns([['output', 'dtype', 'shape', 'min', 'max', 'mean', 'NaN'], ...rows], { right: [3, 4, 5, 6] });
}
