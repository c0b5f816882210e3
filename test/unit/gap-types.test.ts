// Output types of operators without a row of meaning. What the rows expect was compared with onnx.shape_inference, which says
// less about symbolic sizes and misses that STFT is one-sided by default.
import { describe, expect, test } from 'vitest';
import { symbol } from '../../src/ir/dims.ts';
import { Graph, Value } from '../../src/ir/graph.ts';
import { type DataType, formatType, tensorType, type ValueType } from '../../src/ir/types.ts';
import type { AttributeInput } from '../../src/ops/attributes.ts';
import { type Builder, newBuilder } from '../../src/ops/builder.ts';
import { gapTypes } from '../../src/ops/gap-types.ts';
import type { OpName } from '../../src/ops/names.gen.ts';
import { nestedTypes } from '../../src/ops/nested-types.ts';
import { newestOpset, schemaOf } from '../../src/ops/schema.ts';

/** `float32[n,3]`, `int64[1]=n` with a content, or a constant: integers, floats, or none for an input that is left out. */
type Input = string | readonly number[] | number | { readonly floats: readonly number[] } | undefined;
type Row = readonly [op: OpName, inputs: readonly Input[], at: Readonly<Record<string, AttributeInput>>, expected: string];

const size = (text: string): number | ReturnType<typeof symbol> => (/^\d+$/.test(text) ? Number(text) : symbol(text));
const sizes = (text: string): ReturnType<typeof size>[] => (text === '' ? [] : text.split(',').map(size));

function typed(text: string): ValueType {
  const [, element, shape] = /^(\w+)\[([^\]]*)\]/.exec(text)!;
  return tensorType(element as DataType, sizes(shape!));
}

function value(input: Input, i: number, b: Builder): Value | undefined {
  if (input === undefined) return undefined;
  if (typeof input === 'number') return b.constant(input, 'int64');
  if (typeof input === 'object') {
    if ('floats' in input) return b.constant(Float32Array.from(input.floats), 'float32', input.floats.length === 1 ? [] : undefined);
    return b.ints(input);
  }
  const v = new Value(`x${i}`, typed(input));
  if (input.includes('=')) v.contents = sizes(input.split('=')[1]!);
  return v;
}

function infer([op, inputs, at]: Row): string {
  const b = newBuilder();
  const { outputs } = schemaOf('', op, newestOpset('')!)!;
  const values = inputs.map((input, i) => value(input, i, b));
  const made = b.emit(op, values, at, { outputs: outputs.map(o => o.name) });
  return made.map(v => formatType(v!.type)).join(' ');
}

