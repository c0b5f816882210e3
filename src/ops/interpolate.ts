// Elements between elements: reading a tensor at places that are computed, as weighted terms of the elements around each.
import type { Value } from '../ir/graph.ts';
import type { Builder, Size } from './builder.ts';
import { flatIndex } from './generate.ts';
import { cubic } from './resize.ts';
import { elementOf, rankOf } from './shapes.ts';

export interface Reading {
  readonly mode: 'nearest' | 'linear' | 'cubic';
  /** What lies beyond the ends of an axis: zeros, its last elements, or its elements mirrored at half an element before the ends or at them. */
  readonly padding: 'zeros' | 'border' | 'reflection';
  readonly mirror?: 'element' | 'half';
}

/** A size in the float type of `like`, as one element. */
export const floatSize = (size: Size, like: Value, b: Builder): Value =>
  typeof size === 'number' ? b.like(size, like) : b.Cast(size, elementOf(like));

/** `first` for every axis but the last, whose elements are what is read: the places of `rows` [lead, axes, elements] that it flattens to. */
const asRows = (rows: Value, b: Builder): Value => b.Reshape(rows, [-1, b.dim(rows, -1)]);

/**
 * Read `rows` [lead…, axes…, elements] at the indices `lead` and at the places `at`, one value for each axis; all broadcast together.
 * The terms, [places…, elements] each, add up to what is between the elements.
 */
export function termsAt(rows: Value, lead: readonly Value[], at: readonly Value[], reading: Reading, b: Builder): Value[] {
  const flat = asRows(rows, b);
  const taps = at.map((place, d) => tapsOf(place, b.dim(rows, lead.length + d), reading, b));
  return combinations(taps).map(combination => {
    const element = b.Gather(flat, flatIndex(rows, [...lead, ...combination.map(tap => tap.index)], b), 0);
    const inside = joined(
      combination.map(tap => tap.inside),
      b.And,
    );
    const weight = joined(
      combination.map(tap => tap.weight),
      b.Mul,
    );
    const kept = inside ? b.Where(b.Unsqueeze(inside, [rankOf(inside)]), element, b.like(0, element)) : element;
    return weight ? b.Mul(kept, b.Unsqueeze(weight, [rankOf(weight)])) : kept;
  });

  function joined(values: readonly (Value | undefined)[], by: (p: Value, q: Value) => Value): Value | undefined {
    const present = values.filter(v => v !== undefined);
    return present.length === 0 ? undefined : present.reduce((p, q) => by.call(b, p, q));
  }
}

interface Tap {
  readonly index: Value;
  readonly weight?: Value;
  /** False where the element is beyond an end and so is zero. */
  readonly inside?: Value;
}

const reach = { nearest: [0], linear: [0, 1], cubic: [-1, 0, 1, 2] } as const;

function tapsOf(place: Value, size: Size, reading: Reading, b: Builder): Tap[] {
  const base = reading.mode === 'nearest' ? b.Round(place) : b.Floor(place);
  const fraction = b.Sub(place, base);
  return reach[reading.mode].map(offset => {
    const at = offset === 0 ? base : b.Add(base, b.like(offset, place));
    const weight = weightAt(reading.mode, fraction, offset, b);
    return { ...elementAt(at, size, reading, b), ...(weight && { weight }) };
  });
}

function weightAt(mode: Reading['mode'], fraction: Value, offset: number, b: Builder): Value | undefined {
  if (mode === 'nearest') return undefined;
  if (mode === 'linear') return offset === 1 ? fraction : b.Sub(b.like(1, fraction), fraction);
  return cubic(b.Abs(b.Sub(b.like(offset, fraction), fraction)), -0.75, b);
}

function elementAt(at: Value, size: Size, reading: Reading, b: Builder): Tap {
  const held = placeInside(at, size, reading, b);
  const last = b.Sub(floatSize(size, at, b), b.like(1, at));
  const index = b.Cast(clamped(held, last, b), 'int64');
  if (reading.padding !== 'zeros') return { index };
  const inside = b.And(b.GreaterOrEqual({ A: at, B: b.like(0, at) }), b.LessOrEqual({ A: at, B: last }));
  return { index, inside };
}

/** A place brought inside its axis, as the padding says; zeros leave it where it is. */
export function placeInside(at: Value, size: Size, { padding, mirror = 'element' }: Reading, b: Builder): Value {
  if (padding === 'zeros') return at;
  const length = floatSize(size, at, b);
  const last = b.Sub(length, b.like(1, at));
  if (padding === 'border') return clamped(at, last, b);
  const low = b.like(mirror === 'half' ? -0.5 : 0, at);
  return reflected(at, low, mirror === 'half' ? length : last, b);
}

const clamped = (at: Value, last: Value, b: Builder): Value => b.Min(b.Max(at, b.like(0, at)), last);

/** Mirrored at `low` and at `span` beyond it, until it is between the two. */
function reflected(at: Value, low: Value, span: Value, b: Builder): Value {
  const period = b.Mul(span, b.like(2, at));
  const distance = b.Abs(b.Sub(at, low));
  const rest = b.Sub(distance, b.Mul(b.Floor(b.Div(distance, period)), period));
  const folded = b.Add(b.Min(rest, b.Sub(period, rest)), low);
  return b.Where(b.Equal(span, b.like(0, at)), low, folded);
}

/** Every choice of one item from each list. */
const combinations = <T>(lists: readonly (readonly T[])[]): T[][] =>
  lists.reduce<T[][]>((all, list) => all.flatMap(chosen => list.map(item => [...chosen, item])), [[]]);
