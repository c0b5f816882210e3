// topk: an invocation counts what comes before its element, which is the element's place; or, where few of many are wanted, a workgroup
// looks for one after the other.
import type { ScalarType } from '../../../expr/primitives.ts';
import type { Kernel } from '../../../kernels/kernel.ts';
import type { BoundStep } from '../../bind.ts';
import { workgroupSize } from '../language.ts';
import { placesAt, type Walked } from '../walk.ts';
import { countOf, groupsFor, type Operand, type Pass, rawType, type Writer } from '../writer.ts';
import { ownElement } from './map.ts';
import { isBefore } from './reduce.ts';

type TopK = Extract<Kernel, { kind: 'topk' }>;

/** Whether rounds take fewer comparisons than counting, by far. */
export const areFew = (wanted: number, length: number): boolean => wanted <= 64 && length > 4 * wanted;

interface Rows {
  readonly x: Operand;
  readonly values: Operand;
  readonly indices: Operand;
  readonly type: ScalarType;
  readonly count: (s: BoundStep) => number;
  readonly length: (s: BoundStep) => number;
  readonly wanted: (s: BoundStep) => number;
  /** Where a row begins in the input and both outputs. */
  at(row: string): readonly string[];
  /** The element at a place of a row. */
  element(from: string, index: string): string;
  write(from: string, index: string, values: string, indices: string, rank: string): void;
}

function rowsOf(w: Writer, axis: number): Rows {
  const [x, values, indices] = [w.input(0)!, w.output(0), w.output(1)];
  const { type } = x;
  const others = (operand: Operand): Walked => ({ operand, axes: x.shape.flatMap((_, k) => (k === axis ? [] : [k])) });
  const placeOf = (operand: Operand, from: string, index: string): string => w.let('index', operand.place(new Map([[axis, index]]), from));
  return {
    x,
    values,
    indices,
    type,
    count: s => countOf(x.bound(s).shape.toSpliced(axis, 1)),
    length: s => x.bound(s).shape[axis]!,
    wanted: s => values.bound(s).shape[axis]!,
    at: row => placesAt(w, row, [x, values, indices].map(others)),
    element: (from, index) => x.load(placeOf(x, from, index)),
    write(from, index, toValues, toIndices, rank) {
      const raw = rawType(x.view.type);
      values.store(placeOf(values, toValues, rank), x.load(placeOf(x, from, index), raw), raw);
      indices.store(placeOf(indices, toIndices, rank), w.language.fromIndex(index));
    },
  };
}

export function countingTopk(w: Writer, { axis, largest }: TopK): Pass {
  const rows = rowsOf(w, axis);
  const all = (s: BoundStep): number => rows.count(s) * rows.length(s);
  const at = ownElement(w, w.parameter('elements', all));
  const length = w.parameter('length', rows.length);
  const [from, toValues, toIndices] = rows.at(w.let('index', `${at} / ${length}`));
  const own = w.let('index', `${at} % ${length}`);
  const value = w.let(rows.type, rows.element(from!, own));
  const rank = w.variable('index', '0');
  w.loop(length, other => {
    const before = isBefore(w, rows.type, { largest }, [w.let(rows.type, rows.element(from!, other)), other], [value, own], 'largest');
    w.if(before, () => w.set(rank, `${rank} + 1`));
  });
  w.if(`${rank} < ${w.parameter('wanted', rows.wanted)}`, () => rows.write(from!, own, toValues!, toIndices!, rank));
  return w.finish(s => groupsFor(all(s)));
}

export function roundsTopk(w: Writer, { axis, largest }: TopK): Pass {
  const rows = rowsOf(w, axis);
  const { type } = rows;
  w.emit(`if (group >= ${w.parameter('rows', rows.count)}) { return; }`);
  const [from, toValues, toIndices] = rows.at('group');
  const [values, places] = [w.shared(type, workgroupSize), w.shared('index', workgroupSize)];
  const zero = w.constant(0, type);
  const [last, lastAt] = [w.variable(type, zero), w.variable('index', '-1')];
  const before = (a: [string, string], b: [string, string]): string => isBefore(w, type, { largest }, a, b, 'largest');
  const [best, bestAt] = [w.variable(type, zero), w.variable('index', '-1')];
  const take = (value: string, index: string, condition: string): void =>
    w.if(`${condition} && (${bestAt} < 0 || (${before([value, index], [best, bestAt])}))`, () => {
      w.set(best, value);
      w.set(bestAt, index);
    });
  w.loop(w.parameter('wanted', rows.wanted), rank => {
    w.set(bestAt, '-1');
    w.loop(
      w.parameter('length', rows.length),
      i => {
        const value = w.let(type, rows.element(from!, i));
        take(value, i, `(${lastAt} < 0 || (${before([last, lastAt], [value, i])}))`);
      },
      { from: 'lane', by: String(workgroupSize) },
    );
    w.emit(w.language.barrier);
    w.emit(`${values}[lane] = ${best};`);
    w.emit(`${places}[lane] = ${bestAt};`);
    w.emit(w.language.barrier);
    w.loop(String(workgroupSize), k => {
      const [value, index] = [w.let(type, `${values}[${k}]`), w.let('index', `${places}[${k}]`)];
      take(value, index, `${index} >= 0`);
    });
    w.set(last, best);
    w.set(lastAt, bestAt);
    w.if('lane == 0', () => rows.write(from!, bestAt, toValues!, toIndices!, rank));
  });
  return w.finish(rows.count);
}
