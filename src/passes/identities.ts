// identities: nodes that give back what they are given disappear.
import { sameShape } from '../ir/dims.ts';
import type { Node, Value } from '../ir/graph.ts';
import { contentsOf } from '../ops/shapes.ts';
import type { Rule } from './rewrite.ts';

/** Whether two values have one type whose rank is known. */
export const sameTypes = (a: Value | undefined, b: Value | undefined): boolean =>
  a?.element !== undefined && a.element === b?.element && a.shape !== undefined && b.shape !== undefined && sameShape(a.shape, b.shape);

/** The first input, where it already has the type of the output. */
export const dropIfSame: Rule = node => (sameTypes(node.inputs[0], node.outputs[0]) ? node.inputs[0] : undefined);

const dropIf =
  (test: (node: Node) => boolean): Rule =>
  (node, b, context) =>
    test(node) ? dropIfSame(node, b, context) : undefined;

/** Whether the content of an input is known to be the same number everywhere; an absent one is not. */
const isAll = (v: Value | undefined, test: (x: number) => boolean): boolean => {
  const contents = v && contentsOf(v);
  return contents?.every(d => typeof d === 'number' && test(d)) ?? false;
};

const isFilledWith = (v: Value | undefined, number: number): boolean =>
  v?.tensor !== undefined &&
  !v.parameter &&
  v.tensor.isResident &&
  v.tensor.size <= 1024 &&
  ['float32', 'float64', 'int64', 'int32', 'bool'].includes(v.tensor.type) &&
  Array.from(v.tensor.data as ArrayLike<number | bigint>).every(x => Number(x) === number);

/** The other operand, where one is a constant that changes nothing and does not widen the shape. */
const neutral =
  (number: number, bothSides: boolean): Rule =>
  ({ inputs: [a, b], outputs: [y] }) => {
    if (isFilledWith(b, number) && sameTypes(a, y)) return a;
    return bothSides && isFilledWith(a, number) && sameTypes(b, y) ? b : undefined;
  };

/** What takes any number of inputs and is given one. */
const single: Rule = node => (node.inputs.length === 1 ? node.inputs[0] : undefined);

/** In inference; the mask of a node that has one is all true, and is asked for by hardly anyone. */
const dropout: Rule = node => {
  const training = node.inputs[2];
  const isTraining = training !== undefined && !isAll(training, x => x === 0);
  return isTraining || node.outputs.length > 1 ? undefined : node.inputs[0];
};

/** The order that a Transpose gives the axes, where it says one or the rank is known. */
export const permOf = (node: Node): readonly number[] | undefined => {
  const perm = node.attributes.get('perm');
  return perm?.kind === 'ints' ? (perm.value as readonly number[]) : undefined;
};

export const identities = {
  Identity: node => node.inputs[0],
  Dropout: dropout,
  Cast: dropIfSame,
  CastLike: dropIfSame,
  Expand: dropIfSame,
  Squeeze: dropIfSame,
  Unsqueeze: dropIfSame,
  Flatten: dropIfSame,
  Reshape: dropIfSame,
  Tile: dropIfSame,
  Transpose: node => (permOf(node)?.every((p, i) => p === i) ? node.inputs[0] : undefined),
  // What is as long as before is whole, but it may be turned round.
  Slice: dropIf(node => node.inputs[4] === undefined || isAll(node.inputs[4], step => step > 0)),
  // What is as long as before may be moved.
  Pad: dropIf(node => isAll(node.inputs[1], n => n === 0)),
  Split: node => (node.outputs.length === 1 ? node.inputs[0] : undefined),
  Concat: single,
  Sum: single,
  Max: single,
  Min: single,
  Mean: single,
  Add: neutral(0, true),
  Sub: neutral(0, false),
  Mul: neutral(1, true),
  Div: neutral(1, false),
  Pow: neutral(1, false),
  And: neutral(1, true),
  Or: neutral(0, true),
} as const satisfies Readonly<Record<string, Rule>>;
