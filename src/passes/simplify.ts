// simplify: nodes that change nothing disappear, and pairs that undo each other.
import { sameShape } from '../ir/dims.ts';
import type { Node, Value } from '../ir/graph.ts';
import type { Pass, Rule } from './rewrite.ts';

const sameTypes = (a: Value | undefined, b: Value | undefined): boolean =>
  a?.element !== undefined && a.element === b?.element && a.shape !== undefined && b.shape !== undefined && sameShape(a.shape, b.shape);

/** The first input, where it already has the type of the output. */
const dropIfSame: Rule = node => (sameTypes(node.inputs[0], node.outputs[0]) ? node.inputs[0] : undefined);

const isFilledWith = (v: Value | undefined, number: number): boolean =>
  v?.tensor !== undefined &&
  !v.parameter &&
  v.tensor.isResident &&
  v.tensor.size <= 1024 &&
  ['float32', 'float64', 'int64', 'int32'].includes(v.tensor.type) &&
  Array.from(v.tensor.data as ArrayLike<number | bigint>).every(x => Number(x) === number);

/** The other operand, where one is a constant that changes nothing and does not widen the shape. */
const neutral =
  (number: number, bothSides: boolean): Rule =>
  ({ inputs: [a, b], outputs: [y] }) => {
    if (isFilledWith(b, number) && sameTypes(a, y)) return a;
    return bothSides && isFilledWith(a, number) && sameTypes(b, y) ? b : undefined;
  };

const producerOf = (v: Value | undefined, op: string): Node | undefined =>
  v?.producer?.op === op && v.producer.domain === '' ? v.producer : undefined;

const permOf = (node: Node): readonly number[] | undefined => {
  const perm = node.attributes.get('perm');
  return perm?.kind === 'ints' ? (perm.value as readonly number[]) : undefined;
};

const transposes: Rule = (node, b) => {
  const outer = permOf(node);
  if (!outer) return undefined;
  if (outer.every((p, i) => p === i)) return node.inputs[0];
  const before = producerOf(node.inputs[0], 'Transpose');
  const inner = before && permOf(before);
  if (!inner) return undefined;
  return b.Transpose(
    before.inputs[0]!,
    outer.map(p => inner[p]!),
  );
};

/** Reshape of a reshape needs only the outer one, where its target does not copy sizes from the inner. */
const reshapes: Rule = (node, b) => {
  const same = dropIfSame(node, b, { uses: () => 0 });
  if (same) return same;
  const before = producerOf(node.inputs[0], 'Reshape');
  const target = node.inputs[1]?.contents;
  if (!before || !target || target.some(d => d === 0)) return undefined;
  return b.emit('Reshape', [before.inputs[0], node.inputs[1]], node.attributes)[0];
};

export const simplify: Pass = {
  name: 'simplify',
  rules: {
    Identity: node => node.inputs[0],
    Cast: dropIfSame,
    Expand: dropIfSame,
    Squeeze: dropIfSame,
    Unsqueeze: dropIfSame,
    Flatten: dropIfSame,
    Reshape: reshapes,
    Transpose: transposes,
    Add: neutral(0, true),
    Sub: neutral(0, false),
    Mul: neutral(1, true),
    Div: neutral(1, false),
  },
};
