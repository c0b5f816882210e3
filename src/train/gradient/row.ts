// What a row of the gradient table may say of an operator.
import type { Expr } from '../../expr/expr.ts';
import type { Value } from '../../ir/graph.ts';
import type { AttributeInput } from '../../ops/attributes.ts';
import type { Builder } from '../../ops/builder.ts';
import type { OpName } from '../../ops/names.gen.ts';
import type { At, Inputs } from '../../ops/row.ts';

/** What a rule is given. `g` is the gradient of the first output, `gs` that of each. */
export interface Pulled<K extends OpName> {
  readonly x: Inputs<K>;
  readonly at: At<K>;
  /** The outputs, or what `keep` made instead. */
  readonly y: readonly Value[];
  readonly g: Value;
  readonly gs: readonly (Value | undefined)[];
  readonly b: Builder;
  /** A function of our own domain: a call with a body, or the body in place of it, as the caller of the driver asked. */
  call(name: string, inputs: readonly (Value | undefined)[], at: Readonly<Record<string, AttributeInput>>, body: Body): readonly Value[];
}
export type Body = (b: Builder, ...x: (Value | undefined)[]) => readonly Value[];

/**
 * The gradient of each input by its name, made when it is asked for; of a variadic input for each of its values. Undefined where nothing
 * of the result changes with the input, and absent where its gradient is not said.
 */
export type Slots<K extends OpName> = {
  readonly [N in keyof Inputs<K>]?: Exclude<Inputs<K>[N], undefined> extends readonly Value[]
    ? (i: number) => Value
    : () => Value | undefined;
};

/** A rule of operators. */
export interface RuleRow<K extends OpName> {
  readonly kind: 'rule';
  /** The operator in a form that keeps what the rule reads: its outputs, then what the rule reads beside them. */
  readonly keep?: ((x: Inputs<K>, at: At<K>, b: Builder) => readonly (Value | undefined)[]) | undefined;
  readonly pull: (c: Pulled<K>) => Slots<K>;
  /** Inputs are broadcast, and the driver undoes it. */
  readonly broadcasts?: boolean | undefined;
  /** Outputs whose gradient the rule takes; others are asked of the body. The first where absent. */
  readonly outputs?: number | undefined;
  /** Whether the rule says this form of the operator; its body is differentiated otherwise. */
  readonly says?: ((x: Inputs<K>, at: At<K>) => boolean) | undefined;
}

/** A map: the derivatives by all inputs times `g`, as formulas; without one they follow from the map's own. */
export interface FormulaRow<K extends OpName> {
  readonly kind: 'formula';
  readonly by?: (x: readonly Expr[], at: At<K>, y: Expr, g: Expr) => readonly (Expr | undefined)[];
}

/** The derivative of the body. */
export interface BodyRow {
  readonly kind: 'body';
  readonly why: string;
}

/**
 * The derivative of the body, as a function of our own domain that computes again what it needs, so that the operator stays; by the
 * operator's inputs that are floats, from the gradients of its outputs. Where functions are not wanted the body takes its place.
 */
export interface FunctionRow {
  readonly kind: 'function';
  readonly name: string;
}

/** Operators with nested graphs. */
export interface ControlRow {
  readonly kind: 'control';
  readonly why: string;
}

/** Operators on sequences and optionals, whose items are followed to where they were made. */
export interface ItemsRow {
  readonly kind: 'items';
  readonly why: string;
}

/** `zero`: constant almost everywhere. `none`: not a function of real numbers. `gap`: there is a gradient, not said here. */
export interface CutRow {
  readonly kind: 'zero' | 'none' | 'gap';
  readonly why: string;
}

export type GradientRow<K extends OpName = OpName> = RuleRow<K> | FormulaRow<K> | BodyRow | FunctionRow | ControlRow | ItemsRow | CutRow;
export type GradientFamily = { readonly [K in OpName]?: GradientRow<K> };

export const rule = <K extends OpName>(pull: RuleRow<K>['pull'], more: Omit<RuleRow<K>, 'kind' | 'pull'> = {}): RuleRow<K> => ({
  kind: 'rule',
  pull,
  ...more,
});
export const formula = <K extends OpName>(by?: FormulaRow<K>['by']): FormulaRow<K> => ({ kind: 'formula', ...(by && { by }) });
export const body = (why: string): BodyRow => ({ kind: 'body', why });
export const byFunction = (name: string): FunctionRow => ({ kind: 'function', name });
export const control = (why: string): ControlRow => ({ kind: 'control', why });
export const items = (why: string): ItemsRow => ({ kind: 'items', why });
export const zero = (why: string): CutRow => ({ kind: 'zero', why });
export const none = (why: string): CutRow => ({ kind: 'none', why });
export const gap = (why: string): CutRow => ({ kind: 'gap', why });
