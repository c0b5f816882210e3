// Operators of ONNX as ATen calls. A row says the whole operator or, by giving nothing, that this form of it has no call of its own: then a
// composite is written as its body, and a pointwise one as its formula.
import { addDims, productOf, unknownDim } from '../../../ir/dims.ts';
import { numbersOf, type Tensor } from '../../../ir/tensor.ts';
import { type DataType, elementTypes, isFloat, isInteger, type TensorType, tensorType } from '../../../ir/types.ts';
import type { OpName } from '../../../ops/names.gen.ts';
import type { At } from '../../../ops/row.ts';
import { axesOf, axisOf, broadcastShapes, contentsOf, numbersIn, range } from '../../../ops/shapes.ts';
import { convWindow, poolWindow, transposedWindow, type Window } from '../../../ops/window.ts';
import { gap, type NodeEmission } from './emission.ts';
import { type Arg, type Ref, type RefList, TypeArg } from './program.ts';
import { recurrent } from './recurrent.ts';
import { cast } from './scalars.ts';
import { sequences } from './sequences.ts';

export type Said = Ref | RefList | readonly (Ref | undefined)[] | undefined;
type Of<K extends OpName> = NodeEmission<At<K>>;
type Row<K extends OpName> = (n: Of<K>) => Said;
type Rows = { readonly [K in OpName]?: Row<K> };

const unary =
  (target: string) =>
  (n: NodeEmission): Ref =>
    n.call(target, [n.x()]);

/** A call on floats only; other elements have the formula. */
const onFloats =
  (target: string) =>
  (n: NodeEmission): Said =>
    isFloat(n.element()) ? n.call(target, [n.x()]) : undefined;

/** Two tensors, the second as a number where it is one. */
const binary =
  (name: string, withNumber = 'Tensor') =>
  (n: NodeEmission): Ref => {
    const number = n.e.literal(n.given(1));
    return number === undefined ? n.call(`aten.${name}.Tensor`, [n.x(), n.x(1)]) : n.call(`aten.${name}.${withNumber}`, [n.x(), number]);
  };

const chain =
  (target: string) =>
  (n: NodeEmission): Said => {
    const [first, ...rest] = n.node.inputs.map((_, i) => n.x(i));
    const type = (a: Ref, b: Ref): TensorType =>
      a.type?.shape && b.type?.shape ? tensorType(n.element(), broadcastShapes([a.type.shape, b.type.shape])) : n.y();
    return rest.length === 0 ? first : rest.reduce((a, b) => n.call(target, [a, b], {}, type(a, b)), first!);
  };

