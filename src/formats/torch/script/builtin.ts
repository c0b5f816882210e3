// What the rows of TorchScript's operators on known values share.
import { fail } from '../../../errors.ts';
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { range, rankOf } from '../../../ops/shapes.ts';
import { Symbolic } from '../aten/row.ts';
import { TensorRef } from '../memory.ts';
import type { Interpreter } from './interpret.ts';
import { computeScalar, settled, truth } from './scalars.ts';
import { Dict, type Host, isKnownNumber, isNumber, isSame, kindOf, List, maxItems, plain, Tuple } from './values.ts';

export const notMine = Symbol('left to the ATen table');

export type Builtin = (args: readonly Host[], e: Interpreter, keywords: ReadonlyMap<string, Host>) => Host | typeof notMine;

export const tensorOf = (v: Host, e: Interpreter): Value => {
  if (v instanceof TensorRef) return v.read(e.b);
  throw fail('E1304', `expected a tensor, found ${kindOf(v)}`);
};
export const sizeOf = (value: Value, axis: number, b: Builder): Host => {
  const rank = rankOf(value);
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank) throw fail('E1305', `axis ${axis} of a tensor of rank ${rank}`);
  const size = b.dim(value, axis);
  return typeof size === 'number' ? size : settled(new Symbolic(size));
};
export const sizesOf = (value: Value, b: Builder): List => new List(range(rankOf(value)).map(axis => sizeOf(value, axis, b)));
export const numberAt = (v: Host, what: string): number => {
  if (isKnownNumber(v)) return plain(v);
  throw fail('E2001', `${what} must be known before the run`);
};
export const sequence = (v: Host): readonly Host[] | undefined =>
  v instanceof List || v instanceof Tuple ? v.items : v instanceof Dict ? [...v.entries.keys()] : undefined;
export const listOf = (v: Host): List => {
  if (v instanceof List) return v;
  throw fail('E1304', `expected a list, found ${kindOf(v)}`);
};
export const dictOf = (v: Host): Dict => {
  if (v instanceof Dict) return v;
  throw fail('E1304', `expected a dict, found ${kindOf(v)}`);
};

/** Whether two values are equal, where it is known. */
export function equal(a: Host, c: Host, e: Interpreter): Host {
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

export const isHost = (v: Host): boolean => !(v instanceof TensorRef);
export const not = (v: Host, e: Interpreter): Host => {
  const known = truth(v, e.b);
  return known instanceof Symbolic ? settled(new Symbolic(e.b.Not(known.value))) : !known;
};

/** @throws ModelError E1009 for a list or text of more items than are kept */
export function bounded(what: 'list' | 'text', count: number): void {
  if (count > maxItems)
    throw fail('E1009', `a ${what} of ${count} ${what === 'list' ? 'items' : 'characters'}`, {
      limit: { name: 'torchscript.items', value: maxItems },
    });
}
export const aboutTensor =
  (fact: (value: Value, e: Interpreter) => Host): Builtin =>
  ([of], e) =>
    of instanceof TensorRef ? fact(of.read(e.b), e) : notMine;
export const always =
  (value: Host): Builtin =>
  () =>
    value;
