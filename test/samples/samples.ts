// One row or more for every operator with a meaning: inputs and how it is built. Each row is crossed with every check.
import { symbol } from '../../src/ir/dims.ts';
import { Graph, Model, Value } from '../../src/ir/graph.ts';
import { arrayFor, Tensor } from '../../src/ir/tensor.ts';
import { type DataType, elementTypes, tensorType } from '../../src/ir/types.ts';
import { bfloat16, float16 } from '../../src/kernels/storage.ts';
import { type Builder, newBuilder } from '../../src/ops/builder.ts';
import { count } from '../../src/ops/generate.ts';
import type { OpName } from '../../src/ops/names.gen.ts';
import { irVersionFor, newestOpset } from '../../src/ops/schema.ts';

/** An input: its sizes, and its element type and range of values where those are not float32 from -1.5 to 1.5. */
interface Spec {
  readonly dims: readonly number[];
  readonly type?: DataType;
  readonly low?: number;
  readonly high?: number;
}
type Build = (b: Builder, ...x: Value[]) => Value | readonly (Value | undefined)[];

export interface Sample {
  readonly name: string;
  readonly op: OpName;
  readonly inputs: readonly Spec[];
  readonly build: Build;
  /** Relative and absolute; float32 sums in another order, or another library's functions. */
  readonly tolerance: number;
}

const f = (...dims: number[]): Spec => ({ dims });
const from = (low: number, high: number, ...dims: number[]): Spec => ({ dims, low, high });
const typed = (type: DataType, low: number, high: number, ...dims: number[]): Spec => ({ dims, type, low, high });
const bool = (...dims: number[]): Spec => typed('bool', 0, 2, ...dims);
const ints = (...dims: number[]): Spec => typed('int64', -9, 9, ...dims);

const samples: Sample[] = [];
/** A sample named after its operator and what is special about it. */
function sample(op: OpName, what: string, inputs: readonly Spec[], build: Build, tolerance = 1e-5): void {
  samples.push({ op, name: what ? `${op} ${what}` : op, inputs, build, tolerance });
}
const unary = (op: OpName, spec: Spec = f(2, 3, 5), at: Record<string, number | string> = {}): void =>
  sample(op, [...(spec.type ? [spec.type] : []), ...Object.entries(at).map(([k, v]) => `${k} ${v}`)].join(' '), [spec], (b, x) =>
    b.emit(op, [x], at),
  );
const binary = (op: OpName, a: Spec = f(2, 3, 4), c: Spec = f(3, 1)): void =>
  sample(op, `${a.type ?? ''} broadcast`, [a, c], (b, x, y) => b.emit(op, [x, y]));

for (const op of [
  'Abs',
  'Neg',
  'Sign',
  'Exp',
  'Erf',
  'Sin',
  'Cos',
  'Atan',
  'Sinh',
  'Cosh',
  'Tanh',
  'Asinh',
  'Floor',
  'Ceil',
  'Relu',
  'Sigmoid',
  'Softsign',
  'Softplus',
  'HardSwish',
  'Mish',
  'Identity',
  'IsNaN',
] as const)
  unary(op, f(2, 3, 5));
for (const op of ['Tan', 'Asin', 'Acos', 'Atanh'] as const) unary(op, from(-0.95, 0.95, 4, 7));
for (const op of ['Sqrt', 'Log', 'Reciprocal'] as const) unary(op, from(0.1, 4, 4, 7));
unary('Acosh', from(1.1, 5, 4, 7));
unary('Round', from(-6, 6, 40));
for (const op of ['Abs', 'Neg', 'Sign'] as const) unary(op, ints(3, 4));
unary('LeakyRelu', f(3, 4), { alpha: 0.2 });
unary('Elu', f(3, 4), { alpha: 0.7 });
unary('Celu', f(3, 4), { alpha: 0.7 });
unary('Selu', f(3, 4));
unary('HardSigmoid', from(-4, 4, 20), { alpha: 0.3, beta: 0.4 });
unary('ThresholdedRelu', f(3, 4), { alpha: 0.5 });
unary('Shrink', f(3, 4), { lambd: 0.4, bias: 0.1 });
unary('Swish', f(3, 4), { alpha: 1.5 });
unary('Gelu', f(3, 4));
unary('Gelu', f(3, 4), { approximate: 'tanh' });
unary('IsInf', f(3, 4));
unary('Not', bool(3, 4));
unary('BitwiseNot', typed('int32', -99, 99, 6));
sample('IsInf', 'of an infinity', [f(4)], (b, x) => b.emit('IsInf', [b.Div(x, b.Sub(x, x))], { detect_negative: 0 }));

for (const op of ['Add', 'Sub', 'Mul', 'Max', 'Min', 'Sum', 'Mean'] as const) binary(op);
for (const op of ['Add', 'Sub', 'Mul'] as const) binary(op, ints(3, 4), ints(4));
binary('Div', f(2, 3, 4), from(0.3, 2, 4));
binary('Div', ints(4, 5), typed('int64', 1, 6, 5));
binary('Pow', from(0.1, 2, 3, 4), f(4));
sample('Pow', 'with an integer exponent', [f(3, 4), typed('int64', 0, 4, 4)], (b, x, y) => b.Pow(x, y));
sample('Mod', 'of integers', [ints(4, 5), typed('int64', 1, 6, 5)], (b, x, y) => b.emit('Mod', [x, y]));
sample('Mod', 'fmod', [f(4, 5), from(0.3, 2, 5)], (b, x, y) => b.emit('Mod', [x, y], { fmod: 1 }));
for (const op of ['Equal', 'Less', 'LessOrEqual', 'Greater', 'GreaterOrEqual'] as const)
  binary(op, typed('int64', 0, 3, 4, 5), typed('int64', 0, 3, 5));
binary('Less', f(4, 5), f(5));
for (const op of ['And', 'Or', 'Xor'] as const) binary(op, bool(4, 5), bool(5));
for (const op of ['BitwiseAnd', 'BitwiseOr', 'BitwiseXor'] as const) binary(op, typed('int32', -99, 99, 6), typed('int32', -99, 99, 6));
for (const direction of ['LEFT', 'RIGHT'])
  sample('BitShift', direction, [typed('uint32', 0, 1000, 8), typed('uint32', 0, 8, 8)], (b, x, y) =>
    b.emit('BitShift', [x, y], { direction }),
  );
