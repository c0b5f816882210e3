// Operators of TorchScript on what is known before the run: numbers, texts, lists, dicts, and facts about tensors. A row gives
// `notMine` for arguments that are left to the ATen table.
import { fail } from '../../../errors.ts';
import type { Value } from '../../../ir/graph.ts';
import type { DataType } from '../../../ir/types.ts';
import { isFloat } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { elementOf, range, rankOf } from '../../../ops/shapes.ts';
import { permuted } from '../../../ops/sizing.ts';
import { isComplex } from '../aten/operands.ts';
import { type Scalar, Symbolic } from '../aten/row.ts';
import { TensorRef } from '../memory.ts';
import { numberValue } from '../numbers.ts';
import { type Interpreter, Raised } from './interpret.ts';
import { codeOfElement, elementOfCode } from './overloads.ts';
import { computeScalar, convertNumber, isScalarOperation, scalarValue, settled, truth } from './scalars.ts';
import {
  Callable,
  Device,
  Dict,
  type Host,
  Instance,
  isKnownFloat,
  isKnownNumber,
  isNumber,
  isSame,
  kindOf,
  List,
  maxItems,
  plain,
  Tuple,
} from './values.ts';

export const notMine = Symbol('left to the ATen table');

export type Builtin = (args: readonly Host[], e: Interpreter, keywords: ReadonlyMap<string, Host>) => Host | typeof notMine;

const tensorOf = (v: Host, e: Interpreter): Value => {
  if (v instanceof TensorRef) return v.read(e.b);
  throw fail('E1304', `expected a tensor, found ${kindOf(v)}`);
};
const sizeOf = (value: Value, axis: number, b: Builder): Host => {
  const rank = rankOf(value);
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank) throw fail('E1305', `axis ${axis} of a tensor of rank ${rank}`);
  const size = b.dim(value, axis);
  return typeof size === 'number' ? size : settled(new Symbolic(size));
};
const sizesOf = (value: Value, b: Builder): List => new List(range(rankOf(value)).map(axis => sizeOf(value, axis, b)));
const numberAt = (v: Host, what: string): number => {
  if (isKnownNumber(v)) return plain(v);
  throw fail('E2001', `${what} must be known before the run`);
};
const sequence = (v: Host): readonly Host[] | undefined =>
  v instanceof List || v instanceof Tuple ? v.items : v instanceof Dict ? [...v.entries.keys()] : undefined;
const listOf = (v: Host): List => {
  if (v instanceof List) return v;
  throw fail('E1304', `expected a list, found ${kindOf(v)}`);
};
const dictOf = (v: Host): Dict => {
  if (v instanceof Dict) return v;
  throw fail('E1304', `expected a dict, found ${kindOf(v)}`);
};

/** The place in a list that an index means. */
function placeIn(length: number, index: Host): number {
  const i = numberAt(index, 'a place in a list');
  const at = i < 0 ? i + length : i;
  if (!Number.isInteger(at) || at < 0 || at >= length) throw fail('E1305', `place ${i} in a list of ${length}`);
  return at;
}

/** Whether two values are equal, where it is known. */
function equal(a: Host, c: Host, e: Interpreter): Host {
  if (isNumber(a) && isNumber(c)) return computeScalar('eq', [a, c], e.b);
  const [x, y] = [sequence(a), sequence(c)];
  if (!x || !y) return isSame(a, c);
  if (x.length !== y.length) return false;
  e.spend(x.length);
  let all: Host = true;
  for (const [i, item] of x.entries()) {
    const one = truth(equal(item, y[i], e), e.b);
    if (one === false) return false;
    all = one === true ? all : computeScalar('__and__', [all as boolean | Symbolic, one], e.b);
  }
  return all;
}

const isHost = (v: Host): boolean => !(v instanceof TensorRef);
const not = (v: Host, e: Interpreter): Host => {
  const known = truth(v, e.b);
  return known instanceof Symbolic ? settled(new Symbolic(e.b.Not(known.value))) : !known;
};

