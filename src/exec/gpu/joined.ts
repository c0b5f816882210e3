// A product and the map that joins it as one step: what the map computes with is stored, and the product itself nowhere.
import type { Program } from '../../expr/expr.ts';
import type { Step } from '../plan.ts';

/** What a product's results go through. */
export interface Joined {
  readonly program: Program;
  /** For each input of the program the input of the joined step that it reads, or the product. */
  readonly reads: readonly (number | 'product')[];
}

interface Views<V> {
  readonly inputs: readonly (V | undefined)[];
  readonly outputs: readonly V[];
}

/** Inputs of a product by its kind; those of the map follow them. */
const productInputs = { matmul: 2, conv: 3 };
type Product = keyof typeof productInputs;

const firstOf = ({ kernel }: Pick<Step, 'kernel'>): number => productInputs[kernel.kind as Product];

/** Whether the second step joins the first, and they may be one. */
export const isJoined = (product: Step, map: Step | undefined): map is Step =>
  map?.joins === true &&
  Object.hasOwn(productInputs, product.kernel.kind) &&
  map.inputs.some(v => v?.buffer === product.outputs[0]!.buffer);

export function joinedBy(product: Step, map: Step): Joined {
  const made = product.outputs[0]!.buffer;
  let next = firstOf(product);
  const { program } = map.kernel as { readonly program: Program };
  return { program, reads: map.inputs.map(v => (v?.buffer === made ? 'product' : next++)) };
}

/** The two as one step, before binding or after. */
export function joinSteps<V extends { readonly buffer: number }, S extends Views<V> & Pick<Step, 'kernel' | 'label'>>(
  product: S,
  map: S,
): S {
  const first = productInputs[product.kernel.kind as Product];
  const own = Array.from({ length: first }, (_, k) => product.inputs[k]);
  const others = map.inputs.filter(v => v?.buffer !== product.outputs[0]!.buffer);
  return { ...product, inputs: [...own, ...others], outputs: map.outputs, label: `${product.label}; ${map.label}` };
}
