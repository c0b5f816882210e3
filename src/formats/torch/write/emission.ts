// From values of a graph to names in a program of PyTorch calls: what the rows of the operator table write with.
import { fail, type ModelError } from '../../../errors.ts';
import type { Dim } from '../../../ir/dims.ts';
import type { Node, Value } from '../../../ir/graph.ts';
import type { Tensor } from '../../../ir/tensor.ts';
import { type DataType, type Shape, type TensorType, tensorType } from '../../../ir/types.ts';
import { boundsOf, contentsOf, shapeOf, typeOf } from '../../../ops/shapes.ts';
import { type Arg, moduleAttributes, ProgramBuilder, Ref, RefList, reserved, type State, type StateKind, TypeArg } from './program.ts';

/** Element types that PyTorch has tensors of. */
const torchTypes: ReadonlySet<DataType> = new Set([
  'float32',
  'float64',
  'float16',
  'bfloat16',
  'int8',
  'int16',
  'int32',
  'int64',
  'uint8',
  'uint16',
  'uint32',
  'uint64',
  'bool',
  'complex64',
  'complex128',
]);

export const isTorchType = (type: DataType): boolean => torchTypes.has(type);

/** Of these types PyTorch moves and converts tensors, and computes little with them. */
const storedTypes: ReadonlySet<DataType> = new Set(['uint16', 'uint32', 'uint64']);
const movers = new Set(
  `BitShift BitwiseAnd BitwiseOr BitwiseXor Cast CastLike Concat Constant Equal Expand Flatten Gather Identity If Loop Max Min Mul Reshape Shape
Size Slice Split Squeeze Transpose Unsqueeze Where`.split(/\s+/),
);
/** Whether no tensor of a module can have a name. */
const isTaken = (name: string): boolean => reserved.has(name) || moduleAttributes.has(name);

/** Whether PyTorch has kernels for an operator on tensors of this type. */
export const isComputed = (type: DataType, op: string): boolean => torchTypes.has(type) && (!storedTypes.has(type) || movers.has(op));

/** What is known of all values while a graph is written. */
export class Emission {
  readonly t: ProgramBuilder;
  readonly state: State[] = [];
  /** Tensors of the graph around this one that it reads, and what they are called in it. */
  readonly captures = new Map<Ref, Ref>();
  readonly #outer: Emission | undefined;
  readonly #refs = new Map<Value, Ref>();
  readonly #lists = new Map<Value, readonly Ref[]>();
  readonly #stateNames = new Set<string>();
  /** What names of the state begin with, up to a dot. */
  readonly #modules = new Set<string>();
  readonly #kindOf: (v: Value) => StateKind;

  constructor(kindOf: (v: Value) => StateKind, outer?: Emission) {
    this.#kindOf = kindOf;
    this.#outer = outer;
    this.t = new ProgramBuilder(
      outer && {
        has: name => outer.t.has(name),
        find: name => {
          const at = outer.t.find(name);
          return at && { ...at, ref: this.captured(at.ref) };
        },
      },
    );
  }

  /** For a graph in a node of this one. */
  nested(): Emission {
    return new Emission(this.#kindOf, this);
  }

  /** A tensor of the graph around this one, as an input of this one. */
  captured(ref: Ref): Ref {
    const own = this.captures.get(ref) ?? new Ref(this.t.argument(ref.name), ref.type);
    this.captures.set(ref, own);
    return own;
  }

  bind(v: Value, made: Ref | RefList): void {
    if (made instanceof RefList) this.#lists.set(v, made.items);
    else this.#refs.set(v, made);
  }

  /** A sequence as the tensors in it. */
  list(v: Value): readonly Ref[] {
    const known = this.#lists.get(v);
    if (known) return known;
    throw gap('a sequence that the program is given');
  }
  /** What a value stands for. */
  made(v: Value): Ref | RefList {
    const list = this.#lists.get(v);
    return list ? new RefList(list) : this.tensor(v);
  }

  /** A value as a tensor. */
  tensor(v: Value): Ref {
    const known = this.#refs.get(v);
    if (known) return known;
    const made = this.#isOuter(v) ? this.captured(this.#outer!.tensor(v)) : v.tensor ? this.#constant(v, v.tensor) : this.#ofSizes(v);
    this.#refs.set(v, made);
    return made;
  }

  /** Whether the graph around this one has to say a value: what it made, and what modules own. */
  #isOuter(v: Value): boolean {
    return this.#outer !== undefined && (v.tensor !== undefined || this.#outer.has(v));
  }
  /** Whether a tensor stands for the value, here or around here. */
  has(v: Value): boolean {
    return this.#refs.has(v) || (this.#outer?.has(v) ?? false);
  }

