// One arena for the temporaries of a plan.
import { elementTypes } from '../ir/types.ts';
import type { View } from '../kernels/kernel.ts';
import type { BindOptions, PlannedStep } from './bind.ts';
import type { Geometries } from './numbers.ts';
import type { BufferFacts } from './plan.ts';

/** Where buffers lie. */
export interface Placed {
  readonly bytes: number;
  /** Bytes from the start of the arena, -1 for what has memory of its own. */
  readonly offsets: Float64Array;
}

/** A buffer whose memory a map may take over for what it makes, since it reads it for the last time. */
interface Candidate {
  readonly buffer: number;
  /** Places of the patterns in which it is read. */
  readonly read: readonly number[];
}

/**
 * First fit by the first use: memory of a temporary is free again after the last step that reads it. A map may write where it reads. A step
 * that joins runs while the step before it does, so what that one reads is not free yet; steps of a group run as one.
 */
export class Places {
  /** Temporaries that lie between steps of a group. */
  readonly inside: ReadonlySet<number>;
  readonly #options: BindOptions;
  readonly #buffers: number;
  /** By step: temporaries that it is the first to write, those that end before it, and those that its result may replace. */
  readonly #made: readonly (readonly number[])[];
  readonly #ended: readonly (readonly number[])[];
  readonly #candidates: readonly (readonly Candidate[])[];
  /** By step, the pattern of its first output. */
  readonly #written: readonly number[];

