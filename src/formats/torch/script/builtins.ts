// Operators of TorchScript on what is known before the run: numbers, texts, lists, dicts, and facts about tensors. A row gives
// `notMine` for arguments that are left to the ATen table.
import { fail } from '../../../errors.ts';
import type { DataType } from '../../../ir/types.ts';
import { isFloat } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { elementOf, rankOf } from '../../../ops/shapes.ts';
import { isComplex } from '../aten/operands.ts';
import { type Scalar, Symbolic } from '../aten/row.ts';
import { TensorRef } from '../memory.ts';
import { numberValue } from '../numbers.ts';
import {
  aboutTensor,
  always,
  type Builtin,
  dictOf,
  equal,
  isHost,
  listOf,
  not,
  notMine,
  numberAt,
  sequence,
  sizeOf,
  sizesOf,
  tensorOf,
} from './builtin.ts';
import { type Interpreter, Raised } from './interpret.ts';
import {
  anyOf,
  clearDict,
  concatenate,
  concatenated,
  getItem,
  inPlace,
  lengthOf,
  placeIn,
  repeated,
  slice,
  sorted,
  stack,
  unbind,
  whereNot,
} from './lists.ts';
import { codeOfElement, elementOfCode } from './overloads.ts';
import { computeScalar, convertNumber, isScalarOperation, scalarValue, truth } from './scalars.ts';
import { format, joined, texts, written } from './texts.ts';
import { Callable, Device, Dict, type Host, Instance, isKnownFloat, isNumber, isSame, kindOf, List, Tuple } from './values.ts';

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
