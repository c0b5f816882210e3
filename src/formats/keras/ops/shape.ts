// Operations that move and join elements, and give them other sizes and types.
import type { Value } from '../../../ir/graph.ts';
import { axesOf, axisOf, elementOf, range, rankOf } from '../../../ops/shapes.ts';
import { permuted, reshapeTo } from '../../../ops/sizing.ts';
import { repeated } from '../layers/reshaping.ts';
import { type LayerCall, type LayerRow, plain, unsupported } from '../layers/row.ts';
import { along, numbersOption, option, requiredNumbers, typeOption } from './arguments.ts';

const moved = (x: LayerCall, v: Value): number[] => {
  const [from, to] = [axesOf(requiredNumbers(x, 'source'), rankOf(v)), axesOf(requiredNumbers(x, 'destination'), rankOf(v))];
  const others = range(rankOf(v)).filter(a => !from.includes(a));
  return range(rankOf(v)).map(a => (to.includes(a) ? from[to.indexOf(a)]! : others.shift()!));
};

export const shapeOperations: Readonly<Record<string, LayerRow>> = {
  Transpose: plain((x, b) => {
    const v = x.first.value;
    return permuted(b, v, numbersOption(x, 'axes') ?? range(rankOf(v)).reverse());
  }),
  Swapaxes: plain((x, b) => {
    const v = x.first.value;
    const [p, q] = [axisOf(requiredNumbers(x, 'axis1')[0]!, rankOf(v)), axisOf(requiredNumbers(x, 'axis2')[0]!, rankOf(v))];
    return permuted(b, v, range(rankOf(v)).with(p, q).with(q, p));
  }),
  Moveaxis: plain((x, b) => permuted(b, x.first.value, moved(x, x.first.value))),
  Reshape: plain((x, b) => {
    const v = x.first.value;
    const sizes = option(x, 'newshape');
    if (!Array.isArray(sizes)) throw unsupported('sizes that only the run knows');
    // The batch, where it is open, stands as null or as -1.
    return reshapeTo(
      b,
      v,
      (sizes as readonly (number | null)[]).map(d => d ?? -1),
    );
  }),
  ExpandDims: plain((x, b) => {
    const axes = requiredNumbers(x, 'axis');
    return b.Unsqueeze(x.first.value, axesOf(axes, rankOf(x.first.value) + axes.length));
  }),
  Squeeze: plain((x, b) => {
    const axes = numbersOption(x, 'axis');
    return axes ? b.Squeeze(x.first.value, axesOf(axes, rankOf(x.first.value))) : b.emit('Squeeze', [x.first.value])[0]!;
  }),
  Concatenate: plain((x, b) =>
    b.Concat(
      x.tensors.map(t => t.value),
      axisOf(numbersOption(x, 'axis')?.[0] ?? 0, rankOf(x.first.value)),
    ),
  ),
  Stack: plain((x, b) => {
    const axis = axisOf(numbersOption(x, 'axis')?.[0] ?? 0, rankOf(x.first.value) + 1);
    return b.Concat(
      x.tensors.map(t => b.Unsqueeze(t.value, [axis])),
      axis,
    );
  }),
  Flip: plain((x, b) => {
    const v = x.first.value;
    const axes = axesOf(numbersOption(x, 'axis') ?? range(rankOf(v)), rankOf(v));
    const each = (n: number): number[] => axes.map(() => n);
    return b.Slice(v, { axes, starts: each(-1), ends: each(Number.MIN_SAFE_INTEGER), steps: each(-1) });
  }),
  Repeat: plain((x, b) => {
    const { v, axis } = along(x, b, x.first.value);
    const counts = numbersOption(x, 'repeats') ?? [];
    if (counts.length === 1) return repeated(b, v, axis, counts[0]!);
    return b.Gather(v, b.ints(counts.flatMap((count, i) => range(count).map(() => i))), axis);
  }),
  Cast: plain((x, b) => {
    const v = x.first.value;
    return b.Cast(v, typeOption(x, elementOf(v)));
  }),
};
