// reduce and argreduce: results that invocations share.
import type { Primitive, ScalarType } from '../../../expr/primitives.ts';
import { scalarTypes } from '../../../expr/primitives.ts';
import type { Kernel, ReduceBy } from '../../../kernels/kernel.ts';
import { identityOf } from '../../../kernels/reduce.ts';
import type { BoundStep } from '../../bind.ts';
import { everyAxis, placesAt, type Walked } from '../walk.ts';
import { countOf, Lack, type Operand, type Pass, type Writer } from '../writer.ts';
import { sharedResults } from './lanes.ts';

export const combine: Readonly<Record<ReduceBy, Primitive>> = { sum: 'add', prod: 'mul', max: 'max', min: 'min' };

export function reduce(w: Writer, by: ReduceBy): Pass {
  const [x, y] = [w.input(0)!, w.output(0)];
  const { type } = x;
  if (x.view.type !== type) throw new Lack(`reduce on ${x.view.type}`);
  const reduced = x.shape.flatMap((d, axis) => (y.shape[axis] === 1 && d !== 1 ? [axis] : []));
  const walked: Walked = { operand: x, axes: x.shape.map((_, axis) => (reduced.includes(axis) ? undefined : axis)) };
  const across: Walked = { operand: x, axes: reduced };
  const length = (s: BoundStep): number => reduced.reduce((n, axis) => n * x.bound(s).shape[axis]!, 1);
  return sharedResults(
    w,
    { length, count: s => countOf(y.bound(s).shape), isDense: s => x.bound(s).strides[reduced.at(-1) ?? 0] === 1 },
    {
      parts: [type],
      start: [w.constant(identityOf(by, type), type)],
      terms: at => {
        const [, from] = placesAt(w, at, [everyAxis(y), walked]);
        return (r, [total]) => {
          const [place] = placesAt(w, r, [across], [from]);
          w.set(total!, w.call(combine[by], type, total!, x.load(place!)));
        };
      },
      join: ([total], [other]) => w.set(total!, w.call(combine[by], type, total!, other!)),
      end: (at, [total]) => y.store(placesAt(w, at, [everyAxis(y)])[0]!, total!),
    },
  );
}

/** Whether `a` at `i` stands before `b` at `j` in an order by value, as a condition: NaN is first or last, equal ones by their places. */
export function isBefore(
  w: Writer,
  type: ScalarType,
  { largest, last = false }: { readonly largest: boolean; readonly last?: boolean },
  [a, i]: readonly [string, string],
  [b, j]: readonly [string, string],
  nanIs: 'first' | 'largest',
): string {
  const { language } = w;
  const less = (p: string, q: string): string => language.isTrue(w.call('lt', type, p, q));
  const beats = largest ? less(b, a) : less(a, b);
  const isEqual = language.isTrue(w.call('eq', type, a, b));
  const place = last ? `${i} > ${j}` : `${i} < ${j}`;
  if (scalarTypes[type].class !== 'float') return `(${beats}) || ((${isEqual}) && ${place})`;
  const isNan = (p: string): string => language.isTrue(w.call('isnan', type, p));
  const comesFirst = nanIs === 'first' || largest;
  const [front, back] = comesFirst ? [a, b] : [b, a];
  const ofNumbers = `!(${isNan(a)}) && !(${isNan(b)}) && ((${beats}) || ((${isEqual}) && ${place}))`;
  return `(${ofNumbers}) || ((${isNan(front)}) && !(${isNan(back)})) || ((${isNan(a)}) && (${isNan(b)}) && ${i} < ${j})`;
}

export function argreduce(w: Writer, { by, axis, last }: Extract<Kernel, { kind: 'argreduce' }>): Pass {
  const [x, y] = [w.input(0)!, w.output(0)];
  const { type } = x;
  if (x.view.type !== type) throw new Lack(`argreduce on ${x.view.type}`);
  const [walked, own] = axesBeside(x, y, axis);
  const length = (s: BoundStep): number => x.bound(s).shape[axis]!;
  const take = ([best, at]: readonly string[], value: string, index: string): void => {
    const better = isBefore(w, type, { largest: by === 'max', last }, [value, index], [best!, at!], 'first');
    w.if(`${index} >= 0 && (${at} < 0 || (${better}))`, () => {
      w.set(best!, value);
      w.set(at!, index);
    });
  };
  return sharedResults(
    w,
    { length, count: s => countOf(y.bound(s).shape), isDense: s => x.bound(s).strides[axis] === 1 },
    {
      parts: [type, 'index'],
      start: [w.constant(0, type), '-1'],
      terms: at => {
        const [, from] = placesAt(w, at, [own, walked]);
        return (r, best) => take(best, w.let(type, x.load(x.place(new Map([[axis, r]]), from))), r);
      },
      join: (best, [value, index]) => take(best, value!, index!),
      end: (at, [, index]) => {
        const [to] = placesAt(w, at, [own]);
        y.store(to!, w.language.fromIndex(w.language.choose(`${index} < 0`, '0', index!)));
      },
    },
  );
}

/** The axes of `x` but one, walked with those of `y`, which has the axis with size 1 or lacks it. */
function axesBeside(x: Operand, y: Operand, axis: number): [Walked, Walked] {
  const own = y.shape.map((_, k) => k);
  const keeps = y.rank === x.rank;
  const axes = own.map(k => (keeps ? (k === axis ? undefined : k) : k < axis ? k : k + 1));
  return [
    { operand: x, axes },
    { operand: y, axes: own },
  ];
}