/** Operators of elements with one call, the same for every type that they take. */
const pointwise = {
  Abs: unary('aten.abs.default'),
  Acos: unary('aten.acos.default'),
  Acosh: unary('aten.acosh.default'),
  Asin: unary('aten.asin.default'),
  Asinh: unary('aten.asinh.default'),
  Atan: unary('aten.atan.default'),
  Atanh: unary('aten.atanh.default'),
  Ceil: unary('aten.ceil.default'),
  Cos: unary('aten.cos.default'),
  Cosh: unary('aten.cosh.default'),
  Erf: unary('aten.erf.default'),
  Exp: unary('aten.exp.default'),
  Floor: unary('aten.floor.default'),
  Log: unary('aten.log.default'),
  Neg: unary('aten.neg.default'),
  Reciprocal: onFloats('aten.reciprocal.default'),
  Relu: unary('aten.relu.default'),
  Round: unary('aten.round.default'),
  Sigmoid: unary('aten.sigmoid.default'),
  Sign: unary('aten.sign.default'),
  Sin: unary('aten.sin.default'),
  Sinh: unary('aten.sinh.default'),
  Softplus: unary('aten.softplus.default'),
  Sqrt: unary('aten.sqrt.default'),
  Tan: unary('aten.tan.default'),
  Tanh: unary('aten.tanh.default'),
  Mish: unary('aten.mish.default'),
  HardSwish: unary('aten.hardswish.default'),
  IsNaN: unary('aten.isnan.default'),
  Not: unary('aten.logical_not.default'),
  Add: binary('add'),
  Sub: binary('sub'),
  Mul: binary('mul'),
  Div: n => (isInteger(n.element()) ? n.call('aten.div.Tensor_mode', [n.x(), n.x(1)], { rounding_mode: 'trunc' }) : binary('div')(n)),
  Mod: n => n.call(n.at.fmod ? 'aten.fmod.Tensor' : 'aten.remainder.Tensor', [n.x(), n.x(1)]),
  Pow(n) {
    const exponent = n.e.literal(n.given(1));
    if (exponent !== undefined && isFloat(n.element())) return n.call('aten.pow.Tensor_Scalar', [n.x(), exponent]);
    const made = n.call('aten.pow.Tensor_Tensor', [n.x(), n.x(1)]);
    return n.element(1) === n.element() ? made : cast(made, n.element(), n);
  },
  And: n => n.call('aten.logical_and.default', [n.x(), n.x(1)]),
  Or: n => n.call('aten.logical_or.default', [n.x(), n.x(1)]),
  Xor: n => n.call('aten.logical_xor.default', [n.x(), n.x(1)]),
  BitwiseAnd: n => n.call('aten.bitwise_and.Tensor', [n.x(), n.x(1)]),
  BitwiseOr: n => n.call('aten.bitwise_or.Tensor', [n.x(), n.x(1)]),
  BitwiseXor: n => n.call('aten.bitwise_xor.Tensor', [n.x(), n.x(1)]),
  BitwiseNot: unary('aten.bitwise_not.default'),
  Equal: n => (n.element() === 'string' ? undefined : binary('eq', 'Scalar')(n)),
  Less: binary('lt', 'Scalar'),
  LessOrEqual: binary('le', 'Scalar'),
  Greater: binary('gt', 'Scalar'),
  GreaterOrEqual: binary('ge', 'Scalar'),
  Max: chain('aten.maximum.default'),
  Min: chain('aten.minimum.default'),
  Sum: chain('aten.add.Tensor'),
  Where: n => n.call('aten.where.self', [n.x(), n.x(1), n.x(2)]),
  BitShift: n => (n.element().startsWith('u') ? shifted(n) : undefined),
  Elu: n => n.call('aten.elu.default', [n.x(), n.at.alpha]),
  Celu: n => n.call('aten.celu.default', [n.x(), n.at.alpha]),
  LeakyRelu: n => n.call('aten.leaky_relu.default', [n.x(), n.at.alpha]),
  Gelu: n => n.call('aten.gelu.default', [n.x()], n.at.approximate === 'none' ? {} : { approximate: n.at.approximate }),
  IsInf: n => (n.at.detect_negative && n.at.detect_positive ? n.call('aten.isinf.default', [n.x()]) : undefined),
} satisfies Rows;

