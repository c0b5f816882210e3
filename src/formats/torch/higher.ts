// Higher-order operators of an exported program: control flow becomes If, Loop and Scan; what only carries a setting is inlined.
// Source: PyTorch, torch/_higher_order_ops; the operands of a call are given one by one, graphs among them.
import { fail } from '../../errors.ts';
import { Graph, Value } from '../../ir/graph.ts';
import type { TensorType } from '../../ir/types.ts';
import type { Builder } from '../../ops/builder.ts';
import { isScalar, type Scalar, Symbolic } from './aten/row.ts';
import type { Operand } from './calls.ts';
import type { GraphReader } from './graph-reader.ts';
import type { Cursor } from './json.ts';
import { TensorRef } from './memory.ts';
import { numberValue } from './numbers.ts';

/** Makes the nodes of a call from its arguments; its results. */
type HigherRow = (args: readonly Cursor[], reader: GraphReader) => readonly Operand[];

const graphOf = (arg: Cursor | undefined): Cursor => {
  const union = arg?.union();
  if (union?.tag !== 'as_graph') throw fail('E2001', 'expected a graph');
  return union.of.get('graph');
};

/** The operands of arguments, lists of them opened. */
const operandsOf = (args: readonly Cursor[], reader: GraphReader): Operand[] =>
  args.flatMap(arg => {
    const operand = reader.operand(arg);
    return Array.isArray(operand) ? (operand as readonly Operand[]) : [operand];
  });

/** A tensor's value, or a number's as a scalar. */
function oneValue(operand: Operand, b: Builder): Value {
  if (operand instanceof TensorRef) return operand.read(b);
  if (operand instanceof Symbolic) return b.Squeeze(operand.value, [0]);
  if (isScalar(operand as Scalar))
    return b.Squeeze(numberValue(operand as Scalar, b, typeof operand === 'boolean' ? 'bool' : 'int64'), [0]);
  throw fail('E2001', 'expected tensors and numbers');
}

/** Read a nested graph whose results are the node's own values, as the standard demands of graphs in attributes. */
function branch(reader: GraphReader, graph: Cursor, operands: readonly Operand[], name: string): Graph {
  const inner = reader.nested(graph, operands);
  inner.run();
  const outputs = inner.outputs.map((output, i) => ({ name: `${name}_${i}`, value: produced(inner.value(output), inner.b) }));
  return new Graph(name, { inputs: [], outputs, nodes: inner.b.nodes });
}

/** A value that a node of this graph produces; what comes from outside is passed through one. */
const produced = (v: Value, b: Builder): Value => (v.producer && b.nodes.includes(v.producer) ? v : b.Identity(v));

const cond: HigherRow = ([pred, yes, no, ...rest], reader) => {
  const operands = operandsOf(rest, reader);
  const condition = oneValue(reader.operand(pred!), reader.b);
  const then_branch = branch(reader, graphOf(yes), operands, 'then');
  const else_branch = branch(reader, graphOf(no), operands, 'else');
  const outputs = then_branch.outputs.map((_, i) => `cond_${i}`);
  const made = reader.b.emit('If', [condition], { then_branch, else_branch }, { outputs });
  return made.map(v => TensorRef.of(v!));
};

/** `while_loop(cond, body, carried, additional)`: the condition is asked before the first round and after each. */
const whileLoop: HigherRow = ([condition, body, carried, additional], reader) => {
  const { b } = reader;
  const state = operandsOf([carried!], reader).map(operand => oneValue(operand, b));
  const others = operandsOf(additional ? [additional] : [], reader);
  const first = reader.inline(graphOf(condition), [...state.map(TensorRef.of), ...others]);
  const inner = reader.nested(graphOf(body), []);
  // A state that grows is declared with an open size.
  const inputs = state.map((v, i) => new Value(`carried_${i}`, declaredInput(inner, i) ?? v.type));
  bindInputs(inner, [...inputs, ...others]);
  inner.run();
  const results = inner.outputs.map(output => inner.value(output));
  const again = inner.inline(graphOf(condition), [...results.map(TensorRef.of), ...others]);
  const outputs = [oneValue(again[0], inner.b), ...results].map((v, i) => ({ name: `next_${i}`, value: produced(v, inner.b) }));
  const round = new Value('round', { kind: 'tensor', element: 'int64', shape: [] });
  const going = new Value('going', { kind: 'tensor', element: 'bool', shape: [] });
  const graph = new Graph('body', { inputs: [round, going, ...inputs], outputs, nodes: inner.b.nodes });
  const made = b.emit(
    'Loop',
    [undefined, oneValue(first[0], b), ...state],
    { body: graph },
    { outputs: state.map((_, i) => `while_${i}`) },
  );
  made.forEach((v, i) => {
    if (v) v.type ??= state[i]!.type;
  });
  return made.map(v => TensorRef.of(v!));
};

