// The builder: the only place that makes nodes. Types and the contents of shapes are inferred at once; small integer and
// scalar constants are folded at once; parameters never are.
import { fail, ModelError } from '../errors.ts';
import { isStatic } from '../ir/dims.ts';
import { type Attributes, type Graph, type Meta, Node, type NodeFields, subgraphs, Value } from '../ir/graph.ts';
import { arrayFor, Tensor, type TensorData } from '../ir/tensor.ts';
import { type DataType, elementTypes, isInteger } from '../ir/types.ts';
import { computeType, encodeElement, isStoredAsComputed } from '../kernels/storage.ts';
import { type AttributeInput, attributesFrom } from './attributes.ts';
import { type Core, positional } from './core.ts';
import { rowOf } from './index.ts';
import { inferNode } from './infer.ts';
import type { OpName, Signatures } from './names.gen.ts';
import { evaluate } from './plan-node.ts';
import { newestSchema, type OpSchema, operatorNames } from './schema.ts';
import { maxContents, rankOf, shapeOf } from './shapes.ts';
import { requireInputs, requireSignature } from './signature.ts';

/** A size that is known, or a value that holds it at run time (int64, one element). */
export type Size = number | Value;

/** A builder with one method an operator: core operators by position, the others with inputs by name. */
export type Builder = BuilderBase & Core & Omit<Signatures<Value, Tensor, Graph>, keyof Core>;

export interface BuilderOptions {
  /** Most elements of a constant that folding computes with, and whether floats beyond scalars are folded too. */
  readonly fold?: { readonly elements: number; readonly floats: boolean; readonly parameters?: boolean };
  /** Doc, module path and source of the nodes to be made. */
  readonly meta?: Meta;
}

export interface EmitOptions {
  readonly domain?: string;
  readonly overload?: string;
  readonly name?: string;
  /** Names of the outputs; `undefined` leaves one out. The operator's name in lower case otherwise. */
  readonly outputs?: readonly (string | undefined)[];
  readonly meta?: Meta;
}

class BuilderBase {
  /** What has been made, in order. */
  readonly nodes: Node[] = [];
  /** Carried by nodes made from now on. */
  meta: Meta;
  readonly #fold: NonNullable<BuilderOptions['fold']>;

  constructor({ fold = { elements: maxContents, floats: false }, meta = {} }: BuilderOptions = {}) {
    this.#fold = fold;
    this.meta = meta;
  }

  /** Make a node, infer the types of its outputs and append it. Returns its outputs, or constants where it could be folded. */
  emit(
    op: string,
    inputs: readonly (Value | undefined)[],
    attributes: Attributes | Readonly<Record<string, AttributeInput>> = {},
    { domain = '', overload = '', name = '', outputs = [op.toLowerCase()], meta = this.meta }: EmitOptions = {},
  ): readonly (Value | undefined)[] {
    const schema = newestSchema(domain, op);
    const map =
      attributes instanceof Map ? (attributes as Attributes) : attributesFrom(attributes as Record<string, AttributeInput>, schema);
    const node = new Node(
      { op, domain, overload, name, inputs: trim(inputs), attributes: map, meta },
      outputs.map(o => (o === undefined ? undefined : { name: o })),
    );
    try {
      if (schema && inputs.length > node.inputs.length) requireInputs(op, inputs, schema);
      if (schema) requireSignature(node, schema);
      // In the body of a function an attribute may be its caller's; nothing follows from it before the call.
      const isOpen = [...map.values()].some(a => a.kind === 'reference');
      if (!isOpen) inferNode(node, schema);
      const folded = schema && !isOpen && this.#folded(node, schema);
      if (folded) return folded;
    } catch (error) {
      if (error instanceof ModelError) throw error.within({ node: { op: node.qualifiedName, name: node.name || (outputs[0] ?? '') } });
      throw error;
    }
    this.nodes.push(node);
    return node.outputs;
  }

