// omnix inline: calls of model-local functions become the nodes of their bodies.
import { inlineFunctions } from '../../src/edit/inline.ts';
import { type EditOptions, edit } from '../edit.ts';
import type { Outcome, Output } from '../output.ts';

export const inline = async (paths: readonly string[], options: EditOptions, out: Output): Promise<Outcome> =>
  edit(paths, options, { name: 'inline', apply: model => inlineFunctions(model!) }, out);