const movement = {
  Identity: n => n.e.made(n.given(0)),
  Cast: n => (n.y().element === 'string' ? undefined : toType(n, n.y().element)),
  CastLike: n => toType(n, n.y().element),
  Reshape(n) {
    const target = contentsOf(n.given(1));
    const copied = (i: number): boolean => target?.[i] === 0 && !n.at.allowzero;
    return n.call('aten.reshape.default', [
      n.x(),
      n.e.numbers(n.given(1)).map((size, i) => (copied(i) ? n.e.sizeAt(n.given(0), i) : size)),
    ]);
  },
  Flatten(n) {
    const shape = n.yShape();
    const isKnown = shape.every(d => n.t.isGiven(d));
    const axis = n.at.axis < 0 ? n.at.axis + n.rank() : n.at.axis;
    if (isKnown) return n.call('aten.reshape.default', [n.x(), n.e.shape(shape)]);
    if (axis === 1) return n.call('aten.flatten.using_ints', [n.x(), 1]);
    throw gap('sizes that only the run knows are flattened');
  },
  Transpose: n => n.call('aten.permute.default', [n.x(), n.at.perm ?? range(n.rank()).reverse()]),
  Unsqueeze(n) {
    const axes = axesOf(knownAxes(n, 1)!, n.yShape().length).sort((a, b) => a - b);
    return axes.reduce<Ref>((x, axis) => {
      const type = tensorType(n.element(), x.type!.shape!.toSpliced(axis, 0, 1));
      return n.call('aten.unsqueeze.default', [x, axis], {}, type);
    }, n.x());
  },
  Squeeze(n) {
    const axes = n.input(1) ? axesOf(knownAxes(n, 1)!, n.rank()) : range(n.rank()).filter(i => n.shape()[i] === 1);
    return n.call('aten.squeeze.dims', [n.x(), axes]);
  },
  Concat: n => n.call('aten.cat.default', [n.node.inputs.map((_, i) => n.x(i)), n.at.axis]),
  Split(n) {
    const axis = axisOf(n.at.axis, n.rank());
    const sizes = n.node.outputs.map((v, i) => {
      const d = (v?.type as TensorType | undefined)?.shape?.[axis];
      if (d === undefined || !n.t.isGiven(d)) return n.input(1) ? n.e.numbers(n.given(1))[i]! : undefined;
      return n.e.dim(d);
    });
    const types = n.node.outputs.map((_, i) => n.y(i));
    if (sizes.some(s => s === undefined)) return n.t.several('aten.chunk.default', [n.x(), types.length, axis], types, true);
    return n.t.several('aten.split_with_sizes.default', [n.x(), sizes as Arg, axis], types, true);
  },
  Slice(n) {
    const [starts, ends] = [n.e.bounds(n.given(1)), n.e.bounds(n.given(2))];
    const axes = axesOf((n.input(3) && knownAxes(n, 3)) ?? range(starts.length), n.rank());
    const steps = n.input(4) ? knownAxes(n, 4)! : starts.map(() => 1);
    return axes.reduce<Ref>((x, axis, i) => {
      const size = n.y().shape?.[axis];
      const type = tensorType(n.element(), size === undefined ? undefined : x.type!.shape!.with(axis, size));
      if (steps[i]! > 0) return n.call('aten.slice.Tensor', [x, axis, starts[i]!, clamped(ends[i]!), steps[i]!], {}, type);
      return backwards(n, x, axis, type, { start: starts[i]!, end: ends[i]!, step: steps[i]! });
    }, n.x());
  },
  Gather(n) {
    const axis = axisOf(n.at.axis, n.rank());
    const index = contentsOf(n.given(1));
    const isScalar = n.shape(1).length === 0;
    if (isScalar && typeof index?.[0] === 'number') return n.call('aten.select.int', [n.x(), axis, index[0]]);
    return n.call('aten.index.Tensor', [n.x(), [...range(axis).map(() => null), asIndex(n, 1)]]);
  },
  GatherElements(n) {
    const axis = axisOf(n.at.axis, n.rank());
    return n.call('aten.gather.default', [n.x(), axis, wrapped(n, 1, axis)]);
  },
  ScatterElements(n) {
    const axis = axisOf(n.at.axis, n.rank());
    const reduce = reductions[n.at.reduction];
    const args = [n.x(), axis, wrapped(n, 1, axis), n.x(2)];
    if (reduce === undefined) return n.call('aten.scatter.src', args);
    return n.call('aten.scatter_reduce.two', [...args, reduce]);
  },
  ScatterND(n) {
    const depth = n.shape(1).at(-1);
    if (typeof depth !== 'number' || !(n.at.reduction === 'none' || n.at.reduction === 'add'))
      throw gap(`ScatterND with ${n.at.reduction}`);
    const places = range(depth).map(i => n.t.call('aten.select.int', [n.x(1), -1, i], tensorType('int64', n.shape(1).slice(0, -1))));
    return n.call('aten.index_put.default', [n.x(), places, n.x(2), n.at.reduction === 'add']);
  },
  Expand(n) {
    const { shape } = n.y();
    if (shape?.every(d => n.t.isGiven(d))) return n.call('aten.expand.default', [n.x(), n.e.shape(shape)]);
    // Of a target that only the run knows ones keep the size that is there, as broadcasting has it.
    const sizes = n.e.numbers(n.given(1));
    const type = tensorType(n.element(), sizes.map(unknownDim));
    const target = n.t.call('aten.new_empty.default', [n.x(), sizes], type);
    const [made] = n.t.several('aten.broadcast_tensors.default', [[n.x(), target]], [n.y(), n.y()], true);
    return made;
  },
  Tile: n => n.call('aten.repeat.default', [n.x(), n.e.numbers(n.given(1))]),
  Shape: n =>
    n.e.stacked(
      n
        .shape()
        .slice(...bounds(n.at.start, n.at.end, n.rank()))
        .map((_, i) => n.e.sizeAt(n.given(0), i + bounds(n.at.start, n.at.end, n.rank())[0])),
      'int64',
      n.yShape(),
    ),
  Size: n =>
    n.t.call('aten.scalar_tensor.default', [n.t.number('aten.sym_numel.default', [n.x()])], n.y(), {
      kwargs: { dtype: new TypeArg('int64') },
    }),
  Trilu: n => n.call(n.at.upper ? 'aten.triu.default' : 'aten.tril.default', [n.x(), ...(n.input(1) ? [n.e.number(n.given(1))] : [])]),
  Pad(n) {
    const axes = n.input(3) ? axesOf(knownAxes(n, 3)!, n.rank()) : range(n.rank());
    const pads = n.e.numbers(n.given(1));
    const all: (number | Ref)[] = [];
    for (const axis of range(n.rank()).reverse()) {
      const i = axes.indexOf(axis);
      all.push(i < 0 ? 0 : pads[i]!, i < 0 ? 0 : pads[axes.length + i]!);
    }
    while (all.length > 2 && all.at(-1) === 0 && all.at(-2) === 0) all.splice(-2);
    const value = n.input(2) ? n.e.number(n.given(2)) : 0;
    if (n.at.mode === 'constant') return n.call('aten.constant_pad_nd.default', [n.x(), all, n.element() === 'bool' ? value !== 0 : value]);
    return padOtherwise(n, all);
  },
} satisfies Rows;

