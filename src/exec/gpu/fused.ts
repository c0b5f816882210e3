// Steps that a device runs as one: a product and the map that joins it, or rows of a group. What lies between them is stored nowhere. Which
// steps these are is read off kernels and views; the kernels say whether they can.
import type { Program } from '../../expr/expr.ts';
import { isScalarType } from '../../expr/primitives.ts';
import { type Dim, sameDim, sameShape } from '../../ir/dims.ts';
import type { Kernel, View } from '../../kernels/kernel.ts';
import { sameView } from '../../kernels/views.ts';
import type { Step } from '../plan.ts';

/** A view of a member: its number among them, and that of the view among its inputs or outputs. */
type Place = readonly [member: number, view: number];

/** Steps that follow each other as one step. */
export interface Fused {
  readonly count: number;
  /** Where the one step has its inputs and outputs from. */
  readonly inputs: readonly Place[];
  readonly outputs: readonly Place[];
  /** How its kernel is written; that of the one member otherwise. */
  readonly joined?: Joined;
  readonly chain?: Chain;
}

/** What a product's results go through. */
export interface Joined {
  readonly program: Program;
  /** For each input of the program the input of the fused step that it reads, or the product. */
  readonly reads: readonly (number | 'product')[];
}

/**
 * Maps and reductions of rows: every member makes an element at each position of whole rows, or one a row. It may stand between two products:
 * the rows are then the first one's results, and the second's left side.
 */
export interface Chain {
  readonly members: readonly Member[];
  /** The input of the fused step that has the shape of whole rows. */
  readonly whole: number;
  /** Axes along which rows lie. */
  readonly reduced: readonly number[];
  /** The members that are products; a map before the first one makes its left side. */
  readonly products?: { readonly first: number; readonly second: number } | undefined;
}

export interface Member {
  readonly kernel: Kernel;
  readonly reads: readonly Read[];
  /** The outputs of the fused step that its outputs are; undefined for those that only members read. */
  readonly stores: readonly (number | undefined)[];
  readonly isWhole: boolean;
}

/** An input of the fused step, or what a member made. */
export type Read = { readonly input: number } | { readonly member: number; readonly output: number };

interface Views<V> {
  readonly inputs: readonly (V | undefined)[];
  readonly outputs: readonly V[];
}

/** The members as one step, before binding or after. */
export function fuseSteps<V, S extends Views<V> & Pick<Step, 'kernel' | 'label'>>(members: readonly S[], { inputs, outputs }: Fused): S {
  const [first] = members as readonly [S];
  if (members.length === 1) return first;
  return {
    ...first,
    inputs: inputs.map(([member, view]) => members[member]!.inputs[view]),
    outputs: outputs.map(([member, view]) => members[member]!.outputs[view]!),
    label: members.map(m => m.label).join('; '),
  };
}

export const aloneStep: Fused = { count: 1, inputs: [], outputs: [] };

/** Inputs of a product by its kind; those of the map follow them. */
const productInputs = { matmul: 2, conv: 3 };

/** A product and the map that joins it. */
export function fuseJoined(product: Step, map: Step): Fused | undefined {
  const made = product.outputs[0]!.buffer;
  if (!map.joins || !Object.hasOwn(productInputs, product.kernel.kind) || !map.inputs.some(v => v?.buffer === made)) return undefined;
  const { program } = map.kernel as { readonly program: Program };
  const inputs: Place[] = Array.from({ length: productInputs[product.kernel.kind as keyof typeof productInputs] }, (_, k) => [0, k]);
  const reads = map.inputs.map((v, k) => (v?.buffer === made ? ('product' as const) : inputs.push([1, k]) - 1));
  return { count: 2, inputs, outputs: map.outputs.map((_, k) => [1, k]), joined: { program, reads } };
}

/** Steps that a chain has at most: each of its loops computes again what it needs. */
const mostMembers = 16;

/**
 * The chain that begins with the first of these steps, of as many as can be.
 * @param insideOf what only so many steps from the first on write and read
 */
export function fuseRows(steps: readonly Step[], insideOf: (count: number) => ReadonlySet<number>): Fused | undefined {
  const rows = new RowsOf(undefined);
  let count = 0;
  while (count < Math.min(steps.length, mostMembers) && rows.take(steps[count]!)) count++;
  const isChain = count > 1 && rows.reduced !== undefined;
  return isChain ? chainOf(steps.slice(0, count), insideOf(count), rows) : undefined;
}