sample('Where', '', [bool(3, 1), f(3, 4), f(4)], (b, c, x, y) => b.Where(c, x, y));
sample('PRelu', '', [f(2, 3, 4), f(3, 1)], (b, X, slope) => b.PRelu({ X, slope }));
sample('Clip', 'both bounds', [f(3, 4)], (b, input) => b.Clip({ input, min: b.like(-0.5, input), max: b.like(0.7, input) }));
sample('Clip', 'lower bound', [f(3, 4)], (b, input) => b.Clip({ input, min: b.like(-0.5, input) }));

const casts: readonly (readonly [Spec, DataType])[] = [
  [from(-9, 9, 12), 'int32'],
  [from(-9, 9, 12), 'float64'],
  [f(12), 'float16'],
  [f(12), 'bfloat16'],
  [ints(12), 'float32'],
  [ints(12), 'bool'],
  [bool(12), 'int64'],
  [typed('float16', -3, 3, 12), 'float32'],
  [typed('int32', 0, 300, 12), 'uint8'],
];
for (const [spec, to] of casts) sample('Cast', `${spec.type ?? 'float32'} to ${to}`, [spec], (b, x) => b.Cast(x, to));
// Within 440, because ONNX Runtime does not make NaN of what rounds to 480 in float8e4m3fn.
for (const to of ['float8e4m3fn', 'float8e4m3fnuz', 'float8e5m2', 'float8e5m2fnuz', 'float8e8m0'] as const)
  for (const saturate of [1, 0])
    sample('Cast', `to ${to}, saturate ${saturate}, and back`, [from(to === 'float8e8m0' ? 0.1 : -440, 440, 40)], (b, x) =>
      b.Cast(b.emit('Cast', [x], { to: elementTypes[to].code, saturate })[0]!, 'float32'),
    );
for (const to of ['int4', 'uint4'] as const)
  sample('Cast', `to ${to} and back`, [typed('int32', -40, 40, 41)], (b, x) => b.Cast(b.Cast(x, to), 'int32'));
sample('BitCast', '', [f(4, 3)], (b, input) => b.BitCast({ input }, { to: elementTypes.int32.code }));
sample('CastLike', '', [f(4), typed('float64', 0, 1, 1)], (b, input, target_type) => b.CastLike({ input, target_type }));

for (const op of [
  'ReduceSum',
  'ReduceMax',
  'ReduceMin',
  'ReduceMean',
  'ReduceL1',
  'ReduceL2',
  'ReduceSumSquare',
  'ReduceLogSumExp',
] as const) {
  sample(op, 'keeping axes', [f(3, 4, 5)], (b, x) => b.emit(op, [x, b.ints([1])]));
  sample(op, 'dropping axes', [f(3, 4, 5)], (b, x) => b.emit(op, [x, b.ints([-1, 0])], { keepdims: 0 }));
}
sample('ReduceSum', 'of all', [f(3, 4)], (b, x) => b.emit('ReduceSum', [x]));
sample('ReduceSum', 'of none', [f(3, 4)], (b, x) => b.emit('ReduceSum', [x], { noop_with_empty_axes: 1 }));
sample('ReduceSum', 'int64', [ints(3, 4)], (b, x) => b.emit('ReduceSum', [x, b.ints([0])]));
sample('ReduceProd', '', [f(3, 4)], (b, x) => b.ReduceProd(x, { axes: [1] }));
sample('ReduceLogSum', '', [from(0.1, 2, 3, 4)], (b, x) => b.emit('ReduceLogSum', [x, b.ints([1])]));
for (const op of ['ArgMax', 'ArgMin'] as const) {
  sample(op, '', [f(3, 4, 5)], (b, x) => b.emit(op, [x], { axis: 1 }));
  sample(op, 'last of equals', [typed('int32', 0, 3, 3, 9)], (b, x) => b.emit(op, [x], { axis: -1, keepdims: 0, select_last_index: 1 }));
}

sample('MatMul', '', [f(3, 4), f(4, 5)], (b, x, y) => b.MatMul(x, y));
sample('MatMul', 'broadcast', [f(2, 1, 3, 4), f(3, 4, 5)], (b, x, y) => b.MatMul(x, y));
sample('MatMul', 'of vectors', [f(4), f(4)], (b, x, y) => b.MatMul(x, y));
sample('MatMul', 'vector by matrix', [f(4), f(2, 4, 3)], (b, x, y) => b.MatMul(x, y));
sample('MatMul', 'float16', [typed('float16', -1, 1, 3, 8), typed('float16', -1, 1, 8, 2)], (b, x, y) => b.MatMul(x, y), 2e-3);
sample('Gemm', 'transposed', [f(4, 3), f(5, 4), f(5)], (b, A, B, C) => b.Gemm({ A, B, C }, { transA: 1, transB: 1, alpha: 0.5, beta: 2 }));
sample('Gemm', 'without C', [f(3, 4), f(4, 5)], (b, A, B) => b.Gemm({ A, B }));

sample('Conv', '2d', [f(2, 3, 7, 6), f(4, 3, 3, 2), f(4)], (b, x, w, c) => b.Conv(x, w, c, { strides: [2, 1], pads: [1, 0, 1, 1] }));
sample('Conv', 'dilated and grouped', [f(1, 4, 9, 9), f(6, 2, 3, 3)], (b, x, w) =>
  b.Conv(x, w, undefined, { dilations: [2, 2], group: 2 }),
);
sample('Conv', 'depthwise 1d', [f(2, 3, 10), f(3, 1, 3)], (b, x, w) => b.Conv(x, w, undefined, { group: 3, pads: [2, 0] }));
sample('Conv', '3d', [f(1, 2, 4, 5, 5), f(3, 2, 2, 3, 3)], (b, x, w) => b.Conv(x, w));
sample('Conv', 'SAME_UPPER', [f(1, 2, 8, 7), f(3, 2, 3, 3)], (b, x, w) =>
  b.emit('Conv', [x, w], { auto_pad: 'SAME_UPPER', strides: [2, 2] }),
);
sample('MaxPool', '', [f(2, 3, 7, 7)], (b, x) => b.MaxPool(x, { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }));
sample('MaxPool', 'ceil and dilated', [f(1, 2, 10, 10)], (b, x) =>
  b.MaxPool(x, { kernel_shape: [3, 3], strides: [2, 2], dilations: [2, 2], ceil_mode: 1 }),
);
sample('MaxPool', 'with indices', [f(1, 2, 6, 6)], (b, x) =>
  b.emit('MaxPool', [x], { kernel_shape: [2, 2], strides: [2, 2] }, { outputs: ['y', 'i'] }),
);
sample('AveragePool', '', [f(2, 3, 7, 7)], (b, x) => b.AveragePool(x, { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }));
sample('AveragePool', 'counting pads', [f(1, 2, 8)], (b, x) => b.AveragePool(x, { kernel_shape: [3], pads: [1, 1], count_include_pad: 1 }));
sample('LpPool', '', [f(1, 2, 6, 6)], (b, x) => b.emit('LpPool', [x], { kernel_shape: [2, 2], strides: [2, 2] }));
sample('GlobalAveragePool', '', [f(2, 3, 4, 5)], (b, X) => b.GlobalAveragePool({ X }));
sample('GlobalMaxPool', '', [f(2, 3, 4, 5)], (b, X) => b.GlobalMaxPool({ X }));