const same = 'float32[n,4,5]';
const image = 'float32[n,6,h,8]';
const rows: readonly Row[] = [
  ['AffineGrid', ['float32[n,2,3]', [2, 3, 4, 5]], {}, 'float32[2,4,5,2]'],
  ['AffineGrid', ['float32[n,3,4]', 'int64[5]=n,c,d,h,w'], {}, 'float32[n,d,h,w,3]'],
  [
    'Attention',
    ['float32[n,8,s,16]', 'float32[n,8,t,16]', 'float32[n,8,t,24]'],
    {},
    'float32[n,8,s,24] float32[n,8,t,16] float32[n,8,t,24] float32[n,8,s,t]',
  ],
  [
    'Attention',
    ['float32[n,s,128]', 'float32[n,t,32]', 'float32[n,t,48]', undefined, 'float32[n,2,p,16]', 'float32[n,2,p,24]'],
    { q_num_heads: 8, kv_num_heads: 2 },
    'float32[n,s,192] float32[n,2,p+t,16] float32[n,2,p+t,24] float32[n,8,s,p+t]',
  ],
  ['Bernoulli', [same], {}, same],
  ['Bernoulli', [same], { dtype: 9 }, 'bool[n,4,5]'],
  ['BitCast', [same], { to: 6 }, 'int32[n,4,5]'],
  ['BlackmanWindow', [10], {}, 'float32[10]'],
  ['HammingWindow', ['int64[]=n'], { output_datatype: 11 }, 'float64[n]'],
  ['HannWindow', ['int64[]'], {}, 'float32[?]'],
  ['CausalConvWithState', ['float32[n,8,t]', 'float32[8,1,4]'], {}, 'float32[n,8,t] float32[n,8,3]'],
  ['CenterCropPad', [image, [3, 9]], { axes: [-1, 1] }, 'float32[n,9,h,3]'],
  ['CenterCropPad', ['float32[n,4]', 'int64[2]'], {}, 'float32[?,?]'],
  ['Col2Im', ['float32[n,20,l]', [6, 7], [2, 2]], {}, 'float32[n,5,6,7]'],
  ['Compress', [same, 'bool[4]'], { axis: 1 }, 'float32[n,?,5]'],
  ['Compress', [same, 'bool[4]=1,0,1,1'], { axis: 1 }, 'float32[n,3,5]'],
  ['Compress', [same, 'bool[9]'], {}, 'float32[?]'],
  ['ConvInteger', ['uint8[n,3,h,9]', 'uint8[5,3,3,3]'], { pads: [1, 0, 1, 0] }, 'int32[n,5,h,7]'],
  [
    'ConvTranspose',
    ['float32[n,6,4,w]', 'float32[6,2,3,3]'],
    { group: 2, strides: [2, 2], pads: [1, 1, 1, 1], output_padding: [1, 1] },
    'float32[n,4,8,2*w]',
  ],
  ['ConvTranspose', ['float32[n,6,4,5]', 'float32[6,2,3,3]'], { dilations: [2, 1] }, 'float32[n,2,8,7]'],
  ['ConvTranspose', ['float32[n,6,4,w]', 'float32[6,2,3,3]'], { auto_pad: 'SAME_UPPER', strides: [2, 3] }, 'float32[n,2,8,3*w]'],
  ['ConvTranspose', ['float32[n,6,4,5]', 'float32[6,2,3,3]'], { auto_pad: 'VALID' }, 'float32[n,2,6,7]'],
  ['ConvTranspose', ['float32[n,6,4,w]', 'float32[6,2,3,3]'], { output_shape: [9, 10], strides: [2, 2] }, 'float32[n,2,9,10]'],
  ['CumProd', [same, 1], {}, same],
  ['CumSum', [same, 1], {}, same],
  ['DFT', ['float32[n,10,1]'], {}, 'float32[n,10,2]'],
  ['DFT', ['float32[n,t,1]'], { onesided: 1 }, 'float32[n,floordiv(t,2)+1,2]'],
  ['DFT', ['float32[n,6,2]', undefined, 1], { onesided: 1, inverse: 1 }, 'float32[n,10,1]'],
  ['DFT', ['float32[6,n,2]', 16, 0], {}, 'float32[16,n,2]'],
  ['DeformConv', ['float32[n,4,9,9]', 'float32[8,4,3,3]', 'float32[n,18,7,7]'], {}, 'float32[n,8,7,7]'],
  ['DepthToSpace', ['float32[n,12,h,5]'], { blocksize: 2 }, 'float32[n,3,2*h,10]'],
  ['DequantizeLinear', ['int8[n,4]', 'float32[]'], {}, 'float32[n,4]'],
  ['DequantizeLinear', ['int8[n,4]', 'float16[4]'], { output_dtype: 1 }, 'float32[n,4]'],
  ['Det', ['float32[n,3,3]'], {}, 'float32[n]'],
  ['DynamicQuantizeLinear', ['float32[n,4]'], {}, 'uint8[n,4] float32[] uint8[]'],
  ['Einsum', ['float32[n,i,4]', 'float32[n,4,5]'], { equation: 'bij, bjk -> bik' }, 'float32[n,i,5]'],
  ['Einsum', ['float32[3,4]', 'float32[4,5]'], { equation: 'ij,jk' }, 'float32[3,5]'],
  ['Einsum', ['float32[2,n,3,4]', 'float32[n,4,5]'], { equation: '...ij,...jk->...ik' }, 'float32[2,n,3,5]'],
  ['Einsum', ['float32[2,n,3,3]'], { equation: '...ii' }, 'float32[2,n]'],
  ['Einsum', ['float32[3,4]'], { equation: 'ij->' }, 'float32[]'],
  ['EyeLike', ['float32[n,4]'], { dtype: 7 }, 'int64[n,4]'],
  ['GRU', ['float32[t,n,6]', 'float32[1,24,6]', 'float32[1,24,8]'], {}, 'float32[t,1,n,8] float32[1,n,8]'],
  [
    'LSTM',
    ['float32[t,n,6]', 'float32[2,32,6]', 'float32[2,32,8]'],
    { direction: 'bidirectional', hidden_size: 8 },
    'float32[t,2,n,8] float32[2,n,8] float32[2,n,8]',
  ],
  ['RNN', ['float32[n,t,6]', 'float32[1,8,6]', 'float32[1,8,8]'], { layout: 1, hidden_size: 8 }, 'float32[n,t,1,8] float32[n,1,8]'],
  ['GatherElements', [same, 'int64[n,2,5]'], { axis: 1 }, 'float32[n,2,5]'],
  ['GatherND', ['float32[n,4,5,6]', 'int64[n,7,2]'], { batch_dims: 1 }, 'float32[n,7,6]'],
  ['GatherND', ['float32[4,5]', 'int64[k,2]'], {}, 'float32[k]'],
  ['GlobalLpPool', [image], {}, 'float32[n,6,1,1]'],
  ['GridSample', [image, 'float32[n,3,w,2]'], {}, 'float32[n,6,3,w]'],
  ['GroupNormalization', [image, 'float32[6]', 'float32[6]'], { num_groups: 2 }, image],
  ['Hardmax', [same], {}, same],
  ['ImageDecoder', ['uint8[n]'], {}, 'uint8[?,?,3]'],
  ['LRN', [image], { size: 3 }, image],
  [
    'LinearAttention',
    ['float32[n,t,64]', 'float32[n,t,16]', 'float32[n,t,24]'],
    { q_num_heads: 8, kv_num_heads: 2, update_rule: 'linear' },
    'float32[n,t,96] float32[n,2,8,12]',
  ],
  ['MatMulInteger', ['uint8[n,2,3]', 'uint8[3,4]'], {}, 'int32[n,2,4]'],
  ['MaxRoiPool', [image, 'float32[r,5]'], { pooled_shape: [2, 3] }, 'float32[r,6,2,3]'],
  ['MaxUnpool', ['float32[n,6,h,4]', 'int64[n,6,h,4]'], { kernel_shape: [2, 2], strides: [2, 2] }, 'float32[n,6,2*h,8]'],
  ['MaxUnpool', ['float32[n,6,3,4]', 'int64[n,6,3,4]', 'int64[4]=n,6,7,9'], { kernel_shape: [2, 2], strides: [2, 2] }, 'float32[n,6,7,9]'],
  ['MelWeightMatrix', [8, 16, 8000, { floats: [0] }, { floats: [4000] }], {}, 'float32[9,8]'],
  ['Multinomial', ['float32[n,10]'], { sample_size: 3, dtype: 7 }, 'int64[n,3]'],
  ['NegativeLogLikelihoodLoss', ['float32[n,c,d]', 'int64[n,d]'], { reduction: 'none' }, 'float32[n,d]'],
  ['NegativeLogLikelihoodLoss', ['float32[n,c,d]', 'int64[n,d]'], {}, 'float32[]'],
  ['NonMaxSuppression', ['float32[n,100,4]', 'float32[n,c,100]'], {}, 'int64[?,3]'],
  ['NonZero', [same], {}, 'int64[3,?]'],
  ['OneHot', ['int64[n,3]', 7, 'float32[2]'], {}, 'float32[n,3,7]'],
  ['OneHot', ['int64[n,3]', [7], 'float32[2]'], { axis: 0 }, 'float32[7,n,3]'],
  [
    'QLinearConv',
    ['uint8[n,3,9,9]', 'float32[]', 'uint8[]', 'int8[5,3,3,3]', 'float32[]', 'int8[]', 'float32[]', 'uint8[]'],
    { strides: [2, 2] },
    'uint8[n,5,4,4]',
  ],
  ['QLinearMatMul', ['uint8[n,3]', 'float32[]', 'uint8[]', 'uint8[3,4]', 'float32[]', 'uint8[]', 'float32[]', 'int8[]'], {}, 'int8[n,4]'],
  ['QuantizeLinear', ['float32[n,4]', 'float32[]'], {}, 'uint8[n,4]'],
  ['QuantizeLinear', ['float32[n,4]', 'float32[]', 'int8[]'], {}, 'int8[n,4]'],
  ['QuantizeLinear', ['float32[n,4]', 'float32[]'], { output_dtype: 17 }, 'float8e4m3fn[n,4]'],
  ['RandomNormal', [], { shape: [2, 3] }, 'float32[2,3]'],
  ['RandomNormalLike', [same], {}, same],
  ['RandomUniform', [], { shape: [2, 3], dtype: 11 }, 'float64[2,3]'],
  ['RandomUniformLike', ['int64[n]'], { dtype: 10 }, 'float16[n]'],
  ['Range', [1, 10, 3], {}, 'int64[3]'],
  ['Range', [10, 1, -4], {}, 'int64[3]'],
  ['Range', [5, 1, 1], {}, 'int64[0]'],
  ['Range', [0, 'int64[]=n', 1], {}, 'int64[n]'],
  ['Range', [1, 'int64[]=n', 1], {}, 'int64[max(n-1,0)]'],
  ['Range', [{ floats: [0] }, { floats: [1] }, { floats: [0.3] }], {}, 'float32[4]'],
  ['Range', [0, 'int64[]', 1], {}, 'int64[?]'],
  ['RegexFullMatch', ['string[n,3]'], { pattern: 'a+' }, 'bool[n,3]'],
  ['Resize', [image, undefined, { floats: [1, 1, 2, 0.5] }], {}, 'float32[n,6,2*h,4]'],
  ['Resize', ['float32[1,3,7,9]', undefined, { floats: [1.5, 0.3] }], { axes: [2, 3] }, 'float32[1,3,10,2]'],
  ['Resize', [image, undefined, undefined, [5, 6]], { axes: [-2, -1] }, 'float32[n,6,5,6]'],
  ['Resize', [image, undefined, undefined, 'int64[4]=n,6,2*h,w'], {}, 'float32[n,6,2*h,w]'],
  ['Resize', ['float32[4,9]', undefined, undefined, [6, 6]], { keep_aspect_ratio_policy: 'not_larger' }, 'float32[3,6]'],
  ['Resize', ['float32[4,9]', undefined, undefined, [6, 6]], { keep_aspect_ratio_policy: 'not_smaller' }, 'float32[6,14]'],
  ['Resize', [image, undefined, 'float32[4]'], {}, 'float32[?,?,?,?]'],
  ['ReverseSequence', [same, 'int64[4]'], {}, same],
  ['RoiAlign', [image, 'float32[r,4]', 'int64[r]'], { output_height: 3, output_width: 2 }, 'float32[r,6,3,2]'],
  ['RotaryEmbedding', ['float32[n,8,t,16]', 'float32[n,t,8]', 'float32[n,t,8]'], {}, 'float32[n,8,t,16]'],
  ['STFT', ['float32[n,128,1]', 8, 'float32[16]'], {}, 'float32[n,15,9,2]'],
  ['STFT', ['float32[n,t,1]', 4, undefined, 16], { onesided: 0 }, 'float32[n,floordiv(t-16,4)+1,16,2]'],
  ['ScatterElements', [same, 'int64[n,1,5]', 'float32[n,1,5]'], { axis: 1 }, same],
  ['ScatterND', [same, 'int64[k,1]', 'float32[k,4,5]'], {}, same],
  ['SoftmaxCrossEntropyLoss', ['float32[n,c,d]', 'int64[n,d]'], { reduction: 'none' }, 'float32[n,d] float32[n,c,d]'],
  ['SpaceToDepth', ['float32[n,3,h,10]'], { blocksize: 2 }, 'float32[n,12,floordiv(h,2),5]'],
  ['StringConcat', ['string[n,1]', 'string[3]'], {}, 'string[n,3]'],
  ['StringNormalizer', ['string[n]'], {}, 'string[?]'],
  ['StringSplit', ['string[n,3]'], {}, 'string[n,3,?] int64[n,3]'],
  ['SwiGLU', [same, same], {}, same],
  ['TensorScatter', ['float32[n,2,s,4]', 'float32[n,2,1,4]'], {}, 'float32[n,2,s,4]'],
  [
    'TfIdfVectorizer',
    ['int64[n,9]'],
    {
      max_gram_length: 1,
      min_gram_length: 1,
      max_skip_count: 0,
      mode: 'TF',
      ngram_counts: [0],
      ngram_indexes: [0, 1, 4],
      pool_int64s: [1, 2, 3],
    },
    'float32[n,5]',
  ],
  ['TopK', [same, [2]], {}, 'float32[n,4,2] int64[n,4,2]'],
  ['TopK', [same, 'int64[1]=k'], { axis: 1 }, 'float32[n,k,5] int64[n,k,5]'],
  ['TopK', [same, 'int64[1]'], { axis: 0 }, 'float32[?,4,5] int64[?,4,5]'],
  ['Trilu', [same], { upper: 0 }, same],
  ['Unique', ['float32[n,4]'], {}, 'float32[?] int64[?] int64[4*n] int64[?]'],
  ['Unique', ['float32[n,4]'], { axis: -1 }, 'float32[n,?] int64[?] int64[4] int64[?]'],
  ['SplitToSequence', ['float32[n,4]', 2], { axis: 1 }, 'seq(float32[n,2])'],
  ['SplitToSequence', ['float32[n,4]', 3], { axis: 1 }, 'seq(float32[n,?])'],
  ['SplitToSequence', ['float32[n,4]', [2, 2]], { axis: 1 }, 'seq(float32[n,2])'],
  ['SplitToSequence', ['float32[n,4]', [1, 3]], { axis: 1 }, 'seq(float32[n,?])'],
];

