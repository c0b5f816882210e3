// Attributes that `forward` gives other values: what one call leaves there the next one finds. Tensors and numbers of them become
// inputs of the model and outputs, as buffers do that are written.
import { fail } from '../../../errors.ts';
import { type Dim, formatDim, isUnknownDim, sameDim, symbol, symbolsOf } from '../../../ir/dims.ts';
import { Value } from '../../../ir/graph.ts';
import { unread } from '../../../ir/state.ts';
import { Tensor } from '../../../ir/tensor.ts';
import { formatType, type TensorType, tensorType } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { contentsOf } from '../../../ops/shapes.ts';
import { Symbolic } from '../aten/row.ts';
import { TensorRef } from '../memory.ts';
import { Device, Dict, type Host, isKnownNumber, isNumber, isSame, kindOf, List, plain, Tuple } from './values.ts';

/** What an attribute holds when a call begins. */
export type Kept =
  | {
      readonly kind: 'value';
      readonly type: TensorType;
      readonly isNumber: boolean;
      readonly initial: Tensor | undefined;
      readonly first: string;
    }
  | { readonly kind: 'known'; readonly value: Host; readonly first: Host }
  /** A number that is a size of the inputs. */
  | { readonly kind: 'size'; readonly size: Dim; readonly first: Host }
  | { readonly kind: 'items'; readonly items: readonly Kept[]; readonly like: List | Tuple | Dict };

/** An attribute before a call and after it. */
export interface Change {
  readonly before: Host;
  readonly after: Host;
}

/** How numbers are kept: as what they are in any call, or as what they are in all calls but the first. */
export type Numbers = 'open' | 'settled';

/** What holds other values, by itself: later changes of lists do not change it. */
export function copied(v: Host, copies = new Map<Host, Host>()): Host {
  const items = itemsOf(v);
  if (!items) return v;
  const before = copies.get(v);
  if (before !== undefined) return before;
  const made = v instanceof Dict ? new Dict([]) : v instanceof List ? new List([]) : new Tuple(items.map(item => copied(item, copies)));
  copies.set(v, made);
  if (made instanceof List) made.items = items.map(item => copied(item, copies));
  if (made instanceof Dict && v instanceof Dict) made.entries = new Map([...v.entries].map(([key, item]) => [key, copied(item, copies)]));
  return made;
}

/** Whether an attribute holds another value than before; a tensor that was written is no other one. */
export function isOther(before: Host, after: Host, seen = new Set<Host>()): boolean {
  const [a, c] = [itemsOf(before), itemsOf(after)];
  if (!a || !c) return !isSame(before, after);
  if (seen.has(before)) return false;
  seen.add(before);
  return !sameForm(before, after) || a.some((item, i) => isOther(item, c[i], seen));
}

/**
 * What a call leaves in an attribute, to be found by the next.
 * @param before what was there when the call began
 * @param kept what that was made of, if it was kept before
 * @throws ModelError E2001 for what cannot go from call to call
 */
export function keptOf({ before, after }: Change, kept: Kept | undefined, path: string, numbers: Numbers, b: Builder): Kept {
  const [items, others] = [itemsOf(after), itemsOf(before)];
  if (items && (after instanceof List || after instanceof Tuple || after instanceof Dict)) {
    const same = sameForm(before, after);
    const keys = after instanceof Dict ? [...after.entries.keys()] : [...items.keys()];
    const part = (item: Host, i: number): Kept =>
      keptOf({ before: same ? others![i] : undefined, after: item }, partOf(kept, same, i), `${path}.${String(keys[i])}`, numbers, b);
    return { kind: 'items', items: items.map(part), like: after };
  }
  if (after instanceof TensorRef) return keptTensor(before, after.read(b), kept, path);
  if (isNumber(after)) return keptNumber(before, after, kept, numbers);
  if (after === undefined || typeof after === 'string' || after instanceof Device)
    return { kind: 'known', value: after, first: firstOf(before, kept) };
  throw fail('E2001', `the program keeps a ${kindOf(after)} in ${path} from call to call, which has no conversion`);
}

const partOf = (kept: Kept | undefined, same: boolean, i: number): Kept | undefined =>
  same && kept?.kind === 'items' ? kept.items[i] : undefined;
const firstOf = (before: Host, kept: Kept | undefined): Host => (kept?.kind === 'known' || kept?.kind === 'size' ? kept.first : before);

function keptTensor(before: Host, { type, name }: Value, kept: Kept | undefined, path: string): Kept {
  if (type?.kind !== 'tensor' || !type.shape) throw fail('E2001', `the rank of ${name}, which the program keeps in ${path}, is not known`);
  const { element, shape } = type;
  const known = before instanceof TensorRef ? before.memory.value : undefined;
  const was = kept?.kind === 'value' ? kept.type : known?.type?.kind === 'tensor' ? known.type : undefined;
  const isAlike = was?.element === element && was.shape?.length === shape.length;
  const sizes = shape.map((size, axis) => keptSize(isAlike ? was.shape![axis] : undefined, size, symbol(`${path}_${axis}`)));
  const first = kept?.kind === 'value' ? kept.first : described(before);
  const initial = !isAlike ? undefined : kept?.kind === 'value' ? kept.initial : known?.tensor;
  return { kind: 'value', type: tensorType(element, sizes), isNumber: false, initial, first };
}

/** A size that is the same before and after, or follows the inputs, or else has a name of its own. */
function keptSize(before: Dim | undefined, after: Dim, own: Dim): Dim {
  if (before !== undefined && (sameDim(before, after) || sameDim(before, own))) return before;
  if (typeof after === 'number') return before === undefined ? after : own;
  return isName(after) && typeof (before ?? 0) === 'number' ? after : own;
}