/** What is there only when the program runs decides how many elements these give. */
const selections = {
  NonZero(n) {
    const places = n.call('aten.nonzero.default', [n.x()], {}, tensorType('int64', n.y().shape?.toReversed()));
    return n.call('aten.permute.default', [places, [1, 0]]);
  },
  Compress(n) {
    const count = unknownDim();
    const places = n.t.call('aten.nonzero.default', [n.x(1)], tensorType('int64', [count, 1]));
    const index = n.t.call('aten.squeeze.dim', [places, 1], tensorType('int64', [count]));
    if (n.at.axis !== undefined) return n.call('aten.index_select.default', [n.x(), axisOf(n.at.axis, n.rank()), index]);
    const flat = n.t.call('aten.reshape.default', [n.x(), [-1]], tensorType(n.element(), [productOf(n.shape())]));
    return n.call('aten.index_select.default', [flat, 0, index]);
  },
  Unique(n) {
    if (n.isUsed(1) || !n.at.sorted) throw gap('Unique with places, or unsorted');
    const types = [n.y(0), n.y(2), n.y(3)].map((type, i) =>
      type.element === 'undefined' ? tensorType(i === 0 ? n.element() : 'int64', undefined) : type,
    );
    const [values, inverse, counts] =
      n.at.axis === undefined
        ? n.t.several('aten._unique2.default', [n.x(), true, true, true], types, false)
        : n.t.several('aten.unique_dim.default', [n.x(), axisOf(n.at.axis, n.rank()), true, true, true], types, false);
    const flat = n.isUsed(2) ? n.t.call('aten.reshape.default', [inverse!, [-1]], n.y(2)) : inverse;
    return [values, undefined, flat, counts];
  },
} satisfies Rows;

