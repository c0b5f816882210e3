// Operations that move, join and reduce elements; what they are given beside tensors stands in the call or in the operation.
import type { Value } from '../../../ir/graph.ts';
import { isFloat } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { axesOf, axisOf, elementOf, range, rankOf } from '../../../ops/shapes.ts';
import { permuted, reshapeTo } from '../../../ops/sizing.ts';
import { dataTypeNamed } from '../config.ts';
import { repeated } from '../layers/reshaping.ts';
import { type LayerCall, type LayerRow, plain, unsupported } from '../layers/row.ts';

/** Numbers that an operation is given, undefined where it is given none. */
function numbersOf(x: LayerCall, name: string, at: number): number[] | undefined {
  const found = x.argument(name, at) ?? x.config.find(name);
  if (found === undefined) return undefined;
  const all = Array.isArray(found) ? (found as readonly unknown[]) : [found];
  if (all.every((n): n is number => typeof n === 'number')) return [...all];
  throw unsupported(`an argument ${name} that only the run knows`);
}
const flagOf = (x: LayerCall, name: string, at: number): boolean => (x.argument(name, at) ?? x.config.find(name)) === true;

const reducedOver = (x: LayerCall, v: Value): { axes: number[]; keepdims: number } => {
  const given = numbersOf(x, 'axis', 1);
  return { axes: given ? axesOf(given, rankOf(v)) : range(rankOf(v)), keepdims: Number(flagOf(x, 'keepdims', 2)) };
};
const reduction = (reduce: (b: Builder, v: Value, at: { axes: number[]; keepdims: number }) => Value): LayerRow =>
  plain((x, b) => reduce(b, x.first.value, reducedOver(x, x.first.value)));
const truths = (b: Builder, v: Value): Value => b.Cast(b.Cast(v, 'bool'), 'int32');
const mean = (b: Builder, v: Value, { axes, keepdims }: { axes: number[]; keepdims: number }): Value =>
  b.ReduceMean({ data: isFloat(elementOf(v)) ? v : b.Cast(v, 'float32'), axes: b.ints(axes) }, { keepdims });

function variance(b: Builder, v: Value, at: { axes: number[]; keepdims: number }): Value {
  const centered = b.Sub(v, mean(b, v, { ...at, keepdims: 1 }));
  return mean(b, b.Mul(centered, centered), at);
}

const moved = (x: LayerCall, v: Value): number[] => {
  const [from, to] = [axesOf(numbersOf(x, 'source', 1)!, rankOf(v)), axesOf(numbersOf(x, 'destination', 2)!, rankOf(v))];
  const others = range(rankOf(v)).filter(a => !from.includes(a));
  return range(rankOf(v)).map(a => (to.includes(a) ? from[to.indexOf(a)]! : others.shift()!));
};

export const shapeOperations: Readonly<Record<string, LayerRow>> = {
  Sum: reduction((b, v, at) => b.ReduceSum(v, at)),
  Max: reduction((b, v, at) => b.ReduceMax(v, at)),
  Min: reduction((b, v, at) => b.ReduceMin(v, at)),
  Amax: reduction((b, v, at) => b.ReduceMax(v, at)),
  Amin: reduction((b, v, at) => b.ReduceMin(v, at)),
  Prod: reduction((b, v, at) => b.ReduceProd(v, at)),
  Any: reduction((b, v, at) => b.Cast(b.ReduceMax(truths(b, v), at), 'bool')),
  All: reduction((b, v, at) => b.Cast(b.ReduceMin(truths(b, v), at), 'bool')),
  Mean: reduction(mean),
  Var: reduction(variance),
  Std: reduction((b, v, at) => b.Sqrt(variance(b, v, at))),
  Transpose: plain((x, b) => {
    const v = x.first.value;
    return permuted(b, v, numbersOf(x, 'axes', 1) ?? range(rankOf(v)).reverse());
  }),
  Swapaxes: plain((x, b) => {
    const v = x.first.value;
    const [p, q] = [axisOf(numbersOf(x, 'axis1', 1)![0]!, rankOf(v)), axisOf(numbersOf(x, 'axis2', 2)![0]!, rankOf(v))];
    return permuted(b, v, range(rankOf(v)).with(p, q).with(q, p));
  }),
  Moveaxis: plain((x, b) => permuted(b, x.first.value, moved(x, x.first.value))),
  Reshape: plain((x, b) => {
    const v = x.first.value;
    const sizes = x.argument('newshape', 1) ?? x.config.find('newshape');
    if (!Array.isArray(sizes)) throw unsupported('sizes that only the run knows');
    // The batch, where it is open, stands as null or as -1.
    return reshapeTo(
      b,
      v,
      (sizes as readonly (number | null)[]).map(d => d ?? -1),
    );
  }),
  ExpandDims: plain((x, b) => {
    const axes = numbersOf(x, 'axis', 1)!;
    return b.Unsqueeze(x.first.value, axesOf(axes, rankOf(x.first.value) + axes.length));
  }),
  Squeeze: plain((x, b) => {
    const axes = numbersOf(x, 'axis', 1);
    return axes ? b.Squeeze(x.first.value, axesOf(axes, rankOf(x.first.value))) : b.emit('Squeeze', [x.first.value])[0]!;
  }),
  Concatenate: plain((x, b) =>
    b.Concat(
      x.tensors.map(t => t.value),
      axisOf(numbersOf(x, 'axis', 1)?.[0] ?? 0, rankOf(x.first.value)),
    ),
  ),
  Stack: plain((x, b) => {
    const axis = axisOf(numbersOf(x, 'axis', 1)?.[0] ?? 0, rankOf(x.first.value) + 1);
    return b.Concat(
      x.tensors.map(t => b.Unsqueeze(t.value, [axis])),
      axis,
    );
  }),
  Flip: plain((x, b) => {
    const v = x.first.value;
    const axes = axesOf(numbersOf(x, 'axis', 1) ?? range(rankOf(v)), rankOf(v));
    const each = (n: number): number[] => axes.map(() => n);
    return b.Slice(v, { axes, starts: each(-1), ends: each(Number.MIN_SAFE_INTEGER), steps: each(-1) });
  }),
  Repeat: plain((x, b) => {
    const [count, axis] = [numbersOf(x, 'repeats', 1), numbersOf(x, 'axis', 2)];
    if (count?.length !== 1 || axis === undefined) throw unsupported('repeats that differ, or of all elements');
    return repeated(b, x.first.value, axisOf(axis[0]!, rankOf(x.first.value)), count[0]!);
  }),
  Cast: plain((x, b) => {
    const type = x.argument('dtype', 1) ?? x.config.find('dtype');
    if (typeof type !== 'string') throw unsupported('a type that is no name');
    return b.Cast(x.first.value, dataTypeNamed(type));
  }),
};
