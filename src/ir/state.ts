// State of a model: tensors that a run changes. They are inputs with a default, and outputs that hold what is in them after a run.
import { sameAs, storedOf, Tensor } from './tensor.ts';

/** The name of the output that holds the content of a state after a run. */
export const updatedName = (name: string): string => `${name}.updated`;

/** The same tensor in a form whose content nothing looks at before execution: what callers may replace is no constant. */
export function unread(tensor: Tensor): Tensor {
  if (!tensor.isResident) return tensor;
  return new Tensor(tensor.type, storedOf(tensor), tensor.dims, undefined, sameAs(tensor));
}