  /** @param patternOf the place of a view's pattern among the geometries */
  constructor(buffers: readonly BufferFacts[], steps: readonly PlannedStep[], options: BindOptions, patternOf: (v: View) => number) {
    this.#options = options;
    this.#buffers = buffers.length;
    this.inside = new Set((options.rows ?? []).flatMap(group => [...group.inside]));
    const last = lastReads(buffers.length, steps);
    const isPlaced = (at: number): boolean => buffers[at]!.role === 'temporary' && !this.inside.has(at);
    const seen = new Set<number>();
    this.#made = steps.map((s, at) => {
      const written = s.rows ? steps.slice(at, at + s.rows.count).flatMap(k => k.outputs) : s.outputs;
      const made = [...new Set(written.map(v => v.buffer))].filter(b => isPlaced(b) && !seen.has(b));
      for (const b of made) seen.add(b);
      return made;
    });
    const ended: number[][] = steps.map(() => []);
    for (const b of seen) {
      let next = last[b]! + 1;
      while (steps[next]?.joins) next++;
      ended[next]?.push(b);
    }
    this.#ended = ended;
    this.#candidates = steps.map((s, at) =>
      candidatesOf(s, s.joins && steps[at - 1], buffers, patternOf).filter(c => isPlaced(c.buffer) && last[c.buffer] === at),
    );
    this.#written = steps.map(s => patternOf(s.outputs[0]!));
  }

  /** @param lengths bytes of each buffer */
  placed(lengths: Float64Array, geometries: Geometries): Placed {
    const { reuse = true, alignment = 64, segment = Number.POSITIVE_INFINITY, largest = segment, inPlace = reuse } = this.#options;
    const offsets = new Float64Array(this.#buffers).fill(-1);
    const arena = new Arena(segment);
    const spaceOf = (b: number): number => Math.ceil(Math.max(1, lengths[b]!) / alignment) * alignment;
    /** Those whose memory is another's now. */
    const replaced = new Uint8Array(this.#buffers);
    for (const [at, made] of this.#made.entries()) {
      if (reuse) for (const b of this.#ended[at]!) if (offsets[b]! >= 0 && !replaced[b]) arena.free(offsets[b]!, spaceOf(b));
      for (const b of made) {
        const space = spaceOf(b);
        if (space > largest) continue;
        const isTaken = ({ buffer, read }: Candidate): boolean =>
          offsets[buffer]! >= 0 &&
          !replaced[buffer] &&
          spaceOf(buffer) === space &&
          read.every(k => liesAs(geometries, k, this.#written[at]!));
        const over = reuse && inPlace ? this.#candidates[at]!.find(isTaken)?.buffer : undefined;
        if (over !== undefined) replaced[over] = 1;
        offsets[b] = over === undefined ? arena.take(space) : offsets[over]!;
      }
    }
    return { bytes: arena.bytes, offsets };
  }
}

/** The last step that reads or writes each buffer, or the last of that step's group. */
function lastReads(buffers: number, steps: readonly PlannedStep[]): readonly number[] {
  const last = new Array<number>(buffers).fill(-1);
  let over = 0;
  for (const [at, s] of steps.entries()) {
    over = s.rows ? at + s.rows.count - 1 : Math.max(over, at);
    for (const v of [...s.inputs, ...s.outputs]) if (v) last[v.buffer] = over;
  }
  return last;
}

/** What a map with one output may write over. A step that joins runs beside the one before, which still reads. */
function candidatesOf(
  { kernel, inputs, outputs, rows }: PlannedStep,
  beside: PlannedStep | undefined,
  buffers: readonly BufferFacts[],
  patternOf: (v: View) => number,
): Candidate[] {
  if (kernel.kind !== 'map' || outputs.length !== 1 || rows) return [];
  const bitsOf = (v: View): number => elementTypes[buffers[v.buffer]!.type].bits;
  const read = new Map<number, number[]>();
  for (const v of inputs) {
    if (!v || beside?.inputs.some(x => x?.buffer === v.buffer) || bitsOf(v) !== bitsOf(outputs[0]!)) continue;
    read.set(v.buffer, [...(read.get(v.buffer) ?? []), patternOf(v)]);
  }
  return [...read].map(([buffer, patterns]) => ({ buffer, read: patterns }));
}

/** Whether views of two patterns visit the same elements in the same order. */
function liesAs(geometries: Geometries, a: number, b: number): boolean {
  if (a === b) return true;
  const [x, y] = [geometries[a]!, geometries[b]!];
  return x.offset === y.offset && x.strides.every((stride, axis) => x.shape[axis] === 1 || stride === y.strides[axis]);
}

interface Gap {
  readonly start: number;
  readonly end: number;
}

/** Memory as the gaps in it. Only gaps are searched, so that what is in use costs nothing. */
class Arena {
  /** In order of place, no two of them side by side. */
  readonly #gaps: Gap[] = [];
  readonly #segment: number;
  /** The most that was in use. */
  bytes = 0;

  constructor(segment: number) {
    this.#segment = segment;
  }

  /** The first place for so many bytes. */
  take(length: number): number {
    const i = this.#gaps.findIndex(g => this.#startIn(g.start, length) + length <= g.end);
    // A gap at the end grows.
    const gap = this.#gaps[i] ?? (this.#gaps.at(-1)?.end === this.bytes ? this.#gaps.pop() : undefined);
    const from = gap?.start ?? this.bytes;
    const start = this.#startIn(from, length);
    const end = Math.max(gap?.end ?? 0, start + length);
    const left = [
      { start: from, end: start },
      { start: start + length, end },
    ].filter(g => g.end > g.start);
    if (i >= 0) this.#gaps.splice(i, 1, ...left);
    else this.#gaps.push(...left);
    this.bytes = Math.max(this.bytes, end);
    return start;
  }

  /** The first place from `from` on where so many bytes lie in one segment. */
  #startIn(from: number, length: number): number {
    const next = Math.ceil((from + 1) / this.#segment) * this.#segment;
    return length <= this.#segment && from + length > next ? next : from;
  }

  free(start: number, length: number): void {
    const end = start + length;
    const gaps = this.#gaps;
    let low = 0;
    for (let high = gaps.length; low < high; ) {
      const middle = (low + high) >> 1;
      if (gaps[middle]!.start < start) low = middle + 1;
      else high = middle;
    }
    const joinsBefore = low > 0 && gaps[low - 1]!.end === start;
    const joinsAfter = low < gaps.length && gaps[low]!.start === end;
    const from = joinsBefore ? low - 1 : low;
    const joined = { start: joinsBefore ? gaps[from]!.start : start, end: joinsAfter ? gaps[low]!.end : end };
    gaps.splice(from, (joinsBefore ? 1 : 0) + (joinsAfter ? 1 : 0), joined);
  }
}
