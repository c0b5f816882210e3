// sequences: lists that rounds of a loop only append to become outputs of the rounds, and joining all parts of a tensor is that tensor again,
// for targets without sequences.

import { Graph, type Node, type Value } from '../ir/graph.ts';
import { readsOf } from '../ir/order.ts';
import { valuesOf } from '../ops/attributes.ts';
import type { Builder } from '../ops/builder.ts';
import type { OpName } from '../ops/names.gen.ts';
import type { At } from '../ops/row.ts';
import { newestSchema } from '../ops/schema.ts';
import { axisOf, range, rankOf } from '../ops/shapes.ts';
import { reshapeTo, sizesOf } from '../ops/sizing.ts';
import type { Pass, Replacement } from './rewrite.ts';

export const sequences: Pass = {
  name: 'sequences',
  rules: {
    Loop: (node, b) => (node.domain === '' ? gathered(node, b) : undefined),
    ConcatFromSequence: (node, b) => (node.domain === '' ? joined(node, b) : undefined),
  },
};

const isOp = (node: Node | undefined, op: string): node is Node => node?.op === op && node.domain === '';
const attributesOf = <K extends OpName>(node: Node, op: K): At<K> => valuesOf(node.attributes, newestSchema('', op)!) as At<K>;

/** A state that is an empty sequence before the loop, and in each round the same with one more at its end. */
function appended(node: Node, body: Graph, k: number): Value | undefined {
  const [before, after] = [body.inputs[2 + k], body.outputs[1 + k]?.value];
  const insert = after?.producer;
  if (!isOp(node.inputs[2 + k]?.producer, 'SequenceEmpty') || !isOp(insert, 'SequenceInsert')) return undefined;
  const item = insert.inputs[1];
  // Rounds whose tensors differ in their shape are an error of the run then.
  if (insert.inputs[0] !== before || insert.inputs[2] || item?.type?.kind !== 'tensor' || !item.type.shape) return undefined;
  const reads = body.nodes.flatMap(n => [...readsOf(n)]).filter(v => v === before);
  return reads.length === 1 && body.outputs.every((o, i) => o.value !== before && (i === 1 + k || o.value !== after)) ? item : undefined;
}

function gathered(node: Node, b: Builder): Replacement | undefined {
  const body = node.attributes.get('body');
  if (body?.kind !== 'graph') return undefined;
  const graph = body.value;
  const count = node.inputs.length - 2;
  const items = range(count).map(k => appended(node, graph, k));
  if (items.every(item => item === undefined)) return undefined;
  const stays = <T>(values: readonly T[]): T[] => values.filter((_, k) => !items[k]);
  const [limit, going, ...states] = node.inputs;
  const [again, ...results] = graph.outputs;
  const rows = items.flatMap((value, k) => (value ? [{ name: graph.outputs[1 + k]!.name, value }] : []));
  const own = new Set(graph.outputs.filter((_, i) => items[i - 1]).map(o => o.value.producer));
  const inner = new Graph(graph.name, {
    inputs: [...graph.inputs.slice(0, 2), ...stays(graph.inputs.slice(2))],
    outputs: [again!, ...stays(results.slice(0, count)), ...results.slice(count), ...rows],
    nodes: graph.nodes.filter(n => !own.has(n)),
    initializers: graph.initializers,
  });
  const attributes = new Map([...node.attributes, ['body', { kind: 'graph', value: inner }] as const]);
  const names = [...stays(node.outputs.slice(0, count)), ...node.outputs.slice(count)].map(v => v?.name);
  // Loop has at least two inputs.
  const made = b.emit('Loop', [limit, going ?? b.constant(true, 'bool'), ...stays(states)], attributes, {
    name: node.name,
    meta: node.meta,
    outputs: [...names, ...rows.map(r => r.name)],
  });
  const kept = made.slice(0, names.length);
  const stacks = made.slice(names.length);
  const sequenceOf = (): Value => b.SplitToSequence({ input: stacks.shift()! }, { axis: 0, keepdims: 0 });
  return [...items.map(item => (item ? sequenceOf() : kept.shift())), ...kept];
}

/** All parts of a tensor, one after the other or along a new axis. */
function joined(node: Node, b: Builder): Replacement | undefined {
  const split = node.inputs[0]?.producer;
  if (!isOp(split, 'SplitToSequence')) return undefined;
  const [whole, size] = split.inputs;
  const { axis: along, keepdims } = attributesOf(split, 'SplitToSequence');
  const { axis, new_axis } = attributesOf(node, 'ConcatFromSequence');
  if (whole?.type?.kind !== 'tensor' || !whole.type.shape) return undefined;
  const rank = rankOf(whole);
  const from = axisOf(along, rank);
  const isDropped = !size && !keepdims;
  if (!isDropped) return !new_axis && axisOf(axis, rank) === from ? whole : undefined;
  const to = axisOf(axis, new_axis ? rank : rank - 1);
  const perm = range(rank)
    .filter(a => a !== from)
    .toSpliced(to, 0, from);
  const moved = perm.every((a, i) => a === i) ? whole : b.Transpose(whole, perm);
  if (new_axis) return moved;
  const sizes = sizesOf(b, moved);
  return reshapeTo(b, moved, [...sizes.slice(0, to), -1, ...sizes.slice(to + 2)]);
}
