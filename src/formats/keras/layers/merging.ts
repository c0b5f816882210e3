// Layers that make one tensor of several.
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { axisOf, range, rankOf } from '../../../ops/shapes.ts';
import { expandLike } from '../../../ops/sizing.ts';
import { type LayerCall, type LayerRow, type LayerRows, plain, unsupported } from './row.ts';

/** @throws ModelError E2001 for a call without any */
function inputsOf({ inputs }: LayerCall): readonly Value[] {
  if (inputs.length === 0) throw unsupported('no inputs');
  return inputs;
}

/** Inputs of different ranks get axes behind the batch. */
function aligned(x: LayerCall, b: Builder): Value[] {
  const inputs = inputsOf(x);
  const rank = Math.max(...inputs.map(rankOf));
  return inputs.map(v => (rankOf(v) === rank ? v : b.Unsqueeze(v, range(rank - rankOf(v), 1))));
}

/** What any input counts, where all of them have a mask. */
function anyMask({ tensors }: LayerCall, b: Builder): Value | undefined {
  const masks = tensors.map(t => t.mask);
  return masks.length > 0 && masks.every(m => m !== undefined) ? (masks as Value[]).reduce((p, q) => b.Or(p, q)) : undefined;
}

const merged = (merge: (b: Builder, values: readonly Value[]) => Value): LayerRow => ({
  build: (x, b) => merge(b, aligned(x, b)),
  mask: anyMask,
});
const folded = (op: (b: Builder, p: Value, q: Value) => Value): LayerRow => merged((b, values) => values.reduce((p, q) => op(b, p, q)));

const concatenate: LayerRow = {
  build: (x, b) => b.Concat([...inputsOf(x)], axisOf(x.config.number('axis', -1), rankOf(inputsOf(x)[0]!))),
  mask(x, b) {
    const { tensors } = x;
    if (tensors.every(t => !t.mask)) return undefined;
    const all = tensors.map(({ value, mask }) => {
      if (!mask) return expandLike(b, b.constant(true, 'bool'), value);
      const missing = range(rankOf(value) - rankOf(mask), rankOf(mask));
      return missing.length > 0 ? expandLike(b, b.Unsqueeze(mask, missing.slice(0, 1)), value) : mask;
    });
    const joined = b.Cast(b.Concat(all, axisOf(x.config.number('axis', -1), rankOf(tensors[0]!.value))), 'int32');
    return b.Cast(b.ReduceMax(joined, { axes: [rankOf(joined) - 1], keepdims: 0 }), 'bool');
  },
};

function dot(x: LayerCall, b: Builder): Value {
  const [p, q] = x.inputs;
  if (!p || !q) throw unsupported('fewer than two inputs');
  const [first, second] = x.config.numbers('axes', 2).map((axis, i) => axisOf(axis, rankOf([p, q][i]!))) as [number, number];
  const unitOf = (v: Value, axis: number): Value => {
    const sum = b.ReduceSum(b.Mul(v, v), { axes: [axis], keepdims: 1 });
    return b.Mul(v, b.Reciprocal(b.Sqrt(b.Max(sum, b.like(1e-12, sum)))));
  };
  const [left, right] = x.config.boolean('normalize', false) ? [unitOf(p, first), unitOf(q, second)] : [p, q];
  return batchDot(b, left, right, first, second);
}

/** Products along one axis of each; a result without other axes keeps one. */
function batchDot(b: Builder, p: Value, q: Value, first: number, second: number): Value {
  const [left, right] = [range(rankOf(p)).filter(a => a !== 0 && a !== first), range(rankOf(q)).filter(a => a !== 0 && a !== second)];
  const letters = 'abcdefghijklmnopqrstuvw';
  const names = (axes: readonly number[], at: number): string => axes.map((_, i) => letters[at + i]).join('');
  const [l, r] = [names(left, 0), names(right, left.length)];
  const spelled = (rank: number, axes: readonly number[], own: string, axis: number): string =>
    range(rank)
      .map(a => (a === 0 ? 'z' : a === axis ? 'y' : own[axes.indexOf(a)]))
      .join('');
  const y = b.Einsum(
    { Inputs: [p, q] },
    { equation: `${spelled(rankOf(p), left, l, first)},${spelled(rankOf(q), right, r, second)}->z${l}${r}` },
  );
  return l === '' && r === '' ? b.Unsqueeze(y, [1]) : y;
}

export const merging: LayerRows = {
  Add: folded((b, p, q) => b.Add(p, q)),
  Subtract: folded((b, p, q) => b.Sub(p, q)),
  Multiply: folded((b, p, q) => b.Mul(p, q)),
  Average: merged((b, values) => {
    const sum = values.reduce((p, q) => b.Add(p, q));
    return b.Div(sum, b.like(values.length, sum));
  }),
  Maximum: folded((b, p, q) => b.Max(p, q)),
  Minimum: folded((b, p, q) => b.Min(p, q)),
  Concatenate: concatenate,
  Dot: plain(dot),
};
