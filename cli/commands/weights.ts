// omnix weights: the tensors of a checkpoint or a model, and the same in another format.
import { fail } from '../../src/errors.ts';
import { type WeightFormat, weightFormatNamed, weightFormatOfName, weightFormats } from '../../src/formats/weights/index.ts';
import { resident, type Tensor } from '../../src/ir/tensor.ts';
import { formatShape } from '../../src/ir/types.ts';
import { loadWeights, saveWeights } from '../../src/node/models.ts';
import { type Statistics, statisticsOf } from '../arrays.ts';
import { checkOutput, whileWriting, writeToStdout } from '../files.ts';
import { fileText, type Outcome, type Output } from '../output.ts';
import { bytesText, columns, countText, numberText, plural, shown } from '../terminal.ts';

export interface WeightsOptions {
  readonly output?: string;
  readonly to?: string;
  readonly stats?: boolean;
  readonly overwrite?: boolean;
}

interface Row {
  readonly name: string;
  readonly type: string;
  readonly dims: readonly number[];
  readonly bytes: number;
  readonly statistics?: Statistics | undefined;
}

export async function weights([path]: readonly string[], options: WeightsOptions, out: Output): Promise<Outcome> {
  const { output, overwrite = false, stats = false } = options;
  const format = output === undefined ? undefined : writableFormat(output, options.to);
  if (output !== undefined) checkOutput(output, overwrite);
  const loaded = await out.stage(
    'read',
    () => loadWeights(path!),
    w => `${w.title}, ${plural(w.tensors.size, 'tensor')}`,
  );
  const rows: Row[] = [];
  for (const [name, tensor] of loaded.tensors) rows.push(await rowOf(name, tensor, stats));
  const total = { tensors: rows.length, elements: sum([...loaded.tensors.values()].map(t => t.size)), bytes: sum(rows.map(r => r.bytes)) };
  const metadata = Object.fromEntries(loaded.metadata);
  const results = { file: path, format: loaded.title, metadata, ...total, weights: rows };
  if (!format || output === undefined)
    return { results, text: [...table(rows, stats), ...about(loaded.metadata), summary(total)], findings: loaded.findings };
  const bytes =
    output === '-'
      ? await writeToStdout(format.write!(loaded, 'weights'))
      : await out.stage('write', () => whileWriting(() => saveWeights(output, loaded, { format: format.name, overwrite })));
  out.note(`wrote ${fileText(output === '-' ? '<stdout>' : output, bytes)}`);
  return { results: { ...results, written: { path: output, format: format.name, bytes } }, findings: loaded.findings };
}

/** Errors: E2003. */
function writableFormat(output: string, to: string | undefined): WeightFormat {
  const format = to === undefined ? weightFormatOfName(output) : weightFormatNamed(to);
  if (format?.write) return format;
  const known = weightFormats.filter(f => f.write).map(f => `${f.name} (${f.extensions[0]})`);
  throw fail('E2003', `${format ? format.title : (to ?? output)} is no format of weights that is written; written are ${known.join(', ')}`);
}

async function rowOf(name: string, tensor: Tensor, stats: boolean): Promise<Row> {
  const { type, dims, byteLength: bytes } = tensor;
  return { name, type, dims, bytes, ...(stats && { statistics: await statisticsOf(await resident(tensor)) }) };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

function table(rows: readonly Row[], stats: boolean): string[] {
  const head = ['tensor', 'dtype', 'shape', 'size', ...(stats ? ['min', 'max', 'mean', 'NaN'] : [])];
  const cells = (s: Statistics | undefined): string[] => (s ? [s.min, s.max, s.mean, s.nan].map(numberText) : ['–', '–', '–', '–']);
  const lines = rows.map(r => [shown(r.name), r.type, formatShape(r.dims), bytesText(r.bytes), ...(stats ? cells(r.statistics) : [])]);
  return columns([head, ...lines], { right: [3, 4, 5, 6, 7] });
}

const about = (metadata: ReadonlyMap<string, string>): string[] =>
  [...metadata].map(([key, value]) => `${shown(key)}: ${shown(value, 200)}`);

const summary = (total: { tensors: number; elements: number; bytes: number }): string =>
  `${plural(total.tensors, 'tensor')}, ${countText(total.elements)} elements, ${bytesText(total.bytes)}`;
