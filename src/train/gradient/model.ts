// The gradients of a whole model, as a model.
import { fail } from '../../errors.ts';
import { constantsOf, Graph, Model, type Output, Value } from '../../ir/graph.ts';
import { quoted } from '../../ir/text.ts';
import { newBuilder } from '../../ops/builder.ts';
import { nearestName } from '../../ops/schema.ts';
import { target } from '../../opset/target.ts';
import { upgrade } from '../../opset/upgrade.ts';
import { fold } from '../../passes/fold.ts';
import { inline } from '../../passes/inline.ts';
import { removeUnread, rewriteAll } from '../../passes/rewrite.ts';
import { zerosLike } from './broadcast.ts';
import { OwnFunctions, ownDomain } from './functions.ts';
import { gradients } from './index.ts';
import { withPaths } from './paths.ts';
import { isReal } from './steps.ts';

export interface ModelGradientOptions {
  /** Outputs that are differentiated; all floats otherwise. */
  readonly of?: readonly string[] | undefined;
  /** Inputs and weights that they are differentiated by; otherwise all named weights with an axis that a gradient reaches. */
  readonly wrt?: readonly string[] | undefined;
  /** Begin with ones, or with inputs named `OUTPUT.seed`. */
  readonly seeds?: 'ones' | 'inputs' | undefined;
  /** Operators of the standard only, in place of functions of our own domain. */
  readonly inline?: boolean | undefined;
  readonly opset?: number | undefined;
}

/** The opset of gradients where none is asked for: runtimes of today know it. */
const defaultOpset = 21;

/**
 * A model with the outputs of `model` and after them, named `NAME.grad`, a gradient for each of `wrt`; zeros where nothing changes with it.
 * Write it without fusing (`fuse: false`), which joins weights with what follows them.
 * @throws ModelError E6001 to E6004, as `gradients`; E3001 for a name that the model does not have
 */
export function modelGradients(
  model: Model,
  { of, wrt, seeds = 'ones', inline: isInline = false, opset = defaultOpset }: ModelGradientOptions = {},
): Model {
  const newest = upgrade(model);
  const graph = inline(newest);
  rewriteAll(graph, [fold]);
  const weights = constantsOf(graph);
  const byName = new Map([...weights, ...graph.inputs].map(v => [v.name, v]));
  const outputs = named(of ?? graph.outputs.filter(o => isReal(o.value)).map(o => o.name), new Map(graph.outputs.map(o => [o.name, o])));
  const by = wrt
    ? named(wrt, byName)
    : trainable(
        graph,
        outputs.map(o => o.value),
        weights,
      );
  const own = new OwnFunctions({ inline: isInline });
  const b = newBuilder();
  const given = seeds === 'ones' ? [] : outputs.map(o => new Value(`${o.name}.seed`, o.value.type));
  const made = gradients(b, graph.nodes, { of: outputs.map((o, i) => ({ value: o.value, seed: given[i] })), wrt: by, own });
  const derived = made.gradients.map((g, i): Output => ({ name: `${by[i]!.name}.grad`, value: g ?? zerosLike(b, by[i]!) }));
  const result = new Graph(graph.name, {
    inputs: [...graph.inputs, ...given],
    outputs: [...graph.outputs.map(o => ({ ...o, value: made.at(o.value) })), ...derived],
    nodes: b.nodes,
    initializers: graph.initializers,
    meta: graph.meta,
  });
  removeUnread(result);
  const opsets = new Map([...newest.opsets, ...(own.definitions.length > 0 ? [[ownDomain, 1] as const] : [])]);
  const whole = new Model(result, { irVersion: newest.irVersion, opsets, functions: [...own.definitions] });
  target(whole, opset);
  return whole;
}

/** Scalars are constants as a rule. */
const trainable = (graph: Graph, of: readonly Value[], weights: readonly Value[]): Value[] =>
  withPaths(
    graph.nodes,
    of,
    weights.filter(v => isReal(v) && (v.shape?.length ?? 0) > 0 && (v.parameter || graph.initializers.includes(v))),
  );

function named<T>(names: readonly string[], known: ReadonlyMap<string, T>): T[] {
  return names.map(name => {
    const found = known.get(name);
    if (found) return found;
    const near = nearestName(name, [...known.keys()]);
    throw fail('E3001', `the model has no ${quoted(name)}${near ? `; nearest name: ${near}` : ''}`);
  });
}
