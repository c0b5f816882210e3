// From one core node to kernels: what a plan, the constant folder and the contents of shapes have in common.
import { fail } from '../errors.ts';
import { cast, type Expr, input, program } from '../expr/expr.ts';
import type { ScalarType } from '../expr/primitives.ts';
import type { Datum } from '../ir/datum.ts';
import { addDims, type Dim, floorDivDims, isNatural, maxDims, minDims, modDims, mulDims, sameDim, subDims } from '../ir/dims.ts';
import type { Node } from '../ir/graph.ts';
import type { Tensor, TypedArray } from '../ir/tensor.ts';
import { type DataType, elementTypes } from '../ir/types.ts';
import { runKernel } from '../kernels/index.ts';
import type { Kernel, View } from '../kernels/kernel.ts';
import { elementsOf, emptyArray, fromElements, type Memory } from '../kernels/memory.ts';
import { computeType, isStoredAsComputed } from '../kernels/storage.ts';
import { broadcastViews, type Emitter, wholeView } from '../kernels/views.ts';
import { valuesOf } from './attributes.ts';
import type { OpName } from './names.gen.ts';
import type { CoreRow, MapRow, PlannedType, Row, Viewed } from './row.ts';
import type { OpSchema } from './schema.ts';
import { broadcastShapes, elementOf, maxContents, shapeOf } from './shapes.ts';

/** Inputs by name: variadic ones as arrays, absent ones undefined. */
export function named<T>(schema: OpSchema, inputs: readonly (T | undefined)[]): Readonly<Record<string, T | readonly T[] | undefined>> {
  const result: Record<string, T | readonly T[] | undefined> = Object.create(null);
  schema.inputs.forEach((param, i) => {
    result[param.name] = param.option === 'variadic' ? inputs.slice(i).filter((x): x is T => x !== undefined) : inputs[i];
  });
  return result;
}

/** The scalar expression of a map node over the compute types of its inputs. */
export function expressionOf(row: MapRow<OpName>, elements: readonly DataType[], at: unknown): Expr {
  const args = elements.map((type, i) => {
    const scalar = computeType(type);
    if (!scalar) throw fail('E1304', `${type} has no arithmetic`);
    return input(i, scalar);
  });
  return row.map(args, at as never);
}

/** The element type in which a map's result is stored: that of the first input which is computed in the type of the result. */
export const storedType = (result: ScalarType, elements: readonly DataType[]): DataType =>
  elements.find(type => computeType(type) === result) ?? result;

/** Emit the kernels of a node whose row is a map or core row; views of its outputs. */
export function planNode(
  row: MapRow<OpName> | CoreRow<OpName>,
  schema: OpSchema,
  node: Node,
  views: readonly (View | undefined)[],
  e: Emitter,
): readonly (View | undefined)[] {
  const at = valuesOf(node.attributes, schema);
  if ('map' in row) return [planMap(row, at, views as readonly View[], e)];
  const y = node.outputs.map((v): PlannedType => (v ? { element: elementOf(v), shape: shapeOf(v) } : { element: 'undefined', shape: [] }));
  const x = named(schema, views) as Viewed<never>;
  return row.plan(x, at as never, widening(e), named(schema, node.inputs) as never, y);
}

function planMap(row: MapRow<OpName>, at: unknown, views: readonly View[], e: Emitter): View {
  const elements = views.map(v => v.type);
  const expression = expressionOf(row, elements, at);
  const y = e.alloc(storedType(expression.type, elements), broadcastShapes(views.map(v => v.shape)));
  e.step({ kind: 'map', program: program([expression]) }, broadcastViews(e, views, y.shape), [y]);
  return y;
}

/** A map of one input to another type. */
export function convert(e: Emitter, v: View, type: DataType): View {
  if (v.type === type) return v;
  const y = e.alloc(type, v.shape);
  convertInto(e, v, y);
  return y;
}
function convertInto(e: Emitter, v: View, y: View): void {
  const [from, to] = [computeType(v.type), computeType(y.type)];
  if (!from || !to) throw fail('E1304', `no conversion from ${v.type} to ${y.type}`);
  e.step({ kind: 'map', program: program([cast(input(0, from), to)]) }, [v], [y]);
}

const arithmetic: ReadonlySet<Kernel['kind']> = new Set(['reduce', 'argreduce', 'matmul', 'conv', 'pool']);

/** An emitter that gives kernels which compute the type in which elements are computed, rounded once where the result is stored. */
const widening = (e: Emitter): Emitter => ({
  alloc: (type, shape) => e.alloc(type, shape),
  equal: (a, b) => e.equal(a, b),
  step(kernel, inputs, outputs) {
    const wideType = (v: View | undefined): DataType | undefined => (v && !isStoredAsComputed(v.type) ? computeType(v.type) : undefined);
    if (!arithmetic.has(kernel.kind) || ![...inputs, ...outputs].some(wideType)) return e.step(kernel, inputs, outputs);
    const wide = outputs.map(v => {
      const type = wideType(v);
      return type ? e.alloc(type, v.shape) : v;
    });
    e.step(
      kernel,
      inputs.map(v => v && convert(e, v, wideType(v) ?? v.type)),
      wide,
    );
    for (const [i, v] of outputs.entries()) if (wide[i] !== v) convertInto(e, wide[i]!, v);
  },
});

