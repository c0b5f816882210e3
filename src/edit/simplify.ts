// simplify: a model that computes the same with fewer nodes. Its opset stays: rules see the newest form of a node, made off the graph,
// and what they make is taken only where it is one node of the model's own opset. Nodes that no rule touches are those of the file.
import { fail } from '../errors.ts';
import type { Model } from '../ir/graph.ts';
import { nearestName } from '../ops/nearest.ts';
import { contentKeys } from './content-keys.ts';
import { refuseTraining } from './copy.ts';
import { markNodes } from './provenance.ts';
import { foldingFor, type Part, type PassName, passNames, passTable } from './simplify-passes.ts';
import { Work } from './work.ts';

export interface SimplifyOptions {
  /** The passes to apply; all otherwise. Their order is fixed. */
  readonly passes?: readonly PassName[] | undefined;
  /** Passes to leave out. */
  readonly skip?: readonly PassName[] | undefined;
  /** Most bytes of a constant that folding makes; 16 MiB, or four times what it is made of, otherwise. */
  readonly foldLimit?: number | undefined;
}

/**
 * A copy of the model that computes the same with fewer nodes: its inputs, outputs, opset and IR version stay.
 * @throws ModelError E4001 for a pass that does not exist, E2002 for a model with training graphs
 */
export async function simplify(model: Model, options: SimplifyOptions = {}): Promise<Model> {
  refuseTraining(model);
  markNodes(model);
  const chosen = chosenPasses(options);
  const work = new Work(model, { fold: foldingFor(options.foldLimit) });
  const keyOf = await contentKeys(work.model);
  for (const graph of work.graphs()) {
    const part: Part = { newest: graph.newest, keyOf, isFunction: graph.isFunction, foldLimit: options.foldLimit };
    const passes = chosen.map(name => passTable[name].pass(part));
    work.settle(graph, passes);
  }
  return work.finish();
}

/** Errors: E4001. */
function chosenPasses({ passes, skip = [] }: SimplifyOptions): readonly PassName[] {
  for (const name of [...(passes ?? []), ...skip])
    if (!passNames.includes(name)) {
      const near = nearestName(name, passNames);
      throw fail('E4001', `there is no pass ${name}; ${near ? `did you mean ${near}?` : `passes are ${passNames.join(', ')}`}`);
    }
  return passNames.filter(name => (passes?.includes(name) ?? true) && !skip.includes(name));
}