sample('Shape', '', [f(2, 3, 4)], (b, x) => b.Shape(x));
sample('Shape', 'part', [f(2, 3, 4)], (b, x) => b.emit('Shape', [x], { start: -2, end: -1 }));
sample('Size', '', [f(2, 3, 4)], (b, x) => b.emit('Size', [x]));
sample('Reshape', '', [f(2, 3, 4)], (b, x) => b.Reshape(x, [0, -1, 2]));
sample('Reshape', 'after Transpose', [f(2, 3, 4)], (b, x) => b.Reshape(b.Transpose(x, [2, 0, 1]), [b.dim(x, 0), -1]));
sample('Flatten', '', [f(2, 3, 4)], (b, x) => b.emit('Flatten', [x], { axis: 2 }));
sample('Transpose', '', [f(2, 3, 4)], (b, x) => b.Transpose(x, [2, 0, 1]));
sample('Transpose', 'reversed', [f(2, 3, 4)], (b, x) => b.emit('Transpose', [x]));
sample('Squeeze', '', [f(2, 1, 3, 1)], (b, x) => b.Squeeze(x, [1, -1]));
sample('Unsqueeze', '', [f(2, 3)], (b, x) => b.Unsqueeze(x, [0, -1]));
sample('Expand', '', [f(3, 1)], (b, x) => b.Expand(x, [2, 1, 4]));
sample('Tile', '', [f(2, 3)], (b, x) => b.emit('Tile', [x, b.ints([2, 3])]));
sample('Concat', '', [f(2, 3), f(2, 1)], (b, x, y) => b.Concat([x, y], -1));
sample('Split', '', [f(2, 6)], (b, x) => b.Split(x, [1, 2, 3], 1));
sample('Split', 'equal', [f(7, 2)], (b, x) => b.emit('Split', [x], { num_outputs: 3 }, { outputs: ['a', 'b', 'c'] }));
sample('Slice', '', [f(5, 6)], (b, x) => b.Slice(x, { axes: [0, 1], starts: [1, -4], ends: [4, 100] }));
sample('Slice', 'to the largest integer', [f(5, 6)], (b, x) =>
  b.emit('Slice', [x, b.ints([2]), b.constant([2n ** 63n - 1n], 'int64'), b.ints([1])]),
);
sample('Slice', 'backwards to the smallest integer', [f(5, 6)], (b, x) =>
  b.emit('Slice', [x, b.ints([-1]), b.constant([-(2n ** 63n)], 'int64'), b.ints([0]), b.ints([-1])]),
);
sample('Slice', 'backwards', [f(5, 6)], (b, x) => b.Slice(x, { axes: [1], starts: [-1], ends: [-(2 ** 31)], steps: [-2] }));
sample('Gather', '', [f(5, 3), typed('int64', -5, 5, 2, 2)], (b, x, i) => b.Gather(x, i, 0));
sample('Gather', 'inner axis', [f(2, 5, 3), typed('int32', 0, 5, 4)], (b, x, i) => b.Gather(x, i, 1));
sample('TopK', '', [f(3, 7, 2)], (b, x) => b.emit('TopK', [x, b.ints([3])], { axis: 1 }, { outputs: ['values', 'indices'] }));
sample('TopK', 'smallest of equal integers', [ints(4, 40)], (b, x) =>
  b.emit('TopK', [x, b.ints([25])], { largest: 0 }, { outputs: ['values', 'indices'] }),
);
sample('TopK', 'float16', [typed('float16', -1, 1, 2, 9)], (b, x) =>
  b.emit('TopK', [x, b.ints([4])], {}, { outputs: ['values', 'indices'] }),
);
sample('ReverseSequence', '', [f(5, 3, 2), typed('int64', 1, 6, 3)], (b, input, sequence_lens) =>
  b.ReverseSequence({ input, sequence_lens }),
);
sample('ReverseSequence', 'batch first', [f(3, 5), typed('int64', 1, 6, 3)], (b, input, sequence_lens) =>
  b.ReverseSequence({ input, sequence_lens }, { batch_axis: 0, time_axis: 1 }),
);
sample('Pad', '', [f(2, 3)], (b, x) => b.emit('Pad', [x, b.ints([1, 0, 0, 2]), b.like(0.5, x)]));
sample('ConstantOfShape', '', [f(2, 3)], (b, x) => b.emit('ConstantOfShape', [b.Shape(x)], { value: new Tensor('int32', [7], [1]) }));
sample('Constant', '', [f(2)], (b, x) => b.Add(x, b.emit('Constant', [], { value: new Tensor('float32', [1.5, 2.5]) })[0]!));
sample('Dropout', 'in inference', [f(2, 3)], (b, x) => b.emit('Dropout', [x], {}, { outputs: ['y', 'mask'] }));

