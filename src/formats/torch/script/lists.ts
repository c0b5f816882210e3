// Lists: what they hold, what changes them, and those of which only the run knows the length.
import { fail } from '../../../errors.ts';
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { range, rankOf } from '../../../ops/shapes.ts';
import { permuted } from '../../../ops/sizing.ts';
import { type Scalar, Symbolic } from '../aten/row.ts';
import { TensorRef } from '../memory.ts';
import { numberValue } from '../numbers.ts';
import { type Builtin, bounded, notMine, numberAt, sequence, sizeOf, tensorOf } from './builtin.ts';
import { type Interpreter, Raised } from './interpret.ts';
import { computeScalar, scalarValue, settled, truth } from './scalars.ts';
import { written } from './texts.ts';
import { Dict, type Host, isNumber, isSame, kindOf, List, Tuple } from './values.ts';

/** The place in a list that an index means. */
export function placeIn(length: number, index: Host): number {
  const i = numberAt(index, 'a place in a list');
  const at = i < 0 ? i + length : i;
  if (!Number.isInteger(at) || at < 0 || at >= length) throw fail('E1305', `place ${i} in a list of ${length}`);
  return at;
}

export const concatenated = (...lists: readonly (readonly Host[])[]): Host[] => {
  bounded(
    'list',
    lists.reduce((n, list) => n + list.length, 0),
  );
  return lists.flat() as Host[];
};

export function repeated({ items }: List, count: number): List {
  bounded('list', items.length * count);
  return new List(Array.from({ length: Math.max(0, count) }, () => items).flat());
}

export const slice: Builtin = ([of, start, end, step]) => {
  const items = of instanceof List || of instanceof Tuple ? of.items : typeof of === 'string' ? [...of] : undefined;
  if (!items) return notMine;
  const by = step === undefined ? 1 : numberAt(step, 'the step of a slice');
  if (by === 0) throw fail('E2002', 'the step of a slice is 0');
  // As in Python: backwards the ends are the place before the first and the last.
  const [least, most] = by > 0 ? [0, items.length] : [-1, items.length - 1];
  const bound = (v: Host, standard: number): number => {
    if (v === undefined) return standard;
    const i = numberAt(v, 'the bound of a slice');
    return Math.min(Math.max(i < 0 ? i + items.length : i, least), most);
  };
  const [from, to] = by > 0 ? [bound(start, least), bound(end, most)] : [bound(start, most), bound(end, least)];
  const taken = range(Math.max(0, Math.ceil((to - from) / by))).map(i => items[from + i * by]);
  return typeof of === 'string' ? taken.join('') : of instanceof Tuple ? new Tuple(taken) : new List(taken);
};

/** Lists that a loop of the run has filled. */
export const lengthOf = (list: List, rows: Value, e: Interpreter): Host =>
  computeScalar('add', [list.known.length, sizeOf(rows, 0, e.b) as Scalar], e.b);

/** All of its items along a new axis. */
function stacked(list: List, rows: Value, axis: number, e: Interpreter): Value {
  const known = list.known.map(item => e.b.Unsqueeze(tensorOf(item, e), [0]));
  const all = known.length > 0 ? e.b.Concat([...known, rows], 0) : rows;
  const rank = rankOf(all);
  const at = axis < 0 ? axis + rank : axis;
  const others = range(rank - 1, 1);
  return at === 0 ? all : e.b.Transpose(all, [...others.slice(0, at), 0, ...others.slice(at)]);
}

export const stack: Builtin = ([list, axis = 0], e) =>
  list instanceof List && list.rows ? TensorRef.of(stacked(list, list.rows, numberAt(axis, 'an axis'), e)) : notMine;

/** Its items one behind the other: the new axis is merged with the one behind it. */
export const concatenate: Builtin = ([list, axis = 0], e) => {
  if (!(list instanceof List && list.rows)) return notMine;
  const rank = rankOf(list.rows) - 1;
  const given = numberAt(axis, 'an axis');
  const at = given < 0 ? given + rank : given;
  const whole = stacked(list, list.rows, at, e);
  const sizes = range(rank + 1).map(i => e.b.dim(whole, i));
  return TensorRef.of(e.b.Reshape(whole, [...sizes.slice(0, at), -1, ...sizes.slice(at + 2)]));
};

