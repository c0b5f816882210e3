// omnix swap-weights: other weights into a model that was converted before, without its source.
import { saveSwapped } from '../../src/node/models.ts';
import { checkOutput, whileWriting } from '../files.ts';
import { fileText, type Outcome, type Output } from '../output.ts';
import { nameRules } from '../rename.ts';
import { plural } from '../terminal.ts';

export interface SwapWeightsOptions {
  readonly map: string;
  readonly weights: string;
  readonly output: string;
  readonly rename?: readonly string[];
  readonly overwrite?: boolean;
}

export async function swapWeights([target]: readonly string[], options: SwapWeightsOptions, out: Output): Promise<Outcome> {
  const { map, weights, output, overwrite = false } = options;
  const rename = nameRules(options.rename);
  checkOutput(output, overwrite);
  const saved = await out.stage(
    'swap',
    () => whileWriting(() => saveSwapped(target!, output, { map, weights, rename, overwrite })),
    ({ map: { tensors } }) => plural(tensors.length, 'tensor'),
  );
  const files = saved.files.map((f, i) => ({ path: saved.paths[i]!, bytes: f.length }));
  for (const f of files) out.note(`wrote ${fileText(f.path, f.bytes)}`);
  const { format, findings, map: known } = saved;
  return { results: { input: target, format: format.name, files, tensors: known.tensors.map(t => t.name) }, findings };
}
