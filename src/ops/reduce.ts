// Reductions: four with kernels, the others as bodies of these.
import { unknownDim } from '../ir/dims.ts';
import type { Value } from '../ir/graph.ts';
import { isFloat, type Shape, tensorType, type ValueType } from '../ir/types.ts';
import type { ReduceBy, View } from '../kernels/kernel.ts';
import { dropAxes, type Emitter } from '../kernels/views.ts';
import type { Builder } from './builder.ts';
import type { CoreRow, Family } from './row.ts';
import { axesOf, axisOf, elementOf, knownNumbers, numbersIn, range, shapeOf, typeOf } from './shapes.ts';

interface ReduceInputs {
  readonly data: Value;
  readonly axes?: Value | undefined;
}
interface ReduceAttributes {
  readonly keepdims: number;
  readonly noop_with_empty_axes: number;
}

/** The axes that a reduction runs over: all of them where none are given, unless it is told to do nothing then. */
function axesOfReduction({ data, axes }: ReduceInputs, { noop_with_empty_axes }: ReduceAttributes): number[] {
  const rank = shapeOf(data).length;
  const given = knownNumbers(axes) ?? [];
  if (given.length > 0) return axesOf(given, rank);
  return noop_with_empty_axes ? [] : range(rank);
}

const reducedShape = (shape: Shape, axes: readonly number[], keepdims: number): Shape =>
  keepdims ? shape.map((d, i) => (axes.includes(i) ? 1 : d)) : shape.filter((_, i) => !axes.includes(i));

function inferReduction(x: ReduceInputs, at: ReduceAttributes): ValueType[] {
  const { element, shape } = typeOf(x.data);
  if (!shape) return [tensorType(element)];
  if (x.axes && !numbersIn(x.axes)) return [at.keepdims ? tensorType(element, shape.map(unknownDim)) : tensorType(element)];
  return [tensorType(element, reducedShape(shape, axesOfReduction(x, at), at.keepdims))];
}

function planReduction(by: ReduceBy, data: View, axes: readonly number[], keepdims: number, e: Emitter): View {
  if (axes.length === 0) return data;
  const y = e.alloc(data.type, reducedShape(data.shape, axes, 1));
  e.step({ kind: 'reduce', by }, [data], [y]);
  return keepdims ? y : dropAxes(y, axes);
}

type Reduction = 'ReduceSum' | 'ReduceProd' | 'ReduceMax' | 'ReduceMin';
const reduction = (by: ReduceBy): CoreRow<Reduction> => ({
  known: ['axes'],
  infer: inferReduction,
  plan: ({ data }, at, e, values) => [planReduction(by, data, axesOfReduction(values, at), at.keepdims, e)],
});

/** A reduction whose body is built over the decoded axes. */
const body = (build: (x: Value, at: { axes: readonly number[]; keepdims: number }, b: Builder) => Value) => ({
  known: ['axes'],
  infer: inferReduction,
  lower(x: ReduceInputs, at: ReduceAttributes, b: Builder): Value {
    return build(x.data, { axes: axesOfReduction(x, at), keepdims: at.keepdims }, b);
  },
});

const argReduction = (by: 'max' | 'min'): CoreRow<'ArgMax' | 'ArgMin'> => ({
  infer({ data }, { axis, keepdims }) {
    const { shape } = typeOf(data);
    return [shape ? tensorType('int64', reducedShape(shape, [axisOf(axis, shape.length)], keepdims)) : tensorType('int64')];
  },
  plan({ data }, { axis, keepdims, select_last_index }, e) {
    const along = axisOf(axis, data.shape.length);
    const y = e.alloc('int64', reducedShape(data.shape, [along], 1));
    e.step({ kind: 'argreduce', by, axis: along, last: select_last_index !== 0 }, [data], [y]);
    return [keepdims ? y : dropAxes(y, [along])];
  },
});

export const reductions = {
  ReduceSum: reduction('sum'),
  ReduceProd: reduction('prod'),
  ReduceMax: reduction('max'),
  ReduceMin: reduction('min'),
  ReduceMean: body((x, at, b) => {
    const sum = b.ReduceSum(x, at);
    const mean = b.Div(sum, b.count(x, at.axes));
    // A count that only the run knows has an axis, which a scalar does not get.
    return sum.shape?.length === 0 && mean.shape?.length === 1 ? b.Squeeze(mean, [0]) : mean;
  }),
  ReduceL1: body((x, at, b) => b.ReduceSum(b.Abs(x), at)),
  ReduceL2: body((x, at, b) => {
    const squares = b.ReduceSum(b.Mul(x, x), at);
    return isFloat(elementOf(x)) ? b.Sqrt(squares) : b.Cast(b.Sqrt(b.Cast(squares, 'float64')), elementOf(x));
  }),
  ReduceSumSquare: body((x, at, b) => b.ReduceSum(b.Mul(x, x), at)),
  ReduceLogSum: body((x, at, b) => b.Log(b.ReduceSum(x, at))),
  ReduceLogSumExp: body((x, { axes, keepdims }, b) => {
    const top = b.ReduceMax(x, { axes });
    const finite = b.Where(b.Less(b.Abs(top), b.like(Number.POSITIVE_INFINITY, x)), top, b.like(0, x));
    const y = b.Add(b.Log(b.ReduceSum(b.Exp(b.Sub(x, finite)), { axes })), finite);
    return keepdims ? y : b.Squeeze(y, axes);
  }),
  ArgMax: argReduction('max'),
  ArgMin: argReduction('min'),
} satisfies Family;
