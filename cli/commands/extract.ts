// omnix extract: a part of a graph as a model of its own.
import { extract as extractPart } from '../../src/edit/extract.ts';
import { countUses, type Model } from '../../src/ir/graph.ts';
import { type EditOptions, edit, listOf } from '../edit.ts';
import type { Outcome, Output } from '../output.ts';
import { parseTyped } from '../shapes.ts';
import { shown } from '../terminal.ts';

export interface ExtractOptions extends EditOptions {
  readonly inputs?: readonly string[];
  readonly outputs?: readonly string[];
}

export async function extract(paths: readonly string[], options: ExtractOptions, out: Output): Promise<Outcome> {
  const inputs = options.inputs && listOf(options.inputs).map(text => parseTyped('--inputs', text));
  const outputs = options.outputs && listOf(options.outputs);
  const types = Object.fromEntries((inputs ?? []).flatMap(({ name, type }) => (type ? [[name, type]] : [])));
  const apply = (model?: Model): Model => extractPart(model!, { inputs: inputs?.map(i => i.name), outputs, types });
  return edit(paths, options, { name: 'extract', apply, notes: unread }, out);
}

/** Inputs that were asked for, and that nothing reads. */
function unread({ graph }: Model): string[] {
  const uses = countUses(graph);
  return graph.inputs.filter(v => !uses.has(v)).map(v => `input ${shown(v.name)} is read by nothing that was kept`);
}