/** `scan(combine, init, xs, additional)` along the first axis; the results are the last states, then what each round gave. */
const scan: HigherRow = ([combine, init, xs, additional], reader) =>
  scanOver(
    reader,
    graphOf(combine),
    operandsOf([init!], reader),
    operandsOf([xs!], reader),
    operandsOf(additional ? [additional] : [], reader),
  );

/** `map(body, xs, additional)`: every slice of the first axis for itself. */
const map: HigherRow = ([body, xs, additional], reader) =>
  scanOver(reader, graphOf(body), [], operandsOf([xs!], reader), operandsOf(additional ? [additional] : [], reader));

function scanOver(
  reader: GraphReader,
  body: Cursor,
  init: readonly Operand[],
  xs: readonly Operand[],
  others: readonly Operand[],
): readonly Operand[] {
  const { b } = reader;
  const [states, sequences] = [init, xs].map(list => list.map(operand => oneValue(operand, b))) as [Value[], Value[]];
  const inner = reader.nested(body, []);
  const inputs = [
    ...states.map((v, i) => new Value(`state_${i}`, v.type)),
    ...sequences.map((v, i) => new Value(`slice_${i}`, v.type?.kind === 'tensor' ? { ...v.type, shape: v.shape?.slice(1) } : undefined)),
  ];
  bindInputs(inner, [...inputs, ...others]);
  inner.run();
  const outputs = inner.outputs.map((output, i) => ({ name: `next_${i}`, value: produced(inner.value(output), inner.b) }));
  const graph = new Graph('body', { inputs, outputs, nodes: inner.b.nodes });
  const names = outputs.map((_, i) => `scan_${i}`);
  const made = b.emit('Scan', [...states, ...sequences], { body: graph, num_scan_inputs: sequences.length }, { outputs: names });
  return made.map(v => TensorRef.of(v!));
}

/** The type that a graph states for its input, where that is a tensor. */
function declaredInput(inner: GraphReader, i: number): TensorType | undefined {
  const { tag, of } = inner.inputs[i]!.union();
  return tag === 'as_tensor' ? inner.declared(of.get('name').text) : undefined;
}

function bindInputs(inner: GraphReader, values: readonly (Value | Operand)[]): void {
  inner.inputs.forEach((input, i) => {
    const given = values[i];
    const { tag, of } = input.union();
    if (!(given instanceof Value)) inner.bindArgument(input, given);
    else if (tag === 'as_tensor') inner.bind(of.get('name').text, TensorRef.of(given));
    else inner.bindArgument(input, new Symbolic(inner.b.Reshape(given, [1])));
  });
}

/** `wrap_with_set_grad_enabled(enabled, graph, …)`: the graph alone. */
const inlined =
  (graphAt: number): HigherRow =>
  (args, reader) =>
    reader.inline(graphOf(args[graphAt]), operandsOf(args.slice(graphAt + 1), reader));

/** `wrap_with_autocast(device, type, enabled, cache, graph, …)`: the graph alone, where nothing is cast by itself in it. */
const withoutAutocast: HigherRow = (args, reader) => {
  if (reader.operand(args[2]!) !== false) throw fail('E2001', 'autocast has no conversion; export the model outside of it');
  return inlined(4)(args, reader);
};

export const higherOrder: Readonly<Record<string, HigherRow | undefined>> = {
  cond,
  while_loop: whileLoop,
  scan,
  map_impl: map,
  wrap_with_set_grad_enabled: inlined(1),
  wrap_with_autocast: withoutAutocast,
  invoke_subgraph: (args, reader) => reader.inline(graphOf(args[0]), operandsOf(args.slice(2), reader)),
  hints_wrapper: (args, reader) => reader.inline(graphOf(args[0]), operandsOf(args.slice(1, 2), reader)),
};
