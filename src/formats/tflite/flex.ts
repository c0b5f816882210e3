// Operators of TensorFlow in a TensorFlow Lite model: custom ones named `Flex…`, whose options hold the node of the graph they come from.
import { readFlexbuffer } from '../../codec/flexbuffers.ts';
import { decodeBytes } from '../../codec/protobuf.ts';
import { encodeUtf8 } from '../../codec/utf8.ts';
import { fail, ModelError } from '../../errors.ts';
import { Call } from '../tensorflow/call.ts';
import { tfGap } from '../tensorflow/gaps.ts';
import { opDef } from '../tensorflow/op-defs.ts';
import { tfRow } from '../tensorflow/ops/index.ts';
import { type NodeDef, tensorflowSchema } from '../tensorflow/proto.gen.ts';
import { passesOn } from '../tensorflow/structure.ts';
import type { CustomRow } from './ops/custom-options.ts';
import { unsupported } from './ops/row.ts';

/** What the node computes, by the table of TensorFlow's operators. */
export const callFlex: CustomRow = (x, b, options) => {
  const { op = '', attr = [] } = nodeIn(options);
  const inputs = x.operands.map(operand => operand.real());
  if (passesOn(op)) return inputs;
  const [def, row] = [opDef(op), tfRow(op)];
  if (!def || !row) throw unsupported(`${op} of TensorFlow, ${tfGap(op) ?? 'which holds more than tensors'}`);
  const attrs = new Map(attr.map(({ key = '', value = {} }) => [key, value]));
  return row(new Call(def, x.outputs[0]?.name ?? op, inputs, attrs), b);
};

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