const makers = {
  ConstantOfShape(n) {
    const value = n.at.value as Tensor | undefined;
    const element = n.y().element;
    const fill = value ? numbersOf(value.type === 'bool' ? value : value)[0]! : 0;
    return n.call('aten.full.default', [n.e.numbers(n.given(0), n.y().shape?.length), element === 'bool' ? fill !== 0 : fill], {
      dtype: new TypeArg(element),
    });
  },
  Range: n =>
    n.call('aten.arange.start_step', [n.e.number(n.given(0)), n.e.number(n.given(1)), n.e.number(n.given(2))], {
      dtype: new TypeArg(n.element()),
    }),
  EyeLike(n) {
    const [rows, columns] = [n.e.sizeAt(n.given(0), 0), n.e.sizeAt(n.given(0), 1)];
    return n.at.k === 0 ? n.call('aten.eye.m', [rows, columns], { dtype: new TypeArg(n.y().element) }) : undefined;
  },
} satisfies Rows;

const reducers = {
  ReduceSum: n => reduced(n, 'aten.sum.dim_IntList', { dtype: new TypeArg(n.element()) }),
  ReduceMean: n => (isFloat(n.element()) ? reduced(n, 'aten.mean.dim') : undefined),
  ReduceMax: n => reduced(n, 'aten.amax.default'),
  ReduceMin: n => reduced(n, 'aten.amin.default'),
  ReduceProd(n) {
    const axes = reducedAxes(n).sort((a, b) => b - a);
    return axes.reduce<Ref>((x, axis) => {
      const shape = n.at.keepdims ? x.type!.shape!.with(axis, 1) : x.type!.shape!.toSpliced(axis, 1);
      return n.call(
        'aten.prod.dim_int',
        [x, axis, n.at.keepdims !== 0],
        { dtype: new TypeArg(n.element()) },
        tensorType(n.element(), shape),
      );
    }, n.x());
  },
  ReduceLogSumExp: n => (isFloat(n.element()) ? reduced(n, 'aten.logsumexp.default') : undefined),
  ArgMax: n => argOf(n, 'aten.argmax.default'),
  ArgMin: n => argOf(n, 'aten.argmin.default'),
  // Sorted, as the first of equal elements comes first, which topk does not promise.
  TopK(n) {
    const axis = axisOf(n.at.axis, n.rank());
    const types = [tensorType(n.element(), n.shape()), tensorType('int64', n.shape())];
    const sorted = n.t.several('aten.sort.stable', [n.x()], types, false, { stable: true, dim: axis, descending: n.at.largest !== 0 });
    const count = n.e.number(n.given(1));
    return sorted.map((ref, i) => n.t.call('aten.slice.Tensor', [ref, axis, 0, count], n.isUsed(i) ? n.y(i) : ref.type!));
  },
  CumSum(n) {
    const axis = contentsOf(n.given(1))?.[0];
    if (n.at.exclusive || n.at.reverse || typeof axis !== 'number') return undefined;
    return n.call('aten.cumsum.default', [n.x(), axis], { dtype: new TypeArg(n.element()) });
  },
  Softmax: n => n.call('aten.softmax.int', [n.x(), n.at.axis]),
  LogSoftmax: n => n.call('aten.log_softmax.int', [n.x(), n.at.axis]),
} satisfies Rows;