for (const axis of [-1, 0, 1]) {
  sample('Softmax', `axis ${axis}`, [from(-5, 5, 2, 3, 4)], (b, input) => b.Softmax({ input }, { axis }));
  sample('LogSoftmax', `axis ${axis}`, [from(-5, 5, 2, 3, 4)], (b, input) => b.LogSoftmax({ input }, { axis }));
}
sample('Softmax', 'float16', [typed('float16', -5, 5, 2, 8)], (b, input) => b.Softmax({ input }), 2e-3);
sample('LayerNormalization', '', [f(2, 3, 8), f(8), f(8)], (b, X, Scale, B) => b.LayerNormalization({ X, Scale, B }, { epsilon: 1e-3 }).Y);
sample('LayerNormalization', 'two axes and statistics', [f(2, 3, 4), f(3, 4)], (b, X, Scale) =>
  b.emit('LayerNormalization', [X, Scale], { axis: 1 }, { outputs: ['y', 'mean', 'inverse'] }),
);
sample('RMSNormalization', '', [f(2, 3, 8), f(8)], (b, X, scale) => b.RMSNormalization({ X, scale }));
sample(
  'BatchNormalization',
  '',
  [f(2, 3, 4, 5), f(3), f(3), f(3), from(0.2, 2, 3)],
  (b, X, scale, B, input_mean, input_var) => b.BatchNormalization({ X, scale, B, input_mean, input_var }, { epsilon: 1e-3 }).Y,
);
sample(
  'InstanceNormalization',
  '',
  [f(2, 3, 4, 5), f(3), f(3)],
  (b, input, scale, B) => b.InstanceNormalization({ input, scale, B }),
  1e-4,
);
sample('LpNormalization', '', [f(3, 4)], (b, input) => b.LpNormalization({ input }, { axis: 1 }));
sample('LpNormalization', 'p 1', [f(3, 4)], (b, input) => b.LpNormalization({ input }, { axis: 0, p: 1 }));
sample('MeanVarianceNormalization', '', [f(2, 3, 4, 4)], (b, X) => b.MeanVarianceNormalization({ X }, { axes: [0, 2, 3] }));

const floats =
  (...values: number[]): ((b: Builder) => Value[]) =>
  b =>
    values.map(v => b.constant(v, 'float32'));
sample('Range', 'of integers', [f(5)], (b, x) => b.Add(x, b.Cast(count(b, b.dim(x, 0), 3), 'float32')));
sample('Range', 'backwards', [f(2)], (b, x) => {
  const [start, limit, delta] = floats(2, -1, -0.4)(b);
  return b.Add(b.Range({ start: start!, limit: limit!, delta: delta! }), b.ReduceSum(x, { axes: [0] }));
});
sample('EyeLike', '', [f(3, 5)], (b, input) => b.EyeLike({ input }, { k: 1 }));
sample('EyeLike', 'of integers', [f(4, 3)], (b, input) => b.EyeLike({ input }, { k: -1, dtype: 7 }));
sample('Trilu', 'upper', [f(2, 3, 4)], (b, input) => b.Trilu({ input }));
sample('Trilu', 'lower and k', [f(3, 4), typed('int64', 1, 2)], (b, input, k) => b.Trilu({ input, k }, { upper: 0 }));
sample('Trilu', 'with an open last axis', [ints(4, 3)], (b, x) =>
  b.Trilu({ input: b.Transpose(x, [1, 0]), k: b.constant(-1, 'int64') }, { upper: 1 }),
);
sample('OneHot', '', [typed('int64', -4, 4, 2, 3), f(2)], (b, indices, values) =>
  b.OneHot({ indices, depth: b.constant(4, 'int64'), values }),
);
sample('OneHot', 'inner axis', [typed('int64', 0, 4, 2, 3), typed('int64', -5, 5, 2)], (b, indices, values) =>
  b.OneHot({ indices, depth: b.ints([4]), values }, { axis: 1 }),
);
sample('Hardmax', '', [f(3, 4)], (b, input) => b.Hardmax({ input }));
sample('Hardmax', 'first of equals', [typed('float32', -1, 1, 2, 5, 3)], (b, x) => b.Hardmax({ input: b.Round(x) }, { axis: 1 }));

sample('SwiGLU', '', [f(3, 4), f(3, 4)], (b, A, B) => b.SwiGLU({ A, B }, { alpha: 1.5 }));
sample('GroupNormalization', '', [f(2, 6, 3, 5), f(6), f(6)], (b, X, scale, bias) =>
  b.GroupNormalization({ X, scale, bias }, { num_groups: 2, epsilon: 1e-3 }),
);
for (const size of [3, 5])
  sample('LRN', `size ${size}`, [f(2, 7, 3, 2)], (b, X) => b.LRN({ X }, { size, alpha: 0.3, beta: 0.6, bias: 1.5 }));
sample('CausalConvWithState', '', [f(2, 3, 5), f(3, 1, 4), f(3)], (b, input, weight, bias) =>
  Object.values(b.CausalConvWithState({ input, weight, bias }, { activation: 'silu' })),
);
sample('CausalConvWithState', 'past', [f(2, 3, 5), f(3, 1, 4), f(2, 3, 3)], (b, input, weight, past_state) =>
  Object.values(b.CausalConvWithState({ input, weight, past_state })),
);

sample('RotaryEmbedding', '', [f(2, 3, 4, 8), f(2, 4, 4), f(2, 4, 4)], (b, X, cos_cache, sin_cache) =>
  b.RotaryEmbedding({ X, cos_cache, sin_cache }),
);
sample('RotaryEmbedding', 'interleaved', [f(2, 3, 4, 8), f(2, 4, 4), f(2, 4, 4)], (b, X, cos_cache, sin_cache) =>
  b.RotaryEmbedding({ X, cos_cache, sin_cache }, { interleaved: 1 }),
);
for (const interleaved of [0, 1])
  sample(
    'RotaryEmbedding',
    `3 axes, a part, positions, interleaved ${interleaved}`,
    [f(2, 4, 24), f(9, 2), f(9, 2), typed('int64', 0, 9, 2, 4)],
    (b, X, cos_cache, sin_cache, position_ids) =>
      b.RotaryEmbedding({ X, cos_cache, sin_cache, position_ids }, { num_heads: 3, rotary_embedding_dim: 4, interleaved }),
  );

