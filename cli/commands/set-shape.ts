// omnix set-shape: other shapes for inputs, and for everything that follows from them.
import { setShapes } from '../../src/edit/set-shapes.ts';
import { type EditOptions, edit } from '../edit.ts';
import type { Outcome, Output } from '../output.ts';
import { parseShapes } from '../shapes.ts';

export interface SetShapeOptions extends EditOptions {
  readonly shape: readonly string[];
}

export async function setShape(paths: readonly string[], options: SetShapeOptions, out: Output): Promise<Outcome> {
  const shapes = parseShapes('--shape', options.shape) ?? {};
  return edit(paths, options, { name: 'shapes', apply: model => setShapes(model!, shapes) }, out);
}