const products = {
  MatMul: n => n.call('aten.matmul.default', [n.x(), n.x(1)]),
  Gemm(n) {
    const isLinear = n.at.transB && !n.at.transA && n.at.alpha === 1 && (!n.input(2) || (n.at.beta === 1 && n.shape(2).length === 1));
    return isLinear ? n.call('aten.linear.default', [n.x(), n.x(1), ...(n.input(2) ? [n.x(2)] : [])]) : undefined;
  },
  Einsum: n => n.call('aten.einsum.default', [n.at.equation, n.node.inputs.map((_, i) => n.x(i))]),
  Conv(n) {
    const w = convWindow('Conv', n.shape(), n.shape(1), n.at);
    const { x, pads } = paddedEvenly(n, w, 0);
    return n.call('aten.convolution.default', [
      x,
      n.x(1),
      n.optional(2),
      w.strides,
      pads,
      w.dilations,
      false,
      w.strides.map(() => 0),
      n.at.group,
    ]);
  },
  ConvTranspose(n) {
    const w = transposedWindow(n.shape(), n.shape(1), n.at);
    const pads = w.pads();
    const rank = w.kernel.length;
    if (range(rank).some(d => pads[d] !== pads[rank + d] || pads[d]! < 0)) return undefined;
    return n.call('aten.convolution.default', [
      n.x(),
      n.x(1),
      n.optional(2),
      w.strides,
      pads.slice(0, rank),
      w.dilations,
      true,
      w.extra,
      n.at.group,
    ]);
  },
  MaxPool(n) {
    if (n.isUsed(1)) throw gap('MaxPool with indices');
    const w = poolWindow('MaxPool', n.shape(), n.at);
    const { x, pads } = paddedEvenly(n, w, isFloat(n.element()) ? Number.NEGATIVE_INFINITY : 0, n.x());
    return n.call(`aten.max_pool${dimensions(w)}d.default`, [x, w.kernel, w.strides, pads, w.dilations, n.at.ceil_mode !== 0]);
  },
  AveragePool(n) {
    const w = poolWindow('AveragePool', n.shape(), n.at);
    if (w.dilations.some(d => d !== 1)) throw gap('AveragePool with dilations');
    const isPlain = evenPads(w) && isNarrow(w);
    const average = (input: Ref, counts: boolean): Ref => {
      const { x, pads } = paddedEvenly(n, w, 0, input);
      return n.call(`aten.avg_pool${dimensions(w)}d.default`, [x, w.kernel, w.strides, pads, n.at.ceil_mode !== 0, counts]);
    };
    if (isPlain || n.at.count_include_pad) return average(n.x(), n.at.count_include_pad !== 0);
    // Padding that is no element: the average over all, by the share of what is there.
    const ones = n.t.call('aten.ones_like.default', [n.x()], tensorType(n.element(), n.shape()));
    return n.call('aten.div.Tensor', [average(n.x(), true), average(ones, true)]);
  },
} satisfies Rows;

const normalisation = {
  LayerNormalization(n) {
    const shape = n.shape().slice(axisOf(n.at.axis, n.rank()));
    if (n.isUsed(1) || n.isUsed(2) || n.shape(1).length !== shape.length || shape.some(d => typeof d !== 'number')) return undefined;
    return n.call('aten.layer_norm.default', [n.x(), shape as number[], n.x(1), n.optional(2), n.at.epsilon]);
  },
  RMSNormalization(n) {
    const shape = n.shape().slice(axisOf(n.at.axis, n.rank()));
    if (n.shape(1).length !== shape.length || shape.some(d => typeof d !== 'number')) return undefined;
    return n.call('aten.rms_norm.default', [n.x(), shape as number[], n.x(1), n.at.epsilon]);
  },
  BatchNormalization(n) {
    if (n.at.training_mode || n.node.outputs.length > 1) return undefined;
    return n.call('aten.batch_norm.default', [n.x(), n.x(1), n.x(2), n.x(3), n.x(4), false, 1 - n.at.momentum, n.at.epsilon, false]);
  },
  InstanceNormalization: n => n.call('aten.instance_norm.default', [n.x(), n.x(1), n.x(2), null, null, true, 0, n.at.epsilon, false]),
  GroupNormalization: n => n.call('aten.group_norm.default', [n.x(), n.at.num_groups, n.x(1), n.x(2), n.at.epsilon]),
} satisfies Rows;

export const rows: Rows = {
  ...pointwise,
  ...movement,
  ...selections,
  ...makers,
  ...reducers,
  ...products,
  ...normalisation,
  ...recurrent,
  ...sequences,
};

function toType(n: Of<'Cast'> | Of<'CastLike'>, element: DataType): Ref {
  return n.call('aten.to.dtype', [n.x(), new TypeArg(element)]);
}

/**
 * PyTorch shifts signed integers, whose sign comes in from the left, and bytes: others are shifted as 64 bits, what came in cut off again.
 * A shift by all bits or more gives 0.
 */