sample('ConvTranspose', '', [f(2, 3, 4, 5), f(3, 4, 3, 2), f(4)], (b, X, W, B) => b.ConvTranspose({ X, W, B }));
sample('ConvTranspose', 'strided, padded, grouped', [f(2, 4, 3, 4), f(4, 3, 3, 3), f(6)], (b, X, W, B) =>
  b.ConvTranspose({ X, W, B }, { group: 2, strides: [2, 3], pads: [1, 0, 1, 2], output_padding: [1, 0] }),
);
sample('ConvTranspose', 'dilated 1d', [f(2, 3, 6), f(3, 2, 3)], (b, X, W) => b.ConvTranspose({ X, W }, { dilations: [2], pads: [1, 2] }));
sample('ConvTranspose', 'a stride beyond the kernel', [f(1, 2, 4, 3), f(2, 2, 1, 2)], (b, X, W) =>
  b.ConvTranspose({ X, W }, { strides: [3, 3], pads: [0, 1, 1, 1] }),
);
sample('ConvTranspose', 'SAME_UPPER', [f(1, 2, 4, 3), f(2, 2, 3, 3)], (b, X, W) =>
  b.ConvTranspose({ X, W }, { strides: [2, 2], auto_pad: 'SAME_UPPER' }),
);
sample('ConvTranspose', 'to a shape', [f(1, 2, 4, 3), f(2, 2, 3, 3)], (b, X, W) =>
  b.ConvTranspose({ X, W }, { strides: [2, 2], output_shape: [8, 6] }),
);
sample('GlobalLpPool', '', [f(2, 3, 4, 5)], (b, X) => b.GlobalLpPool({ X }));
sample('GlobalLpPool', 'p 3', [f(2, 3, 4, 5)], (b, X) => b.GlobalLpPool({ X }, { p: 3 }));
for (const mode of ['DCR', 'CRD']) {
  sample('DepthToSpace', mode, [f(2, 12, 2, 3)], (b, input) => b.DepthToSpace({ input }, { blocksize: 2, mode }));
}
sample('SpaceToDepth', '', [f(2, 3, 4, 6)], (b, input) => b.SpaceToDepth({ input }, { blocksize: 2 }));

for (const op of ['HannWindow', 'HammingWindow', 'BlackmanWindow'] as const) {
  sample(op, 'periodic', [f(1)], (b, x) => b.Add(x, b[op]({ size: b.constant(10, 'int64') })));
  sample(op, 'symmetric', [f(1)], (b, x) => b.Add(x, b[op]({ size: b.constant(7, 'int64') }, { periodic: 0 })));
}
for (const exclusive of [0, 1])
  for (const reverse of [0, 1])
    sample('CumSum', `exclusive ${exclusive} reverse ${reverse}`, [f(2, 5, 3)], (b, x) =>
      b.CumSum({ x, axis: b.constant(1, 'int64') }, { exclusive, reverse }),
    );
for (const [what, exclusive, reverse] of [
  ['long', 0, 0],
  ['long, backwards and exclusive', 1, 1],
] as const)
  sample('CumSum', what, [f(2, 300)], (b, x) => b.CumSum({ x, axis: b.constant(1, 'int64') }, { exclusive, reverse }), 1e-4);
sample('CumSum', 'in whole blocks of integers', [ints(256, 2)], (b, x) => b.CumSum({ x, axis: b.constant(0, 'int64') }));
sample('CumProd', 'long', [from(0.9, 1.1, 200)], (b, x) => b.CumProd({ x, axis: b.constant(0, 'int64') }), 1e-4);
sample('CumSum', 'of integers', [ints(4, 5)], (b, x) => b.CumSum({ x, axis: b.constant(-1, 'int64') }));
sample('CumProd', '', [f(4, 5)], (b, x) => b.CumProd({ x, axis: b.constant(0, 'int64') }, { reverse: 1 }));
sample('GatherElements', '', [f(3, 4), typed('int64', -3, 3, 2, 4)], (b, data, indices) => b.GatherElements({ data, indices }));
sample('GatherElements', 'inner axis', [f(3, 4, 2), typed('int32', 0, 4, 2, 5, 2)], (b, data, indices) =>
  b.GatherElements({ data, indices }, { axis: 1 }),
);
sample('GatherND', '', [f(3, 4, 5), typed('int64', -3, 3, 6, 2)], (b, data, indices) => b.GatherND({ data, indices }));
sample('GatherND', 'batches', [f(2, 4, 5, 3), typed('int64', 0, 4, 2, 6, 2)], (b, data, indices) =>
  b.GatherND({ data, indices }, { batch_dims: 1 }),
);