/** Whether a size is one of the inputs as it is. */
const isName = (size: Dim): boolean => typeof size !== 'number' && symbolsOf(size).has(size.key) && !isUnknownDim(size);
const described = (v: Host): string =>
  v instanceof TensorRef ? formatType(v.memory.value.type) : isKnownNumber(v) ? String(plain(v)) : kindOf(v);

function keptNumber(before: Host, after: Host, kept: Kept | undefined, numbers: Numbers): Kept {
  if (kept?.kind === 'value') return kept;
  const first = firstOf(before, kept);
  const isRepeated = !kept || (kept.kind === 'known' ? isSame(kept.value, after) : sizeOfInputs(after) !== undefined);
  if (numbers === 'settled' && isRepeated) {
    if (isKnownNumber(after)) return { kind: 'known', value: after, first };
    const size = sizeOfInputs(after);
    if (size !== undefined) return { kind: 'size', size, first };
  }
  const kind = kindOf(after);
  const element = kind === 'bool' ? 'bool' : kind === 'int' ? 'int64' : 'float32';
  const isAlike = isKnownNumber(first) && kindOf(first) === kind;
  const initial = isAlike ? scalarTensor(element, plain(first)) : undefined;
  return { kind: 'value', type: tensorType(element, []), isNumber: true, initial, first: described(first) };
}

function scalarTensor(element: 'bool' | 'int64' | 'float32', value: number): Tensor {
  const data = element === 'int64' ? BigInt64Array.of(BigInt(value)) : element === 'bool' ? Uint8Array.of(value) : Float32Array.of(value);
  return new Tensor(element, data, []);
}

/** The size that a number is, where it is one of the inputs. */
function sizeOfInputs(v: Host): Dim | undefined {
  const [size, ...more] = v instanceof Symbolic ? (contentsOf(v.value) ?? []) : [];
  return size !== undefined && more.length === 0 && isName(size) ? size : undefined;
}

/** Whether a call finds what the one before found. */
export function sameKept(a: Kept | undefined, c: Kept): boolean {
  if (a?.kind === 'known' && c.kind === 'known') return isSame(a.value, c.value);
  if (a?.kind === 'size' && c.kind === 'size') return sameDim(a.size, c.size);
  if (a?.kind === 'value' && c.kind === 'value') return formatType(a.type) === formatType(c.type);
  return a?.kind === 'items' && c.kind === 'items' && sameForm(a.like, c.like) && a.items.every((item, i) => sameKept(item, c.items[i]!));
}

/** The value that an attribute begins with; `input` is called for what becomes an input, `size` for sizes of inputs. */
export function hostOf(kept: Kept, path: string, input: (value: Value, isNumber: boolean) => Host, size: (size: Dim) => Host): Host {
  switch (kept.kind) {
    case 'known':
      return kept.value;
    case 'size':
      return size(kept.size);
    case 'value': {
      const { type, initial } = kept;
      return input(new Value(path, type, initial && { tensor: unread(initial), parameter: true }), kept.isNumber);
    }
    case 'items': {
      const { like } = kept;
      const keys = like instanceof Dict ? [...like.entries.keys()] : [...kept.items.keys()];
      const items = kept.items.map((item, i) => hostOf(item, `${path}.${String(keys[i])}`, input, size));
      if (like instanceof Dict) return new Dict(keys.map((key, i) => [key, items[i]]));
      return like instanceof Tuple ? new Tuple(items, like.fields) : new List(items);
    }
    default:
      return kept satisfies never;
  }
}

/** The tensors and numbers of an attribute by the names of the inputs that they came from. */
export function* leavesOfKept(kept: Kept, after: Host, path: string): Generator<readonly [string, Host]> {
  if (kept.kind === 'value') yield [path, after];
  if (kept.kind !== 'items') return;
  const keys = kept.like instanceof Dict ? [...kept.like.entries.keys()] : [...kept.items.keys()];
  const items = itemsOf(after)!;
  for (const [i, item] of kept.items.entries()) yield* leavesOfKept(item, items[i], `${path}.${String(keys[i])}`);
}

/** What is another before the first call than in all others, in words. */
export function* firstCall(kept: Kept, path: string): Generator<readonly [string, string]> {
  if (kept.kind === 'items') for (const [i, item] of kept.items.entries()) yield* firstCall(item, `${path}.${i}`);
  else if (kept.kind === 'value') {
    const { first, type, initial } = kept;
    if (!initial)
      yield [
        path,
        `${path} is ${first} before the first call and ${formatType(type)} after it: an input that needs a value for that call too`,
      ];
  } else {
    const after = kept.kind === 'size' ? formatDim(kept.size) : described(kept.value);
    if (kept.kind === 'size' || !isSame(kept.first, kept.value))
      yield [path, `${path} is ${described(kept.first)} before the first call and ${after} after it, for which the model takes it always`];
  }
}

const itemsOf = (v: Host): readonly Host[] | undefined =>
  v instanceof Tuple ? v.items : v instanceof List ? v.known : v instanceof Dict ? [...v.entries.values()] : undefined;
function sameForm(a: Host, c: Host): boolean {
  if (a instanceof Dict && c instanceof Dict)
    return a.entries.size === c.entries.size && [...a.entries.keys()].every(key => c.entries.has(key));
  const isAlike = (a instanceof List && c instanceof List) || (a instanceof Tuple && c instanceof Tuple);
  return isAlike && a.length === c.length;
}