function shifted(n: Of<'BitShift'>): Ref {
  const type = n.element();
  const { bits } = elementTypes[type];
  const wide = { ...n.y(), element: 'int64' as const };
  const on = (target: string, a: Arg, b: Arg, element: DataType = 'int64'): Ref => n.t.call(target, [a, b], { ...wide, element });
  const [x, by] = [0, 1].map(i => (type === 'int64' ? n.x(i) : cast(n.x(i), 'int64', n))) as [Ref, Ref];
  const isLeft = n.at.direction === 'LEFT';
  const moved = on(isLeft ? 'aten.bitwise_left_shift.Tensor' : 'aten.bitwise_right_shift.Tensor', x, by);
  const mask = (width: Ref): Ref =>
    on('aten.sub.Tensor', on('aten.bitwise_left_shift.Tensor', n.t.call('aten.ones_like.default', [width], wide), width), 1);
  const inRange = on('aten.lt.Scalar', by, bits, 'bool');
  const zero = n.t.call('aten.zeros_like.default', [moved], wide);
  // Of 64 bits a shift to the right by nothing keeps them all, which no mask of fewer bits says.
  const kept = isLeft
    ? bits < 64
      ? on('aten.bitwise_and.Scalar', moved, 2 ** bits - 1)
      : moved
    : bits < 64
      ? moved
      : n.t.call(
          'aten.where.self',
          [on('aten.eq.Scalar', by, 0, 'bool'), x, on('aten.bitwise_and.Tensor', moved, mask(on('aten.rsub.Scalar', by, 64)))],
          wide,
        );
  const result = n.t.call('aten.where.self', [inRange, kept, zero], wide);
  return type === 'int64' ? result : cast(result, type, n);
}

/** Axes and steps, which the program needs as numbers. */
function knownAxes(n: NodeEmission, i: number): readonly number[] {
  const numbers = numbersIn(n.given(i));
  if (numbers) return numbers;
  throw gap('axes or steps that only the run knows');
}

/** What is beyond every size, as PyTorch has it. */
const clamped = (end: number | Ref): number | Ref | bigint => (typeof end === 'number' && end >= 2 ** 31 - 1 ? 9223372036854775807n : end);

const bounds = (start: number, end: number | undefined, rank: number): [number, number] => {
  const clamp = (k: number): number => Math.min(Math.max(k < 0 ? k + rank : k, 0), rank);
  const from = clamp(start);
  return [from, Math.max(from, clamp(end ?? rank))];
};

/** A slice with a negative step: the axis turned around, then sliced forwards. Only of sizes that are known. */
function backwards(
  n: Of<'Slice'>,
  x: Ref,
  axis: number,
  type: TensorType,
  { start, end, step }: { readonly start: number | Ref; readonly end: number | Ref; readonly step: number },
): Ref {
  const turned = (): Ref => n.call('aten.flip.default', [x, [axis]], {}, x.type!);
  const size = n.shape()[axis];
  if (typeof size !== 'number' || typeof start !== 'number' || typeof end !== 'number') {
    // Through the whole axis, whatever its size is.
    if (step === -1 && start === -1 && typeof end === 'number' && end < -(2 ** 31) + 2) return turned();
    throw gap('a slice backwards through sizes that only the run knows');
  }
  const first = Math.min(start < 0 ? start + size : start, size - 1);
  const last = Math.max(end < 0 ? end + size : end, -1);
  const from = size - 1 - first;
  const to = end < -size ? size : size - 1 - last;
  return n.call('aten.slice.Tensor', [turned(), axis, from, Math.max(to, from), -step], {}, type);
}

/** Indices as int64, which advanced indexing takes; negative ones count from the end there too. */
const asIndex = (n: Of<'Gather'>, i: number): Ref => (n.element(i) === 'int64' ? n.x(i) : cast(n.x(i), 'int64', n));

