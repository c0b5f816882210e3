// Sequences and optionals: containers of tensors, which the host moves as they are. A sequence is an array, an optional without an
// element is null, one that has an element is that element.
import { fail } from '../errors.ts';
import { type Datum, kindOfDatum, sequenceOf, tensorOf } from '../ir/datum.ts';
import { numbersOf, Tensor } from '../ir/tensor.ts';
import { nestedTypes } from './nested-types.ts';
import type { Family, HostContext } from './row.ts';
import { axisOf } from './shapes.ts';
import { concatenate, partOf, sliceOf, stack } from './tensors.ts';

export const sequences = {
  SequenceConstruct: {
    infer: nestedTypes.SequenceConstruct,
    host: ({ inputs }) => [inputs.map(item => sameKind(item, inputs))],
  },
  SequenceEmpty: {
    infer: nestedTypes.SequenceEmpty,
    host: () => [[]],
  },
  SequenceLength: {
    infer: nestedTypes.SequenceLength,
    host: ({ input_sequence }) => [new Tensor('int64', [BigInt(sequenceOf(input_sequence).length)], [])],
  },
  SequenceAt: {
    infer: nestedTypes.SequenceAt,
    host({ input_sequence, position }) {
      const items = sequenceOf(input_sequence);
      return [items[placeOf(position, items.length)]];
    },
  },
  SequenceInsert: {
    infer: nestedTypes.SequenceInsert,
    host({ input_sequence, tensor, position }) {
      const items = sequenceOf(input_sequence);
      // There is a place after the last item, where an item goes by default; -1 is the place before the last item.
      const at = position === undefined ? items.length : placeOf(position, items.length, items.length + 1);
      return [items.toSpliced(at, 0, sameKind(tensor, items))];
    },
  },
  SequenceErase: {
    infer: nestedTypes.SequenceErase,
    host({ input_sequence, position }) {
      const items = sequenceOf(input_sequence);
      return [items.toSpliced(position === undefined ? placeIn(-1, items.length) : placeOf(position, items.length), 1)];
    },
  },
  ConcatFromSequence: {
    infer: nestedTypes.ConcatFromSequence,
    host({ input_sequence }, { axis, new_axis }, context) {
      const parts = sequenceOf(input_sequence).map(tensorOf);
      const [first] = parts;
      if (!first) throw fail('E3005', 'ConcatFromSequence: the sequence is empty');
      reserveFor(parts, context);
      return [new_axis ? stack(parts, axis, first.type, first.dims) : concatenate(parts, axis)];
    },
  },
  SplitToSequence: {
    infer: nestedTypes.SplitToSequence,
    host({ input, split }, { axis, keepdims }, context) {
      const t = tensorOf(input);
      const on = axisOf(axis, t.dims.length);
      const size = t.dims[on]!;
      reserveFor([t], context);
      if (!split) {
        context.reserve(size * bytesOfPart);
        return [Array.from({ length: size }, (_, i) => (keepdims ? partOf(t, on, i, 1) : sliceOf(t, on, i)))];
      }
      let at = 0;
      return [splitSizes(tensorOf(split), size, context).map(count => partOf(t, on, (at += count) - count, count))];
    },
  },
  Optional: {
    infer: nestedTypes.Optional,
    host: ({ input }) => [input ?? null],
  },
  OptionalGetElement: {
    infer: nestedTypes.OptionalGetElement,
    host({ input }) {
      if (input === null) throw fail('E3002', 'OptionalGetElement: the optional has no element');
      return [input];
    },
  },
  OptionalHasElement: {
    infer: nestedTypes.OptionalHasElement,
    host: ({ input }) => [new Tensor('bool', [input !== undefined && input !== null], [])],
  },
} satisfies Family;

/** At least what a tensor takes beside its elements, of which it may have none. */
const bytesOfPart = 256;

/** Items of a sequence are of one kind, and tensors among them of one element type. */
function sameKind(item: Datum, items: readonly Datum[]): Datum {
  const [first] = items;
  const kind = (datum: Datum | undefined): string => (datum instanceof Tensor ? datum.type : kindOfDatum(datum));
  if (first !== undefined && (first instanceof Tensor || item instanceof Tensor) && kind(first) !== kind(item))
    throw fail('E3002', `${kindOfDatum(item)} cannot stand in a sequence beside ${kindOfDatum(first)}`);
  return item;
}

/** A position among `places`, counted from the front; one below 0 counts from the end of `length` items. */
function placeIn(position: number, length: number, places = length): number {
  const at = position < 0 ? position + length : position;
  if (at >= 0 && at < places) return at;
  throw fail('E3006', `position ${position} is outside a sequence of ${length}`);
}

function placeOf(position: Datum, length: number, places = length): number {
  const [at, ...more] = numbersOf(tensorOf(position));
  if (at === undefined || more.length > 0) throw fail('E3005', 'a position has more or fewer than one element');
  return placeIn(at, length, places);
}

/** A scalar is the size of every part, the last one smaller where it does not divide the axis; a vector lists them. */
function splitSizes(split: Tensor, size: number, context: HostContext): number[] {
  const given = numbersOf(split);
  if (split.dims.length === 0) {
    const [each = 0] = given;
    if (each < 1) throw fail('E3005', `SplitToSequence: parts of ${each}`);
    context.reserve(Math.ceil(size / each) * bytesOfPart);
    return Array.from({ length: Math.ceil(size / each) }, (_, i) => Math.min(each, size - i * each));
  }
  if (given.some(n => n < 0) || given.reduce((a, b) => a + b, 0) !== size)
    throw fail('E3005', `SplitToSequence: parts [${given.slice(0, 16)}] do not make up ${size}`);
  return given;
}

const reserveFor = (parts: readonly Tensor[], context: HostContext): void => context.reserve(parts.reduce((n, t) => n + t.byteLength, 0));