/** The parts of an axis whose size only the run knows. */
export const unbind: Builtin = ([of, axis = 0], e) => {
  if (!(of instanceof TensorRef)) return notMine;
  const rank = rankOf(of.read(e.b));
  const given = numberAt(axis, 'an axis');
  const at = given < 0 ? given + rank : given;
  if (typeof sizeOf(of.read(e.b), at, e.b) === 'number') return notMine;
  const perm = [at, ...range(rank).filter(a => a !== at)];
  return new List([], {
    all: () => permuted(e.b, of.read(e.b), perm),
    at: place => e.operator('aten', 'select', [of, at, place]),
  });
};

/** The places of what is not 0, axis by axis. */
export const whereNot: Builtin = ([of, ...rest], e) => {
  if (rest.length > 0 || !(of instanceof TensorRef)) return notMine;
  const places = e.operator('aten', 'nonzero', [of]);
  return new List(range(rankOf(of.read(e.b))).map(axis => e.operator('aten', 'select', [places, 1, axis])));
};

/** A number in a list at a place that only the run knows. */
function chosen(items: readonly Host[], place: Symbolic, b: Builder): Host {
  if (items.length === 0 || !items.every(isNumber)) throw fail('E2001', 'a place in a list must be known before the run');
  const type = items.some(item => kindOf(item) === 'float') ? 'float32' : items.every(item => kindOf(item) === 'bool') ? 'bool' : 'int64';
  const all = items.map(item => numberValue(item as Scalar, b, type));
  return settled(new Symbolic(b.Gather(all.length === 1 ? all[0]! : b.Concat(all, 0), place.value, 0)));
}

export const getItem: Builtin = ([of, index], e) => {
  if (of instanceof List && of.parts) return of.parts.at(index);
  if (of instanceof List && of.rows && of.known.length === 0) return TensorRef.of(e.b.Gather(of.rows, scalarValue(index, e.b), 0));
  if (of instanceof List && index instanceof Symbolic) return chosen(of.items, index, e.b);
  if (of instanceof List || of instanceof Tuple) return of.items[placeIn(of.items.length, index)];
  if (of instanceof Dict) {
    if (!of.entries.has(index)) throw new Raised(`a dict has no ${written(index, e)}`);
    return of.entries.get(index);
  }
  if (typeof of === 'string') return of[placeIn(of.length, index)];
  throw fail('E1304', `${kindOf(of)} has no items`);
};

/** Of lists: what changes them in place. */
export const inPlace: Readonly<Record<string, (list: List, args: readonly Host[]) => Host>> = {
  append(list, [item]) {
    bounded('list', list.known.length + 1);
    list.push(item);
    return list;
  },
  extend(list, [items]) {
    list.items = concatenated(list.items, sequence(items) ?? []);
    return undefined;
  },
  insert(list, [at, item]) {
    const i = numberAt(at, 'a place in a list');
    bounded('list', list.items.length + 1);
    list.items.splice(i, 0, item);
    return undefined;
  },
  reverse(list) {
    list.items.reverse();
    return undefined;
  },
  remove(list, [item]) {
    const at = list.items.findIndex(x => isSame(x, item));
    if (at >= 0) list.items.splice(at, 1);
    return undefined;
  },
  clear(list) {
    list.items = [];
    return undefined;
  },
};

export function clearDict(of: Dict): Host {
  of.entries.clear();
  return undefined;
}

export function anyOf(items: readonly Host[], e: Interpreter): Host {
  let any: Host = false;
  for (const item of items) {
    const one = truth(item, e.b);
    if (one === true) return true;
    if (one instanceof Symbolic) any = any === false ? one : computeScalar('__or__', [any as Symbolic, one], e.b);
  }
  return any;
}

export function sorted(items: readonly Host[], reverse: boolean): Host[] {
  const key = (v: Host): number | string => (typeof v === 'string' ? v : numberAt(v, 'what is sorted'));
  const ordered = [...items].sort((a, c) => (key(a) < key(c) ? -1 : key(a) > key(c) ? 1 : 0));
  return reverse ? ordered.reverse() : ordered;
}
