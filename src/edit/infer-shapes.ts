// infer-shapes: every value gets the type that follows from the inputs. Nodes, names and the opset stay.
import { ModelError } from '../errors.ts';
import { allNodes, type Model } from '../ir/graph.ts';
import { inferTypes } from '../opset/infer.ts';
import { Copy } from './copy.ts';
import { isSized } from './set-shapes.ts';

/**
 * A copy of the model that declares the types of all values, as far as they follow from those of the inputs, in nested graphs too. Sizes are
 * sums and products of the sizes of inputs, such as `2*n+1`; what only the run knows has no name.
 * @throws ModelError E1302 to E1306 with every node where types contradict each other
 */
export function inferShapes(model: Model): Model {
  const { types, findings } = inferTypes(model);
  if (findings.length > 0) throw new ModelError(findings);
  return new Copy({ type: (type, v) => types.get(v) ?? type }).model(model);
}

/** How many values of nodes there are, and of how many at least the rank is declared. */
export function countTyped({ graph }: Model): { readonly values: number; readonly typed: number } {
  const values = [...allNodes(graph)].flatMap(node => node.outputs.filter(v => v !== undefined));
  return { values: values.length, typed: values.filter(v => isSized(v.type)).length };
}