const u8 = (...dims: number[]): Spec => typed('uint8', 0, 256, ...dims);
const i8 = (...dims: number[]): Spec => typed('int8', -128, 128, ...dims);
// Narrow, because ONNX Runtime saturates sums of two products of uint8 and int8 where the processor has no VNNI.
const narrow = (...dims: number[]): Spec => typed('int8', -60, 60, ...dims);
const scales = (...dims: number[]): Spec => from(0.01, 0.05, ...dims);
sample('QuantizeLinear', '', [f(3, 4), scales(), u8()], (b, x, y_scale, y_zero_point) => b.QuantizeLinear({ x, y_scale, y_zero_point }));
sample('QuantizeLinear', 'axis', [f(2, 3, 4), scales(3), i8(3)], (b, x, y_scale, y_zero_point) =>
  b.QuantizeLinear({ x, y_scale, y_zero_point }),
);
sample('QuantizeLinear', 'blocks of int4', [f(5, 3), scales(2, 3)], (b, x, y_scale) =>
  b.Cast(b.QuantizeLinear({ x, y_scale }, { axis: 0, block_size: 3, output_dtype: elementTypes.int4.code }), 'int32'),
);
sample('QuantizeLinear', 'to int16', [f(3, 4), scales(), typed('int16', -9, 9)], (b, x, y_scale, y_zero_point) =>
  b.QuantizeLinear({ x, y_scale, y_zero_point }),
);
sample('QuantizeLinear', 'to float8', [f(3, 4), scales()], (b, x, y_scale) =>
  b.Cast(b.QuantizeLinear({ x, y_scale }, { output_dtype: elementTypes.float8e4m3fn.code }), 'float32'),
);
sample('DequantizeLinear', '', [u8(3, 4), scales(), u8()], (b, x, x_scale, x_zero_point) =>
  b.DequantizeLinear({ x, x_scale, x_zero_point }),
);
sample('DequantizeLinear', 'axis', [i8(2, 3, 4), scales(4), i8(4)], (b, x, x_scale, x_zero_point) =>
  b.DequantizeLinear({ x, x_scale, x_zero_point }, { axis: -1 }),
);
sample('DequantizeLinear', 'blocks', [i8(2, 7), scales(2, 2), i8(2, 2)], (b, x, x_scale, x_zero_point) =>
  b.DequantizeLinear({ x, x_scale, x_zero_point }, { axis: 1, block_size: 4 }),
);
sample('DequantizeLinear', 'of int32', [typed('int32', -99999999, 99999999, 3, 4), scales()], (b, x, x_scale) =>
  b.DequantizeLinear({ x, x_scale }),
);
sample('DynamicQuantizeLinear', '', [f(3, 4)], (b, x) => Object.values(b.DynamicQuantizeLinear({ x })));
sample('DynamicQuantizeLinear', 'positive', [from(1, 5, 3, 4)], (b, x) => Object.values(b.DynamicQuantizeLinear({ x })));
sample('MatMulInteger', '', [u8(2, 3, 5), narrow(5, 4), u8(), narrow()], (b, A, B, a_zero_point, b_zero_point) =>
  b.MatMulInteger({ A, B, a_zero_point, b_zero_point }),
);
sample('MatMulInteger', 'by column', [u8(3, 5), narrow(5, 4), u8(), narrow(4)], (b, A, B, a_zero_point, b_zero_point) =>
  b.MatMulInteger({ A, B, a_zero_point, b_zero_point }),
);
sample('ConvInteger', '', [u8(2, 4, 5, 6), u8(6, 2, 3, 3), u8(), u8()], (b, x, w, x_zero_point, w_zero_point) =>
  b.ConvInteger({ x, w, x_zero_point, w_zero_point }, { group: 2, pads: [1, 0, 1, 2], strides: [2, 1] }),
);
const quantisedConv: Build = (b, x, w, B, xs, ws, ys, xz, wz, yz) => {
  const zeros = { x_zero_point: xz!, w_zero_point: wz!, y_zero_point: yz! };
  return b.QLinearConv({ x: x!, x_scale: xs!, w: w!, w_scale: ws!, y_scale: ys!, B, ...zeros }, { pads: [1, 1, 1, 1] });
};
sample(
  'QLinearConv',
  '',
  [u8(2, 3, 5, 6), narrow(4, 3, 3, 3), typed('int32', -999, 999, 4), scales(), scales(4), from(2, 3), u8(), typed('int8', 0, 1, 4), u8()],
  quantisedConv,
);
const quantisedMatMul: Build = (b, x, y, as, bs, ys, az, bz, yz) =>
  b.QLinearMatMul({
    a: x!,
    a_scale: as!,
    a_zero_point: az!,
    b: y!,
    b_scale: bs!,
    b_zero_point: bz!,
    y_scale: ys!,
    y_zero_point: yz!,
  });
sample('QLinearMatMul', '', [u8(2, 3, 5), u8(5, 4), scales(), scales(), from(0.3, 0.5), u8(), u8(), u8()], quantisedMatMul);
sample('QLinearMatMul', 'by column', [i8(3, 5), i8(5, 4), scales(), scales(4), from(0.3, 0.5), i8(), i8(4), i8()], quantisedMatMul);
for (const mode of ['reflect', 'edge', 'wrap'])
  sample('Pad', mode, [f(2, 3, 4)], (b, data) => b.Pad({ data, pads: b.ints([1, 2, 2, 2]), axes: b.ints([1, 2]) }, { mode }));
sample('Pad', 'negative', [f(2, 3, 4)], (b, data) => b.Pad({ data, pads: b.ints([0, -1, 2, 0, 3, -1]) }));
sample('CenterCropPad', '', [f(2, 5, 4)], (b, input_data) => b.CenterCropPad({ input_data, shape: b.ints([3, 2, 7]) }));
for (const [what, scales, at] of [
  ['linear', [1.5, 2], { mode: 'linear' }],
  ['nearest', [2, 0.5], { nearest_mode: 'floor', coordinate_transformation_mode: 'asymmetric' }],
  ['cubic', [1.25, 2], { mode: 'cubic', exclude_outside: 1, coordinate_transformation_mode: 'pytorch_half_pixel' }],
] as const)
  sample('Resize', what, [f(4, 3, 4, 6)], (b, X) => b.Resize({ X, scales: b.constant([1, 1, ...scales], 'float32', [4]) }, at));
sample('Resize', 'linear of the first axis', [f(4, 3, 1, 2)], (b, X) =>
  b.Resize(
    { X: b.Transpose(X, [2, 3, 0, 1]), sizes: b.ints([1, 2, 7, 5]) },
    { mode: 'linear', coordinate_transformation_mode: 'align_corners' },
  ),
);
for (const [mode, padding_mode, align_corners] of [
  ['linear', 'zeros', 0],
  ['linear', 'reflection', 1],
  ['cubic', 'border', 0],
  ['nearest', 'reflection', 0],
] as const)
  sample('GridSample', `${mode} ${padding_mode}`, [f(2, 3, 4, 5), f(2, 3, 4, 2)], (b, X, grid) =>
    b.GridSample({ X, grid }, { mode, padding_mode, align_corners }),
  );
for (const align_corners of [0, 1])
  sample('AffineGrid', `align_corners ${align_corners}`, [f(2, 2, 3)], (b, theta) =>
    b.AffineGrid({ theta, size: b.ints([2, 3, 4, 5]) }, { align_corners }),
  );
for (const sampling_ratio of [0, 2])
  sample(
    'RoiAlign',
    `sampling_ratio ${sampling_ratio}`,
    [f(2, 3, 6, 8), from(0, 7, 4, 4), typed('int64', 0, 2, 4)],
    (b, X, rois, batch_indices) =>
      b.RoiAlign({ X, rois, batch_indices }, { output_height: 2, output_width: 3, sampling_ratio, spatial_scale: 0.75 }),
  );
sample('DeformConv', '', [f(2, 4, 5, 6), f(6, 2, 3, 3), f(2, 36, 4, 3), f(6), f(2, 18, 4, 3)], (b, X, W, offset, B, mask) =>
  b.DeformConv({ X, W, offset, B, mask }, { group: 2, offset_group: 2, strides: [1, 2], pads: [1, 0, 0, 1] }),
);
for (const reduction of ['none', 'sum', 'mean'])
  sample('NegativeLogLikelihoodLoss', reduction, [f(3, 5, 2), typed('int64', 0, 5, 3, 2), from(0.1, 1, 5)], (b, input, target, weight) =>
    b.NegativeLogLikelihoodLoss({ input, target, weight }, { reduction, ignore_index: 2 }),
  );