  /**
   * Append `node` in a form of an older version of its operator. Rows know the newest version only: types and contents are taken
   * from `node`.
   */
  older(node: Node, { op = node.op, inputs, attributes }: Pick<NodeFields, 'inputs'> & { op?: string; attributes: Attributes }): Node {
    const { domain, overload, name } = node;
    const made = new Node({ op, domain, overload, name, inputs: trim(inputs), attributes, meta: this.meta }, node.outputs);
    made.outputs.forEach((v, i) => v && (v.contents = node.outputs[i]?.contents));
    this.nodes.push(made);
    return made;
  }

  /** A constant. One number fills a scalar; an array is a vector unless `dims` are given. */
  constant(value: number | bigint | boolean | TensorData, type: DataType, dims?: readonly number[], name = 'const'): Value {
    const isScalar = typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean';
    const data = isScalar ? scalarData(value, type) : value;
    return new Value(name, undefined, { tensor: new Tensor(type, data, isScalar ? (dims ?? []) : dims) });
  }
  /** A scalar of the element type of `like`. */
  like(value: number, like: Value): Value {
    return this.constant(value, like.element ?? 'float32');
  }
  /** @throws ModelError E1305 for what is no integer, which only sizes that contradict each other come to */
  ints(values: readonly number[]): Value {
    const odd = values.find(n => !Number.isSafeInteger(n));
    if (odd !== undefined) throw fail('E1305', `a size or place comes to ${odd}`);
    return this.constant(values, 'int64', [values.length]);
  }

  /** The size of an axis: a number where it is known, else a value made of Shape (int64, shape [1]). */
  dim(x: Value, axis: number): Size {
    const size = shapeOf(x).at(axis);
    if (typeof size === 'number') return size;
    const start = axis < 0 ? axis + rankOf(x) : axis;
    return this.emit('Shape', [x], { start, end: start + 1 })[0]!;
  }
  /** A vector of sizes as one int64 value. */
  sizes(parts: readonly Size[]): Value {
    if (parts.every(p => typeof p === 'number')) return this.ints(parts);
    const values = parts.map(p => (typeof p === 'number' ? this.ints([p]) : p));
    return values.length === 1 ? values[0]! : this.emit('Concat', values, { axis: 0 })[0]!;
  }
  /** The number of elements along some axes, in the element type of `x`, as a scalar or a value of shape [1]. */
  count(x: Value, axes: readonly number[]): Value {
    const sizes = axes.map(axis => this.dim(x, axis));
    const fixed = sizes.reduce<number>((n, s) => (typeof s === 'number' ? n * s : n), 1);
    const open = sizes.filter((s): s is Value => typeof s !== 'number');
    if (open.length === 0) return this.like(fixed, x);
    const total = [...open, ...(fixed === 1 ? [] : [this.ints([fixed])])].reduce((a, b) => this.emit('Mul', [a, b])[0]!);
    return this.emit('Cast', [total], { to: elementTypes[x.element ?? 'float32'].code })[0]!;
  }

  /** Copy the nodes of `graph` here with its inputs replaced; the values of its outputs. */
  inline(graph: Graph, inputs: readonly (Value | undefined)[]): (Value | undefined)[] {
    const now = new Map<Value, Value | undefined>(graph.inputs.map((v, i) => [v, inputs[i]]));
    const current = (v: Value | undefined): Value | undefined => (v && now.has(v) ? now.get(v) : v);
    for (const node of graph.nodes) {
      for (const [, inner] of subgraphs(node)) throw fail('E2002', `a nested graph (${inner.name}) cannot be inlined`);
      const made = this.emit(node.op, node.inputs.map(current), node.attributes, {
        domain: node.domain,
        overload: node.overload,
        name: node.name,
        meta: node.meta,
        outputs: node.outputs.map(v => v?.name),
      });
      node.outputs.forEach((v, i) => v && now.set(v, made[i]));
    }
    return graph.outputs.map(o => current(o.value));
  }

