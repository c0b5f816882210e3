// ATen overloads that run along an axis: cumulative sums, products and extremes, differences, trapezoids.
import { Graph, Value } from '../../../ir/graph.ts';
import { tensorType } from '../../../ir/types.ts';
import { type Builder, newBuilder } from '../../../ops/builder.ts';
import { elementOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { accumulatedAs, axisIn, computedAs, indexOf, orderedAs, reduced, summand, summedAs } from './axes.ts';
import { floatType, promoted } from './operands.ts';
import type { Args, AtenRow, AtenRows } from './row.ts';

const cumulative =
  (op: 'CumSum' | 'CumProd'): AtenRow =>
  (x, b) => {
    const self = summand(x, b);
    if (rankOf(self) === 0) return self;
    return computedAs(b, self, summedAs, v => b[op]({ x: v, axis: indexOf(b, axisIn(x, v)) }));
  };

/** A running fold along an axis: `step` makes the next states of those before and a slice. Gives the first `kept` states of each step. */
function scanned(
  b: Builder,
  { self, axis, states, kept }: { self: Value; axis: number; states: readonly Value[]; kept: number },
  step: (b: Builder, states: readonly Value[], slice: Value) => readonly Value[],
): readonly Value[] {
  const inner = newBuilder({ meta: b.meta });
  const before = states.map((v, i) => new Value(`state_${i}`, v.type));
  const slice = new Value('slice', tensorType(elementOf(self), shapeOf(self).toSpliced(axis, 1)));
  const after = step(inner, before, slice);
  const outputs = [
    ...after.map((value, i) => ({ name: `next_${i}`, value })),
    ...after.slice(0, kept).map((value, i) => ({ name: `step_${i}`, value: inner.Identity(value) })),
  ];
  const body = new Graph('step', { inputs: [...before, slice], outputs, nodes: inner.nodes });
  const names = outputs.map(o => `scan_${o.name}`);
  const axes = { scan_input_axes: [axis], scan_output_axes: range(kept).map(() => axis) };
  const made = b.emit('Scan', [...states, self], { body, num_scan_inputs: 1, ...axes }, { outputs: names });
  return made.slice(states.length) as Value[];
}

/** A slice of one number, to start a scan. */
function startingSlice(b: Builder, self: Value, axis: number, start: Value): Value {
  const others = range(rankOf(self)).filter(a => a !== axis);
  return others.length === 0
    ? start
    : b.Expand(
        start,
        others.map(a => b.dim(self, a)),
      );
}

/** The extreme so far and its last place. */
const cumulativeExtreme =
  (replaces: 'GreaterOrEqual' | 'LessOrEqual'): AtenRow =>
  (x, b) => {
    const given = x.tensor('self');
    if (rankOf(given) === 0) return [given, indexOf(b, 0)];
    const axis = axisIn(x, given);
    const self = b.Cast(given, orderedAs[elementOf(given)] ?? elementOf(given));
    const states = [b.Gather(self, indexOf(b, 0), axis), startingSlice(b, self, axis, indexOf(b, 0)), indexOf(b, 0)];
    const [values, indices] = scanned(b, { self, axis, states, kept: 2 }, (inner, [best, place, at], slice) => {
      const takes = inner[replaces]({ A: slice, B: best! });
      return [inner.Where(takes, slice, best!), inner.Where(takes, at!, place!), inner.Add(at!, indexOf(inner, 1))];
    });
    return [b.Cast(values!, elementOf(given)), indices!];
  };

/** log(exp(a) + exp(b)) = max + softplus(min - max), where equal infinities have no difference. */
function logAddExp(b: Builder, x: Value, y: Value): Value {
  const [high, low] = [b.Max(x, y), b.Min(x, y)];
  const gap = b.Where(b.Equal(high, low), b.like(0, x), b.Sub(low, high));
  return b.Add(high, b.Softplus({ X: gap }));
}

const logCumSumExp: AtenRow = (x, b) => {
  const self = x.tensor('self');
  if (rankOf(self) === 0) return self;
  const axis = axisIn(x, self);
  return computedAs(b, self, accumulatedAs, v => {
    const states = [startingSlice(b, v, axis, b.like(Number.NEGATIVE_INFINITY, v))];
    return scanned(b, { self: v, axis, states, kept: 1 }, (inner, [sum], slice) => [logAddExp(inner, sum!, slice)])[0]!;
  });
};

/** All but the first and all but the last along an axis. */
export function neighbours(b: Builder, self: Value, axis: number): readonly [later: Value, earlier: Value] {
  const part = (start: number, end: number): Value => b.Slice(self, { axes: [axis], starts: [start], ends: [end] });
  return [part(1, Number.MAX_SAFE_INTEGER), part(0, -1)];
}

const diff: AtenRow = (x, b) => {
  const parts = promoted(
    b,
    ['prepend', 'self', 'append'].flatMap(name => x.optional(name) ?? []),
  );
  const axis = axisIn(x, x.tensor('self'));
  const whole = parts.length > 1 ? b.Concat(parts, axis) : parts[0]!;
  const size = shapeOf(whole)[axis]!;
  const times = typeof size === 'number' ? Math.min(x.number('n'), size) : x.number('n');
  return range(times).reduce((v: Value) => {
    const [later, earlier] = neighbours(b, v, axis);
    return elementOf(v) === 'bool' ? b.Xor(later, earlier) : b.Sub(later, earlier);
  }, whole);
};

/** The sums of neighbours times half the widths of what lies between them. */
function panels(x: Args, b: Builder, axis: number): Value {
  const y = x.tensor('y');
  if (!x.has('x')) {
    const [later, earlier] = neighbours(b, b.Cast(y, floatType(elementOf(y))), axis);
    return scaled(b, b.Add(later, earlier), x.number('dx') / 2);
  }
  const points = x.tensor('x');
  const at = rankOf(points) === 1 ? 0 : axis - (rankOf(y) - rankOf(points));
  const [right, left] = neighbours(b, points, at);
  const widths = b.Sub(right, left);
  const placed = rankOf(points) === 1 && axis < rankOf(y) - 1 ? b.Unsqueeze(widths, range(rankOf(y) - 1 - axis, 1)) : widths;
  const [sums, across] = promoted(b, [b.Add(...neighbours(b, y, axis)), placed]) as [Value, Value];
  const areas = b.Mul(sums, across);
  return scaled(b, b.Cast(areas, floatType(elementOf(areas))), 0.5);
}

const scaled = (b: Builder, v: Value, by: number): Value => (by === 1 ? v : b.Mul(v, b.like(by, v)));

const trapezoid: AtenRow = (x, b) => {
  const axis = axisIn(x, x.tensor('y'));
  return reduced(b, 'ReduceSum', panels(x, b, axis), { axes: [axis], keepdims: 0 });
};

const cumulativeTrapezoid: AtenRow = (x, b) => {
  const axis = axisIn(x, x.tensor('y'));
  return b.CumSum({ x: panels(x, b, axis), axis: indexOf(b, axis) });
};

export const scans: AtenRows = {
  'cumsum.default': cumulative('CumSum'),
  'cumprod.default': cumulative('CumProd'),
  'cummax.default': cumulativeExtreme('GreaterOrEqual'),
  'cummin.default': cumulativeExtreme('LessOrEqual'),
  'logcumsumexp.default': logCumSumExp,
  '_logcumsumexp.default': logCumSumExp,
  'diff.default': diff,
  'trapezoid.x': trapezoid,
  'trapezoid.dx': trapezoid,
  'trapz.x': trapezoid,
  'trapz.dx': trapezoid,
  'cumulative_trapezoid.x': cumulativeTrapezoid,
  'cumulative_trapezoid.dx': cumulativeTrapezoid,
};