sample('SoftmaxCrossEntropyLoss', '', [f(3, 5, 2), typed('int64', 0, 5, 3, 2)], (b, scores, labels) => {
  const { output, log_prob } = b.SoftmaxCrossEntropyLoss({ scores, labels }, { reduction: 'mean' });
  return [output, log_prob];
});

for (const [what, dims, at] of [
  ['real, one-sided', [2, 6, 1], { onesided: 1 }],
  ['complex', [2, 7, 2], {}],
  ['of 128 places', [1, 128, 2], {}],
  ['back', [2, 6, 2], { inverse: 1 }],
] as const)
  sample('DFT', what, [f(...dims)], (b, input) => b.DFT({ input }, at), 1e-4);
sample(
  'DFT',
  'padded first axis',
  [f(5, 3, 2)],
  (b, input) => b.DFT({ input, dft_length: b.constant(8, 'int64'), axis: b.constant(0, 'int64') }),
  1e-4,
);
sample(
  'STFT',
  '',
  [f(2, 20, 1), f(8)],
  (b, signal, window) => b.STFT({ signal, frame_step: b.constant(3, 'int64'), window }, { onesided: 0 }),
  1e-4,
);
sample('MelWeightMatrix', '', [], b => {
  const whole = (n: number): Value => b.constant(n, 'int64');
  const [lower_edge_hertz, upper_edge_hertz] = [b.constant(20, 'float32'), b.constant(4000, 'float32')];
  return b.MelWeightMatrix({ num_mel_bins: whole(6), dft_length: whole(64), sample_rate: whole(8192), lower_edge_hertz, upper_edge_hertz });
});
for (const [equation, ...shapes] of [
  ['bij,bjk->bik', [2, 3, 4], [2, 4, 5]],
  ['bhid,bhjd->bhij', [2, 2, 3, 4], [2, 2, 5, 4]],
  ['...ij,...jk', [2, 3, 4], [1, 4, 5]],
  ['ii->i', [4, 4]],
  ['i,jk,k->j', [2], [3, 4], [4]],
  ['abc,cdb->ad', [2, 3, 4], [4, 5, 3]],
] as const)
  sample(
    'Einsum',
    equation,
    shapes.map(dims => f(...dims)),
    (b, ...Inputs) => b.Einsum({ Inputs }, { equation }),
  );
for (const reduction of ['add', 'mul', 'max', 'min'])
  sample('ScatterElements', reduction, [f(3, 4, 5), typed('int64', -4, 4, 3, 2, 5), f(3, 2, 5)], (b, data, indices, updates) =>
    b.ScatterElements({ data, indices, updates }, { axis: 1, reduction }),
  );
sample('ScatterElements', '', [f(3, 4), f(2, 4)], (b, data, updates) =>
  b.ScatterElements({ data, indices: b.constant([2, 0, -1, 1, 0, 1, 1, 0], 'int64', [2, 4]), updates }, { axis: 0 }),
);
sample('ScatterND', 'slices', [f(4, 3, 2), f(2, 3, 2)], (b, data, updates) =>
  b.ScatterND({ data, indices: b.constant([3, -4], 'int64', [2, 1]), updates }),
);
sample('ScatterND', 'add', [f(4, 3), typed('int64', 0, 3, 5, 2), f(5)], (b, data, indices, updates) =>
  b.ScatterND({ data, indices, updates }, { reduction: 'add' }),
);
sample('TensorScatter', '', [f(2, 6, 3), f(2, 2, 3), typed('int64', 0, 4, 2)], (b, past_cache, update, write_indices) =>
  b.TensorScatter({ past_cache, update, write_indices }, { axis: 1 }),
);

// Time 5, batch 2, input 3, hidden 4, in both directions with sequences of other lengths, and in one with all that is optional.
for (const [op, gates, at] of [
  ['RNN', 1, { activations: ['Relu', 'Tanh'] }],
  ['GRU', 3, { linear_before_reset: 1 }],
  ['LSTM', 4, {}],
] as const) {
  sample(
    op,
    'both directions, lengths',
    [f(5, 2, 3), f(2, gates * 4, 3), f(2, gates * 4, 4), f(2, 2 * gates * 4), f(2, 2, 4)],
    (b, x, w, r, bias, h) =>
      b.emit(
        op,
        [x, w, r, bias, b.constant([5, 3], 'int32', [2]), h],
        { ...at, hidden_size: 4, direction: 'bidirectional' },
        { outputs: ['y', 'h'] },
      ),
  );
}
sample(
  'LSTM',
  'peepholes, reverse, clip',
  [f(4, 2, 3), f(1, 16, 3), f(1, 16, 4), f(1, 2, 4), f(1, 2, 4), f(1, 12)],
  (b, x, w, r, h, c, p) =>
    b.emit(
      'LSTM',
      [x, w, r, undefined, undefined, h, c, p],
      { hidden_size: 4, direction: 'reverse', clip: 0.6 },
      { outputs: ['y', 'h', 'c'] },
    ),
);
sample('GRU', 'reset first', [f(4, 2, 3), f(1, 12, 3), f(1, 12, 4), f(1, 24)], (b, x, w, r, bias) =>
  b.emit('GRU', [x, w, r, bias], { hidden_size: 4 }, { outputs: ['y', 'h'] }),
);

sample('MaxUnpool', '', [f(2, 2, 6, 8)], (b, x) => {
  const at = { kernel_shape: [2, 2], strides: [2, 2] };
  const [X, I] = b.emit('MaxPool', [x], at, { outputs: ['y', 'indices'] }) as readonly [Value, Value];
  return b.MaxUnpool({ X, I }, at);
});
sample('Col2Im', '', [f(2, 12, 6)], (b, input) =>
  b.Col2Im({ input, image_shape: b.ints([3, 4]), block_shape: b.ints([2, 2]) }, { pads: [0, 1, 0, 1], strides: [1, 2] }),
);
for (const [what, inputs, build] of attentionSamples()) sample('Attention', what, inputs, build);

export { samples };