  /** The literal that an argument can be instead of a tensor without axes. */
  literal(v: Value): number | undefined {
    const { tensor } = v;
    if (!tensor?.isResident || tensor.dims.length > 0 || this.#kindOf(v) === 'parameter') return undefined;
    if (tensor.type !== 'float32' && tensor.type !== 'float64' && tensor.type !== 'int64') return undefined;
    const value = Number((tensor.data as ArrayLike<number | bigint>)[0]);
    return tensor.type === 'int64' && !Number.isSafeInteger(value) ? undefined : value;
  }

  /** A vector of integers as a list of numbers, such as the shape that Reshape takes. `count` where its length is not known. */
  numbers(v: Value, count?: number): (number | Ref)[] {
    const contents = contentsOf(v);
    const known = contents?.map(d => (this.t.isGiven(d) ? this.t.size(d) : undefined));
    if (known?.every(d => d !== undefined)) return known as (number | Ref)[];
    const length = typeOf(v).shape?.[0] ?? count;
    if (typeof length !== 'number') throw gap(`the length of the list ${v.name || 'that an input is'} is not known`);
    const tensor = this.tensor(v);
    return Array.from(
      { length },
      (_, i) => known?.[i] ?? this.item(this.t.call('aten.select.int', [tensor, 0, i], tensorType(tensor.type!.element, []))),
    );
  }

  /**
   * The same where numbers beyond every size are its end, as in Slice. A list whose length only the run knows is taken as of one element,
   * which reading it as a number checks.
   */
  bounds(v: Value): (number | Ref)[] {
    if (contentsOf(v)) return this.numbers(v);
    const known = boundsOf(v) as number[] | undefined;
    return known ?? (typeof typeOf(v).shape?.[0] === 'number' ? this.numbers(v) : [this.item(this.tensor(v))]);
  }

  /** The one element of a tensor as a number. */
  item(ref: Ref): Ref {
    return this.t.number('aten.item.default', [ref]);
  }

  /** A scalar of an integer or float tensor as a number. */
  number(v: Value): number | Ref {
    const contents = contentsOf(v)?.[0];
    const size = contents === undefined || !this.t.isGiven(contents) ? undefined : this.t.size(contents);
    return size ?? this.literal(v) ?? this.item(this.tensor(v));
  }

  /** Sizes of a shape as arguments. @throws ModelError E2001 where they do not */
  shape(shape: Shape): (number | Ref)[] {
    return shape.map(d => this.dim(d));
  }
  dim(d: Dim): number | Ref {
    const size = this.t.isGiven(d) ? this.t.size(d) : undefined;
    if (size === undefined) throw gap('a size that only the run knows');
    return size;
  }
  /** Size `axis` of a tensor. */
  sizeAt(v: Value, axis: number): number | Ref {
    const d = shapeOf(v)[axis]!;
    const size = this.t.isGiven(d) ? this.t.size(d) : undefined;
    return size ?? this.t.number('aten.sym_size.int', [this.tensor(v), axis]);
  }

  #constant(v: Value, tensor: Tensor): Ref {
    if (!torchTypes.has(tensor.type)) throw gap(`PyTorch has no ${tensor.type} tensors`);
    const kind = this.#kindOf(v);
    const name = this.#stateName(v.name || 'constant');
    const ref = new Ref(this.t.unique(`${kind[0]}_${name}`), tensorType(tensor.type, tensor.dims));
    this.state.push({ ref, name, tensor, kind });
    return ref;
  }