/** @throws ModelError E1009 for a list or text of more items than are kept */
function bounded(what: 'list' | 'text', count: number): void {
  if (count > maxItems)
    throw fail('E1009', `a ${what} of ${count} ${what === 'list' ? 'items' : 'characters'}`, {
      limit: { name: 'torchscript.items', value: maxItems },
    });
}
const joined = (parts: readonly string[], by = ''): string => {
  bounded(
    'text',
    parts.reduce((n, part) => n + part.length + by.length, 0),
  );
  return parts.join(by);
};
const concatenated = (...lists: readonly (readonly Host[])[]): Host[] => {
  bounded(
    'list',
    lists.reduce((n, list) => n + list.length, 0),
  );
  return lists.flat() as Host[];
};

/** Numbers, texts and lists under one operator. */
const arithmetic =
  (name: string): Builtin =>
  (args, e) => {
    const [a, c] = args;
    if (args.every(isNumber)) return computeScalar(name, args, e.b);
    if (name === 'add') {
      if (typeof a === 'string' && typeof c === 'string') return joined([a, c]);
      if (a instanceof List && c instanceof List) return new List(concatenated(a.items, c.items));
      if (a instanceof Tuple && c instanceof Tuple) return new Tuple(concatenated(a.items, c.items));
    }
    if (name === 'mul' && a instanceof List && typeof c === 'number') return repeated(a, c);
    if (name === 'mul' && c instanceof List && typeof a === 'number') return repeated(c, a);
    if ((name === 'eq' || name === 'ne') && isHost(a) && isHost(c) && !(isNumber(a) && isNumber(c))) {
      const same = equal(a, c, e);
      return name === 'eq' ? same : not(same, e);
    }
    if ((name === 'min' || name === 'max') && a instanceof List) return extreme(name, args, e);
    if (typeof a === 'string' && typeof c === 'string') return { lt: a < c, le: a <= c, gt: a > c, ge: a >= c }[name] ?? notMine;
    return notMine;
  };

function extreme(name: 'min' | 'max', [list, other]: readonly Host[], e: Interpreter): Host | typeof notMine {
  const items = (list as List).items;
  if (other !== undefined || items.length === 0 || !items.every(isNumber)) return notMine;
  return items.reduce((a, c) => computeScalar(name, [a, c], e.b));
}

function repeated({ items }: List, count: number): List {
  bounded('list', items.length * count);
  return new List(Array.from({ length: Math.max(0, count) }, () => items).flat());
}

/** `"{} of {}".format(a, b)`, as far as messages need it. */
function format([text, ...values]: readonly Host[], e: Interpreter): string {
  const parts = String(text).split('{}');
  return joined(parts.flatMap((part, i) => (i === 0 ? [part] : [written(values[i - 1], e), part])));
}
function written(v: Host, e: Interpreter): string {
  e.spend(1);
  const items = (list: readonly Host[]): string =>
    joined(
      list.map(item => written(item, e)),
      ', ',
    );
  if (typeof v === 'string') return v;
  if (v === undefined) return 'None';
  if (typeof v === 'boolean') return v ? 'True' : 'False';
  if (isKnownFloat(v)) return Number.isInteger(plain(v)) ? `${plain(v)}.0` : String(plain(v));
  if (isKnownNumber(v)) return String(v);
  if (v instanceof List) return `[${items(v.items)}]`;
  if (v instanceof Tuple) return `(${items(v.items)})`;
  return v instanceof Device ? v.name : `<${kindOf(v)}>`;
}

