// Other weights for a model that was converted already: what the map says of each of its tensors is done again with them.
import type { Finding } from '../errors.ts';
import type { MappedWeight } from '../ir/provenance.ts';
import type { Tensor } from '../ir/tensor.ts';
import { quoted } from '../ir/text.ts';
import type { Weights } from '../ir/weights.ts';
import { Findings } from './names.ts';
import type { Whereabouts } from './provenance.ts';
import { replayed } from './replay.ts';
import { inType, misfit, type ReplaceWeightsOptions, renamed } from './weights.ts';

export interface Swapped {
  /** New tensors of the converted model, by their names in it; what is computed is computed when it is read. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** Warnings: tensors of the file that the source did not have. */
  readonly findings: readonly Finding[];
}

/**
 * The tensors that a converted model has with other weights of its source.
 * @param digest of the content of a tensor, as the map has it
 * @throws ModelError E3001 for each weight that is not given, E3003 for each of another shape, E3002 for each of another element type,
 * E2008 for each that had to stay and did not
 */
export async function swapped(
  map: Pick<Whereabouts, 'weights' | 'tensors'>,
  { tensors: given }: Weights,
  digest: (tensor: Tensor) => Promise<string>,
  { rename = [] }: ReplaceWeightsOptions = {},
): Promise<Swapped> {
  const byName = renamed(given, rename);
  const findings = new Findings();
  const found = new Map<string, Tensor>();
  for (const weight of map.weights) {
    const { name, same, fixed, targets } = weight;
    const tensor = byName.get(name) ?? sharing(name, map.weights, byName);
    if (same !== undefined) await requireSame(weight, byName, digest, findings);
    if (same !== undefined || (targets.length === 0 && fixed === undefined)) continue;
    const why = tensor && misfit(name, tensor, weight);
    if (why) findings.add(...why);
    else if (tensor && fixed !== undefined && (await digest(await inType(tensor, weight))) !== fixed)
      findings.add('E2008', `${quoted(name)}: what is in it decided the form of the model, so that it must stay as it is`);
    else if (tensor) found.set(name, tensor);
    else if (fixed === undefined || targets.length > 0) findings.unknown('tensor', name, byName.keys(), 'the file of weights');
  }
  findings.throw();
  const facts = new Map(map.weights.map(w => [w.name, w]));
  const weightNamed = async (name: string): Promise<Tensor> => inType(found.get(name)!, facts.get(name)!);
  const left = [...byName.keys()].filter(name => !facts.has(name));
  const made = new Map<string, Tensor>();
  for (const tensor of map.tensors) made.set(tensor.name, await replayed(tensor, weightNamed));
  return {
    tensors: made,
    findings: left.map(name => ({ code: 'E3001', severity: 'warning', message: `the model has no weight ${quoted(name)}`, tensor: name })),
  };
}

/** A weight under another of its names: files of weights may hold shared memory once, under any of them. */
const sharing = (name: string, weights: readonly MappedWeight[], given: ReadonlyMap<string, Tensor>): Tensor | undefined =>
  weights.flatMap(w => (w.same === name ? (given.get(w.name) ?? []) : []))[0];

/** That weights which were one are one still. */
async function requireSame(
  { name, same }: MappedWeight,
  given: ReadonlyMap<string, Tensor>,
  digest: (tensor: Tensor) => Promise<string>,
  findings: Findings,
): Promise<void> {
  const [own, other] = [given.get(name), given.get(same!)];
  if (own && other && own !== other && (await digest(own)) !== (await digest(other)))
    findings.add('E2008', `${quoted(name)} was the same memory as ${quoted(same!)}, and now holds something else`);
}
