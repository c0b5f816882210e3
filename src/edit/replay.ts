// Tensors made again as a map says they were made: the same operators on other weights.
import { fail, ModelError } from '../errors.ts';
import { Node, Value } from '../ir/graph.ts';
import type { Expression, MappedTensor } from '../ir/provenance.ts';
import { resident, Tensor } from '../ir/tensor.ts';
import { quoted } from '../ir/text.ts';
import { byteLength, formatShape } from '../ir/types.ts';
import { rowOf } from '../ops/index.ts';
import { inferNode } from '../ops/infer.ts';
import { evaluate } from '../ops/plan-node.ts';
import { newestSchema } from '../ops/schema.ts';
import { requireSignature } from '../ops/signature.ts';
import { type Half, narrowTensor } from './narrow-tensor.ts';

type WeightNamed = (name: string) => Promise<Tensor>;
type Operation = Extract<Expression, { op: string }>;

/** Most bytes that one operator may make, and how many times those that it is given, where that is more. */
const mostBytes = 2 ** 28;
const mostTimes = 16;
const mostOutputs = 4096;

/**
 * A tensor of the map with other weights; what is computed is computed when it is read, and kept until its last byte was.
 * @throws ModelError E1006, here or while it is read, for an expression that gives no such tensor
 */
export async function replayed({ name, type, dims, from }: MappedTensor, weightNamed: WeightNamed): Promise<Tensor> {
  const made = (tensor: Tensor): Tensor => {
    if (tensor.type === type && formatShape(tensor.dims) === formatShape(dims)) return tensor;
    const found = `${tensor.type}${formatShape(tensor.dims)}`;
    throw fail('E1006', `${quoted(name)}: the expression gives ${found}, expected ${type}${formatShape(dims)}`, { tensor: name });
  };
  if ('weight' in from) return made(await weightNamed(from.weight));
  const length = byteLength(
    type,
    dims.reduce((n, d) => n * d, 1),
  );
  let whole: Promise<Uint8Array> | undefined;
  const compute = async (): Promise<Uint8Array> => {
    try {
      return (await resident(made(await tensorOf(from, weightNamed)))).bytes();
    } catch (error) {
      throw error instanceof ModelError ? error.within({ tensor: name }) : error;
    }
  };
  const content = {
    length,
    async read(offset = 0, count = length - offset) {
      whole ??= compute();
      const part = (await whole).subarray(offset, offset + count);
      if (offset + count >= length) whole = undefined;
      return part;
    },
  };
  return new Tensor(type, content, dims);
}

async function tensorOf(e: Expression, weightNamed: WeightNamed): Promise<Tensor> {
  if ('weight' in e) return weightNamed(e.weight);
  if ('constant' in e) return e.constant;
  const inputs: (Tensor | undefined)[] = [];
  for (const input of e.inputs) inputs.push(input && (await resident(await tensorOf(input, weightNamed))));
  return e.op === 'Narrow' ? narrowed(e, inputs[0]) : computed(e, inputs);
}

function narrowed({ attributes }: Operation, input: Tensor | undefined): Tensor {
  const to = attributes.get('to')?.value;
  if (input?.type !== 'float32' || (to !== 'float16' && to !== 'bfloat16'))
    throw fail('E1006', 'Narrow: expected float32 and a shorter type');
  return narrowTensor(input, to satisfies Half);
}

function computed({ op, attributes, inputs: given, output, outputs }: Operation, inputs: readonly (Tensor | undefined)[]): Tensor {
  const [row, schema] = [rowOf(op), newestSchema('', op)];
  if (!row || !schema) throw fail('E1006', `there is no operator ${op}`);
  if (outputs > Math.min(schema.maxOutputs, mostOutputs) || output >= outputs)
    throw fail('E1006', `${op} has no output ${output} of ${outputs}`);
  const values = given.map((_, i) => inputs[i] && new Value(`input_${i}`, undefined, { tensor: inputs[i] }));
  const node = new Node(
    { op, inputs: values, attributes },
    Array.from({ length: outputs }, (_, i) => ({ name: `output_${i}` })),
  );
  requireSignature(node, schema);
  inferNode(node, schema);
  const most = Math.max(mostBytes, mostTimes * inputs.reduce((n, t) => n + (t?.byteLength ?? 0), 0));
  const reserve = (bytes: number): void => {
    if (bytes > most) throw fail('E3007', `${op} makes a tensor of ${bytes} bytes`, { limit: { name: 'map.bytes', value: most } });
  };
  const made = evaluate(row, schema, node, inputs, reserve)?.[output];
  if (made) return made;
  throw fail('E1006', `${op} cannot be computed from constants`);
}
