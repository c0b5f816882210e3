// fuse: what is computed from weights alone becomes a weight, and a normalisation by stored statistics joins the layer before it.
// Such weights are computed while they are written, one at a time, and say from which they were made. For inference only: a model
// that is to be trained keeps its layers.
import { fail } from '../errors.ts';
import { isStatic } from '../ir/dims.ts';
import { type Graph, type Node, Value } from '../ir/graph.ts';
import { resident, type Stored, Tensor } from '../ir/tensor.ts';
import { byteLength } from '../ir/types.ts';
import type { Builder } from '../ops/builder.ts';
import { rowOf } from '../ops/index.ts';
import { evaluate } from '../ops/plan-node.ts';
import { newestSchema } from '../ops/schema.ts';
import { shapeOf } from '../ops/shapes.ts';
import { type Context, firstOf, type Rule, rewriteAll } from './rewrite.ts';

/** Most bytes of a weight that is made here; larger ones are left to the runtime, which does the same while loading. */
const budget = 64 << 20;

/** Fold what weights alone decide, and normalisations into the layers before them. Weights that callers may replace stay as they are. */
export function fuse(graph: Graph): void {
  const isFixed = fixedIn(graph);
  const weights = ofWeights(graph);
  const ofChannels = firstOf(weights, affine(isFixed));
  rewriteAll(graph, [
    { name: 'fuse', rules: { BatchNormalization: normalisation(isFixed), Mul: ofChannels, Add: ofChannels, '*': weights } },
  ]);
}

type IsFixed = (v: Value | undefined) => v is Value;
function fixedIn(graph: Graph): IsFixed {
  const state = new Set(graph.inputs);
  return (v): v is Value => v?.tensor !== undefined && !state.has(v);
}

/** A node over weights and constants becomes a weight of its own. */
export function ofWeights(graph: Graph): Rule {
  const isFixed = fixedIn(graph);
  return (node, _b, context) => {
    const outputs = node.outputs.filter(y => y !== undefined);
    const row = node.domain === '' ? rowOf(node.op) : undefined;
    if (
      !row ||
      !('map' in row || 'plan' in row) ||
      outputs.length < node.outputs.length ||
      !outputs.every(y => y.element && isStatic(y.shape))
    )
      return undefined;
    const inputs = node.inputs.filter(v => v !== undefined);
    if (inputs.length === 0 || !inputs.every(isFixed) || !inputs.some(v => v.parameter)) return undefined;
    const size = (v: Value): number => (v.tensor ? v.tensor.byteLength : byteLength(v.element!, countOf(v.shape as number[])));
    const before = inputs.reduce((n, v) => n + size(v), 0);
    const after = outputs.reduce((n, y) => n + size(y), 0);
    if (after > Math.min(budget, before) || inputs.some(v => size(v) > largestSource || isReadElsewhere(v, node, context)))
      return undefined;
    const name = (y: Value): string => (outputs.length === 1 ? nameFor(node, graph, context) : y.name);
    return outputs.map((y, output) => new Value(name(y), undefined, { tensor: derived(node, { output }), parameter: true }));
  };
}

/** Weights that others read too are not worth a second copy, unless they are small. */
const isReadElsewhere = (v: Value, node: Node, { uses }: Context): boolean =>
  v.parameter && v.tensor!.byteLength > smallWeight && uses(v) > node.inputs.filter(x => x === v).length;
const smallWeight = 65536;
const largestSource = budget;

/** A weight that is only rearranged keeps its name, where nothing else reads it as it was. */
function nameFor(node: Node, graph: Graph, { uses }: Context): string {
  const weights = node.inputs.filter(v => v?.parameter);
  const isTaken = uses(weights[0]!) > weights.length || graph.outputs.some(o => o.name === weights[0]!.name);
  return weights.length === 1 && !isTaken ? weights[0]!.name : node.outputs[0]!.name;
}

/**
 * A tensor that is computed when it is read, from a node over tensors whose output has known sizes. It is kept until its last byte was read.
 * Without `isSaid` it does not tell how it was made.
 */
