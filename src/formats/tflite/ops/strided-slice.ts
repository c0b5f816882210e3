// STRIDED_SLICE: Python's slices, with masks for what is left out, new axes, and axes that a single place removes.
import type { Builder, Size } from '../../../ops/builder.ts';
import { rankOf } from '../../../ops/shapes.ts';
import { addSizes } from '../../../ops/sizing.ts';
import type { Tables } from '../schema.gen.ts';
import { type Call, type Row, unsupported } from './row.ts';

interface Entry {
  readonly kind: 'range' | 'place' | 'new' | 'ellipsis';
  readonly start: Size | undefined;
  readonly end: Size | undefined;
  readonly step: number;
}

/** Numbers beyond every size: the ends of an axis. */
const [first, last] = [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER];

export const stridedSlice: Row = (x, b) => {
  const v = x.stored(0);
  const entries = entriesOf(x, b);
  const rank = rankOf(v);
  const taken = entries.filter(({ kind }) => kind === 'range' || kind === 'place').length;
  if (taken > rank) throw unsupported(`${taken} slices of a tensor of rank ${rank}`);
  const bounds: { axis: number; start: Size; end: Size; step: number }[] = [];
  const [removed, added]: [number[], number[]] = [[], []];
  let [axis, out] = [0, 0];
  for (const entry of entries) {
    if (entry.kind === 'new') added.push(out++);
    else if (entry.kind === 'ellipsis') {
      out += rank - taken;
      axis += rank - taken;
    } else {
      const { start, end } = boundsOf(entry, b);
      const isWhole = entry.step === 1 && start === 0 && end === last;
      if (!isWhole) bounds.push({ axis, start, end, step: entry.step });
      if (entry.kind === 'place') removed.push(axis);
      else out++;
      axis++;
    }
  }
  let y = v;
  if (bounds.length > 0)
    y = b.Slice(y, {
      axes: bounds.map(s => s.axis),
      starts: bounds.map(s => s.start),
      ends: bounds.map(s => s.end),
      steps: bounds.map(s => s.step),
    });
  if (removed.length > 0) y = b.Squeeze(y, removed);
  return added.length > 0 ? b.Unsqueeze(y, added) : y;
};

function boundsOf({ kind, start, end, step }: Entry, b: Builder): { start: Size; end: Size } {
  if (kind === 'place') return { start: start ?? 0, end: afterPlace(b, start ?? 0) };
  return { start: start ?? (step > 0 ? 0 : last), end: end ?? (step > 0 ? last : first) };
}

/** The end of a slice of one place; that of the last one, -1, is the end of the axis. */
function afterPlace(b: Builder, place: Size): Size {
  if (typeof place === 'number') return place === -1 ? last : place + 1;
  const next = addSizes(b, place, 1);
  return typeof next === 'number' ? next : b.Where(b.Equal(place, b.ints([-1])), b.ints([last]), next);
}

function entriesOf(x: Call, b: Builder): Entry[] {
  const options = x.options('StridedSliceOptions');
  const [starts, ends] = [x.sizes(1, b), x.sizes(2, b)];
  const steps = x.numbers(3, 'steps');
  const isSet = (mask: keyof Tables['StridedSliceOptions'], i: number): boolean => ((Number(options[mask]) >> i) & 1) === 1;
  return starts.map((start, i) => {
    const isPlace = isSet('shrink_axis_mask', i);
    const step = isPlace ? 1 : steps[i]!;
    const kind = isSet('ellipsis_mask', i) ? 'ellipsis' : isSet('new_axis_mask', i) ? 'new' : isPlace ? 'place' : 'range';
    const end = options.offset && !isSet('end_mask', i) ? addSizes(b, start, ends[i]!) : ends[i]!;
    return {
      kind,
      start: isSet('begin_mask', i) && !isPlace ? undefined : start,
      end: isSet('end_mask', i) ? undefined : end,
      step,
    };
  });
}
