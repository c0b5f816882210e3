// Attention: scores of queries and keys, masked, as weights of values.
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { elementOf, rankOf } from '../../../ops/shapes.ts';
import { iota } from '../../../ops/sizing.ts';
import { maskedSoftmax } from './activation.ts';
import { einsumOf, requireFloats } from './core.ts';
import { repeated } from './reshaping.ts';
import { KerasTensor, type LayerCall, type LayerRows, type Made, plain, unsupported } from './row.ts';

/** Both masks where there are two. */
const both = (b: Builder, p: Value | undefined, q: Value | undefined): Value | undefined => (p && q ? b.And(p, q) : (p ?? q));

/** Places of queries as a column and of keys as a row. */
const places = (b: Builder, query: Value, key: Value): [Value, Value] => [
  b.Unsqueeze(iota(b, b.dim(query, 1)), [1]),
  iota(b, b.dim(key, 1)),
];
/** Which keys a query may see: those up to its own place. */
export function causalMask(b: Builder, query: Value, key: Value): Value {
  const [rows, columns] = places(b, query, key);
  return b.Not(b.Less(rows, columns));
}
/** Those nearer than so many places. */
function nearMask(b: Builder, query: Value, key: Value, distance: number): Value {
  const [rows, columns] = places(b, query, key);
  return b.Less(b.Abs(b.Sub(rows, columns)), b.constant(distance, 'int64'));
}

interface Given {
  readonly query: KerasTensor;
  readonly value: KerasTensor;
  readonly key: KerasTensor;
}
function givenOf(x: LayerCall): Given {
  const [query, value] = [x.tensor('query', 0), x.tensor('value', 1)];
  if (!query || !value) throw unsupported('a call without query and value');
  return { query, value, key: x.tensor('key', 2) ?? value };
}

/** What masks of all kinds leave, [batch, queries, keys]. A mask of the key counts where a key was given. */
function maskOf(x: LayerCall, b: Builder, { query, value, key }: Given): Value | undefined {
  const own = (name: string, at: number, tensor: KerasTensor): Value | undefined => x.tensor(name, at)?.value ?? tensor.mask;
  const column = own('query_mask', 3, query);
  const rows = own('value_mask', 4, value);
  const keys = x.tensor('key', 2) ? own('key_mask', 5, key) : undefined;
  const given = x.tensor('attention_mask', 6)?.value;
  let mask = column && b.Unsqueeze(b.Cast(column, 'bool'), [2]);
  mask = both(b, mask, rows && b.Unsqueeze(b.Cast(rows, 'bool'), [1]));
  mask = both(b, mask, keys && b.Unsqueeze(b.Cast(keys, 'bool'), [1]));
  if (x.flag('use_causal_mask', 9)) mask = both(b, mask, causalMask(b, query.value, value.value));
  if (x.config.has('sliding_window')) mask = both(b, mask, nearMask(b, query.value, value.value, x.config.number('sliding_window')));
  return both(b, mask, given && b.Cast(given, 'bool'));
}

/** Projections to heads, products, and the projection back. `rows` are letters of the axes between batch and features. */
function multiHead(
  x: LayerCall,
  b: Builder,
  given: Given,
  heads: number,
  shared: number,
  keySize: number,
  valueSize: number,
  prefix = '',
): Made {
  requireFloats(x);
  const { query, value, key } = given;
  const useBias = x.config.boolean('use_bias', true);
  const project = (attribute: string, name: string, v: Value, count: number, size: number): Value =>
    einsumOf(x.part(attribute, name), b, x.autocast(v), 'abc,cde->abde', [null, count, size], useBias ? 'de' : undefined, false);
  const q = project(`${prefix}query_dense`, 'query', query.value, heads, keySize);
  const k = repeated(b, project(`${prefix}key_dense`, 'key', key.value, shared, keySize), 2, heads / shared);
  const v = repeated(b, project(`${prefix}value_dense`, 'value', value.value, shared, valueSize), 2, heads / shared);
  const scaled = b.Mul(b.Transpose(q, [0, 2, 1, 3]), b.like(1 / Math.sqrt(keySize), q));
  const scores = b.MatMul(scaled, b.Transpose(k, [0, 2, 3, 1]));
  const mask = maskOf(x, b, given);
  const withHeads = mask && (rankOf(mask) === 3 ? b.Unsqueeze(mask, [1]) : mask);
  const isScored = x.flag('return_attention_scores', 7);
  // Fused attention leaves a row in which nothing is allowed uniform; Softmax makes it zeros.
  const isFused = !isScored && x.config.number('dropout', 0) === 0;
  const weights = isFused ? fusedSoftmax(b, scores, withHeads) : maskedSoftmax(b, scores, withHeads, [3]);
  const seen = b.Transpose(b.MatMul(weights, b.Transpose(v, [0, 2, 1, 3])), [0, 2, 1, 3]);
  const gated = x.config.boolean('use_gate', false)
    ? b.Mul(seen, b.Sigmoid(project('_gate_dense', 'gate', query.value, heads, valueSize)))
    : seen;
  const outputs = x.config.has('output_shape') ? x.config.numbers('output_shape') : [x.size(query.value, -1)];
  const letters = 'efghij'.slice(0, outputs.length);
  const y = einsumOf(
    x.part(`${prefix}output_dense`, 'attention_output'),
    b,
    gated,
    `abcd,cd${letters}->ab${letters}`,
    [null, ...outputs],
    useBias ? letters : undefined,
    false,
  );
  const result = new KerasTensor(y, query.mask);
  return isScored ? [result, new KerasTensor(weights)] : result;
}

