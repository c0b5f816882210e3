// Padding: constants around a tensor, or its own elements again.
import { fail } from '../errors.ts';
import { apply, type Expr, input, program } from '../expr/expr.ts';
import { addDims, type Dim, isNatural, maxDims, mulDims, unknownDim } from '../ir/dims.ts';
import type { Value } from '../ir/graph.ts';
import { tensorType } from '../ir/types.ts';
import type { View } from '../kernels/kernel.ts';
import { firstElement } from '../kernels/memory.ts';
import { broadcastView, type Emitter, shrinkView } from '../kernels/views.ts';
import type { Builder, Size } from './builder.ts';
import { sizeIn } from './folded.ts';
import { gapTypes } from './gap-types.ts';
import { positionsView, scalarView } from './generate.ts';
import type { Family } from './row.ts';
import { axesOf, contentsOf, elementOf, known, knownNumbers, numbersIn, range, rankOf, shapeOf } from './shapes.ts';

export const padding = {
  Pad: {
    known: ['pads', 'axes', 'constant_value'],
    infer({ data, pads, axes }) {
      const shape = shapeOf(data);
      if (!contentsOf(pads) || (axes && !numbersIn(axes))) return [tensorType(elementOf(data), shape.map(unknownDim))];
      const { before, after } = padsOf(shape.length, pads, axes);
      return [
        tensorType(
          elementOf(data),
          shape.map((d, i) => addDims(d, addDims(before[i]!, after[i]!))),
        ),
      ];
    },
    plan({ data, constant_value: text }, { mode }, e, { pads, axes, constant_value }, [type]) {
      const { before, after } = padsOf(data.shape.length, pads, axes);
      // Negative pads cut first.
      const kept = shrinkView(data, before.map(cut), after.map(cut));
      const [front, back] = [before.map(added), after.map(added)];
      if (mode !== 'constant') return [kept.shape.reduce((v, _, axis) => repeated(v, axis, front[axis]!, back[axis]!, mode, e), kept)];
      const y = e.alloc(type!.element, type!.shape);
      if (y.type !== 'string') e.step({ kind: 'fill', value: scalarOf(constant_value) }, [], [y]);
      else if (text) e.step({ kind: 'copy' }, [broadcastView(text, y.shape)], [y]);
      e.step({ kind: 'copy' }, [kept], [{ ...shrinkView(y, front, back), shape: kept.shape }]);
      return [y];
    },
  },
  CenterCropPad: {
    known: ['shape'],
    infer: gapTypes.CenterCropPad,
    lower({ input_data: x, shape }, { axes: given }, b) {
      const axes = axesOf(given ?? range(rankOf(x)), rankOf(x));
      const missing = axes.map((axis, i) => {
        const wanted = sizeIn(b.Slice(shape, { axes: [0], starts: [i], ends: [i + 1] }));
        const size = b.dim(x, axis);
        return typeof wanted === 'number' && typeof size === 'number' ? wanted - size : b.Sub(b.sizes([wanted]), b.sizes([size]));
      });
      const changed = range(axes.length).filter(i => missing[i] !== 0);
      if (changed.length === 0) return b.Identity(x);
      // What is missing is half before and half after; of an odd number the greater half is after, in cutting as in padding.
      const before = changed.map(i => halfOf(missing[i]!, b));
      const after = changed.map((i, k) => rest(missing[i]!, before[k]!, b));
      return b.Pad({ data: x, pads: b.sizes([...before, ...after]), axes: b.ints(changed.map(i => axes[i]!)) });
    },
  },
} satisfies Family;

/** Half of a number, rounded towards zero. */
function halfOf(n: Size, b: Builder): Size {
  if (typeof n === 'number') return Math.trunc(n / 2);
  const zero = b.ints([0]);
  const half = (v: Value): Value => b.Div(b.Max(v, zero), b.ints([2]));
  return b.Sub(half(n), half(b.Neg(n)));
}
const rest = (n: Size, part: Size, b: Builder): Size =>
  typeof n === 'number' && typeof part === 'number' ? n - part : b.Sub(b.sizes([n]), b.sizes([part]));

/** pads for every axis: at the beginning, then at the end. */
function padsOf(rank: number, pads: Value, axes: Value | undefined): { before: Dim[]; after: Dim[] } {
  const given = known(pads)!;
  const along = axesOf(knownNumbers(axes) ?? range(rank), rank);
  if (given.length !== 2 * along.length) throw fail('E1305', `Pad: ${given.length} pads for ${along.length} axes`);
  const before: Dim[] = new Array<Dim>(rank).fill(0);
  const after: Dim[] = new Array<Dim>(rank).fill(0);
  along.forEach((axis, i) => {
    before[axis] = given[i]!;
    after[axis] = given[along.length + i]!;
  });
  return { before, after };
}

/** What a pad cuts off, and what it adds. */
const cut = (pad: Dim): Dim => (isNatural(pad) ? 0 : maxDims(mulDims(pad, -1), 0));
const added = (pad: Dim): Dim => (isNatural(pad) ? pad : maxDims(pad, 0));

/** The element that stands at a place p of an axis of n elements, where p may be outside. */
const places: Readonly<Record<string, (p: Expr, n: Expr) => Expr>> = {
  edge: (p, n) => apply('max', apply('min', p, apply('sub', n, 1)), 0),
  wrap: (p, n) => apply('mod', p, n),
  reflect(p, n) {
    const period = apply('max', apply('mul', apply('sub', n, 1), 2), 1);
    const rest = apply('mod', p, period);
    return apply('min', rest, apply('sub', period, rest));
  },
};

function repeated(v: View, axis: number, front: Dim, back: Dim, mode: string, e: Emitter): View {
  if (front === 0 && back === 0) return v;
  if (!Object.hasOwn(places, mode)) throw fail('E1303', `Pad: the mode ${mode} is none of constant, ${Object.keys(places).join(', ')}`);
  const size = addDims(v.shape[axis]!, addDims(front, back));
  const index = e.alloc('int64', [size]);
  const scalars = [front, v.shape[axis]!].map(d => broadcastView(scalarView(e, 'int64', d), [size]));
  const place = places[mode]!(apply('sub', input(0, 'int64'), input(1, 'int64')), input(2, 'int64'));
  e.step({ kind: 'map', program: program([place]) }, [positionsView(e, size), ...scalars], [index]);
  const y = e.alloc(v.type, v.shape.with(axis, size));
  e.step({ kind: 'gather', axis }, [v, index], [y]);
  return y;
}

function scalarOf(v: Value | undefined): number | bigint {
  if (!v) return 0;
  if (v.tensor?.isResident) return firstElement(v.tensor);
  throw fail('E3009', `the content of ${v.name} must be known before execution`);
}
