// What a row of the operator table may say. Facts of signatures come from the schema table; a row is the meaning.
import type { Expr } from '../expr/expr.ts';
import type { Datum } from '../ir/datum.ts';
import type { Dim } from '../ir/dims.ts';
import type { Graph, Value } from '../ir/graph.ts';
import type { ValueType } from '../ir/types.ts';
import type { View } from '../kernels/kernel.ts';
import type { Emitter } from '../kernels/views.ts';
import type { Builder } from './builder.ts';
import type { AttributeValues, OpName, Signatures } from './names.gen.ts';

/** Inputs by their names in the standard. */
export type Inputs<K extends OpName> = Parameters<Signatures<Value>[K]>[0];
/** Attributes by name; those with a default in the standard are always there. */
export type At<K extends OpName> = AttributeValues[K];
export type Outputs<K extends OpName> = ReturnType<Signatures<Value>[K]>;

/** The same as `T` with views for values. */
export type Viewed<T> = {
  readonly [N in keyof T]: T[N] extends readonly Value[] ? readonly View[] : T[N] extends Value ? View : View | undefined;
};

/** What kernels leave to the host. */
interface OffKernels<K extends OpName> {
  /**
   * What the host does with data that no kernel takes, such as strings and sequences. All tensors are resident. Undefined where the
   * kernels do it.
   */
  offKernels?(x: Hosted<Inputs<K>>, at: At<K>): readonly Datum[] | undefined;
}

/** One scalar formula over broadcast inputs. A map row is all there is to say of a pointwise operator. */
export interface MapRow<K extends OpName> extends OffKernels<K> {
  map(x: readonly Expr[], at: At<K>): Expr;
  /** The type of the result where an input has elements without arithmetic, for a row with `offKernels`. */
  inferOff?(x: Inputs<K>): ValueType;
  /** The same in older operators, for files in an opset that lacks this one. */
  body?(x: Inputs<K>, at: At<K>, b: Builder): Outputs<K>;
}

/** An operator with kernels of its own. */
export interface CoreRow<K extends OpName> extends OffKernels<K> {
  /** Inputs whose content must be known before execution: axes, shapes, pads. */
  readonly known?: readonly string[];
  /** Types of all outputs. Reads the contents of `known` inputs from the values. */
  infer(x: Inputs<K>, at: At<K>, outputs: number): readonly (ValueType | undefined)[];
  /** Integer contents of the outputs as far as they are known, where running the kernels on sizes cannot tell them. */
  contents?(x: Inputs<K>, at: At<K>): readonly (readonly Dim[] | undefined)[];
  /** Emit the kernels and return a view of each output; `y` are the inferred types. */
  plan(x: Viewed<Inputs<K>>, at: At<K>, e: Emitter, values: Inputs<K>, y: readonly PlannedType[]): readonly (View | undefined)[];
}

/** An inferred tensor type of known rank. */
export interface PlannedType {
  readonly element: View['type'];
  readonly shape: readonly Dim[];
}

/** An operator that is a body of simpler operators. */
export interface CompositeRow<K extends OpName> {
  readonly known?: readonly string[];
  /** The body says itself in which type float16 and bfloat16 are computed; otherwise it sees them as float32. */
  readonly keepsHalves?: true;
  /** A shortcut to the output types; without it the body is built and read. */
  infer?(x: Inputs<K>, at: At<K>, outputs: number): readonly (ValueType | undefined)[];
  lower(x: Inputs<K>, at: At<K>, b: Builder): Outputs<K>;
}

/** The same as `T` with what the run holds for values. */
export type Hosted<T> = {
  readonly [N in keyof T]:
    | (Exclude<T[N], undefined> extends readonly Value[] ? readonly Datum[] : Datum)
    | (undefined extends T[N] ? undefined : never);
};

/** What an operator that is evaluated on the host may ask of the run. */
export interface HostContext {
  /** How many outputs the node has. */
  readonly outputs: number;
  /** The types of the outputs as far as they are known. */
  readonly types: readonly (ValueType | undefined)[];
  /** Run a graph of the node's attributes, with what it captures; one datum an output. */
  run(graph: Graph, inputs: readonly Datum[]): Promise<readonly Datum[]>;
  /** A number that is the same for this node in every run with the same seed. */
  readonly seed: number;
  /** @throws ModelError E3007 where a tensor of so many bytes exceeds the limit of the run */
  reserve(bytes: number): void;
  /** @throws ModelError where the run was cancelled or its time is over; loops ask it in every round */
  proceed(): void;
}

type MaybePromise<T> = T | Promise<T>;

/** An operator that is evaluated in TypeScript: strings, sequences, optionals, control flow, and sizes that depend on the data. */
export interface HostRow<K extends OpName> {
  infer(x: Inputs<K>, at: At<K>, outputs: number): readonly (ValueType | undefined)[];
  /** Integer contents of the outputs that are known before the run. */
  contents?(x: Inputs<K>, at: At<K>): readonly (readonly Dim[] | undefined)[];
  /** All tensors are resident. One datum an output, in the order of the standard. */
  host(x: Hosted<Inputs<K>>, at: At<K>, context: HostContext): MaybePromise<readonly (Datum | undefined)[]>;
}

/** The output types of an operator, from its inputs and attributes; a count of outputs for those that have any number. */
export type Infer<K extends OpName> = CoreRow<K>['infer'];
/** Output types by operator. */
export type InferTable = { readonly [K in OpName]?: Infer<K> };

/** How an operator is said by other operators, where it can be. */
export const bodyOf = <K extends OpName>(row: Row<K>): CompositeRow<K>['lower'] | undefined =>
  'lower' in row ? row.lower : 'map' in row ? row.body : undefined;

/** An operator without a meaning here, and why. Its output types may be known all the same. */
export interface Gap<K extends OpName> {
  readonly gap: string;
  readonly infer?: Infer<K> | undefined;
  /** Attributes that name values of the graph around the node. */
  readonly namesValues?: readonly string[] | undefined;
}

export type Row<K extends OpName> = MapRow<K> | CoreRow<K> | CompositeRow<K> | HostRow<K> | Gap<K>;
/** A family of rows. `index.ts` merges the families, and there the compiler checks that no operator is missing. */
export type Family = { readonly [K in OpName]?: Row<K> };

/** Rows of a domain other than the standard's. */
export type OtherFamily = Readonly<Record<string, Row<OpName>>>;

/** A composite of another domain; the row itself says the types of its inputs and attributes, as its schema has them. */
// The casts of both: signatures are generated for the standard's own domain only.
export const otherComposite = <X, A>(row: {
  readonly known?: readonly string[];
  infer?(x: X, at: A, outputs: number): readonly (ValueType | undefined)[];
  lower(x: X, at: A, b: Builder): Value | readonly (Value | undefined)[] | Readonly<Record<string, Value | undefined>>;
}): Row<OpName> => row as never;

/** The same for an operator that the host evaluates. */
export const otherHost = <X, A>(row: {
  infer(x: X, at: A, outputs: number): readonly (ValueType | undefined)[];
  host(x: Hosted<X>, at: A, context: HostContext): MaybePromise<readonly (Datum | undefined)[]>;
}): Row<OpName> => row as never;
