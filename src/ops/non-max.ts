// NonMaxSuppression: boxes by falling score, without those that overlap one taken before.
import { fail } from '../errors.ts';
import type { Tensor } from '../ir/tensor.ts';
import type { HostContext } from './row.ts';

export interface Limits {
  /** Boxes of one class in one batch entry. */
  readonly most: number;
  /** Intersection over union above which a box is left out. */
  readonly overlap: number;
  /** Scores up to this are left out. */
  readonly score: number;
  /** Whether boxes are centre and size rather than two corners. */
  readonly isCentred: boolean;
}

interface Box {
  readonly low: readonly [number, number];
  readonly high: readonly [number, number];
}

/** boxes [N,S,4] and scores [N,C,S] to [batch entry, class, box] of each box that is kept. */
export function suppress(
  { boxes, scores }: { readonly boxes: Tensor; readonly scores: Tensor },
  limits: Limits,
  context: HostContext,
): (readonly [number, number, number])[] {
  const [batches = 0, count = 0, four] = boxes.dims;
  const [entries, classes = 0, scored] = scores.dims;
  if (boxes.dims.length !== 3 || scores.dims.length !== 3 || four !== 4 || batches !== entries || count !== scored)
    throw fail('E3005', `NonMaxSuppression: boxes [${boxes.dims}] and scores [${scores.dims}] must be [N,S,4] and [N,C,S]`);
  if (!(limits.overlap >= 0 && limits.overlap <= 1)) throw fail('E3012', `NonMaxSuppression: an overlap of ${limits.overlap}`);
  const [corners, score] = [boxes.data as Float32Array, scores.data as Float32Array];
  const found: (readonly [number, number, number])[] = [];
  for (let n = 0; n < batches; n++) {
    const all = Array.from({ length: count }, (_, s) => boxAt(corners, (n * count + s) * 4, limits.isCentred));
    for (let c = 0; c < classes; c++) {
      const start = (n * classes + c) * count;
      const order = Array.from(all, (_, s) => s)
        .filter(s => score[start + s]! > limits.score)
        .sort((a, b) => score[start + b]! - score[start + a]! || a - b);
      for (const s of kept(all, order, limits, context)) found.push([n, c, s]);
    }
  }
  return found;
}

function kept(boxes: readonly Box[], order: readonly number[], { most, overlap }: Limits, context: HostContext): number[] {
  const taken: number[] = [];
  for (const s of order) {
    if (taken.length >= most) break;
    context.proceed();
    if (taken.every(other => !(shareOf(boxes[s]!, boxes[other]!) > overlap))) taken.push(s);
  }
  return taken;
}

function boxAt(x: Float32Array, at: number, isCentred: boolean): Box {
  const [a, b, c, d] = x.subarray(at, at + 4) as unknown as readonly [number, number, number, number];
  if (isCentred) return { low: [a - c / 2, b - d / 2], high: [a + c / 2, b + d / 2] };
  return { low: [Math.min(a, c), Math.min(b, d)], high: [Math.max(a, c), Math.max(b, d)] };
}

/** Intersection over union; 0 for boxes without an area. */
function shareOf(a: Box, b: Box): number {
  const side = (axis: 0 | 1): number => Math.max(0, Math.min(a.high[axis], b.high[axis]) - Math.max(a.low[axis], b.low[axis]));
  const area = ({ low, high }: Box): number => (high[0] - low[0]) * (high[1] - low[1]);
  const common = side(0) * side(1);
  const union = area(a) + area(b) - common;
  return area(a) > 0 && area(b) > 0 && union > 0 ? common / union : 0;
}