/** Indices along an axis, negative ones counted from its end. */
function wrapped(n: Of<'GatherElements'> | Of<'ScatterElements'>, i: number, axis: number): Ref {
  const index = n.element(i) === 'int64' ? n.x(i) : cast(n.x(i), 'int64', n);
  const known = contentsOf(n.given(i));
  if (known?.every(k => typeof k === 'number' && k >= 0)) return index;
  const type = index.type!;
  const moved = n.t.call('aten.add.Tensor', [index, n.e.sizeAt(n.given(0), axis)], type);
  return n.t.call('aten.where.self', [n.t.call('aten.lt.Scalar', [index, 0], { ...type, element: 'bool' }), moved, index], type);
}

const reductions: Readonly<Record<string, string | undefined>> = { add: 'sum', mul: 'prod', max: 'amax', min: 'amin' };

const modes: Readonly<Record<string, string>> = { reflect: 'reflect', edge: 'replicate', wrap: 'circular' };

/** ATen pads so at the last axes only, and with one or two axes before them. */
function padOtherwise(n: Of<'Pad'>, pads: readonly (number | Ref)[]): Said {
  const padded = pads.length / 2;
  const batch = n.rank() - padded;
  if (padded > 3 || batch < 1 || batch > 2) throw gap(`Pad of ${padded} axes of ${n.rank()} with ${n.at.mode}`);
  return n.call('aten.pad.default', [n.x(), pads, modes[n.at.mode]!]);
}

type Reducing = Of<'ReduceSum'> | Of<'ReduceMean'> | Of<'ReduceMax'> | Of<'ReduceMin'> | Of<'ReduceProd'> | Of<'ReduceLogSumExp'>;

function reducedAxes(n: Reducing): number[] {
  const given = n.input(1) ? knownAxes(n as never, 1) : [];
  if (given.length > 0) return axesOf(given, n.rank());
  return n.at.noop_with_empty_axes ? [] : range(n.rank());
}

function reduced(n: Reducing, target: string, kwargs: Readonly<Record<string, Arg>> = {}): Said {
  const axes = reducedAxes(n);
  // Without axes ATen reduces all of them.
  return axes.length === 0 ? n.x() : n.call(target, [n.x(), axes, n.at.keepdims !== 0], kwargs);
}

function argOf(n: Of<'ArgMax'> | Of<'ArgMin'>, target: string): Ref {
  if (n.at.select_last_index) throw gap('the last of equal elements');
  return n.call(target, [n.x(), axisOf(n.at.axis, n.rank()), n.at.keepdims !== 0]);
}

/** ATen's name for the number of spatial axes. */
function dimensions({ kernel }: Window): number {
  if (kernel.length <= 3) return kernel.length;
  throw gap(`a pool over ${kernel.length} axes`);
}

const evenPads = ({ pads, kernel }: Window): boolean =>
  kernel.every((_, d) => typeof pads[d] === 'number' && pads[d] === pads[kernel.length + d]);

/** Pools of ATen take padding of at most half a window. */
const isNarrow = ({ kernel, pads }: Window): boolean => kernel.every((k, d) => 2 * (pads[d] as number) <= k);

/** The input with what is not the same on both sides of an axis padded before, and the padding that is left to the call. */
function paddedEvenly(
  n: Of<'Conv'> | Of<'MaxPool'> | Of<'AveragePool'>,
  w: Window,
  fill: number,
  pooled?: Ref,
): { x: Ref; pads: readonly number[] } {
  const rank = w.kernel.length;
  const input = pooled ?? n.x();
  if (evenPads(w) && (!pooled || isNarrow(w))) return { x: input, pads: w.pads.slice(0, rank) as number[] };
  const around = range(rank)
    .reverse()
    .flatMap(d => [n.e.dim(w.pads[d]!), n.e.dim(w.pads[rank + d]!)]);
  const padded = n.shape().map((d, axis) => (axis < 2 ? d : addDims(d, addDims(w.pads[axis - 2]!, w.pads[rank + axis - 2]!))));
  const x = n.t.call('aten.constant_pad_nd.default', [input, around, fill], tensorType(n.element(), padded));
  return { x, pads: w.kernel.map(() => 0) };
}
