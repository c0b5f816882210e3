// Operators that pick elements by what they are: those whose output sizes depend on the data are evaluated on the host.
import { fail } from '../errors.ts';
import { type Datum, tensorOf } from '../ir/datum.ts';
import { unknownDim } from '../ir/dims.ts';
import { numbersOf, Tensor } from '../ir/tensor.ts';
import { formatShape, tensorType } from '../ir/types.ts';
import { gapTypes } from './gap-types.ts';
import { count } from './generate.ts';
import { suppress } from './non-max.ts';
import type { Family } from './row.ts';
import { axisOf, contentsOf, elementOf, known, range, rankOf, requireLength, shapeOf } from './shapes.ts';
import { elementsForComparing, takeAlong } from './tensors.ts';
import { uniqueAlong } from './unique.ts';

export const selections = {
  NonZero: {
    infer: gapTypes.NonZero,
    host({ X }, _at, context) {
      const x = tensorOf(X);
      const elements = elementsForComparing(x);
      const found: number[] = [];
      for (let i = 0; i < elements.length; i++) if (isNonZero(elements[i]!)) found.push(i);
      context.reserve(found.length * x.dims.length * 8);
      const places = new BigInt64Array(found.length * x.dims.length);
      let inner = 1;
      for (let axis = x.dims.length - 1; axis >= 0; axis--) {
        const size = x.dims[axis]!;
        for (const [k, i] of found.entries()) places[axis * found.length + k] = BigInt(Math.floor(i / inner) % size);
        inner *= size;
      }
      return [new Tensor('int64', places, [x.dims.length, found.length])];
    },
  },
  Compress: {
    infer: gapTypes.Compress,
    host({ input, condition }, { axis }) {
      const t = tensorOf(input);
      const x = axis === undefined ? t.reshape([t.size]) : t;
      const on = axisOf(axis ?? 0, x.dims.length);
      const kept = numbersOf(tensorOf(condition)).flatMap((c, i) => (c === 0 ? [] : [i]));
      if (kept.some(i => i >= x.dims[on]!)) throw fail('E3006', `Compress: element ${kept.at(-1)} is kept of an axis of ${x.dims[on]}`);
      return [takeAlong(x, on, kept)];
    },
  },
  Unique: {
    infer: gapTypes.Unique,
    host({ X }, { axis, sorted }) {
      const t = tensorOf(X);
      const x = axis === undefined ? t.reshape([t.size]) : t;
      const on = axisOf(axis ?? 0, x.dims.length);
      const { first, inverse, counts } = uniqueAlong(x, on, sorted !== 0);
      const vector = (numbers: readonly number[]): Tensor => new Tensor('int64', numbers, [numbers.length]);
      return [takeAlong(x, on, first), vector(first), vector(inverse), vector(counts)];
    },
  },
  NonMaxSuppression: {
    infer: gapTypes.NonMaxSuppression,
    host({ boxes, scores, max_output_boxes_per_class, iou_threshold, score_threshold }, { center_point_box }, context) {
      const found = suppress(
        { boxes: tensorOf(boxes), scores: tensorOf(scores) },
        {
          most: max_output_boxes_per_class ? numberIn(max_output_boxes_per_class) : 0,
          overlap: iou_threshold ? numberIn(iou_threshold) : 0,
          score: score_threshold ? numberIn(score_threshold) : Number.NEGATIVE_INFINITY,
          isCentred: center_point_box !== 0,
        },
        context,
      );
      return [new Tensor('int64', found.flat(), [found.length, 3])];
    },
  },
  TopK: {
    known: ['K'],
    infer({ X, K }, { axis }) {
      const shape = shapeOf(X);
      const on = axisOf(axis, shape.length);
      requireLength('TopK: K', K, 1);
      const [most, size] = [contentsOf(K)?.[0] ?? unknownDim(), shape[on]];
      if (typeof most === 'number' && (most < 0 || (typeof size === 'number' && most > size)))
        throw fail('E1305', `TopK: ${most} elements of axis ${on} of ${formatShape(shape)}`);
      return [elementOf(X), 'int64' as const].map(element => tensorType(element, shape.with(on, most)));
    },
    plan({ X }, { axis, largest }, e, { K }) {
      const on = axisOf(axis, X.shape.length);
      const shape = X.shape.with(on, known(K)![0]!);
      const outputs = [e.alloc(X.type, shape), e.alloc('int64', shape)];
      e.step({ kind: 'topk', axis: on, largest: largest !== 0 }, [X], outputs);
      return outputs;
    },
  },
  ReverseSequence: {
    infer: gapTypes.ReverseSequence,
    lower({ input, sequence_lens }, { batch_axis, time_axis }, b) {
      const rank = rankOf(input);
      const [batch, time] = [axisOf(batch_axis, rank), axisOf(time_axis, rank)];
      if (batch === time) throw fail('E1303', `ReverseSequence: axis ${batch} is that of the batch and that of time`);
      const perm = [batch, time, ...range(rank).filter(axis => axis !== batch && axis !== time)];
      const lengths = b.Unsqueeze(sequence_lens, [1]);
      const places = b.Unsqueeze(count(b, b.dim(input, time)), [0]);
      const mirrored = b.Sub(b.Sub(lengths, b.constant(1, 'int64')), places);
      const from = b.Where(b.Less(places, lengths), mirrored, places);
      const reversed = b.GatherND({ data: b.Transpose(input, perm), indices: b.Unsqueeze(from, [2]) }, { batch_dims: 1 });
      return b.Transpose(
        reversed,
        range(rank).map(axis => perm.indexOf(axis)),
      );
    },
  },
} satisfies Family;

const isNonZero = (x: number | bigint | string | readonly [number, number]): boolean =>
  typeof x === 'object' ? x[0] !== 0 || x[1] !== 0 : typeof x === 'string' ? x !== '' : Number(x) !== 0;

function numberIn(datum: Datum): number {
  const t = tensorOf(datum);
  if (t.size === 1) return Number((t.data as ArrayLike<number | bigint>)[0]);
  throw fail('E3005', `expected one number, found ${t.type}[${t.dims}]`);
}