export function derived(node: Node, { isSaid = true, output = 0 } = {}): Tensor {
  const y = node.outputs[output]!;
  const dims = y.shape as number[];
  const bytes = byteLength(y.element!, countOf(dims));
  let whole: Promise<Uint8Array> | undefined;
  const content: Stored = {
    length: bytes,
    async read(offset = 0, length = bytes - offset) {
      whole ??= compute(node, output);
      const part = (await whole).subarray(offset, offset + length);
      if (offset + length >= bytes) whole = undefined;
      return part;
    },
  };
  const rest = isSaid ? { metadata_props: [{ key: 'derived', value: textOf(node, output) }] } : undefined;
  const { op, attributes, inputs } = node;
  const recipe = { op, attributes, inputs: inputs.map(v => v?.tensor), output, outputs: node.outputs.length };
  return new Tensor(y.element!, content, dims, { field: 'raw_data', rest }, recipe);
}

async function compute(node: Node, output: number): Promise<Uint8Array> {
  const tensors: (Tensor | undefined)[] = [];
  for (const v of node.inputs) tensors.push(v && (await resident(v.tensor!)));
  const made = evaluate(rowOf(node.op)!, newestSchema('', node.op)!, node, tensors);
  if (!made) throw fail('E9001', `${node.op} over weights could not be computed`);
  return made[output]!.bytes();
}

/** How a weight was made, as nested calls: `Transpose(fc.weight, perm=[1,0])`. */
function textOf(node: Node, output: number): string {
  const inputs = node.inputs.map(v => (v ? (made(v) ?? (v.parameter ? v.name : `[${shown(v)}]`)) : ''));
  const attributes = [...node.attributes].map(([name, { value }]) => `${name}=${Array.isArray(value) ? `[${value}]` : String(value)}`);
  return `${node.op}(${[...inputs, ...attributes].join(', ')})${node.outputs.length > 1 ? `[${output}]` : ''}`;
}
const shown = (v: Value): string =>
  v.tensor!.isResident && v.tensor!.size <= 16 ? Array.from(v.tensor!.data as ArrayLike<number>).join() : '…';

/** The text of a weight that was made here. */
function made(v: Value): string | undefined {
  const { metadata_props: entries } = (v.tensor?.origin?.rest ?? {}) as { metadata_props?: { key: string; value: string }[] };
  return entries?.find(entry => entry.key === 'derived')?.value;
}

/** Layers whose outputs are linear in their weights, with the axis of the weights that counts the output channels. */
const linearLayers: Readonly<Record<string, { axis(node: Node): number | undefined }>> = {
  Conv: { axis: () => 0 },
  ConvTranspose: { axis: node => (intOf(node, 'group', 1) === 1 ? 1 : undefined) },
  Gemm: {
    axis: node => (floatOf(node, 'alpha', 1) === 1 && floatOf(node, 'beta', 1) === 1 ? (intOf(node, 'transB', 0) ? 0 : 1) : undefined),
  },
};

/** A normalisation by stored statistics as part of the layer before it. Y = (X·W + c - mean) · s + B with s = scale / √(var + ε) is X·(W·s) + (c - mean)·s + B. */
export const normalisation =
  (isFixed: IsFixed): Rule =>
  (node, b, context) => {
    const [x, scale, bias, mean, variance] = node.inputs;
    const found = layerOf(x, context);
    if (!found || node.outputs.length !== 1 || intOf(node, 'training_mode', 0) !== 0) return undefined;
    const { layer, axis } = found;
    const [data, weight, offset] = layer.inputs;
    if (![weight, scale, bias, mean, variance].every(isFixed) || context.uses(weight!) !== 1) return undefined;
    if (offset && !(isFixed(offset) && offset.shape?.length === 1)) return undefined;
    const named = (op: string, inputs: readonly Value[], name: string): Value => b.emit(op, inputs, {}, { outputs: [name] })[0]!;
    const factor = b.Div(scale!, b.Sqrt(b.Add(variance!, b.like(floatOf(node, 'epsilon', 1e-5), variance!))));
    const along = [...shapeOf(weight!).keys()].map(i => (i === axis ? -1 : 1));
    const scaled = named('Mul', [weight!, b.Reshape(factor, along)], weight!.name);
    const shift = offset ? b.Sub(offset, mean!) : b.Neg(mean!);
    const moved = named('Add', [b.Mul(shift, factor), bias!], offset?.name ?? bias!.name);
    return again(layer, [data, scaled, moved], node.outputs[0]!.name, b);
  };

