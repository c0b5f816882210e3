// narrow: a model whose weights and arithmetic are float16 or bfloat16 instead of float32. Its opset stays; what an operator takes there
// is read from its schema, and where that does not take the type, Casts stand around the node.
import { fail } from '../errors.ts';
import { type Attribute, type Attributes, type Graph, type Model, Node, type Output, subgraphs, Value } from '../ir/graph.ts';
import { Tensor } from '../ir/tensor.ts';
import { type DataType, elementTypes, type TensorType, type ValueType } from '../ir/types.ts';
import { type OpSchema, schemaOf } from '../ops/schema.ts';
import { schemaTypeName } from '../ops/signature.ts';
import { inferTypes } from '../opset/infer.ts';
import { Newest } from '../opset/newest.ts';
import { Copy, refuseTraining } from './copy.ts';
import { inlineFunctions } from './inline.ts';
import { type Half, narrowTensor, type OutOfRange, outOfRange } from './narrow-tensor.ts';

export type { Half, OutOfRange } from './narrow-tensor.ts';

export interface NarrowOptions {
  readonly type: Half;
  /** Inputs and outputs of float32 stay, behind Casts. */
  readonly keepIoTypes?: boolean | undefined;
}

export interface Narrowed {
  readonly model: Model;
  /** Weights with elements beyond the range of the type, which became the nearest finite number that is not zero. */
  readonly clamped: readonly OutOfRange[];
  /** How many nodes compute in float32 still, by operator. */
  readonly kept: ReadonlyMap<string, number>;
}

/**
 * A copy of the model in another float type; functions become the nodes of their bodies.
 * @throws ModelError E2004 where the opset cannot convert to the type, E2002 for a model with training graphs
 */
export async function narrow(model: Model, { type, keepIoTypes = false }: NarrowOptions): Promise<Narrowed> {
  refuseTraining(model);
  const flat = model.functions.length > 0 ? inlineFunctions(model) : model;
  const opset = flat.opsets.get('') ?? 1;
  const cast = schemaOf('', 'Cast', opset);
  if (cast?.attributes.get('to')?.type !== 'INT' || !allows(cast, cast.outputs[0]!.type, type))
    throw fail('E2004', `opset ${opset} has no Cast to ${type}`, { hint: 'Ask for a newer one: --opset 18' });
  const copy = new Narrowing(flat, type, keepIoTypes);
  const made = copy.model(flat);
  const clamped: OutOfRange[] = [];
  for (const [tensor, name] of copy.narrowed) {
    const found = await outOfRange(name, tensor, type);
    if (found) clamped.push(found);
  }
  return { model: made, clamped, kept: copy.kept };
}

const allows = (schema: OpSchema, param: string, type: DataType): boolean =>
  (schema.constraints.get(param) ?? [param]).includes(schemaTypeName({ kind: 'tensor', element: type })!);

/** What has been made of a graph. */
interface Scope {
  readonly nodes: Node[];
}

class Narrowing extends Copy {
  readonly kept = new Map<string, number>();
  /** The weights that were converted, with their names. */
  readonly narrowed = new Map<Tensor, string>();
  readonly #half: Half;
  readonly #keepsIo: boolean;
  readonly #opsets: ReadonlyMap<string, number>;
  readonly #types: ReadonlyMap<Value, ValueType>;
  readonly #newest: Newest;
  readonly #inputs: ReadonlySet<Value>;
  /** Before IR version 4 constants are inputs too, and no less constant. */
  readonly #listsConstants: boolean;
  /** Constants in the half type, by the copy in float32. */
  readonly #halves = new Map<Value, Value>();
  /** Copies that are read as they are. */
  readonly #read = new Set<Value>();
  /** Values in another type, for the graph that they are of and for those nested in it. */
  readonly #casts = new Map<Value, Value>();
  /** The graph that a value is of, where its Cast goes too. */
  readonly #homes = new Map<Value, Scope>();
  #scope: Scope | undefined;
  /** What crosses the border of a nested graph; undefined in the outermost. */
  #border: DataType | undefined;

  constructor(model: Model, half: Half, keepsIo: boolean) {
    super();
    this.#half = half;
    this.#keepsIo = keepsIo;
    this.#opsets = model.opsets;
    this.#types = inferTypes(model).types;
    this.#newest = new Newest(model.opsets);
    this.#inputs = new Set(model.graph.inputs);
    this.#listsConstants = model.irVersion < 4;
  }

