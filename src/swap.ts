// Other weights for a file that was converted before, by the map of the conversion.
import { type Input, read, toSource, type Written } from './api.ts';
import type { Source } from './codec/source.ts';
import { Copy } from './edit/copy.ts';
import { swapped } from './edit/swap.ts';
import { allConstants, type ReplaceWeightsOptions } from './edit/weights.ts';
import { fail, ModelError } from './errors.ts';
import { contentDigest, fileDigest } from './formats/digest.ts';
import type { Format, OutputFile, ReadOptions } from './formats/format.ts';
import { formatNamed, writable } from './formats/index.ts';
import type { ConversionMap, FileFacts } from './ir/provenance.ts';
import { Tensor } from './ir/tensor.ts';
import { quoted } from './ir/text.ts';
import type { Weights } from './ir/weights.ts';

export interface SwapOptions extends ReplaceWeightsOptions, Pick<ReadOptions, 'open'> {
  /** The file name of the result. */
  readonly name: string;
  readonly dataName?: string | undefined;
}

/**
 * The files of a converted model with other weights of its source in it, and nothing else changed.
 * @param map what `write` said of the conversion, with the files that it wrote
 * @throws ModelError E4003 for a map of other files, and with every weight that does not fit: E3001, E3002, E3003, E2008
 */
export async function swapWeights(
  target: Input,
  map: ConversionMap,
  weights: Weights,
  { name, dataName, open, ...options }: SwapOptions,
): Promise<Pick<Written, 'files' | 'format' | 'findings'>> {
  const source = toSource(target);
  try {
    await requireFiles(source, map.target.files, open);
    const format = formatNamed(map.target.format);
    if (!format?.write) throw fail('E2003', `the map is of the format ${map.target.format}; written are ${writable()}`);
    const { tensors, findings } = await swapped(map, weights, contentDigest, options);
    if (!format.patch) return { format, findings, files: await rewritten(source, { format, tensors, open, name, dataName }) };
    const chunks = await format.patch(source, tensors);
    return { format, findings, files: [{ name, length: source.size, chunks }] };
  } catch (error) {
    throw error instanceof ModelError ? error.within({ file: source.name }) : error;
  }
}

/** Errors: E4003. */
async function requireFiles(source: Source, files: readonly FileFacts[], open: SwapOptions['open']): Promise<void> {
  const [main, ...others] = files.toReversed();
  if (!main) throw fail('E4003', 'the map names no file');
  const require = async (found: Source, { name, sha256 }: FileFacts): Promise<void> => {
    const sum = await fileDigest(found);
    if (sum !== sha256) throw fail('E4003', `the map belongs to a file ${quoted(name)} whose SHA-256 is ${sha256}, this one has ${sum}`);
  };
  await require(source, main);
  for (const file of others) {
    if (!open) throw fail('E1402', `the weights are in ${quoted(file.name)}, which cannot be opened here`);
    await require(await open(file.name), file);
  }
}

interface Rewriting extends Pick<SwapOptions, 'name' | 'dataName' | 'open'> {
  readonly format: Format;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** A file of a format that loses nothing, read and written again with other tensors. */
async function rewritten(source: Source, { format, tensors, open, name, dataName }: Rewriting): Promise<readonly OutputFile[]> {
  const { model } = await read(source, { open });
  const after = new Map<Tensor, Tensor>();
  const before = allConstants(model.graph);
  for (const [key, { type, dims, content }] of tensors) {
    const tensor = before.get(key)?.tensor;
    if (!tensor) throw fail('E3001', `the model has no tensor ${quoted(key)}`, { tensor: key });
    after.set(tensor, new Tensor(type, content, dims, tensor.origin));
  }
  const copy = new Copy({ tensor: tensor => after.get(tensor) ?? tensor }).model(model);
  return format.write!(copy, { name, ...(dataName !== undefined && { dataName }) });
}
