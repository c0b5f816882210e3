// Boxes of detection models over several images and classes at once.
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { range, shapeOf } from '../../../ops/shapes.ts';
import { mulSizes, reshapeTo, sizesOf } from '../../../ops/sizing.ts';
import { type Call, type TfRow, type TfRows, unsupported } from '../call.ts';

/** The score of what is not kept. */
const lowest = -3.4028234663852886e38;

const vector = (b: Builder, v: Value, type: 'float32' | 'int64'): Value => b.Reshape(b.Cast(v, type), [1]);

/**
 * The scores of the boxes that are kept, [batch, classes, boxes], and the lowest number elsewhere. Boxes of each class take part as batches of
 * their own where each class has its own.
 */
function keptScores(b: Builder, x: Call, boxes: Value, scores: Value): Value {
  const [batch, count, sets] = sizesOf(b, boxes);
  const byClass = b.Transpose(scores, [0, 2, 1]);
  const [, classes] = sizesOf(b, byClass);
  const isShared = shapeOf(boxes)[2] === 1;
  const apart = mulSizes(b, batch!, sets!);
  const given = {
    boxes: reshapeTo(b, b.Transpose(boxes, [0, 2, 1, 3]), [apart, count!, 4]),
    scores: isShared ? byClass : reshapeTo(b, byClass, [apart, 1, count!]),
  };
  const found = b.NonMaxSuppression({
    ...given,
    max_output_boxes_per_class: vector(b, x.tensor('max_output_size_per_class'), 'int64'),
    iou_threshold: vector(b, x.tensor('iou_threshold'), 'float32'),
    score_threshold:
      x.knownNumbers('score_threshold')?.[0] === Number.NEGATIVE_INFINITY ? undefined : vector(b, x.tensor('score_threshold'), 'float32'),
  });
  const none = b.Expand(b.like(lowest, scores), sizesOf(b, given.scores));
  const kept = b.ScatterND({ data: none, indices: found, updates: b.GatherND({ data: given.scores, indices: found }) });
  return reshapeTo(b, kept, [batch!, classes!, count!]);
}

const combined: TfRow = (x, b) => {
  const [boxes, scores] = [x.tensor('boxes'), x.tensor('scores')];
  const [, count, sets] = shapeOf(boxes);
  const classes = shapeOf(scores)[2];
  if (typeof count !== 'number' || typeof sets !== 'number' || typeof classes !== 'number')
    throw unsupported('the numbers of boxes and classes must be known');
  const [batch] = sizesOf(b, boxes);
  const perClass = x.int('max_output_size_per_class');
  const total = x.int('max_total_size');
  const most = x.boolean('pad_per_class') ? Math.min(total, perClass * classes) : total;
  const flat = reshapeTo(b, keptScores(b, x, boxes, scores), [batch!, classes * count]);
  const found = Math.min(most, classes * count);
  const { Values: best, Indices: places } = b.TopK({ X: flat, K: b.ints([found]) });
  const isKept = b.Greater(best, b.like(lowest, best));
  const filled = (v: Value): Value => (most === found ? v : b.Pad({ data: v, pads: b.ints(ends(shapeOf(v).length, most - found)) }));
  const orZero = (v: Value, kept = isKept): Value => filled(b.Where(kept, v, b.like(0, v)));
  const [set, box] = [b.Div(places, b.like(count, places)), b.Mod({ A: places, B: b.like(count, places) })];
  const row = sets === 1 ? box : b.Add(b.Mul(box, b.like(sets, box)), set);
  const chosen = b.GatherND({ data: reshapeTo(b, boxes, [batch!, count * sets, 4]), indices: b.Unsqueeze(row, [2]) }, { batch_dims: 1 });
  const clipped = x.boolean('clip_boxes') ? b.Min(b.Max(chosen, b.like(0, chosen)), b.like(1, chosen)) : chosen;
  const valid = b.ReduceSum(b.Cast(isKept, 'int64'), { axes: [1], keepdims: 0 });
  return [orZero(clipped, b.Unsqueeze(isKept, [2])), orZero(best), orZero(b.Cast(set, 'float32')), b.Cast(valid, 'int32')];
};

/** Pads that make the second axis longer. */
const ends = (rank: number, by: number): number[] => range(2 * rank).map(i => (i === rank + 1 ? by : 0));

export const boxes: TfRows = { CombinedNonMaxSuppression: combined };