/** Inputs, optional ones by name, and attributes. */
function attentionSamples(): [string, Spec[], Build][] {
  type Attributes = Parameters<Builder['Attention']>[1];
  const all = ['Q', 'K', 'V', 'attn_mask', 'past_key', 'past_value', 'nonpad_kv_seqlen'] as const;
  const form =
    (at: Attributes, ...more: (typeof all)[number][]): Build =>
    (b, ...x) => {
      const names = [...all.slice(0, 3), ...more];
      const values = Object.fromEntries(names.map((name, i) => [name, x[i]!]));
      return b.Attention(values as unknown as Parameters<Builder['Attention']>[0], at).Y;
    };
  const outputs =
    (at: Record<string, number>, ...names: (string | undefined)[]): Build =>
    (b, ...x) =>
      b.emit('Attention', x, at, { outputs: names });
  const qkv = [f(2, 2, 3, 4), f(2, 2, 5, 4), f(2, 2, 5, 6)];
  const grouped = [f(2, 4, 3, 4), f(2, 2, 5, 4), f(2, 2, 5, 6)];
  const flat = [f(2, 3, 8), f(2, 5, 8), f(2, 5, 12)];
  const past = [f(2, 2, 2, 4), f(2, 2, 2, 6)];
  return [
    ['', qkv, form({})],
    ['scaled and capped', qkv, form({ scale: 0.3, softcap: 0.8 })],
    ['float mask', [...qkv, f(3, 5)], form({}, 'attn_mask')],
    ['boolean mask', [...qkv, bool(2, 1, 3, 5)], form({}, 'attn_mask')],
    ['boolean mask that leaves no key', [...qkv, typed('bool', 0, 1, 3, 5)], form({}, 'attn_mask')],
    [
      'float mask that leaves no key',
      [...qkv, from(-2, -1, 3, 5)],
      (b, Q, K, V, mask) => b.Attention({ Q: Q!, K: K!, V: V!, attn_mask: b.Log(b.Relu(mask!)) }).Y,
    ],
    ['short mask', [...qkv, f(2, 1, 3, 4)], form({}, 'attn_mask')],
    ['short boolean mask', [...qkv, typed('bool', 1, 2, 3, 3)], form({}, 'attn_mask')],
    ['causal', qkv, form({ is_causal: 1 })],
    ['causal with a mask', [...qkv, f(2, 1, 3, 5)], form({ is_causal: 1 }, 'attn_mask')],
    ['window', [f(2, 2, 6, 4), f(2, 2, 6, 4), f(2, 2, 6, 4)], form({ left_window_size: 2, right_window_size: 1 })],
    ['3 axes', flat, form({ q_num_heads: 2, kv_num_heads: 2 })],
    ['3 axes, grouped heads', [f(2, 3, 16), f(2, 5, 8), f(2, 5, 12)], form({ q_num_heads: 4, kv_num_heads: 2 })],
    ['grouped heads', grouped, form({})],
    ['grouped heads, causal', grouped, form({ is_causal: 1 })],
    ['one key head', [f(2, 4, 3, 4), f(2, 1, 5, 4), f(2, 1, 5, 6)], form({})],
    ['past', [...qkv, ...past], form({}, 'past_key', 'past_value')],
    ['past, causal', [f(2, 2, 3, 4), f(2, 2, 3, 4), f(2, 2, 3, 6), ...past], form({ is_causal: 1 }, 'past_key', 'past_value')],
    [
      'all outputs',
      [...flat, f(2, 1, 3, 7), ...past],
      outputs({ q_num_heads: 2, kv_num_heads: 2, qk_matmul_output_mode: 2, softmax_precision: 11 }, 'y', 'key', 'value', 'scores'),
    ],
    ['scores of grouped heads', grouped, outputs({ softcap: 2, qk_matmul_output_mode: 1 }, 'y', undefined, undefined, 'scores')],
    ['weights', [...qkv, f(3, 5)], outputs({ qk_matmul_output_mode: 3 }, 'y', undefined, undefined, 'weights')],
    ['valid lengths', [...qkv, typed('int64', 1, 6, 2)], form({}, 'nonpad_kv_seqlen')],
    ['valid lengths, causal', [...qkv, typed('int64', 1, 6, 2)], form({ is_causal: 1 }, 'nonpad_kv_seqlen')],
    [
      'open sequence, causal, grouped heads',
      [f(3, 4, 1, 8), f(5, 2, 1, 8), f(5, 2, 1, 8)],
      (b, ...x) => {
        const [Q, K, V] = x.map(v => b.Transpose(v, [2, 1, 0, 3]));
        return b.Attention({ Q: Q!, K: K!, V: V! }, { is_causal: 1 }).Y;
      },
    ],
  ];
}

/** Numbers that look random and are the same everywhere. */
export function arrayOf({ dims, type = 'float32', low = -1.5, high = 1.5 }: Spec, seed: number): Tensor {
  const count = dims.reduce((n, d) => n * d, 1);
  const numbers = Array.from({ length: count }, (_, i) => {
    const noise = Math.sin((i + 1) * 12.9898 + (seed + 1) * 78.233) * 43758.5453;
    const x = low + (noise - Math.floor(noise)) * (high - low);
    return elementTypes[type].class === 'float' ? Math.fround(x) : Math.floor(x);
  });
  if (type === 'float16') return new Tensor(type, Uint16Array.from(numbers, float16.encode), dims);
  if (type === 'bfloat16') return new Tensor(type, Uint16Array.from(numbers, bfloat16.encode), dims);
  return arrayFor(type) === BigInt64Array ? new Tensor(type, numbers.map(BigInt), dims) : new Tensor(type, numbers, dims);
}

/** A sample as a model with inputs x0, x1 … and outputs y0, y1 …, and its input arrays. `open` names the first axis of x0. */
export function modelOf({ inputs, build, name }: Sample, { open = false } = {}): { model: Model; feeds: Record<string, Tensor> } {
  const values = inputs.map(({ dims, type = 'float32' }, i) => {
    const shape = open && i === 0 && dims.length > 0 ? [symbol('n'), ...dims.slice(1)] : dims;
    return new Value(`x${i}`, tensorType(type, shape));
  });
  const b = newBuilder();
  const made = build(b, ...values);
  const outputs = (made instanceof Value ? [made] : made)
    .filter((v): v is Value => v !== undefined)
    .map((value, i) => ({ name: `y${i}`, value }));
  const opsets = new Map([['', newestOpset('')!]]);
  const graph = new Graph(name, { inputs: values, outputs, nodes: b.nodes });
  const feeds = Object.fromEntries(inputs.map((spec, i) => [`x${i}`, arrayOf(spec, i)]));
  return { model: new Model(graph, { irVersion: irVersionFor(opsets), opsets }), feeds };
}
