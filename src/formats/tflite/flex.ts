// Operators of TensorFlow in a TensorFlow Lite model: custom ones named `Flex…`, whose options hold the node of the graph they come from.
import { readFlexbuffer } from '../../codec/flexbuffers.ts';
import { decodeBytes } from '../../codec/protobuf.ts';
import { encodeUtf8 } from '../../codec/utf8.ts';
import { fail, ModelError } from '../../errors.ts';
import type { Value } from '../../ir/graph.ts';
import { type Builder, newBuilder } from '../../ops/builder.ts';
import { rankOf } from '../../ops/shapes.ts';
import { Call } from '../tensorflow/call.ts';
import { complexRow } from '../tensorflow/complex.ts';
import { tfGap } from '../tensorflow/gaps.ts';
import { type Handle, isValue, tensorOf } from '../tensorflow/handles.ts';
import { lists } from '../tensorflow/lists.ts';
import { runLoop } from '../tensorflow/loops.ts';
import { opDef } from '../tensorflow/op-defs.ts';
import { tfRow } from '../tensorflow/ops/index.ts';
import { type NodeDef, tensorflowSchema } from '../tensorflow/proto.gen.ts';
import { either, passesOn } from '../tensorflow/structure.ts';
import type { Operand } from './graph-reader.ts';
import { type Call as OperatorCall, unsupported } from './ops/row.ts';
import { partType } from './pairs.ts';

/** As a row of custom operators; results may be lists and complex numbers. */
export type FlexRow = (x: OperatorCall, b: Builder, options: Uint8Array) => Value | readonly Handle[];

/** What a model with operators of TensorFlow needs. */
export interface Flex {
  readonly call: FlexRow;
  /** A loop that carries lists, by the subgraphs of its condition and body. */
  readonly loop: (x: OperatorCall, b: Builder, condition: number, body: number) => readonly Handle[];
  /** Branches that give lists, by their subgraphs. */
  readonly branches: (x: OperatorCall, b: Builder, condition: Value, sides: readonly [number, number]) => readonly Handle[];
}

/** What the node computes, by the table of TensorFlow's operators. */
const call: FlexRow = (x, b, options) => {
  const { op = '', attr = [] } = nodeIn(options);
  const inputs = x.operands.map(handleOf);
  if (passesOn(op)) return inputs;
  const attrs = new Map(attr.map(({ key = '', value = {} }) => [key, value]));
  const node = { op, name: x.outputs[0]?.name ?? op, attrs };
  const structured = lists[op] ?? complexRow(node, inputs);
  if (structured) return structured({ node, inputs, b });
  const [def, row] = [opDef(op), tfRow(op)];
  if (!def || !row) throw unsupported(`${op} of TensorFlow, ${tfGap(op) ?? 'which holds more than tensors'}`);
  return row(new Call(def, node.name, inputs.map(tensorOf), attrs), b);
};

const handleOf = (operand: Operand): Handle => {
  if (partType(operand.info.element)) return operand.complex();
  return isValue(operand.handle) ? operand.real() : operand.handle;
};

function run({ reader }: OperatorCall, index: number, args: readonly Handle[], inner: Builder): readonly Handle[] {
  const nested = reader.nested(index, args, inner);
  nested.run();
  return nested.handles();
}

const nestedIn =
  (b: Builder) =>
  <T>(inside: (inner: Builder) => T): T =>
    inside(newBuilder({ meta: b.meta }));

const loop: Flex['loop'] = (x, b, condition, body) =>
  runLoop({
    inputs: x.operands.map(operand => operand.handle),
    b,
    nested: nestedIn(b),
    cond: (args, inner) => run(x, condition, args, inner).map(v => (isValue(v) && rankOf(v) > 0 ? inner.Reshape(v, []) : v)),
    body: (args, inner) => run(x, body, args, inner),
    staysSame: place => x.reader.staysSame(body, place),
  });

const branches: Flex['branches'] = (x, b, condition, [yes, no]) => {
  const inputs = x.operands.slice(1).map(operand => operand.handle);
  return either(
    { condition, b, nested: nestedIn(b) },
    inner => run(x, yes, inputs, inner),
    inner => run(x, no, inputs, inner),
  );
};

export const flex: Flex = { call, loop, branches };

/** The options are a vector of the operator's name and the node, as protobuf. */
function nodeIn(options: Uint8Array): NodeDef {
  const value = options.length > 0 ? readFlexbuffer(options) : undefined;
  const node = Array.isArray(value) ? value[1] : undefined;
  const bytes = typeof node === 'string' ? encodeUtf8(node) : node;
  if (!(bytes instanceof Uint8Array)) throw unsupported('an operator of TensorFlow whose options hold no node');
  try {
    return decodeBytes<NodeDef>(tensorflowSchema, 'NodeDef', bytes);
  } catch (error) {
    // Its offsets are not those of the file.
    throw error instanceof ModelError ? fail(error.code, `the node in the options: ${error.message}`) : error;
  }
}
