// Element types that an older version of an operator did not allow: the same in a wider type between two Casts, where that is exact.
import type { Node, Value } from '../ir/graph.ts';
import type { TypedArray } from '../ir/tensor.ts';
import { type DataType, elementTypes, tensorType } from '../ir/types.ts';
import { elementsOf } from '../kernels/memory.ts';
import type { Builder } from '../ops/builder.ts';
import { type OpSchema, type Param, schemaOf } from '../ops/schema.ts';
import { schemaTypeName } from '../ops/signature.ts';

/** Types that hold every value of another, the narrowest first. */
const wider: Partial<Record<DataType, readonly DataType[]>> = {
  bool: ['uint8', 'int32', 'int64'],
  uint4: ['uint8', 'int32', 'int64'],
  int4: ['int8', 'int32', 'int64'],
  uint2: ['uint8', 'int32', 'int64'],
  int2: ['int8', 'int32', 'int64'],
  uint8: ['int16', 'int32', 'int64', 'float32', 'float64'],
  int8: ['int16', 'int32', 'int64', 'float32', 'float64'],
  uint16: ['int32', 'int64', 'float32', 'float64'],
  int16: ['int32', 'int64', 'float32', 'float64'],
  int32: ['int64', 'float64'],
  uint32: ['int64', 'float64'],
  // Half types are computed in float32 and rounded where a result is stored, whoever does it.
  float16: ['float32'],
  bfloat16: ['float32'],
  float32: ['float64'],
};

/** Operators that move, compare or choose elements. */
const choosing: ReadonlySet<string> = new Set([
  'ArgMax',
  'ArgMin',
  'Clip',
  'Compress',
  'Concat',
  'DepthToSpace',
  'DequantizeLinear',
  'Equal',
  'Expand',
  'Flatten',
  'Gather',
  'GatherElements',
  'GatherND',
  'Greater',
  'GreaterOrEqual',
  'Identity',
  'Less',
  'LessOrEqual',
  'Max',
  'MaxPool',
  'Min',
  'NonZero',
  'Pad',
  'ReduceMax',
  'ReduceMin',
  'Relu',
  'Reshape',
  'ReverseSequence',
  'ScatterElements',
  'ScatterND',
  'Shape',
  'Sign',
  'Size',
  'Slice',
  'SpaceToDepth',
  'Split',
  'Squeeze',
  'Tile',
  'TopK',
  'Transpose',
  'Trilu',
  'Unsqueeze',
  'Where',
]);
const isHalf = (type: DataType): boolean => type === 'float16' || type === 'bfloat16';

/** Values of the node's outputs computed in wider types that `opset` allows; undefined where that is not exact or not possible. */
export function widened(node: Node, opset: number, b: Builder): readonly (Value | undefined)[] | undefined {
  const then = schemaOf('', node.op, opset);
  if (!then || node.op === 'Cast' || node.op === 'CastLike' || hasReduction(node)) return undefined;
  const types = widerTypes(node, then, opset);
  if (!types) return undefined;
  const inputs = node.inputs.map((v, i) => {
    const type = v && types.get(paramAt(then.inputs, i)?.type ?? '');
    return v && type ? inType(v, type, b) : v;
  });
  const made = b.emit(node.op, inputs, node.attributes, { name: node.name, outputs: node.outputs.map(v => v?.name) });
  return made.map((v, i) => {
    const wanted = node.outputs[i]?.element;
    // Where rows cannot tell the type, the file did.
    if (v && wanted && !v.type) v.type = tensorType(types.get(paramAt(then.outputs, i)?.type ?? '') ?? wanted, node.outputs[i]!.shape);
    return v && wanted && v.element !== wanted ? b.Cast(v, wanted) : v;
  });
}

const paramAt = (params: readonly Param[], i: number): Param | undefined => params[Math.min(i, params.length - 1)];
const allows = (schema: OpSchema, param: Param, element: DataType): boolean =>
  (schema.constraints.get(param.type) ?? [param.type]).includes(schemaTypeName({ kind: 'tensor', element })!);

/** A wider type for each type variable of `then` that does not allow what the node gives it; undefined where one has none. */
function widerTypes(node: Node, then: OpSchema, opset: number): ReadonlyMap<string, DataType> | undefined {
  const types = new Map<string, DataType>();
  const cast = schemaOf('', 'Cast', opset)!;
  for (const [i, v] of node.inputs.entries()) {
    const param = paramAt(then.inputs, i);
    if (!v?.element || !param || allows(then, param, v.element)) continue;
    const target = wider[v.element]?.find(type => allows(then, param, type));
    const isExact = choosing.has(node.op) || isHalf(v.element);
    const isCast = isPacked(v) || allows(cast, cast.inputs[0]!, v.element);
    if (!target || !isExact || !isCast) return undefined;
    types.set(param.type, target);
  }
  return types.size > 0 ? types : undefined;
}

/** A scatter that adds would carry beyond the narrow type. */
const hasReduction = (node: Node): boolean => {
  const reduction = node.attributes.get('reduction');
  return reduction?.kind === 'string' && reduction.value !== 'none';
};

/** Whether a value is a constant in memory with several elements a byte. */
const isPacked = ({ tensor }: Value): boolean => tensor?.isResident === true && elementTypes[tensor.type].bits < 8;

/** A small constant of a packed type is written in the wider one; all else is cast. */
function inType(v: Value, type: DataType, b: Builder): Value {
  const { tensor } = v;
  if (!tensor || !isPacked(v)) return b.Cast(v, type);
  const { bits, class: kind } = elementTypes[tensor.type];
  const half = 2 ** (bits - 1);
  const unpacked = Array.from(elementsOf(tensor) as TypedArray, Number);
  const signed = unpacked.map(x => (kind === 'int' && x >= half ? x - 2 * half : x));
  return b.constant(signed, type, tensor.dims, v.name);
}