/** The layer that makes a value which nothing else reads, with the axis of its weights that counts the output channels. */
function layerOf(x: Value | undefined, context: Context): { readonly layer: Node; readonly axis: number } | undefined {
  const layer = context.producer(x);
  const axis = layer?.domain === '' ? linearLayers[layer.op]?.axis(layer) : undefined;
  return layer && axis !== undefined && context.uses(x!) === 1 ? { layer, axis } : undefined;
}

/** A transpose that nothing else reads, and what it transposes. */
function turnBefore(x: Value | undefined, context: Context): { readonly perm: readonly number[]; readonly from: Value } | undefined {
  const node = context.producer(x);
  if (!x || node?.op !== 'Transpose' || node.domain !== '' || context.uses(x) !== 1) return undefined;
  const perm = node.attributes.get('perm')?.value as readonly number[] | undefined;
  return perm && { perm, from: node.inputs[0]! };
}

/**
 * A number for each output channel, as a vector: those of a constant that differs along the axis of the channels alone. With `perm` the
 * constant stands behind a transpose of what the layer makes.
 */
function perChannel(v: Value, layer: Node, channels: number, perm: readonly number[] | undefined, b: Builder): Value | undefined {
  const rank = layer.outputs[0]!.shape?.length;
  if (rank === undefined || !isStatic(v.shape) || v.shape.length > rank) return undefined;
  const own = layer.op === 'Gemm' ? rank - 1 : 1;
  const axis = perm ? perm.indexOf(own) : own;
  const at = axis - (rank - v.shape.length);
  if (at < 0 || !v.shape.every((size, i) => size === (i === at ? channels : 1))) return undefined;
  return v.shape.length === 1 ? v : b.Reshape(v, [channels]);
}

/** A factor or a term for each output channel as part of the layer before it, through a transpose that stands between them. */
export const affine =
  (isFixed: IsFixed): Rule =>
  (node, b, context) => {
    const [first, second] = node.inputs;
    const [x, k] = isFixed(second) ? [first, second] : [second, first];
    const turn = turnBefore(x, context);
    const found = isFixed(k) ? layerOf(turn ? turn.from : x, context) : undefined;
    const [data, weight, offset] = found?.layer.inputs ?? [];
    if (!found || !isFixed(k) || !isFixed(weight) || k.element !== x?.element || !isStatic(weight.shape)) return undefined;
    if (offset && !(isFixed(offset) && offset.shape?.length === 1)) return undefined;
    const channels = perChannel(k, found.layer, weight.shape[found.axis]!, turn?.perm, b);
    if (!channels) return undefined;
    const result = node.outputs[0]!.name;
    const placed = (inputs: readonly (Value | undefined)[]): Value =>
      turn
        ? b.emit('Transpose', [again(found.layer, inputs, turn.from.name, b)], { perm: turn.perm }, { outputs: [result] })[0]!
        : again(found.layer, inputs, result, b);
    const named = (op: string, inputs: readonly Value[], name: string): Value => b.emit(op, inputs, {}, { outputs: [name] })[0]!;
    if (node.op === 'Add') {
      const moved = offset ? named('Add', [offset, channels], offset.name) : channels;
      return placed([data, weight, moved]);
    }
    if (context.uses(weight) !== 1) return undefined;
    const along = [...weight.shape.keys()].map(i => (i === found.axis ? -1 : 1));
    const scaled = named('Mul', [weight, b.Reshape(channels, along)], weight.name);
    return placed([data, scaled, offset && named('Mul', [offset, channels], offset.name)]);
  };

function again(layer: Node, inputs: readonly (Value | undefined)[], name: string, b: Builder): Value {
  return b.emit(layer.op, inputs, layer.attributes, { name: layer.name, outputs: [name], meta: layer.meta })[0]!;
}

const intOf = (node: Node, name: string, fallback: number): number => Number(node.attributes.get(name)?.value ?? fallback);
const floatOf = intOf;
const countOf = (dims: readonly number[]): number => dims.reduce((n, d) => n * d, 1);
