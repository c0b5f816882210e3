// pointwise: operators that repeat elements themselves need nobody who does it before, and constant factors or terms in a row are one.

import { ModelError } from '../errors.ts';
import { sameShape } from '../ir/dims.ts';
import type { Node, Value } from '../ir/graph.ts';
import type { Builder } from '../ops/builder.ts';
import { rowOf } from '../ops/index.ts';
import { broadcastShapes } from '../ops/shapes.ts';
import { firstOf, type Rule } from './rewrite.ts';

/** What an Expand repeats is given to the operator as it is, where the result has the same shape. */
const withoutExpand: Rule = (node, b, context) => {
  const row = rowOf(node.op, node.domain);
  const shape = node.outputs[0]?.shape;
  if (!row || !('map' in row) || node.domain !== '' || node.inputs.length < 2 || !shape) return undefined;
  const inputs = [...node.inputs];
  for (const [i, v] of inputs.entries()) {
    const made = context.producer(v);
    const narrow = made?.op === 'Expand' && made.domain === '' ? made.inputs[0] : undefined;
    if (narrow && comesTo(inputs.with(i, narrow), shape)) inputs[i] = narrow;
  }
  if (inputs.every((v, i) => v === node.inputs[i])) return undefined;
  return b.emit(node.op, inputs, node.attributes, { name: node.name })[0];
};

function comesTo(inputs: readonly (Value | undefined)[], shape: NonNullable<Value['shape']>): boolean {
  const shapes = inputs.map(v => v?.shape);
  if (!shapes.every(s => s !== undefined)) return false;
  try {
    return sameShape(broadcastShapes(shapes), shape);
  } catch (error) {
    if (error instanceof ModelError) return false;
    throw error;
  }
}

/** Most elements of a constant that is computed here. */
const mostElements = 65536;
const isConstant = (v: Value | undefined): v is Value => v?.tensor?.isResident === true && v.tensor.size <= mostElements;

/** The constant operand of a node of two, and the other one. */
function operands({ inputs: [a, b] }: Node): { readonly constant: Value; readonly other: Value } | undefined {
  if (isConstant(b) && a && !a.tensor) return { constant: b, other: a };
  return isConstant(a) && b && !b.tensor ? { constant: a, other: b } : undefined;
}

/** (x · a) · b = x · (a · b), and the same of sums, for floats whose constants stay finite and are not lost. */
const inARow: Rule = (node, b, context) => {
  const outer = operands(node);
  const before = outer && context.uses(outer.other) === 1 ? context.producer(outer.other) : undefined;
  const inner = before?.op === node.op && before.domain === '' ? operands(before) : undefined;
  if (!outer || !inner || !['float32', 'float64'].includes(outer.constant.element ?? '')) return undefined;
  const both = b.emit(node.op, [inner.constant, outer.constant])[0]!;
  if (!both.tensor || !isTame(both, inner.constant, outer.constant)) return undefined;
  return emitPair(node, inner.other, both, b);
};

const emitPair = (node: Node, x: Value, constant: Value, b: Builder): Value | undefined =>
  b.emit(node.op, [x, constant], node.attributes, { name: node.name })[0];

/** Whether every number is far from the ends of float32, where rounding is no longer relative. */
const isTame = (...values: readonly Value[]): boolean =>
  values.every(v => Array.from(v.tensor!.data as ArrayLike<number>).every(x => x === 0 || (Math.abs(x) > 1e-18 && Math.abs(x) < 1e18)));

export const pointwise = {
  '*': withoutExpand,
  Mul: firstOf(inARow, withoutExpand),
  Add: firstOf(inARow, withoutExpand),
} as const satisfies Readonly<Record<string, Rule>>;
