// How an operator's tensors lie to one another: the axes of all of them are made of the same atoms, and one order of the atoms gives
// each tensor its layout.
import type { Node, Value } from '../../ir/graph.ts';
import type { Builder } from '../../ops/builder.ts';
import { range } from '../../ops/shapes.ts';
import { isIdentity, isNatural, keyOf, type Layout, type Mix, plain } from './layout.ts';

/**
 * The atoms of each axis of a tensor, in order. An axis joined from several has all of theirs; axes that stay side by side share one.
 * Atoms are numbered in their natural order.
 */
export type Axes = readonly (readonly number[])[];

export interface Flow {
  /** Undefined for a tensor that stays as it is. */
  readonly inputs: readonly (Axes | undefined)[];
  readonly outputs: readonly (Axes | undefined)[];
  /** Whether the operator can be said with its atoms in this order; any order otherwise. */
  readonly allows?: (order: readonly number[]) => boolean;
  /** Atoms whose elements may lie in any order. */
  readonly mixable?: ReadonlySet<number>;
  /** Sizes of atoms that are joined to one axis, where they are known. */
  readonly sizes?: ReadonlyMap<number, number>;
  /** The operator over inputs in their layouts; its outputs in theirs. Undefined where the sizes are too open for it. */
  emit(x: readonly (Value | undefined)[], turn: Turn, b: Builder): readonly (Value | undefined)[] | undefined;
}

/** What an operator's tensors become. */
export interface Turn {
  readonly order: readonly number[];
  readonly inputs: readonly (Layout | undefined)[];
  readonly outputs: readonly (Layout | undefined)[];
}

/** An axis for each atom. */
export const axesUpTo = (rank: number, from = 0): number[][] => range(rank, from).map(atom => [atom]);

const atomsIn = (flow: Flow): readonly number[] =>
  [...new Set([...flow.inputs, ...flow.outputs].flatMap(axes => axes?.flat() ?? []))].sort((a, b) => a - b);

/**
 * What becomes of an operator when a tensor of it gets a layout: undefined where that cannot be. Atoms that the tensor does not have
 * go where another tensor of the `preferred` layout has them, else after those that they follow.
 */
export function turnFrom(
  node: Node,
  flow: Flow,
  at: { readonly axes: Axes; readonly layout: Layout },
  preferred: Layout | undefined,
): Turn | undefined {
  const mixes = new Map<number, Mix>();
  const given = atomsFrom(at.axes, at.layout, flow, mixes);
  if (!given) return undefined;
  const order = completions(given, flow, preferred).find(o => flow.allows?.(o) ?? true);
  if (!order) return undefined;
  if ([...mixes.keys()].some(atom => !flow.mixable?.has(atom))) return undefined;
  const layoutsOf = (all: readonly (Axes | undefined)[], values: readonly (Value | undefined)[]): (Layout | undefined)[] =>
    all.map((axes, i) => axes && values[i] && layoutFrom(axes, order, { flow, mixes, value: values[i] }));
  const [inputs, outputs] = [layoutsOf(flow.inputs, node.inputs), layoutsOf(flow.outputs, node.outputs)];
  const isWhole = (made: readonly unknown[], all: readonly unknown[], values: readonly unknown[]): boolean =>
    all.every((axes, i) => !axes || !values[i] || made[i]);
  if (!isWhole(inputs, flow.inputs, node.inputs) || !isWhole(outputs, flow.outputs, node.outputs)) return undefined;
  const turn = { order, inputs, outputs };
  // What was asked for is what came out: axes that have to stay side by side do.
  const found = [
    ...flow.inputs.map((axes, i) => [axes, inputs[i]] as const),
    ...flow.outputs.map((axes, i) => [axes, outputs[i]] as const),
  ];
  return found.some(([axes, layout]) => axes === at.axes && layout && keyOf(layout) === keyOf(at.layout)) ? turn : undefined;
}

