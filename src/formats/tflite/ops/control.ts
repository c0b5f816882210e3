// Operators that run other subgraphs, and variables.
import { fail } from '../../../errors.ts';
import { sameDim, unknownDim } from '../../../ir/dims.ts';
import { Graph, Value } from '../../../ir/graph.ts';
import { type TensorType, tensorType } from '../../../ir/types.ts';
import { type Builder, newBuilder } from '../../../ops/builder.ts';
import { range, rankOf } from '../../../ops/shapes.ts';
import { isList, tensorOf } from '../../tensorflow/handles.ts';
import type { Flex } from '../flex.ts';
import type { GraphReader } from '../graph-reader.ts';
import type { Call, Row, Rows } from './row.ts';

const scalar = (b: Builder, v: Value): Value => (rankOf(v) === 0 ? v : b.Reshape(v, []));

/** A value that a node of this graph makes; what comes from outside is passed through one. */
const produced = (v: Value, b: Builder): Value => (v.producer && b.nodes.includes(v.producer) ? v : b.Identity(v));

const stored = (x: Call, from: number): Value[] => range(x.count - from, from).map(i => x.raw(i));

/** What branches and loops that take or give lists need, which operators of TensorFlow alone make. */
const flexOf = ({ operands, outputs, reader }: Call): Flex | undefined =>
  operands.some(o => isList(o.handle)) || outputs.some(o => o.element === undefined) ? reader.reading.flex : undefined;

function branch(x: Call, index: number, inputs: readonly Value[], name: string): Graph {
  const inner = x.reader.nested(index, inputs);
  inner.run();
  const outputs = inner.results().map((v, i) => ({ name: `${name}_${i}`, value: produced(v, inner.b) }));
  return new Graph(name, { inputs: [], outputs, nodes: inner.b.nodes });
}

export function branches(x: Call, b: Builder, condition: Value, [yes, no]: readonly [number, number], inputs: readonly Value[]) {
  const then_branch = branch(x, yes, inputs, 'then');
  const else_branch = branch(x, no, inputs, 'else');
  return b.emit('If', [condition], { then_branch, else_branch }, { outputs: x.outputs.map(o => o.name) });
}

const ifRow: Row = (x, b) => {
  const { then_subgraph_index, else_subgraph_index } = x.options('IfOptions');
  const sides = [then_subgraph_index, else_subgraph_index] as const;
  const condition = scalar(b, x.raw(0));
  return flexOf(x)?.branches(x, b, condition, sides) ?? branches(x, b, condition, sides, stored(x, 1));
};

const whileRow: Row = (x, b) => {
  const { cond_subgraph_index, body_subgraph_index } = x.options('WhileOptions');
  return flexOf(x)?.loop(x, b, cond_subgraph_index, body_subgraph_index) ?? loop(x, b, cond_subgraph_index, body_subgraph_index);
};

/** The condition is asked before the first round and after each. */
export function loop(x: Call, b: Builder, condition: number, body: number): readonly (Value | undefined)[] {
  const state = stored(x, 0);
  const [first] = x.reader.inline(condition, state);
  const { graph, types } = bodyGraph(x.reader, condition, body, state);
  const made = b.emit('Loop', [undefined, scalar(b, tensorOf(first)), ...state], { body: graph }, { outputs: x.outputs.map(o => o.name) });
  made.forEach((v, i) => {
    if (v) v.type = types[i];
  });
  return made;
}

/** Rounds of typing after which a size that still changes is left open. */
const mostRounds = 4;

/** The body, with types of what is carried that hold before and after each round. */
function bodyGraph(reader: GraphReader, condition: number, body: number, state: readonly Value[]): { graph: Graph; types: TensorType[] } {
  let types = state.map(v => typeIn(v));
  for (let round = 0; ; round++) {
    const inputs = types.map((type, i) => new Value(`carried_${i}`, type));
    const inner = reader.nested(body, inputs, newBuilder({ meta: reader.b.meta }));
    inner.run();
    const results = inner.results();
    const after = results.map((v, i) => common(types[i]!, typeIn(v), round === mostRounds));
    const isSettled = after.every((type, i) => type === types[i]);
    types = after;
    if (!isSettled) continue;
    const [again] = inner.inline(condition, results);
    const outputs = [scalar(inner.b, tensorOf(again)), ...results].map((v, i) => ({ name: `next_${i}`, value: produced(v, inner.b) }));
    const counter = new Value('round', tensorType('int64', []));
    const going = new Value('going', tensorType('bool', []));
    return { graph: new Graph('body', { inputs: [counter, going, ...inputs], outputs, nodes: inner.b.nodes }), types };
  }
}

function typeIn(v: Value): TensorType {
  if (v.type?.kind === 'tensor') return v.type;
  throw fail('E2001', 'a loop that carries a handle or a list');
}

/** What two types have in common: `a` itself where `b` says no less. */
function common(a: TensorType, b: TensorType, isLast: boolean): TensorType {
  if (!a.shape) return a;
  if (isLast || !b.shape || b.shape.length !== a.shape.length) return tensorType(a.element);
  if (a.shape.every((d, i) => sameDim(d, b.shape![i]!) || isOpen(d))) return a;
  return tensorType(
    a.element,
    a.shape.map((d, i) => (sameDim(d, b.shape![i]!) ? d : unknownDim())),
  );
}
/** A size about which nothing is claimed holds for any other. */
const isOpen = (d: TensorType['shape'] extends readonly (infer D)[] | undefined ? D : never): boolean =>
  typeof d !== 'number' && /^\?\d+$/.test(d.key);

/** What initialises variables and tables, which runs before everything else. */
const callOnce: Row = x => {
  const { variables } = x.reader.reading;
  if (x.reader.isNested) throw fail('E2001', 'an initialisation inside of a branch or loop');
  const inner = x.reader.nested(
    x.options('CallOnceOptions').init_subgraph_index,
    [],
    newBuilder({ fold: { elements: 2 ** 22, floats: true, parameters: true } }),
  );
  variables.isInitialising = true;
  try {
    inner.run();
  } finally {
    variables.isInitialising = false;
  }
  return [];
};

const varHandle: Row = x => {
  const { container, shared_name } = x.options('VarHandleOptions');
  return x.reader.reading.variables.handle('variable', [container, shared_name].filter(Boolean).join('/') || 'variable');
};

const readVariable: Row = x => {
  const { variables } = x.reader.reading;
  return variables.read(variables.named(x.raw(0), 'variable'));
};

const assignVariable: Row = x => {
  const { variables } = x.reader.reading;
  variables.assign(variables.named(x.raw(0), 'variable'), x.raw(1), x.reader.isNested && !variables.isInitialising);
  return [];
};

export const control: Rows = {
  IF: ifRow,
  WHILE: whileRow,
  CALL: x =>
    x.reader.inline(
      x.options('CallOptions').subgraph,
      x.operands.map(o => o.handle),
    ),
  CALL_ONCE: callOnce,
  VAR_HANDLE: varHandle,
  READ_VARIABLE: readVariable,
  ASSIGN_VARIABLE: assignVariable,
};
