// Gradient nodes of ai.onnx.preview.training: each differentiates the part of the graph before it that leads from some values to
// another, at values of its own, and becomes the nodes of that.
import { fail } from '../../errors.ts';
import type { Attributes, Graph, Node, Value } from '../../ir/graph.ts';
import { quoted } from '../../ir/text.ts';
import type { Builder } from '../../ops/builder.ts';
import { isGradient } from '../../ops/training.ts';
import { emitAgain, rebuild, type Visit } from '../../passes/rebuild.ts';
import { zerosLike } from './broadcast.ts';
import { readBy } from './driver.ts';
import { gradients } from './index.ts';

/** The graph with the nodes of gradients in place of Gradient nodes; itself where it has none. */
export function expandGradients(graph: Graph): Graph {
  if (!graph.nodes.some(isGradient)) return graph;
  const known = new Map<string, Value>([...graph.inputs, ...graph.initializers].map(v => [v.name, v]));
  // Inputs are those of the copy, which the nodes of the copy are seen to read.
  const visit: Visit = (node, inputs, attributes, b) => {
    node.inputs.forEach((v, i) => v && !v.producer && inputs[i] && known.set(v.name, inputs[i]));
    const made = isGradient(node) ? expanded(inputs, attributes, known, b) : emitAgain(node, inputs, attributes, b);
    node.outputs.forEach((v, i) => v && made[i] && known.set(v.name, made[i]));
    return made;
  };
  return rebuild(graph, new Map(), visit);
}

function expanded(
  inputs: readonly (Value | undefined)[],
  attributes: Attributes,
  known: ReadonlyMap<string, Value>,
  b: Builder,
): readonly (Value | undefined)[] {
  const find = (name: string): Value => {
    const v = known.get(name);
    if (v) return v;
    throw fail('E1303', `Gradient: no value before it is named ${quoted(name)}`);
  };
  const names = (key: string): readonly string[] => {
    const a = attributes.get(key);
    return a?.kind === 'strings' ? a.value : [];
  };
  const y = attributes.get('y');
  if (y?.kind !== 'string') throw fail('E1303', 'Gradient: the attribute y must name a value');
  const xs = names('xs').map(find);
  const free = [...xs, ...names('zs').map(find)];
  if (inputs.length !== free.length) throw fail('E1302', `Gradient: ${inputs.length} inputs for ${free.length} names`);
  // Each is a variable of its own, though the same value may be given for two.
  const given = new Map(free.map((v, i) => [v, b.Identity(inputs[i] ?? v)]));
  const value = find(y.value);
  const { gradients: made } = gradients(b, between(b.nodes, new Set(free), value), { of: [{ value }], wrt: xs, given });
  return made.map((g, i) => g ?? zerosLike(b, given.get(xs[i]!)!));
}

/** The nodes that lead from `free` values to another; what lies before these is no part of it. */
function between(nodes: readonly Node[], free: ReadonlySet<Value>, end: Value): Node[] {
  const leads = new Set([end]);
  const before = [...nodes].reverse().filter(node => {
    if (!node.outputs.some(v => v && leads.has(v) && !free.has(v))) return false;
    for (const v of readBy(node)) leads.add(v);
    return true;
  });
  const moved = new Set(free);
  return before.reverse().filter(node => {
    if (![...readBy(node)].some(v => moved.has(v))) return false;
    for (const v of node.outputs) if (v) moved.add(v);
    return true;
  });
}
