// omnix infer: the types of all values, written into the model.
import { countTyped, inferShapes } from '../../src/edit/infer-shapes.ts';
import { type EditOptions, edit } from '../edit.ts';
import type { Outcome, Output } from '../output.ts';

export async function infer(paths: readonly string[], options: EditOptions, out: Output): Promise<Outcome> {
  let before = 0;
  return edit(
    paths,
    options,
    {
      name: 'infer',
      apply(model) {
        before = countTyped(model!).typed;
        return inferShapes(model!);
      },
      notes(model) {
        const { values, typed } = countTyped(model);
        return [`the types of ${typed} of ${values} values are known; ${before} were declared`];
      },
    },
    out,
  );
}
