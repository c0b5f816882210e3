// What a row of the table is: the meaning of one operator, over inputs as numbers or as they are stored.
import { fail } from '../../../errors.ts';
import type { Value } from '../../../ir/graph.ts';
import type { Builder, Size } from '../../../ops/builder.ts';
import { contentsOf, numbersIn, shapeOf } from '../../../ops/shapes.ts';
import { settled } from '../../../ops/sizing.ts';
import type { Handle } from '../../tensorflow/handles.ts';
import type { GraphReader, Operand } from '../graph-reader.ts';
import { type OptionsTable, type optionsOf, schemaDefaults } from '../options.ts';
import { partType } from '../pairs.ts';
import { sameQuantization } from '../quantization.ts';
import type { ActivationFunctionType, Tables } from '../schema.gen.ts';
import type { TensorInfo } from '../tensors.ts';

interface Given {
  readonly operands: readonly (Operand | undefined)[];
  readonly outputs: readonly TensorInfo[];
  readonly intermediates: readonly (TensorInfo | undefined)[];
  readonly options: ReturnType<typeof optionsOf>;
}

/** Operands of a call by place, with accessors that check what they hand out. */
export class Call {
  /** The operator, for messages. */
  readonly name: string;
  readonly reader: GraphReader;
  readonly outputs: readonly TensorInfo[];
  /** Tensors that kernels keep to themselves; their quantisation says how they compute. */
  readonly intermediates: readonly (TensorInfo | undefined)[];
  readonly #operands: readonly (Operand | undefined)[];
  readonly #options: ReturnType<typeof optionsOf>;

  constructor(name: string, reader: GraphReader, given: Given) {
    this.name = name;
    this.reader = reader;
    this.outputs = given.outputs;
    this.intermediates = given.intermediates;
    this.#operands = given.operands;
    this.#options = given.options;
  }

  get count(): number {
    return this.#operands.length;
  }
  get operands(): readonly Operand[] {
    return this.#operands.map((_, i) => this.operand(i));
  }
  /** Whether an input was given. */
  has(i: number): boolean {
    return this.#operands[i] !== undefined;
  }
  /** Whether it takes or gives complex numbers. */
  get isComplex(): boolean {
    return [...this.#operands.map(o => o?.info), ...this.outputs].some(info => partType(info?.element));
  }
  /** The same call on the real or on the imaginary part of each complex number. */
  part(part: 0 | 1): Call {
    return new Call(this.name, this.reader, {
      operands: this.#operands.map(o => o?.part(part)),
      outputs: this.outputs.map(info => ({ ...info, element: partType(info.element) ?? info.element })),
      intermediates: this.intermediates,
      options: this.#options,
    });
  }
  operand(i: number): Operand {
    const operand = this.#operands[i];
    if (!operand) throw fail('E1302', `input ${i} is missing`);
    return operand;
  }
  info(i: number): TensorInfo {
    return this.operand(i).info;
  }

  /** An input as numbers: dequantised where it is quantised. */
  input(i: number): Value {
    return this.operand(i).real();
  }
  optional(i: number): Value | undefined {
    return this.#operands[i]?.real();
  }
  inputs(from = 0): readonly Value[] {
    return this.operands.slice(from).map(operand => operand.real());
  }
  /** An input as it is stored. */
  raw(i: number): Value {
    return this.operand(i).raw;
  }
  /** An input with its axes in another order, as numbers. */
  permuted(i: number, perm: readonly number[]): Value {
    return this.operand(i).permuted(perm);
  }

  /**
   * Inputs of an operator that moves elements: as they are stored where all of them and the outputs are quantised alike, as numbers
   * otherwise.
   */
  allStored(...places: readonly number[]): readonly Value[] {
    const operands = places.map(i => this.operand(i));
    const [first] = operands;
    const all = [...operands.map(o => o.info), ...this.outputs];
    const isAlike = all.every(
      info => sameQuantization(info.quantization, first!.info.quantization) && info.element === first!.info.element,
    );
    return operands.map(o => (isAlike ? o.raw : o.real()));
  }

  /** The same for one input. */
  stored(i: number): Value {
    return this.allStored(i)[0]!;
  }
  /** What stands for zero in an input as `stored` gives it. */
  zero(i: number): number {
    const { quantization: q } = this.info(i);
    return q && q.kind !== 'blocks' && this.stored(i) === this.raw(i) ? q.zeroPoints[0]! : 0;
  }

  /** Integers that are known now. */
  numbers(i: number, what: string): readonly number[] {
    const known = numbersIn(this.raw(i));
    if (!known) throw unsupported(`${what} that only the run knows`);
    return known;
  }
  number(i: number, what: string): number {
    const [n] = this.numbers(i, what);
    if (n === undefined) throw unsupported(`${what} without a number`);
    return n;
  }
  /** A float that is known now. */
  scalar(i: number, what: string): number {
    const { tensor } = this.raw(i);
    if (!tensor?.isResident || tensor.size !== 1 || tensor.type !== 'float32') throw unsupported(`${what} that only the run knows`);
    return Number(tensor.data[0]);
  }
  /** The sizes in a vector, each a number where it is known. */
  sizes(i: number, b: Builder): Size[] {
    const v = this.raw(i);
    const known = contentsOf(v);
    const shape = shapeOf(v);
    const count = shape.length === 0 ? 1 : shape[0];
    if (typeof count !== 'number') throw unsupported(`input ${i} of a length that only the run knows`);
    const vector = b.Cast(shape.length === 0 ? b.Unsqueeze(v, [0]) : v, 'int64');
    return Array.from({ length: count }, (_, j) => {
      const d = known?.[j];
      return typeof d === 'number' ? d : settled(count === 1 ? vector : b.Slice(vector, { axes: [0], starts: [j], ends: [j + 1] }));
    });
  }

  /** The options, with defaults where the file has none. @throws ModelError E1303 where it has those of another operator */
  options<K extends OptionsTable & keyof Tables>(wanted: K): Tables[K] {
    const { table, values } = this.#options;
    if (table !== undefined && table !== wanted) throw fail('E1303', `the options are ${table}, expected ${wanted}`);
    // The cast: the options are of the table that was wanted.
    return (values ?? schemaDefaults(wanted)) as Tables[K];
  }
}

/** Builds what an operator computes; several results in the order of its outputs. */
export type Row = (x: Call, b: Builder) => Value | readonly Handle[];

/** Rows by the names of the schema. */
export type Rows = Readonly<Record<string, Row>>;

/** A feature of an operator that has no conversion: reported with the operator, like one without a row. */
export const unsupported = (message: string) => fail('E2001', message);

const clipped = (b: Builder, v: Value, min: number, max: number): Value => b.Clip({ input: v, min: b.like(min, v), max: b.like(max, v) });

/** Activations, as operators of their own and fused into others. */
export const activations: Readonly<Record<string, (b: Builder, v: Value) => Value>> = {
  NONE: (_b, v) => v,
  RELU: (b, v) => b.Relu(v),
  RELU_N1_TO_1: (b, v) => clipped(b, v, -1, 1),
  RELU_0_TO_1: (b, v) => clipped(b, v, 0, 1),
  RELU6: (b, v) => clipped(b, v, 0, 6),
  TANH: (b, v) => b.Tanh(v),
};

/** The activation that is fused into an operator. */
export function activated(b: Builder, v: Value, kind: ActivationFunctionType): Value {
  const activation = activations[kind];
  if (!activation) throw unsupported(`the fused activation ${kind}`);
  return activation(b, v);
}