  /** A name that a module can hold: no part of it empty, and none that is a part of another. */
  #stateName(wish: string): string {
    let name = wish
      .split('.')
      .map(part => (part === '' || isTaken(part) ? `${part}_` : part))
      .join('.');
    const clashes = (candidate: string): boolean =>
      this.#stateNames.has(candidate) ||
      this.#modules.has(candidate) ||
      candidate.split('.').some((_, i, parts) => i > 0 && this.#stateNames.has(parts.slice(0, i).join('.')));
    while (clashes(name)) name += '_';
    this.#stateNames.add(name);
    for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) this.#modules.add(name.slice(0, dot));
    return name;
  }

  /** A value of which only the elements are known: sizes. */
  #ofSizes(v: Value): Ref {
    const contents = contentsOf(v);
    const { element, shape } = typeOf(v);
    if (!contents || !shape || !contents.every(d => this.t.isGiven(d))) throw fail('E9001', `nothing makes ${v.name}`);
    return this.stacked(this.shape(contents), element, shape);
  }

  /** Numbers as a tensor. */
  stacked(numbers: readonly (number | Ref)[], element: DataType, shape: Shape): Ref {
    const dtype = { kwargs: { dtype: new TypeArg(element) } };
    const scalars = numbers.map(n => this.t.call('aten.scalar_tensor.default', [n], tensorType(element, []), dtype));
    if (shape.length === 0) return scalars[0]!;
    if (scalars.length === 0) return this.t.call('aten.empty.memory_format', [[0]], tensorType(element, [0]), dtype);
    return this.t.call('aten.stack.default', [scalars], tensorType(element, shape));
  }
}

/** One node while it is written. */
export class NodeEmission<A = unknown> {
  readonly e: Emission;
  readonly t: ProgramBuilder;
  readonly node: Node;
  /** Attributes by name, with their defaults. */
  readonly at: A;
  constructor(e: Emission, node: Node, at: A) {
    this.e = e;
    this.t = e.t;
    this.node = node;
    this.at = at;
  }

  input(i: number): Value | undefined {
    return this.node.inputs[i];
  }
  /** An input that is there. */
  given(i: number): Value {
    const v = this.node.inputs[i];
    if (!v) throw gap(`input ${i} is absent`);
    return v;
  }
  x(i = 0): Ref {
    return this.e.tensor(this.given(i));
  }
  optional(i: number): Ref | null {
    const v = this.node.inputs[i];
    return v ? this.e.tensor(v) : null;
  }
  shape(i = 0): Shape {
    return shapeOf(this.given(i));
  }
  rank(i = 0): number {
    return this.shape(i).length;
  }
  element(i = 0): DataType {
    return typeOf(this.given(i)).element;
  }
  /** The type of an output. */
  y(i = 0): TensorType {
    const v = this.node.outputs[i];
    return v ? typeOf(v) : tensorType('undefined', []);
  }
  /** Its shape, for operators that need to know it. */
  yShape(i = 0): Shape {
    const { shape } = this.y(i);
    if (shape) return shape;
    throw gap('the rank of the result is not known');
  }
  isUsed(i: number): boolean {
    return this.node.outputs[i] !== undefined;
  }
  call(target: string, args: readonly Arg[], kwargs: Readonly<Record<string, Arg>> = {}, type: TensorType = this.y()): Ref {
    return this.t.call(target, args, type, { kwargs });
  }
}

/** What a row throws for a form of its operator that it cannot say. */
export const gap = (message: string): ModelError => fail('E2001', message);