/** What a row does with data that no kernel takes; undefined where the kernels do it. */
export function evaluateOff(
  row: Row<OpName>,
  schema: OpSchema,
  node: Node,
  inputs: readonly (Datum | undefined)[],
): readonly Datum[] | undefined {
  if (!('map' in row || 'plan' in row) || !row.offKernels) return undefined;
  return row.offKernels(named(schema, inputs) as never, valuesOf(node.attributes, schema) as never);
}

/** Run a map or core node at once on resident tensors; undefined where it cannot be. */
export function evaluate(
  row: Row<OpName>,
  schema: OpSchema,
  node: Node,
  inputs: readonly (Tensor | undefined)[],
  reserve: (bytes: number) => void = () => {},
): Tensor[] | undefined {
  if (!('map' in row) && !('plan' in row)) return undefined;
  const off = evaluateOff(row, schema, node, inputs);
  // The cast: of tensors a row makes tensors.
  if (off) return off as Tensor[];
  return runAtOnce(inputs, (views, e) => planNode(row, schema, node, views, e), reserve) as Tensor[];
}

/** Run the kernels that `plan` emits over views of resident tensors, each at once; a tensor for each view that it returns. */
export function runAtOnce(
  inputs: readonly (Tensor | undefined)[],
  plan: (views: readonly (View | undefined)[], e: Emitter) => readonly (View | undefined)[],
  reserve: (bytes: number) => void = () => {},
): (Tensor | undefined)[] {
  const memory: TypedArray[] = [];
  // The cast: kernels that move elements take any memory with one entry an element.
  const add = (data: Memory): number => memory.push(data as TypedArray) - 1;
  const e: Emitter = {
    alloc(type, shape) {
      reserve(countOf(shape) * Math.max(1, elementTypes[type].bits / 8));
      return wholeView(add(emptyArray(type, countOf(shape))), type, shape);
    },
    equal: requireEqual,
    step: (kernel, x, y) =>
      runKernel(
        kernel as Kernel<number>,
        x.map(v => v && operand(v, memory)),
        y.map(v => operand(v, memory)),
      ),
  };
  const views = inputs.map(t => t && wholeView(add(elementsOf(t)), t.type, t.dims));
  return plan(views, e).map(v => {
    if (v) reserve(countOf(v.shape) * Math.max(1, elementTypes[v.type].bits / 8));
    return v && toTensor(v, memory);
  });
}

// The cast: everything here has numbers for sizes, because the tensors it started from have.
const operand = (v: View, memory: readonly TypedArray[]) => ({ ...(v as View<number>), data: memory[v.buffer]! });

function toTensor(v: View, memory: TypedArray[]): Tensor {
  const data = emptyArray(v.type, countOf(v.shape));
  const y = wholeView(memory.push(data as TypedArray) - 1, v.type, v.shape);
  runKernel({ kind: 'copy' }, [operand(v, memory)], [operand(y, memory)]);
  return fromElements(v.type, data, v.shape as number[]);
}

const countOf = (shape: readonly Dim[]): number => shape.reduce<number>((n, d) => n * (d as number), 1);

/** Sizes that are both known must agree at once. */
export function requireEqual(a: Dim, b: Dim): void {
  if (typeof a === 'number' && typeof b === 'number' && a !== b) throw fail('E3005', `sizes ${a} and ${b} must be equal`);
}

class NotFollowed extends Error {}

/**
 * The contents of a node's outputs from those of its inputs, which may be symbolic: the node's own kernels run on arrays of
 * sizes. Undefined where a kernel cannot.
 */
export function followContents(
  row: Row<OpName>,
  schema: OpSchema,
  node: Node,
  contents: readonly (readonly Dim[] | undefined)[],
): (readonly Dim[] | undefined)[] {
  if (!('map' in row) && !('plan' in row)) return [];
  const memory: Dim[][] = [];
  const e: Emitter = {
    alloc(type, shape) {
      const count = shape.reduce<number>((n, d) => (typeof d === 'number' ? n * d : Number.NaN), 1);
      if (!(count <= maxContents)) throw new NotFollowed();
      return wholeView(memory.push(new Array<Dim>(count).fill(0)) - 1, type, shape);
    },
    equal: requireEqual,
    step: (kernel, x, y) => stepOnSizes(kernel as Kernel<number>, x as View<number>[], y as View<number>[], memory),
  };
  const views = contents.map((c, i) => c && wholeView(memory.push([...c]) - 1, elementOf(node.inputs[i]!), shapeOf(node.inputs[i]!)));
  try {
    return planNode(row, schema, node, views, e).map(v => v && readSizes(v as View<number>, memory));
  } catch (error) {
    if (error instanceof NotFollowed) return [];
    throw error;
  }
}