  override graph(graph: Graph): Graph {
    const outer = this.#scope;
    this.#scope = { nodes: [] };
    const made = super.graph(graph);
    made.nodes = this.#scope.nodes;
    this.#scope = outer;
    made.initializers = made.initializers.flatMap(v => this.#constantsFor(v));
    return made;
  }

  /** A constant in the types in which it is read; one that is not read stays as it was. */
  #constantsFor(v: Value): Value[] {
    const half = this.#halves.get(v);
    if (!half) return [v];
    return this.#read.has(v) ? [v, half] : [half];
  }

  override input(v: Value): Value {
    const isInput = this.#inputs.has(v);
    const isWide = this.#typeOf(v) === 'float32';
    const isKept = this.#keepsIo && !(v.tensor && this.#listsConstants);
    const element = !isWide || !isInput || isKept ? undefined : this.#half;
    const border = isWide && !v.tensor && !isInput ? this.#border : undefined;
    const to = element ?? border;
    const tensor = v.tensor && to ? this.#tensor(v) : v.tensor;
    const type = retyped(v.type ?? this.#types.get(v), to);
    const copy = new Value(v.name, type, { tensor, ...(v.sparse && { sparse: v.sparse }), meta: v.meta, parameter: v.parameter });
    if (!to) copy.contents = v.contents;
    if (!v.tensor || isInput) this.#homes.set(copy, this.#scope!);
    this.values.set(v, copy);
    return copy;
  }

  #tensor(v: Value): Tensor {
    this.narrowed.set(v.tensor!, v.name);
    return narrowTensor(v.tensor!, this.#half);
  }

  override nodes(nodes: readonly Node[]): Node[] {
    for (const node of nodes) this.#scope!.nodes.push(this.node(node));
    return this.#scope!.nodes;
  }

  override node(node: Node): Node {
    const plan = this.#plan(node);
    const inputs = node.inputs.map((v, i) => v && this.#as(v, plan.wanted(i)));
    const outer = this.#border;
    this.#border = plan.border;
    const attributes = this.#settled(node, this.attributes(node.attributes), plan);
    this.#border = outer;
    const { op, domain, overload, name, meta } = node;
    const outputs = node.outputs.map(v => v && { name: v.name, type: this.#types.get(v) ?? v.type });
    const made = new Node({ op, domain, overload, name, inputs, attributes, meta }, outputs);
    this.#type(node, made, plan);
    node.outputs.forEach((v, i) => {
      const copy = made.outputs[i];
      if (!v || !copy) return;
      copy.meta = v.meta;
      this.#homes.set(copy, this.#scope!);
      this.values.set(v, copy);
    });
    return made;
  }

  override output(output: Output): Output {
    const { name, value, type, meta } = output;
    const element = this.#typeOf(value) === 'float32' ? this.#outputElement() : undefined;
    const made = element ? this.#as(value, element) : this.value(value)!;
    const declared = retyped(type ?? value.type, element);
    return { name, value: made, ...(declared && { type: declared }), ...(meta && { meta }) };
  }

  #outputElement(): DataType {
    return this.#border ?? (this.#keepsIo ? 'float32' : this.#half);
  }

  #typeOf(v: Value): DataType | undefined {
    const type = this.#types.get(v) ?? v.type;
    return type?.kind === 'tensor' ? type.element : undefined;
  }

  /** Which float type a node takes where, at the opset of the model. */
  #plan(node: Node): Plan {
    const schema = schemaOf(node.domain, node.op, this.#opsets.get(node.domain) ?? 1);
    const values = [...node.inputs, ...node.outputs].filter(v => v !== undefined);
    const isPlain = !ofBits.has(node.op) && values.every(v => (this.#types.get(v) ?? v.type)?.kind === 'tensor' || v.sparse !== undefined);
    const takes = (params: OpSchema['inputs'], i: number): boolean => {
      const param = params[Math.min(i, params.length - 1)];
      return schema !== undefined && isPlain && param !== undefined && allows(schema, param.type, this.#half);
    };
    const isControl = [...subgraphs(node)].length > 0;
    const border = !isControl ? undefined : node.outputs.every((_, i) => takes(schema?.outputs ?? [], i)) ? this.#half : 'float32';
    const element = (params: OpSchema['inputs'] | undefined, i: number): DataType =>
      border ?? (takes(params ?? [], i) ? this.#half : 'float32');
    const isWide = (v: Value | undefined): boolean => v !== undefined && this.#typeOf(v) === 'float32';
    const floats = node.inputs.map((v, i) => (isWide(v) ? element(schema?.inputs, i) : undefined)).filter(e => e !== undefined);
    if (floats.length > 0 && floats.every(e => e === 'float32'))
      this.kept.set(node.qualifiedName, (this.kept.get(node.qualifiedName) ?? 0) + 1);
    return {
      border,
      wanted: i => (isWide(node.inputs[i]) ? element(schema?.inputs, i) : undefined),
      made: i => element(schema?.outputs, i),
    };
  }

  /** A value in an element type; one that has it already, or that is no float32, as it is. */
  #as(v: Value, element: DataType | undefined): Value {
    const now = this.value(v)!;
    if (element === undefined || now.element === element) {
      if (now.tensor) this.#read.add(now);
      return now;
    }
    if (v.tensor && !this.#inputs.has(v) && element === this.#half) return this.#constant(v, now);
    const before = this.#casts.get(now);
    if (before) return before;
    // The cast in the type: only tensors of float32, or of the half type, come here.
    const to: Attribute = { kind: 'int', value: elementTypes[element].code };
    const name = `${now.name}_${element}`;
    const node = new Node({ op: 'Cast', inputs: [now], attributes: new Map([['to', to]]) }, [
      { name, type: { ...now.type, element } as TensorType },
    ]);
    (this.#homes.get(now) ?? this.#scope!).nodes.push(node);
    this.#casts.set(now, node.outputs[0]!);
    return node.outputs[0]!;
  }

  #constant(v: Value, now: Value): Value {
    const before = this.#halves.get(now);
    if (before) return before;
    const half = new Value(v.name, undefined, { tensor: this.#tensor(v), parameter: v.parameter, meta: v.meta });
    this.#halves.set(now, half);
    return half;
  }

  /** Attributes that say an element type, or hold the elements themselves, where the node may make the type. */
  #settled(node: Node, attributes: Attributes, plan: Plan): Attributes {
    const makes = node.outputs.some((v, i) => v && this.#typeOf(v) === 'float32' && plan.made(i) === this.#half);
    if (!makes) return attributes;
    return new Map([...attributes].map(([name, a]) => this.#narrowAttribute(node, name, a)));
  }

  #narrowAttribute(node: Node, name: string, a: Attribute): [string, Attribute] {
    if (a.kind === 'int' && typeAttributes.has(name) && Number(a.value) === elementTypes.float32.code)
      return [name, { ...a, value: elementTypes[this.#half].code }];
    const tensor =
      a.kind === 'tensor' && a.value.type === 'float32'
        ? a.value
        : node.op === 'Constant' && (a.kind === 'float' || a.kind === 'floats')
          ? new Tensor('float32', a.kind === 'float' ? [a.value] : a.value, a.kind === 'float' ? [] : undefined)
          : undefined;
    if (!tensor) return [name, a];
    this.narrowed.set(tensor, node.outputs[0]?.name ?? name);
    return [a.kind === 'tensor' ? name : 'value', { kind: 'tensor', value: narrowTensor(tensor, this.#half) }];
  }

  /** What the node makes of its new inputs: as its row says, else as its signature does. */
  #type(node: Node, made: Node, plan: Plan): void {
    for (const v of made.outputs) if (v?.element === 'float32') v.type = undefined;
    const form = plan.border ? undefined : this.#newest.of(made);
    const found = form && ('node' in form ? form.node.outputs : form.values);
    made.outputs.forEach((v, i) => {
      const before = node.outputs[i];
      if (!v || !before || this.#typeOf(before) !== 'float32') return;
      v.type = retyped(this.#types.get(before), found?.[i]?.element ?? plan.made(i));
    });
  }
}

interface Plan {
  readonly border: DataType | undefined;
  /** The type that an input of float32 is to have. */
  wanted(input: number): DataType | undefined;
  /** The type that an output of float32 gets, where nothing else says. */
  made(output: number): DataType;
}

/** Operators that look at the bits of numbers, whose count is not to change. */
const ofBits: ReadonlySet<string> = new Set(['BitCast']);

/** Attributes that say what a node makes; those that say in what it computes stay. */
const typeAttributes: ReadonlySet<string> = new Set(['to', 'dtype', 'output_dtype', 'output_datatype']);

/** A type of float32 with other elements, where such are given. */
const retyped = (type: ValueType | undefined, element: DataType | undefined): ValueType | undefined =>
  element && type?.kind === 'tensor' && type.element === 'float32' ? { ...type, element } : type;