/** `torch.tensor(data)`: numbers, known or not, in lists of any depth. */
function tensor(data: Host, type: DataType | undefined, b: Builder): TensorRef {
  const dims: number[] = [];
  for (let at: Host = data; at instanceof List || at instanceof Tuple; at = at.items[0]) dims.push(at.items.length);
  const leaves: Host[] = [];
  const collect = (v: Host, depth: number): void => {
    const items = sequence(v);
    if (!items) leaves.push(v);
    else if (items.length !== dims[depth]) throw fail('E1305', 'lists of different lengths cannot become a tensor');
    else for (const item of items) collect(item, depth + 1);
  };
  collect(data, 0);
  const isBool = (v: Host): boolean => typeof v === 'boolean' || (v instanceof Symbolic && v.value.element === 'bool');
  const isFloating = (v: Host): boolean => isKnownFloat(v) || (v instanceof Symbolic && isFloat(elementOf(v.value)));
  const natural = leaves.length === 0 || leaves.some(isFloating) ? 'float32' : leaves.every(isBool) ? 'bool' : 'int64';
  if (!leaves.every(isNumber)) {
    if (leaves.length === 1 && leaves[0] instanceof TensorRef) return TensorRef.of(b.Identity(leaves[0].read(b)));
    throw fail('E2001', `a list of ${kindOf(leaves[0])} cannot become a tensor`);
  }
  const values = (leaves as Scalar[]).map(leaf => numberValue(leaf, b, natural));
  const flat =
    values.length === 0 ? b.constant(new Float32Array(0), 'float32', [0]) : values.length === 1 ? values[0]! : b.Concat(values, 0);
  return TensorRef.of(b.Cast(b.Reshape(flat, dims), type ?? natural));
}

const elementIn = (keywords: ReadonlyMap<string, Host>, key = 'dtype'): DataType | undefined => {
  const code = keywords.get(key);
  return code === undefined ? undefined : elementOfCode(Number(code));
};

