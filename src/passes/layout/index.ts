// layout: transposes stand where they move the fewest elements. Every value may lie in another layout than it was given; operators that
// do not care for the order of their axes are said in the one that is cheapest over the whole graph, and transposes stand where two
// layouts meet. In a convolutional network whose source has channels last, none is left inside.
import { type Graph, type Node, subgraphs, type Value } from '../../ir/graph.ts';
import { duplicateNodes } from '../duplicates.ts';
import { constantValue } from '../fold.ts';
import { ofWeights } from '../fuse.ts';
import { identities } from '../identities.ts';
import { merges } from '../merges.ts';
import { firstOf, type Pass, type Rule, rewrite, type View } from '../rewrite.ts';
import { chooseTurns } from './choose.ts';
import type { Turn } from './flow.ts';
import { isIdentity, type Layout, laid, unlaid } from './layout.ts';
import { transposeCost } from './network.ts';
import { flowOf } from './rows.ts';
import type { Flows } from './spread.ts';

export { transposeCost } from './network.ts';

/** Turns operators for one permutation; to be applied until nothing is edited. Each time the transposes cost less. */
export const layout: Pass = {
  name: 'layout',
  rules: {},
  builder: { fold: { elements: 2 ** 22, floats: true } },
  // Transposes of one value by one permutation are one.
  same: graph =>
    duplicateNodes(
      graph,
      () => undefined,
      ({ op }) => op !== 'Transpose',
    ),
  choose: (graph, view) => {
    const turns = new Map<Node, Turn>();
    turnsIn(graph, view, turns);
    const weights = ofWeights(graph);
    const rules: Readonly<Record<string, Rule>> = {
      Transpose: firstOf(identities.Transpose, merges.Transpose, weights),
      ...(turns.size > 0 && { Reshape: firstOf(merges.Reshape, weights), Unsqueeze: weights }),
    };
    return node => {
      const turn = turns.get(node);
      return turn ? turned(turn) : node.domain === '' ? rules[node.op] : undefined;
    };
  },
};

/** Turns operators as long as the transposes of a graph in the newest opset cost less for it. */
export function settleLayout(graph: Graph): void {
  for (let cost = transposeCost(graph); ; ) {
    if (rewrite(graph, layout) === 0) return;
    const now = transposeCost(graph);
    if (now >= cost) return;
    cost = now;
  }
}

/** The turns of a graph and of those nested in it, each for itself. */
function turnsIn(graph: Graph, view: View, turns: Map<Node, Turn>): void {
  for (const node of graph.nodes) for (const [, inner] of subgraphs(node)) turnsIn(inner, view, turns);
  if (!graph.nodes.some(node => node.op === 'Transpose' && node.domain === '')) return;
  const chosen = chooseTurns(
    graph,
    flowsFor(node => view.form(node)),
    (node, turn) => view.applies(turned(turn), node),
  );
  for (const [node, turn] of chosen) turns.set(node, turn);
}

/** How layouts flow through the nodes of a graph, as rules see them. */
export function flowsFor(form: View['form']): Flows {
  const known = new Map<Node, ReturnType<Flows['of']>>();
  const find = (node: Node): ReturnType<Flows['of']> => {
    const seen = form(node);
    const flow = seen && flowOf(seen);
    return flow && { node: seen, flow };
  };
  return {
    of(node) {
      if (!known.has(node)) known.set(node, find(node));
      return known.get(node);
    },
  };
}

/** An operator over its inputs in other layouts; its outputs are brought back. */
const turned =
  ({ order, inputs, outputs }: Turn): Rule =>
  (node, b) => {
    const x = node.inputs.map((v, i) => v && (inputs[i] && !isIdentity(inputs[i]) ? laid(stored(v), inputs[i], b) : v));
    if (x.some((v, i) => !v && node.inputs[i])) return undefined;
    const made = flowOf(node)?.emit(x, { order, inputs, outputs }, b);
    if (!made) return undefined;
    const back = made.map((v, i) => v && (outputs[i] ? unlaid(named(v, outputs[i]), outputs[i], b) : v));
    return back.some((v, i) => !v && made[i]) ? undefined : back;
  };

/** What a Constant node makes as a constant, so that it is transposed at once. */
const stored = (v: Value): Value =>
  v.producer?.op === 'Constant' && v.producer.domain === '' ? constantValue(v.name, v.producer.attributes) : v;

/** Another layout is another value: it does not take the name of what it is a transpose of. */
function named(v: Value, layout: Layout): Value {
  if (!isIdentity(layout)) v.name = `${v.name}_${layout.perm.join('')}`;
  return v;
}
