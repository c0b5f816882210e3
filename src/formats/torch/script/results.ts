// Values of the code as inputs and results of graphs inside of nodes.
import { fail } from '../../../errors.ts';
import type { Value } from '../../../ir/graph.ts';
import type { TensorType } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { TensorRef } from '../memory.ts';
import { settled, symbolicOf } from './scalars.ts';
import { floatHost, type Host, isNumber, isSame, kindOf, List, Tuple } from './values.ts';

/** Something of the kind of a value, which is made in `there`, for a branch that gives none: nothing ever reads it. */
export function placeholder(v: Host, here: Builder, there: Builder): Host {
  if (v instanceof TensorRef) {
    const { element, shape } = typeOfValue(v.read(there));
    const dims = shape!.map(d => (typeof d === 'number' ? d : 1));
    return TensorRef.of(here.Expand(here.Cast(here.constant(0n, 'int64'), element), dims));
  }
  if (isNumber(v)) return kindOf(v) === 'bool' ? false : kindOf(v) === 'int' ? 0 : floatHost(0);
  if (v instanceof Tuple)
    return new Tuple(
      v.items.map(item => placeholder(item, here, there)),
      v.fields,
    );
  return v instanceof List ? new List(v.items.map(item => placeholder(item, here, there))) : v;
}

export const itemsOf = (v: Host): readonly Host[] | undefined => (v instanceof Tuple || v instanceof List ? v.items : undefined);

/** A value that a node of this graph produces; what comes from outside is passed through one. */
export const produced = (v: Value, b: Builder): Value => (v.producer && b.nodes.includes(v.producer) ? v : b.Identity(v));

export function typeOfValue(v: Value): TensorType {
  if (v.type?.kind === 'tensor' && v.type.shape) return v.type;
  throw fail('E3009', `the type of ${v.name || 'a value'} is not known`);
}

/** The tensors and numbers in a value, in order. */
export function leavesOf(v: Host): Host[] {
  if (v instanceof TensorRef || isNumber(v)) return [v];
  return (v instanceof Tuple || v instanceof List ? v.items : []).flatMap(leavesOf);
}

/** A value with other tensors and numbers in it. */
export function rebuilt(v: Host, values: readonly Value[], b: Builder): Host {
  let at = 0;
  const build = (x: Host): Host => {
    if (x instanceof TensorRef) return TensorRef.of(values[at++]!);
    if (isNumber(x)) return settled(symbolicOf(values[at++]!, b));
    if (x instanceof Tuple) return new Tuple(x.items.map(build), x.fields);
    return x instanceof List ? new List(x.items.map(build)) : x;
  };
  return build(v);
}

export function leavesAfter(name: string, before: Host, after: Host): Host[] {
  const isLeaf = (v: Host): boolean => v instanceof TensorRef || isNumber(v);
  if (isLeaf(before) && isLeaf(after) && before instanceof TensorRef === after instanceof TensorRef) return [after];
  const [x, y] = [itemsOf(before), itemsOf(after)];
  if (x && y && x.length === y.length) return x.flatMap((item, i) => leavesAfter(name, item, y[i]));
  if (isSame(before, after)) return [];
  throw fail('E2001', `${name} goes from ${kindOf(before)} to ${kindOf(after)} in a loop of which the run decides the number of rounds`, {
    node: { op: 'loop' },
  });
}