describe.each(rows)('%s %j %j', (...row) => {
  test(`is ${row[3]}`, () => expect(infer(row)).toBe(row[3]));
});

/** A body over fresh inputs of these types. */
function body(types: readonly string[], build: (b: Builder, ...x: Value[]) => readonly Value[]): Graph {
  const b = newBuilder();
  const inputs = types.map((text, i) => new Value(`in${i}`, typed(text)));
  const outputs = build(b, ...inputs).map((v, i) => ({ name: `out${i}`, value: v }));
  return new Graph('body', { inputs, outputs, nodes: b.nodes });
}

function inferNested(
  op: OpName,
  inputs: readonly (ValueType | undefined)[],
  at: Readonly<Record<string, AttributeInput>>,
  outputs = 1,
): string {
  const values = inputs.map((type, i) => type && new Value(`x${i}`, type));
  const made = newBuilder().emit(op, values, at, { outputs: Array.from({ length: outputs }, (_, i) => `y${i}`) });
  return made.map(v => formatType(v!.type)).join(' ');
}

const branch = (...types: string[]): Graph => body(types, (_, ...x) => x);
const list = (text: string): ValueType => ({ kind: 'sequence', of: typed(text) });
const nested: readonly [OpName, string, () => string, string][] = [
  [
    'If',
    'the same types',
    () => inferNested('If', [typed('bool[]')], { then_branch: branch('float32[n,3]'), else_branch: branch('float32[n,3]') }),
    'float32[n,3]',
  ],
  [
    'If',
    'sizes that differ',
    () => inferNested('If', [typed('bool[]')], { then_branch: branch('float32[n,3]'), else_branch: branch('float32[4,3]') }),
    'float32[?,3]',
  ],
  [
    'If',
    'ranks that differ',
    () => inferNested('If', [typed('bool[]')], { then_branch: branch('float32[n,3]'), else_branch: branch('float32[3]') }),
    'float32[*]',
  ],
  [
    'If',
    'element types that differ',
    () => inferNested('If', [typed('bool[]')], { then_branch: branch('float32[]'), else_branch: branch('int64[]') }),
    '?',
  ],
  [
    'Loop',
    'states and stacked outputs',
    () =>
      inferNested(
        'Loop',
        [typed('int64[]'), typed('bool[]'), typed('float32[n,4]')],
        {
          body: body(['int64[]', 'bool[]', 'float32[n,4]'], (b, _i, cond, x) => [
            cond,
            b.Relu(x),
            b.ReduceSum(x, { axes: [1], keepdims: 0 }),
          ]),
        },
        2,
      ),
    'float32[n,4] float32[?,n]',
  ],
  [
    'Loop',
    'a state that grows',
    () =>
      inferNested('Loop', [typed('int64[]'), typed('bool[]'), typed('float32[2,4]')], {
        body: body(['int64[]', 'bool[]', 'float32[m,4]'], (b, _i, cond, x) => [cond, b.Concat([x, x], 0)]),
      }),
    'float32[?,4]',
  ],
  [
    'Scan',
    'states and stacked outputs',
    () =>
      inferNested(
        'Scan',
        [typed('float32[4]'), typed('float32[t,4]')],
        { num_scan_inputs: 1, scan_output_axes: [1], body: body(['float32[4]', 'float32[4]'], (b, s, x) => [b.Add(s, x), b.Mul(s, x)]) },
        2,
      ),
    'float32[4] float32[4,t]',
  ],
  [
    'SequenceMap',
    '',
    () => inferNested('SequenceMap', [list('float32[n,4]')], { body: body(['float32[n,4]'], (b, x) => [b.Transpose(x, [1, 0])]) }),
    'seq(float32[4,?])',
  ],
  ['ConcatFromSequence', '', () => inferNested('ConcatFromSequence', [list('float32[n,4]')], { axis: -1 }), 'float32[n,?]'],
  [
    'ConcatFromSequence',
    'new axis',
    () => inferNested('ConcatFromSequence', [list('float32[n,4]')], { axis: -1, new_axis: 1 }),
    'float32[n,4,?]',
  ],
  ['SequenceAt', '', () => inferNested('SequenceAt', [list('float32[n,4]'), typed('int64[]')], {}), 'float32[n,4]'],
  [
    'SequenceConstruct',
    '',
    () => inferNested('SequenceConstruct', [typed('float32[n,4]'), typed('float32[n,5]')], {}),
    'seq(float32[n,?])',
  ],
  ['SequenceEmpty', '', () => inferNested('SequenceEmpty', [], { dtype: 7 }), 'seq(int64[*])'],
  ['SequenceErase', '', () => inferNested('SequenceErase', [list('float32[n,4]')], {}), 'seq(float32[n,4])'],
  ['SequenceInsert', '', () => inferNested('SequenceInsert', [list('float32[n,4]'), typed('float32[n,5]')], {}), 'seq(float32[n,?])'],
  ['SequenceLength', '', () => inferNested('SequenceLength', [list('float32[n,4]')], {}), 'int64[]'],
  ['SplitToSequence', 'into slices of 1', () => inferNested('SplitToSequence', [typed('float32[n,4]')], { axis: 1 }), 'seq(float32[n,1])'],
  [
    'SplitToSequence',
    'without the axis',
    () => inferNested('SplitToSequence', [typed('float32[n,4]')], { axis: 1, keepdims: 0 }),
    'seq(float32[n])',
  ],
  [
    'SplitToSequence',
    'by sizes',
    () => inferNested('SplitToSequence', [typed('float32[n,4]'), typed('int64[2]')], { axis: 1 }),
    'seq(float32[n,?])',
  ],
  ['Optional', '', () => inferNested('Optional', [typed('float32[n,4]')], {}), 'optional(float32[n,4])'],
  [
    'OptionalGetElement',
    '',
    () => inferNested('OptionalGetElement', [{ kind: 'optional', of: typed('float32[n,4]') }], {}),
    'float32[n,4]',
  ],
  ['OptionalHasElement', '', () => inferNested('OptionalHasElement', [typed('float32[n,4]')], {}), 'bool[]'],
];

test.each(nested)('%s %s', (_op, _what, infers, expected) => expect(infers()).toBe(expected));

test('every entry has a case', () => {
  const tested = new Set<string>([...rows, ...nested].map(([op]) => op));
  const entries = Object.keys({ ...gapTypes, ...nestedTypes }) as OpName[];
  expect(entries.filter(op => !tested.has(op))).toEqual([]);
});

test.each<Row>([
  ['GatherND', ['float32[4,5]', 'int64[k,d]'], {}, 'float32[*]'],
  ['CenterCropPad', ['float32[4,5]', 'int64[d]'], {}, 'float32[*]'],
])('%s %j has an element type and no more', (...row) => expect(infer(row)).toBe(row[3]));
