// What a row of the table of losses says, and what rows share.
import type { Dim } from '../../ir/dims.ts';
import type { Value } from '../../ir/graph.ts';
import { tensorType, type ValueType } from '../../ir/types.ts';
import type { Builder } from '../../ops/builder.ts';
import { range, rankOf, shapeOf } from '../../ops/shapes.ts';
import { type Option, type OptionTable, type OptionValues, oneOf } from '../options.ts';

export type Reduction = 'mean' | 'sum' | 'none';
/** One number for all elements, or one each; the mean unless it is said. */
export const reduction: Option<Reduction> = oneOf<Reduction>('mean', 'sum', 'none');

/** What is known of the data that a loss reads beside the outputs of the model. */
export interface TargetFacts {
  readonly name: string;
  readonly type: ValueType;
  /** Where the data are classes: how many there are, and which number is none of them on purpose. */
  readonly classes?: { readonly count: Dim; readonly ignored: number };
}

/** A loss: how many outputs of the model it reads, which data beside them, and its graph. The names are PyTorch's. */
export interface LossRow<T extends OptionTable = OptionTable> {
  readonly options: T;
  /** How many outputs of the model it reads; 1 unless it is said. */
  readonly outputs?: number;
  /** The data beside them. Nothing where the model computes its own loss. */
  targets(outputs: readonly Value[], at: OptionValues<T>): readonly TargetFacts[];
  build(b: Builder, outputs: readonly Value[], targets: readonly Value[], at: OptionValues<T>): Value;
}

/** A row whose options are typed by its own table. */
// The cast: rows are looked up by names that only the run knows, so the types of their options are forgotten here.
export const loss = <T extends OptionTable>(row: LossRow<T>): LossRow => row as unknown as LossRow;

/** One target of the sizes of the output. */
export const likeOutput = ([output]: readonly Value[]): readonly TargetFacts[] => [{ name: 'target', type: output!.type! }];

/** One target with a number for each example. */
export const eachExample = ([output]: readonly Value[]): readonly TargetFacts[] => {
  const [first] = shapeOf(output!);
  return [{ name: 'target', type: tensorType(output!.element!, first === undefined ? [] : [first]) }];
};

const allAxes = (x: Value): number[] => range(rankOf(x));

export const total = (b: Builder, x: Value): Value => b.ReduceSum(x, { axes: allAxes(x), keepdims: 0 });
export const average = (b: Builder, x: Value): Value => b.Div(total(b, x), countOf(b, x, allAxes(x)));
/** The number of elements along some axes, as a scalar. */
export const countOf = (b: Builder, x: Value, axes: readonly number[]): Value => {
  const count = b.count(x, axes);
  return count.shape?.length === 0 ? count : b.Reshape(count, []);
};

/** Elements as the reduction says. */
export function reduce(b: Builder, x: Value, how: Reduction): Value {
  return how === 'none' ? x : how === 'sum' ? total(b, x) : average(b, x);
}

/** A vector of one number for each class as a constant that broadcasts along `axis` of a tensor of that rank. */
export const perClass = (b: Builder, weights: readonly number[], like: Value, axis = 1): Value => {
  const rank = rankOf(like);
  const dims = rank > axis ? [weights.length, ...range(rank - axis - 1).map(() => 1)] : [weights.length];
  return b.Cast(b.constant(weights, 'float64', dims), like.element!);
};
