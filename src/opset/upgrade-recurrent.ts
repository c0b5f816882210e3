// Older forms of the recurrent operators and of Scan.
import { fail } from '../errors.ts';
import { Graph, Value } from '../ir/graph.ts';
import { tensorType, type ValueType } from '../ir/types.ts';
import { type Builder, newBuilder } from '../ops/builder.ts';
import { range, rankOf } from '../ops/shapes.ts';
import { each, intsOf, numberOf, type Step, type StepTable, text, textOf, withAttribute, without } from './form.ts';

/** Whether the whole sequence is an output is told by the output itself. */
const outputSequence: Step = ({ inputs, attributes }) => ({ inputs, attributes: without(attributes, 'output_sequence') });

/** The default of GRU's first version was misspelt. */
const forward: Step = ({ inputs, attributes }) => ({
  inputs,
  attributes: textOf(attributes.get('direction')) === 'foward' ? withAttribute(attributes, 'direction', text('forward')) : attributes,
});

/** The type of one element of a batch. */
const inBatch = (type: ValueType | undefined): ValueType | undefined =>
  type?.kind === 'tensor' && type.shape ? tensorType(type.element, type.shape.slice(1)) : type;

/** In 8 everything had an axis of a batch in front: a Scan over the batch, of the Scan over each sequence. */
const scanOfBatch: Step = ({ inputs: [lengths, ...inputs], attributes }, b, node) => {
  const body = attributes.get('body');
  const scanned = numberOf(attributes.get('num_scan_inputs')) ?? 0;
  if (body?.kind !== 'graph') throw fail('E1303', 'Scan: attribute body is missing');
  const states = inputs.length - scanned;
  const directions = intsOf(attributes.get('directions'));
  const own = newBuilder();
  const values = inputs.map((v, i) => new Value(`${v?.name ?? 'x'}_${i}`, inBatch(v?.type)));
  const length = lengths && new Value('sequence_length', tensorType(lengths.element ?? 'int64', []));
  const taken = length && own.Reshape(own.Cast(length, 'int64'), [1]);
  const cut = (v: Value): Value => (taken ? own.Slice(v, { axes: [0], starts: [0], ends: [taken] }) : v);
  const made = own.emit(
    'Scan',
    values.map((v, i) => (i < states ? v : cut(v))),
    { body: body.value, num_scan_inputs: scanned, ...(directions && { scan_input_directions: directions }) },
    { outputs: node.outputs.map((v, i) => v?.name ?? `scan_${i}`) },
  ) as readonly Value[];
  const padded = made.map((v, i) => (taken && i >= states ? filled(v, values[states]!, taken, own) : v));
  const graph = new Graph('batch', {
    inputs: [...values, ...(length ? [length] : [])],
    outputs: padded.map((value, i) => ({ name: value.name || `scan_${i}`, value })),
    nodes: own.nodes,
  });
  const all = [...inputs, ...(lengths ? [lengths] : [])];
  return b.emit('Scan', all, { body: graph, num_scan_inputs: all.length }, { outputs: node.outputs.map(v => v?.name) });
};

/** A scan output of a short sequence, with zeros to the length of the longest. */
function filled(v: Value, sequence: Value, taken: Value, b: Builder): Value {
  const missing = b.Sub(b.sizes([b.dim(sequence, 0)]), taken);
  const zeros = (n: number): Value[] => (n > 0 ? [b.ints(range(n).map(() => 0))] : []);
  const rank = rankOf(v);
  return b.emit('Pad', [v, b.Concat([...zeros(rank), missing, ...zeros(rank - 1)], 0)])[0]!;
}

export const recurrentSteps: StepTable = {
  ...each(['RNN', 'LSTM'], { 7: outputSequence }),
  GRU: { 3: forward, 7: outputSequence },
  Scan: { 9: scanOfBatch },
};