function readSizes(v: View<number>, memory: Dim[][]): readonly Dim[] {
  const count = v.shape.reduce((n, d) => n * (typeof d === 'number' ? d : Number.NaN), 1);
  if (!(count <= maxContents)) throw new NotFollowed();
  const y = wholeView(memory.push(new Array<Dim>(count).fill(0)) - 1, v.type, v.shape) as View<number>;
  stepOnSizes({ kind: 'copy' }, [v], [y], memory);
  return memory[y.buffer]!;
}

function stepOnSizes(kernel: Kernel<number>, x: readonly View<number>[], y: readonly View<number>[], memory: readonly Dim[][]): void {
  const isMove = kernel.kind === 'copy' || kernel.kind === 'gather';
  if (kernel.kind === 'copy' && x[0]!.type !== y[0]!.type) throw new NotFollowed();
  if (kernel.kind === 'gather' && memory[x[1]!.buffer]!.some(d => typeof d !== 'number')) throw new NotFollowed();
  // The cast: copy and gather move elements whatever they are, so an array of sizes serves as memory.
  const asMemory = (v: View<number>) => ({ ...v, data: memory[v.buffer] as unknown as TypedArray });
  if (isMove) runKernel(kernel, x.map(asMemory), y.map(asMemory));
  else if (kernel.kind === 'map') mapOnSizes(kernel, x, y[0]!, memory as Dim[][]);
  else throw new NotFollowed();
}

function mapOnSizes(kernel: MapKernel, x: readonly View<number>[], y: View<number>, memory: Dim[][]): void {
  const flat = x.map(v => readSizes(v, memory));
  const results = memory[y.buffer]!;
  for (let i = 0; i < results.length; i++) {
    const args = flat.map(contents => contents[i]!);
    results[i] = mapSizes(kernel, args);
  }
}

type MapKernel = Extract<Kernel<number>, { kind: 'map' }>;
type OnSizes = (...args: Dim[]) => Dim;
const numeric = (d: Dim): number => {
  if (typeof d !== 'number') throw new NotFollowed();
  return d;
};
/** Of what cannot be negative truncating division is the same as rounding down. */
const divide: OnSizes = (a, b) => {
  if (!isNatural(a!) || !isNatural(b!) || b === 0) throw new NotFollowed();
  return floorDivDims(a!, b!);
};
const onSizes: Partial<Record<string, OnSizes>> = {
  add: (a, b) => addDims(a!, b!),
  sub: (a, b) => subDims(a!, b!),
  mul: (a, b) => mulDims(a!, b!),
  div: divide,
  mod: (a, b) => {
    if (!isNatural(a!) || !isNatural(b!) || b === 0) throw new NotFollowed();
    return modDims(a!, b!);
  },
  min: (a, b) => minDims(a!, b!),
  max: (a, b) => maxDims(a!, b!),
  neg: a => mulDims(a!, -1),
  abs: a => Math.abs(numeric(a!)),
  eq: (a, b) => {
    if (typeof subDims(a!, b!) !== 'number') throw new NotFollowed();
    return sameDim(a!, b!) ? 1 : 0;
  },
  lt: (a, b) => (numeric(subDims(a!, b!)) < 0 ? 1 : 0),
  le: (a, b) => (numeric(subDims(a!, b!)) <= 0 ? 1 : 0),
  and: (a, b) => numeric(a!) & numeric(b!),
  or: (a, b) => numeric(a!) | numeric(b!),
  not: a => 1 - numeric(a!),
  select: (c, a, b) => (numeric(c!) ? a! : b!),
};

function mapSizes(kernel: MapKernel, args: readonly Dim[]): Dim {
  const results: Dim[] = [];
  for (const i of kernel.program.instructions) {
    if (i.op === 'input') results.push(args[i.index]!);
    else if (i.op === 'const') results.push(Number(i.value));
    else if (i.op === 'cast') results.push(castSize(results[i.args[0]!]!, i.type));
    else {
      const run = onSizes[i.op];
      if (!run || i.type.startsWith('float')) throw new NotFollowed();
      results.push(run(...i.args.map(a => results[a]!)));
    }
  }
  return results[kernel.program.outputs[0]!]!;
}

function castSize(d: Dim, type: ScalarType): Dim {
  if (type === 'int64' || type === 'int32') return d;
  if (type === 'bool' && typeof d === 'number') return d === 0 ? 0 : 1;
  throw new NotFollowed();
}

/** Whether the content of a node's input `i` must be known before execution. One value can be such an input and another besides. */
export const isKnownInput = (row: Row<OpName>, schema: OpSchema, i: number): boolean =>
  'known' in row && row.known !== undefined && row.known.includes(schema.inputs[Math.min(i, schema.inputs.length - 1)]!.name);
