// Convolutions of whole numbers, which a graph says in float64 for want of an operator: where such floats are slow or missing, sums in int32 are
// the same as long as they hold them.
import { apply, cast, input, program } from '../../expr/expr.ts';
import { isInteger } from '../../ir/types.ts';
import type { View } from '../../kernels/kernel.ts';
import type { Step } from '../plan.ts';
import { type Draft, through } from './draft.ts';
import type { Claim } from './index.ts';

export const wholes: Claim = async (step, draft) => {
  const [x, w] = step.inputs;
  const [y] = step.outputs;
  if (step.kernel.kind !== 'conv' || y!.type !== 'float64' || step.inputs[2]) return undefined;
  const made: Step[] = [];
  const [left, right] = [x!, w!].map(v => wholeOf(v, step.label, draft, made));
  if (!left || !right) return 'the numbers are no differences of integers of 8 bits';
  const depth = w!.shape.slice(1).reduce<number>((n, d) => n * Number(d), 1);
  if (!(depth <= deepest)) return `sums of ${depth} products may leave int32`;
  const sums = draft.temporary('int32', y!.shape);
  const back = program([cast(input(0, 'int32'), 'float64')]);
  return [
    ...made,
    { ...step, inputs: [left, right], outputs: [sums] },
    { label: step.label, kernel: { kind: 'map', program: back }, inputs: [sums], outputs: [y!] },
  ];
};

/** Products of differences of 8 bits whose sum int32 holds. */
const deepest = 2 ** 15;

/** A view in int32 of what is a number of 8 bits or the difference of two, going back through the maps that made floats of them. */
function wholeOf(v: View, label: string, draft: Draft, made: Step[]): View | undefined {
  const parts = differenceOf(v, draft);
  if (!parts) return undefined;
  const y = draft.temporary('int32', v.shape);
  const [a, b] = parts.map((part, k) => cast(input(k, part.type as 'int8'), 'int32'));
  made.push({ label, kernel: { kind: 'map', program: program([b ? apply('sub', a!, b) : a!]) }, inputs: parts, outputs: [y] });
  return y;
}

/** The number of 8 bits that a view holds, or the two whose difference it is. */
function differenceOf(v: View, draft: Draft): readonly View[] | undefined {
  if (v.type === 'uint8' || v.type === 'int8') return [v];
  const operation = draft.operationOf(v);
  if (operation?.op !== 'cast' && operation?.op !== 'sub') return undefined;
  if (!isInteger(operation.type) && operation.type !== 'float64' && operation.type !== 'float32') return undefined;
  const views = operation.inputs.map(x => through(v, operation, x));
  const parts = views.map(x => x && differenceOf(x, draft));
  if (parts.length !== (operation.op === 'sub' ? 2 : 1)) return undefined;
  if (operation.op === 'cast') return parts[0];
  return parts.every(p => p?.length === 1) ? parts.flatMap(p => p!) : undefined;
}