/** Whether nothing is turned. */
export const isStill = ({ inputs, outputs }: Turn): boolean => [...inputs, ...outputs].every(layout => !layout || isIdentity(layout));

/** The order of atoms that a layout of a tensor says. */
function atomsFrom(axes: Axes, { perm, mixed }: Layout, { sizes }: Flow, mixes: Map<number, Mix>): number[] | undefined {
  const order: number[] = [];
  for (const axis of perm) {
    const atoms = axes[axis]!;
    const mix = mixed.get(axis);
    if (mix && atoms.length > 1) {
      if (mix.sizes.length !== atoms.length || mix.sizes.some((n, i) => n !== sizes?.get(atoms[i]!))) return undefined;
      order.push(...mix.order.map(i => atoms[i]!));
      continue;
    }
    if (mix) mixes.set(atoms[0]!, mix);
    for (const atom of atoms) if (!order.includes(atom)) order.push(atom);
  }
  return order;
}

/** Orders of all atoms: those not given after the ones that they follow, or at the end. */
function completions(given: readonly number[], flow: Flow, preferred: Layout | undefined): readonly (readonly number[])[] {
  const known = (preferred && wished(given, flow, preferred)) ?? given;
  const missing = atomsIn(flow).filter(atom => !known.includes(atom));
  const beside = [...known];
  for (const atom of missing) beside.splice(beside.indexOf(atom - 1) + 1, 0, atom);
  return [beside, [...known, ...missing]];
}

/** The order in which a tensor has the preferred layout, where the atoms given have theirs in it. */
function wished(given: readonly number[], flow: Flow, { perm }: Layout): readonly number[] | undefined {
  for (const axes of [...flow.inputs, ...flow.outputs]) {
    if (axes?.length !== perm.length || axes.some(atoms => atoms.length !== 1)) continue;
    const order = [...new Set(perm.map(axis => axes[axis]![0]!))];
    const common = order.filter(atom => given.includes(atom));
    if (common.length === given.length && common.every((atom, i) => atom === given[i])) return order;
  }
  return undefined;
}

interface Part {
  readonly flow: Flow;
  readonly mixes: ReadonlyMap<number, Mix>;
  readonly value: Value;
}

/** The layout that an order of atoms gives a tensor; undefined where it tears an axis apart. */
function layoutFrom(axes: Axes, order: readonly number[], { flow, mixes, value }: Part): Layout | undefined {
  const perm: number[] = [];
  const mixed = new Map<number, Mix>();
  const own = order.filter(atom => axes.some(atoms => atoms.includes(atom)));
  for (let k = 0; k < own.length; k++) {
    const atom = own[k]!;
    for (const [axis, atoms] of axes.entries()) {
      if (!atoms.includes(atom)) continue;
      perm.push(axis);
      if (atoms.length === 1) {
        const mix = mixes.get(atom);
        if (mix && value.shape?.[axis] !== 1) mixed.set(axis, mix);
        continue;
      }
      const joined = own.slice(k, k + atoms.length).map(a => atoms.indexOf(a));
      if (joined.includes(-1) || atoms.some(a => mixes.has(a))) return undefined;
      k += atoms.length - 1;
      if (isNatural(joined)) continue;
      const sizes = atoms.map(a => flow.sizes?.get(a));
      if (!sizes.every(n => n !== undefined)) return undefined;
      mixed.set(axis, { sizes, order: joined });
    }
  }
  return mixed.size === 0 ? plain(perm) : { perm, mixed };
}

/** The operand of a broadcast with axes of one element where it lacks atoms that now lie between its own. */
export function aligned(v: Value, axes: Axes, order: readonly number[], b: Builder): Value {
  const own = new Set(axes.flat());
  const first = order.findIndex(atom => own.has(atom));
  const gaps = order.slice(first).flatMap((atom, i) => (own.has(atom) ? [] : [i]));
  return first < 0 || gaps.length === 0 ? v : b.Unsqueeze(v, gaps);
}