  #folded(node: Node, schema: OpSchema): readonly (Value | undefined)[] | undefined {
    const byContents = node.outputs.map(v => v && this.#fromContents(v));
    if (byContents.every((v, i) => v !== undefined || node.outputs[i] === undefined)) return byContents;
    const inputs = node.inputs;
    if (inputs.length === 0 || !inputs.every(v => v === undefined || this.#isFoldable(v))) return undefined;
    if (!node.outputs.every(v => v === undefined || (v.shape && isStatic(v.shape) && countOf(v.shape) <= this.#fold.elements)))
      return undefined;
    const row = rowOf(node.op, node.domain);
    if (row && 'lower' in row) return undefined;
    const tensors =
      row &&
      evaluate(
        row,
        schema,
        node,
        inputs.map(v => v?.tensor),
      );
    if (!tensors) return undefined;
    const { op, attributes } = node;
    const made = { op, attributes, inputs: inputs.map(v => v?.tensor), outputs: node.outputs.length };
    return node.outputs.map((v, output) => v && new Value(v.name, undefined, { tensor: tensors[output]!.madeBy({ ...made, output }) }));
  }

  #isFoldable(v: Value): boolean {
    const { tensor } = v;
    if (!tensor?.isResident || (v.parameter && !this.#fold.parameters) || tensor.size > this.#fold.elements) return false;
    return isInteger(tensor.type) || tensor.type === 'bool' || tensor.size === 1 || this.#fold.floats;
  }

  #fromContents(v: Value): Value | undefined {
    if (!v.contents?.every((d): d is number => typeof d === 'number') || !v.element || !isStatic(v.shape)) return undefined;
    return new Value(v.name, undefined, { tensor: new Tensor(v.element, v.contents, v.shape) });
  }
}

const countOf = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1);
const trim = (inputs: readonly (Value | undefined)[]): readonly (Value | undefined)[] =>
  inputs.slice(0, inputs.findLastIndex(v => v !== undefined) + 1);

function scalarData(value: number | bigint | boolean, type: DataType): TensorData {
  // Types that no typed array holds are given as bits; those below 8 bits lie in the low bits of a byte.
  return computeType(type) && !isStoredAsComputed(type) ? arrayFor(type).of(encodeElement(type, Number(value)) as never) : [value];
}

/** A method for each operator of the standard: `b.Gemm({ A, B, C }, { transB: 1 })`. Optional outputs are left out. */
function byName(
  op: OpName,
): (this: BuilderBase, x: Readonly<Record<string, Value | readonly Value[] | undefined>>, at?: Record<string, AttributeInput>) => unknown {
  return function (x, at = {}) {
    const schema = newestSchema('', op)!;
    const inputs = schema.inputs.flatMap(param => x[param.name]) as (Value | undefined)[];
    const single = schema.outputs.length === 1;
    const outputs = schema.outputs.map(param =>
      param.option === 'single' ? (single ? op.toLowerCase() : `${op.toLowerCase()}_${param.name}`) : undefined,
    );
    const made = this.emit(op, inputs, at, { outputs: outputs.slice(0, outputs.findLastIndex(o => o !== undefined) + 1) });
    return single ? made[0] : Object.fromEntries(schema.outputs.map((param, i) => [param.name, made[i]]));
  };
}

const methods: Record<string, unknown> = {};
for (const op of operatorNames('') as readonly OpName[]) methods[op] = byName(op);
for (const [op, method] of Object.entries(positional))
  methods[op] = function (this: Builder, ...args: never[]) {
    return (method as (b: Builder, ...args: never[]) => unknown)(this, ...args);
  };

class CompleteBuilder extends BuilderBase {}
Object.assign(CompleteBuilder.prototype, methods);

/** A builder with an empty list of nodes. */
// The cast: the methods that the two interfaces name were put on the prototype above, from the same tables.
export const newBuilder = (options?: BuilderOptions): Builder => new CompleteBuilder(options) as unknown as Builder;