const slice: Builtin = ([of, start, end, step]) => {
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
const lengthOf = (list: List, rows: Value, e: Interpreter): Host =>
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

const stack: Builtin = ([list, axis = 0], e) =>
  list instanceof List && list.rows ? TensorRef.of(stacked(list, list.rows, numberAt(axis, 'an axis'), e)) : notMine;

/** Its items one behind the other: the new axis is merged with the one behind it. */
const concatenate: Builtin = ([list, axis = 0], e) => {
  if (!(list instanceof List && list.rows)) return notMine;
  const rank = rankOf(list.rows) - 1;
  const given = numberAt(axis, 'an axis');
  const at = given < 0 ? given + rank : given;
  const whole = stacked(list, list.rows, at, e);
  const sizes = range(rank + 1).map(i => e.b.dim(whole, i));
  return TensorRef.of(e.b.Reshape(whole, [...sizes.slice(0, at), -1, ...sizes.slice(at + 2)]));
};

/** The parts of an axis whose size only the run knows. */
const unbind: Builtin = ([of, axis = 0], e) => {
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
const whereNot: Builtin = ([of, ...rest], e) => {
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

const getItem: Builtin = ([of, index], e) => {
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

const aboutTensor =
  (fact: (value: Value, e: Interpreter) => Host): Builtin =>
  ([of], e) =>
    of instanceof TensorRef ? fact(of.read(e.b), e) : notMine;
const always =
  (value: Host): Builtin =>
  () =>
    value;

/** Of lists: what changes them in place. */
const inPlace: Readonly<Record<string, (list: List, args: readonly Host[]) => Host>> = {
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

const texts: Readonly<Record<string, (text: string, args: readonly Host[], e: Interpreter) => Host>> = {
  lower: text => text.toLowerCase(),
  upper: text => text.toUpperCase(),
  strip: text => text.trim(),
  startswith: (text, [start]) => text.startsWith(String(start)),
  endswith: (text, [end]) => text.endsWith(String(end)),
  replace: (text, [from, to]) => joined(text.split(String(from)), String(to)),
  find: (text, [part]) => text.indexOf(String(part)),
  split: (text, [by]) => new List(by === undefined ? text.split(/\s+/).filter(Boolean) : text.split(String(by))),
  join: (text, [parts], e) =>
    joined(
      (sequence(parts) ?? []).map(part => written(part, e)),
      text,
    ),
};

const instanceKinds: Readonly<Record<string, (v: Host) => boolean>> = {
  Tensor: v => v instanceof TensorRef,
  int: v => kindOf(v) === 'int',
  float: v => kindOf(v) === 'float',
  bool: v => kindOf(v) === 'bool',
  str: v => typeof v === 'string',
  List: v => v instanceof List,
  Dict: v => v instanceof Dict,
  Tuple: v => v instanceof Tuple,
  NoneType: v => v === undefined,
};

const numberNames = [
  'add',
  'sub',
  'mul',
  'div',
  'floordiv',
  'floor_divide',
  'remainder',
  'fmod',
  'pow',
  'neg',
  'abs',
  'eq',
  'ne',
  'lt',
  'le',
];
const moreNames = ['gt', 'ge', 'min', 'max', 'floor', 'ceil', 'round', 'sqrt', 'exp', 'log', 'log2', 'log10', 'log1p', 'sin', 'cos', 'tan'];
const allNames = [...numberNames, ...moreNames, 'asin', 'acos', 'atan', 'atan2', 'sinh', 'cosh', 'tanh', '__and__', '__or__', '__xor__'];
const scalarRows = [...allNames, '__lshift__', '__rshift__'].filter(isScalarOperation).map(name => [name, arithmetic(name)] as const);
const rowsOf = <T>(table: Readonly<Record<string, T>>, row: (of: T, name: string) => Builtin): [string, Builtin][] =>
  Object.entries(table).map(([name, of]) => [`aten.${name}`, row(of, name)]);

export const builtins: Readonly<Record<string, Builtin | undefined>> = {
  ...Object.fromEntries(scalarRows.flatMap(([name, row]) => [`aten.${name}`, `prim.${name}`].map(key => [key, row] as const))),
  ...Object.fromEntries(
    rowsOf(
      inPlace,
      change =>
        ([of, ...rest]) =>
          of instanceof List ? change(of, rest) : of instanceof Dict ? clearDict(of) : notMine,
    ),
  ),
  ...Object.fromEntries(
    rowsOf(
      texts,
      text =>
        ([of, ...rest], e) =>
          typeof of === 'string' ? text(of, rest, e) : notMine,
    ),
  ),
  'aten.__is__': ([a, c]) => isSame(a, c),
  'aten.__isnot__': ([a, c]) => !isSame(a, c),
  'aten.__not__': ([a], e) => not(a, e),
  'aten.size'([of, axis], e) {
    const value = tensorOf(of, e);
    return axis === undefined ? sizesOf(value, e.b) : sizeOf(value, numberAt(axis, 'an axis'), e.b);
  },
  'aten.sym_size'([of, axis], e) {
    return sizeOf(tensorOf(of, e), numberAt(axis, 'an axis'), e.b);
  },
  'aten.dim': aboutTensor(rankOf),
  'aten.numel': aboutTensor((value, { b }) => sizeOf(b.Reshape(value, [-1]), 0, b)),
  'aten.len'([of], e) {
    if (typeof of === 'string') return of.length;
    if (of instanceof List && of.rows) return lengthOf(of, of.rows, e);
    return of instanceof TensorRef ? sizeOf(of.read(e.b), 0, e.b) : (sequence(of)?.length ?? notMine);
  },
  'aten.item': ([of], { b }) => convertNumber('any', of, b),
  'aten.Int': ([of], { b }) => convertNumber('int', of, b),
  'aten.Float': ([of], { b }) => convertNumber('float', of, b),
  'aten.Bool': ([of], { b }) => convertNumber('bool', of, b),
  'aten.IntImplicit': ([of], { b }) => convertNumber('int', of, b),
  'aten.FloatImplicit': ([of], { b }) => convertNumber('float', of, b),
  'aten.ScalarImplicit': ([of], { b }) => convertNumber('any', of, b),
  'aten.is_floating_point': aboutTensor(value => isFloat(elementOf(value))),
  'aten.is_complex': aboutTensor(value => isComplex(elementOf(value))),
  'aten.is_signed': aboutTensor(value => !elementOf(value).startsWith('u') && elementOf(value) !== 'bool'),
  'aten.is_contiguous': aboutTensor(() => true),
  'aten.is_grad_enabled': always(false),
  'aten.set_grad_enabled': always(undefined),
  // What is forked runs at once, so that waiting finds its result.
  'prim.fork': ([called, ...args], e) => (called instanceof Callable ? e.call(called, args) : notMine),
  'aten.wait': ([of]) => of,
  'aten.is_autocast_enabled': always(false),
  'aten.is_autocast_cpu_enabled': always(false),
  'aten.warn': always(undefined),
  'aten.manual_seed': always(undefined),
  'aten.format': format,
  'aten.str': ([of], e) => written(of, e),
  'prim.str': ([of], e) => written(of, e),
  'aten.device': ([name]) => new Device(String(name)),
  'aten.list'([of]) {
    return typeof of === 'string' ? new List([...of]) : new List(sequence(of) ?? []);
  },
  'aten.copy'([of]) {
    return of instanceof List ? new List(of.items) : of instanceof Dict ? new Dict(of.entries) : notMine;
  },
  'aten.dict': ([of]) => new Dict(of instanceof Dict ? of.entries : (sequence(of) ?? []).map(pair => sequence(pair) as [Host, Host])),
  'aten.keys': ([of]) => new List(dictOf(of).entries.keys()),
  'aten.values': ([of]) => (of instanceof Dict ? new List(of.entries.values()) : notMine),
  'aten.items': ([of]) => new List([...dictOf(of).entries].map(pair => new Tuple(pair))),
  'aten.get': ([of, key, standard]) => (dictOf(of).entries.has(key) ? dictOf(of).entries.get(key) : standard),
  'aten.update'([of, other]) {
    for (const [key, value] of dictOf(other).entries) dictOf(of).entries.set(key, value);
    return undefined;
  },
  'aten.pop'([of, key, standard]) {
    if (of instanceof List) return of.items.splice(placeIn(of.items.length, key ?? -1), 1)[0];
    const { entries } = dictOf(of);
    const found = entries.has(key) ? entries.get(key) : standard;
    entries.delete(key);
    return found;
  },
  'aten.__contains__'([of, item], e) {
    if (typeof of === 'string') return of.includes(String(item));
    const items = sequence(of);
    if (!items) return notMine;
    let any: Host = false;
    for (const other of items) {
      const one = truth(equal(other, item, e), e.b);
      if (one === true) return true;
      if (one instanceof Symbolic) any = any === false ? one : computeScalar('__or__', [any as Symbolic, one], e.b);
    }
    return any;
  },
  'aten.__getitem__': getItem,
  'aten._set_item'([of, key, value]) {
    if (of instanceof List) of.items[placeIn(of.items.length, key)] = value;
    else dictOf(of).entries.set(key, value);
    return undefined;
  },
  'aten.Delete'([of, key]) {
    if (of instanceof List) of.items.splice(placeIn(of.items.length, key), 1);
    else dictOf(of).entries.delete(key);
    return undefined;
  },
  'aten.count': ([of, item]) => (of instanceof List ? of.items.filter(x => isSame(x, item)).length : notMine),
  'aten.index'([of, item]) {
    return of instanceof List && !(of.items[0] instanceof TensorRef) ? of.items.findIndex(x => isSame(x, item)) : notMine;
  },
  'aten.sort'([of, reverse]) {
    if (!(of instanceof List)) return notMine;
    of.items = sorted(of.items, reverse === true);
    return undefined;
  },
  'aten.sorted': ([of]) => new List(sorted(listOf(of).items, false)),
  'prim.sorted': ([of]) => new List(sorted(listOf(of).items, false)),
  'aten.unbind': unbind,
  'aten.where': whereNot,
  'aten.divmod': ([a, c], e) => new Tuple(['floordiv', 'remainder'].map(name => computeScalar(name, [a as Scalar, c as Scalar], e.b))),
  'aten.sum'([of], e) {
    if (!(of instanceof List)) return notMine;
    return of.items.reduce<Host>((a, c) => computeScalar('add', [a as Scalar, c as Scalar], e.b), 0);
  },
  'aten.any': ([of], e) => (of instanceof List ? anyOf(of.items, e) : notMine),
  'aten.all': ([of], e) =>
    of instanceof List
      ? not(
          anyOf(
            of.items.map(x => not(x, e)),
            e,
          ),
          e,
        )
      : notMine,
  'aten.slice': slice,
  'aten.stack': stack,
  'aten.cat': concatenate,
  'aten.concat': concatenate,
  // A device beside a tensor: the table knows the overloads with an element type.
  'aten.to'([of, device, type], e) {
    if (!(of instanceof TensorRef) || !(device instanceof Device)) return notMine;
    return typeof type === 'number' ? e.operator('aten', 'to', [of, type]) : of;
  },
  'aten.cpu': ([of]) => of,
  'aten.tensor': ([data], { b }, keywords) => tensor(data, elementIn(keywords), b),
  'aten.as_tensor': ([data, type], { b }, keywords) =>
    data instanceof TensorRef ? notMine : tensor(data, type === undefined ? elementIn(keywords) : elementOfCode(Number(type)), b),
  'aten.scalar_tensor': ([data], { b }, keywords) => tensor(data, elementIn(keywords), b),
  'aten.__derive_index': ([i, start, step], e) =>
    computeScalar('add', [start as Scalar, computeScalar('mul', [i as Scalar, step as Scalar], e.b) as Scalar], e.b),
  'aten.__range_length'([start, end, step]) {
    const [a, c, by] = [start, end, step].map(v => numberAt(v, 'the bound of a loop')) as [number, number, number];
    return Math.max(0, Math.ceil((c - a) / by));
  },
  'prim.NumToTensor': ([of], { b }) => TensorRef.of(scalarValue(of, b)),
  'prim.RaiseException'([message], e) {
    throw new Raised(written(message, e));
  },
  'prim.dtype': aboutTensor(value => codeOfElement(elementOf(value))),
  'prim.device': aboutTensor(() => new Device('cpu')),
  'prim.layout': aboutTensor(() => 0),
  'prim.type'([of]) {
    return of instanceof Device ? of.name.split(':')[0] : notMine;
  },
  'prim.index': ([of]) => (of instanceof Device ? undefined : notMine),
  'prim.shape': aboutTensor((value, { b }) => sizesOf(value, b)),
  'prim.ndim': aboutTensor(rankOf),
  'prim.data': ([of]) => of,
  'prim.grad': always(undefined),
  'prim.requires_grad': always(false),
  'prim.is_cuda': always(false),
  'prim.is_cpu': always(true),
  'prim.is_nested': always(false),
  'prim.is_sparse': always(false),
  'prim.is_quantized': always(false),
  'prim.is_mkldnn': always(false),
  'prim.is_meta': always(false),
  'prim.is_leaf': always(false),
  'prim.T': ([of], e) => e.operator('aten', 'numpy_T', [of]),
  'prim.mT': ([of], e) => e.operator('aten', 'mT', [of]),
  'prim.unchecked_unwrap_optional': ([of]) => of,
  'aten._unwrap_optional'([of]) {
    if (of === undefined) throw new Raised('None is unwrapped');
    return of;
  },
  'prim.isinstance': ([of, type]) =>
    instanceKinds[String(type)]?.(of) ?? (of instanceof Instance && of.className.endsWith(`.${String(type)}`)),
  'prim.Print': always(undefined),
  'prim.print': always(undefined),
};

function clearDict(of: Dict): Host {
  of.entries.clear();
  return undefined;
}

function anyOf(items: readonly Host[], e: Interpreter): Host {
  let any: Host = false;
  for (const item of items) {
    const one = truth(item, e.b);
    if (one === true) return true;
    if (one instanceof Symbolic) any = any === false ? one : computeScalar('__or__', [any as Symbolic, one], e.b);
  }
  return any;
}

function sorted(items: readonly Host[], reverse: boolean): Host[] {
  const key = (v: Host): number | string => (typeof v === 'string' ? v : numberAt(v, 'what is sorted'));
  const ordered = [...items].sort((a, c) => (key(a) < key(c) ? -1 : key(a) > key(c) ? 1 : 0));
  return reverse ? ordered.reverse() : ordered;
}