const fusedSoftmax = (b: Builder, scores: Value, mask: Value | undefined): Value => {
  const least = elementOf(scores) === 'float16' ? -65504 * 0.7 : -3.4028234663852886e38 * 0.7;
  return b.Softmax({ input: mask ? b.Where(mask, scores, b.like(least, scores)) : scores }, { axis: -1 });
};

function multiHeadAttention(x: LayerCall, b: Builder): Made {
  const given = givenOf(x);
  if (rankOf(given.query.value) !== 3) throw unsupported('attention over more axes than one');
  if (x.config.has('attention_axes') && x.config.numbers('attention_axes').join() !== '1')
    throw unsupported('attention over other axes than the second');
  const [heads, keySize] = [x.config.number('num_heads'), x.config.number('key_dim')];
  // Attributes had another name before version 3.
  const prefix = x.reader.reading.version < 3 ? '_' : '';
  return multiHead(x, b, given, heads, heads, keySize, x.config.number('value_dim', keySize), prefix);
}

function groupedAttention(x: LayerCall, b: Builder): Made {
  const [heads, shared, size] = [x.config.number('num_query_heads'), x.config.number('num_key_value_heads'), x.config.number('head_dim')];
  // Keras keeps the parts under private names here.
  return multiHead(x, b, givenOf(x), heads, shared, size, size, '_');
}

/** Attention without projections, over [query, value] or [query, value, key]. */
function attention(scoresOf: (x: LayerCall, b: Builder, query: Value, key: Value) => Value) {
  return (x: LayerCall, b: Builder): Made => {
    const [query, value, key = value] = x.inputs;
    if (!query || !value) throw unsupported('fewer than two inputs');
    const masks = x.tensors.map(t => t.mask);
    const scores = scoresOf(x, b, query, key!);
    const rows = masks[1] && b.Unsqueeze(masks[1], [1]);
    const mask = both(b, rows, x.flag('use_causal_mask', 4) ? causalMask(b, query, key!) : undefined);
    const lowered = mask ? b.Where(mask, scores, b.Sub(scores, b.like(elementOf(scores) === 'float16' ? 65504 : 1e9, scores))) : scores;
    const weights = b.Softmax({ input: lowered }, { axis: -1 });
    const y = b.MatMul(weights, value);
    const kept = masks[0] ? b.Where(b.Unsqueeze(masks[0], [2]), y, b.like(0, y)) : y;
    const result = new KerasTensor(kept, masks[0]);
    return x.flag('return_attention_scores', 3) ? [result, new KerasTensor(weights)] : result;
  };
}

const pairs = (b: Builder, query: Value, key: Value): Value => b.Add(b.Unsqueeze(query, [2]), b.Unsqueeze(key, [1]));

const dotScores = (x: LayerCall, b: Builder, query: Value, key: Value): Value => {
  const isConcat = x.config.text('score_mode', 'dot') === 'concat';
  const { scale, concat_score_weight: weight } = x.variables({
    scale: x.config.boolean('use_scale', false) && [],
    concat_score_weight: isConcat && [],
  });
  if (!isConcat) {
    const scores = b.MatMul(query, b.Transpose(key, [0, 2, 1]));
    return scale ? b.Mul(scores, scale) : scores;
  }
  const sums = pairs(b, query, key);
  return b.Mul(weight!, b.ReduceSum(b.Tanh(scale ? b.Mul(scale, sums) : sums), { axes: [3], keepdims: 0 }));
};

const additiveScores = (x: LayerCall, b: Builder, query: Value, key: Value): Value => {
  const { scale } = x.variables({ scale: x.config.boolean('use_scale', true) && [x.size(query, -1)] });
  const y = b.Tanh(pairs(b, query, key));
  return b.ReduceSum(scale ? b.Mul(scale, y) : y, { axes: [3], keepdims: 0 });
};

export const attentions: LayerRows = {
  MultiHeadAttention: plain(multiHeadAttention),
  GroupedQueryAttention: plain(groupedAttention),
  GroupQueryAttention: plain(groupedAttention),
  Attention: plain(attention(dotScores)),
  AdditiveAttention: plain(attention(additiveScores)),
};