/** A product whose rows go through a chain into another; the left side of the first may be made by a map before it. */
export function fuseProducts(steps: readonly Step[], insideOf: (count: number) => ReadonlySet<number>): Fused | undefined {
  const first = steps[0]!.kernel.kind === 'map' ? 1 : 0;
  const product = steps[first];
  if (product?.kernel.kind !== 'matmul' || (first === 1 && !isMadeWhole(product.inputs[0]!, steps[0]!))) return undefined;
  const rows = new RowsOf(product.outputs[0]!);
  let second = first + 1;
  while (second < Math.min(steps.length, mostMembers) && rows.take(steps[second]!)) second++;
  const last = steps[second];
  const along = product.outputs[0]!.shape.length - 1;
  const isChain = last?.kernel.kind === 'matmul' && rows.reduced?.length === 1 && rows.reduced[0] === along;
  if (!isChain || !isMadeWhole(last.inputs[0]!, steps[second - 1]!) || !sameShape(last.inputs[0]!.shape, product.outputs[0]!.shape))
    return undefined;
  const count = second + 1;
  const fused = chainOf(steps.slice(0, count), insideOf(count), rows, { first, second });
  if (!fused?.chain) return undefined;
  const { members } = fused.chain;
  // Nothing but the second product's results is stored, the right sides come from outside, and the map before is read by nothing else.
  const isAlone = fused.outputs.length === 1 && fused.outputs[0]![0] === second;
  const areOutside = [first, second].every(p => 'input' in members[p]!.reads[1]!);
  const isBefore = (read: Read): boolean => 'member' in read && read.member < first;
  return isAlone && areOutside && !members.slice(first + 1).some(m => m.reads.some(isBefore)) ? fused : undefined;
}

const isMadeWhole = (v: View, { outputs }: Step): boolean => outputs.length === 1 && sameView(v, outputs[0]!);

function chainOf(
  steps: readonly Step[],
  inside: ReadonlySet<number>,
  { reduced = [], shape }: RowsOf,
  products?: Chain['products'],
): Fused | undefined {
  const made = new Map<number, Read>();
  const inputs: Place[] = [];
  const outputs: Place[] = [];
  const viewAt = ([member, view]: Place): View => steps[member]!.inputs[view]!;
  const inputOf = (place: Place): number => {
    const known = inputs.findIndex(other => sameView(viewAt(other), viewAt(place)));
    return known < 0 ? inputs.push(place) - 1 : known;
  };
  const members = steps.map((s, member): Member => {
    const reads = s.inputs.map((v, k): Read => made.get(v!.buffer) ?? { input: inputOf([member, k]) });
    const stores = s.outputs.map(({ buffer }, output) => {
      made.set(buffer, { member, output });
      return inside.has(buffer) ? undefined : outputs.push([member, output]) - 1;
    });
    return { kernel: s.kernel, reads, stores, isWhole: s.kernel.kind === 'map' && sameShape(s.outputs[0]!.shape, shape) };
  });
  const isOverwritten = inputs.some(place => made.has(viewAt(place).buffer));
  const whole = inputs.findIndex(([m, k]) => sameShape(viewAt([m, k]).shape, shape) && steps[m]!.kernel.kind !== 'matmul');
  if (isOverwritten || (whole < 0 && !products)) return undefined;
  return { count: steps.length, inputs, outputs, chain: { members, whole, reduced, products } };
}

/** The rows that steps share, one step after the other. */
class RowsOf {
  /** Of whole rows. */
  shape: readonly Dim[] = [];
  reduced: readonly number[] | undefined;
  readonly #made = new Map<number, View>();

  /** @param whole rows that are there before all steps */
  constructor(whole: View | undefined) {
    if (!whole) return;
    this.shape = whole.shape;
    this.#made.set(whole.buffer, whole);
  }

  /** Whether a step is a map or a reduction of these rows. */
  take(step: Step): boolean {
    const { kernel, inputs, outputs } = step;
    if (kernel.kind !== 'map' && kernel.kind !== 'reduce') return false;
    const { shape } = (kernel.kind === 'map' ? outputs[0] : inputs[0])!;
    if (this.#made.size === 0) this.shape = shape;
    const reduced = kernel.kind === 'reduce' ? axesOf(shape, outputs[0]!.shape) : this.reduced;
    const isWhole = sameShape(shape, this.shape);
    const fits =
      kernel.kind === 'map'
        ? isWhole || (reduced !== undefined && sameShape(shape, rowShape(this.shape, reduced)))
        : isWhole && reduced !== undefined && reduced.join() === (this.reduced ?? reduced).join();
    if (!fits || !inputs.every(v => v && this.#isAtPosition(v))) return false;
    this.reduced = reduced;
    for (const y of outputs) this.#made.set(y.buffer, y);
    return true;
  }

  /** Whether a step reads what another made at its own position, or what that made of its row. */
  #isAtPosition(v: View): boolean {
    const from = this.#made.get(v.buffer);
    if (!from) return true;
    return (
      isScalarType(v.type) &&
      v.type === from.type &&
      sameDim(v.offset, from.offset) &&
      v.shape.length === from.shape.length &&
      v.shape.every((d, axis) => {
        if (!sameDim(d, from.shape[axis]!)) return from.shape[axis] === 1 && (v.strides[axis] === 0 || d === 1);
        return d === 1 || sameDim(v.strides[axis]!, from.strides[axis]!);
      })
    );
  }
}

/** Axes that a reduction is along. */
const axesOf = (from: readonly Dim[], to: readonly Dim[]): number[] | undefined =>
  from.length === to.length ? from.flatMap((d, axis) => (to[axis] === 1 && d !== 1 ? [axis] : [])) : undefined;

const rowShape = (shape: readonly Dim[], reduced: readonly number[]): Dim[] => shape.map((d, axis) => (reduced.includes(axis) ? 1 : d));
