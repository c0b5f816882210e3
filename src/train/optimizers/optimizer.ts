// What a row of the table of optimizers says: its options, the state of each parameter, and one step as a graph.
import type { Value } from '../../ir/graph.ts';
import type { Builder } from '../../ops/builder.ts';
import { flag, number, type Option, type OptionTable, type OptionValues } from '../options.ts';

/** A tensor that an optimizer keeps for each parameter: of its sizes, or one number; filled with a number at first. */
export interface Slot {
  readonly name: string;
  readonly of: 'parameter' | 'scalar';
  readonly initial: number;
}

export const slot = (name: string, { of = 'parameter', initial = 0 }: Partial<Omit<Slot, 'name'>> = {}): Slot => ({ name, of, initial });

/** What a step reads: tensors of one parameter, and the scalars of the step. */
export interface StepInputs {
  readonly parameter: Value;
  readonly gradient: Value;
  /** State, by the names of the slots. */
  readonly state: Readonly<Record<string, Value>>;
  /** Makes graphs of scalars in float64 and casts them to the type of the parameter. */
  readonly scalars: Scalars;
}

export interface StepResults {
  readonly parameter: Value;
  readonly state: Readonly<Record<string, Value>>;
}

/** An optimizer. Names, options and defaults are PyTorch's where PyTorch has it. */
export interface OptimizerRow<T extends OptionTable = OptionTable> {
  /** `lr` is among them: what learning rates are made of that nobody gives. */
  readonly options: T & { readonly lr: Option<number> };
  slots(at: OptionValues<T>): readonly Slot[];
  step(b: Builder, x: StepInputs, at: OptionValues<T>): StepResults;
}

// The cast: rows are looked up by names that only the run knows, so the types of their options are forgotten here.
export const optimizer = <T extends OptionTable>(row: OptimizerRow<T>): OptimizerRow => row as unknown as OptimizerRow;

/** Options that every optimizer of PyTorch has. */
export const common = (lr: number, weightDecay = 0) => ({
  lr: number(lr, 0),
  weight_decay: number(weightDecay, 0),
  maximize: flag(false),
});

/**
 * Numbers of one step that are the same for all elements. They are computed in float64, because powers of factors near 1 lose too much in
 * float32, and cast where they meet a tensor.
 */
export class Scalars {
  readonly #b: Builder;
  /** The learning rate. */
  readonly rate: Value;
  /** How many steps there are with this one: 1 in the first. */
  readonly count: Value;
  readonly #like: Value;

  /** @param step how many steps came before, an int64 scalar */
  constructor(b: Builder, rate: Value, step: Value, like: Value) {
    this.#b = b;
    this.rate = b.Cast(rate, 'float64');
    this.count = b.Add(b.Cast(step, 'float64'), b.constant(1, 'float64'));
    this.#like = like;
  }
  number(value: number): Value {
    return this.#b.constant(value, 'float64');
  }
  /** 1 - base^count. */
  correction(base: number): Value {
    return this.#b.Sub(this.number(1), this.#b.Pow(this.number(base), this.count));
  }
  /** A number of the step in the element type of the parameter. */
  cast(x: Value | number): Value {
    if (typeof x === 'number') return castLike(this.#b, this.number(x), this.#like);
    return castLike(this.#b, x, this.#like);
  }
  /** In the first step one number, in all others another. */
  firstly(first: number, later: number): Value {
    const isFirst = this.#b.Less(this.count, this.number(1.5));
    return this.#b.Where(isFirst, this.number(first), this.number(later));
  }
}

const castLike = (b: Builder, x: Value, like: Value): Value => b.Cast(x, like.element!);

/** The gradient as the options say: with its sign turned, and with a part of the parameter added. */
export function regularised(
  b: Builder,
  { parameter, gradient, scalars }: StepInputs,
  { weight_decay, maximize }: { readonly weight_decay: number; readonly maximize: boolean },
): Value {
  const g = maximize ? b.Neg(gradient) : gradient;
  return weight_decay === 0 ? g : b.Add(g, b.Mul(scalars.cast(weight_decay), parameter));
}

/** The parameter after a part of it went, as `weight_decay` times the learning rate says. */
export function decayed(b: Builder, { parameter, scalars }: StepInputs, weightDecay: number): Value {
  if (weightDecay === 0) return parameter;
  const kept = b.Sub(scalars.number(1), b.Mul(scalars.rate, scalars.number(weightDecay)));
  return b.Mul(parameter, scalars.cast(kept));
}

/** `old` moved towards `now` by a part of the way. */
export const towards = (b: Builder, old: Value, now: Value, { scalars }: StepInputs, part: number): Value =>
  b.Add(old, b.Mul(scalars.cast(part), b.Sub(now, old)));

/** The mean of squares, moved on by the square of the gradient. */
export const squares = (b: Builder, old: Value, g: Value, { scalars }: StepInputs, kept: number): Value =>
  b.Add(b.Mul(old, scalars.cast(kept)), b.Mul(scalars.cast(1 - kept), b.Mul(g, g)));
