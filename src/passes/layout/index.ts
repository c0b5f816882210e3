// layout: transposes stand where they move the fewest elements. Every value may lie in another layout than it was given; operators that
// do not care for the order of their axes are said in the one that is cheapest over the whole graph, and transposes stand where two
// layouts meet. In a convolutional network whose source has channels last, none is left inside.
import { type Graph, type Node, subgraphs, type Value } from '../../ir/graph.ts';
import { ofWeights } from '../fuse.ts';
import { merges } from '../merges.ts';
import { firstOf, type Pass, type Rule, type View } from '../rewrite.ts';
import { chooseTurns, type Flows } from './choose.ts';
import type { Flow, Turn } from './flow.ts';
import { isIdentity, type Layout, laid, unlaid } from './layout.ts';
import { Costs, Sources } from './network.ts';
import { flowOf } from './rows.ts';

export { transposeCost } from './network.ts';

/** Turns operators for one permutation; to be applied until nothing is edited. Each time the transposes cost less. */
export const layout: Pass = {
  name: 'layout',
  rules: {},
  builder: { fold: { elements: 2 ** 22, floats: true } },
  choose: (graph, view) => {
    const turns = new Map<Node, Turn>();
    turnsIn(graph, view, turns);
    if (turns.size === 0) return () => undefined;
    const weights = ofWeights(graph);
    const rules: Readonly<Record<string, Rule>> = {
      Transpose: firstOf(merges.Transpose, weights),
      Reshape: firstOf(merges.Reshape, weights),
      Unsqueeze: weights,
    };
    return node => {
      const turn = turns.get(node);
      return turn ? turned(turn) : node.domain === '' ? rules[node.op] : undefined;
    };
  },
};

/** The turns of a graph and of those nested in it, each for itself. */
function turnsIn(graph: Graph, view: View, turns: Map<Node, Turn>): void {
  const sources = new Sources(graph);
  for (const [node, turn] of chooseTurns(sources, flowsFor(view), new Costs(graph))) turns.set(node, turn);
  for (const node of graph.nodes) for (const [, inner] of subgraphs(node)) turnsIn(inner, view, turns);
}

function flowsFor(view: View): Flows {
  const known = new Map<Node, { readonly node: Node; readonly flow: Flow } | undefined>();
  const find = (node: Node): { readonly node: Node; readonly flow: Flow } | undefined => {
    const form = view.form(node);
    const flow = form && flowOf(form);
    return flow && { node: form, flow };
  };
  return {
    of(node) {
      if (!known.has(node)) known.set(node, find(node));
      return known.get(node);
    },
    can: (node, turn) => view.applies(turned(turn), node),
  };
}

/** An operator over its inputs in other layouts; its outputs are brought back. */
const turned =
  ({ order, inputs, outputs }: Turn): Rule =>
  (node, b) => {
    const x = node.inputs.map((v, i) => v && (inputs[i] ? laid(v, inputs[i], b) : v));
    if (x.some((v, i) => !v && node.inputs[i])) return undefined;
    const made = flowOf(node)?.emit(x, { order, inputs, outputs }, b);
    if (!made) return undefined;
    const back = made.map((v, i) => v && (outputs[i] ? unlaid(named(v, outputs[i]), outputs[i], b) : v));
    return back.some((v, i) => !v && made[i]) ? undefined : back;
  };

/** Another layout is another value: it does not take the name of what it is a transpose of. */
function named(v: Value, layout: Layout): Value {
  if (!isIdentity(layout)) v.name = `${v.name}_${layout.perm.join('')}`;
  return v;
}
