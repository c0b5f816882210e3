/**
 * Gradients, derived on the graph and said in operators of the standard.
 *
 * `gradients(b, nodes, { of, wrt })` copies `nodes` into the builder `b`, followed by the nodes of the gradients of `of` by `wrt`. The copy
 * is needed because some operators must keep more than they did (the places of a maximum, the states of a loop); whatever of the graph is
 * used from then on is found with `at`. Values that are not made by `nodes` (inputs, weights) stay themselves.
 *
 * @example
 * const b = newBuilder();
 * const { at, gradients: [dw] } = gradients(b, graph.nodes, { of: [{ value: loss }], wrt: [w] });
 * new Graph('step', { inputs: graph.inputs, outputs: [{ name: 'loss', value: at(loss) }, { name: 'dw', value: dw }], nodes: b.nodes });
 */
import { fail } from '../../errors.ts';
import type { FunctionDefinition, Node, Value } from '../../ir/graph.ts';
import { quoted } from '../../ir/text.ts';
import type { Builder } from '../../ops/builder.ts';
import { onesLike } from './broadcast.ts';
import { type Environment, leadingTo, Tape } from './driver.ts';
import { OwnFunctions } from './functions.ts';
import { requirePaths } from './paths.ts';
import { isReal } from './steps.ts';

export { OwnFunctions, ownDomain } from './functions.ts';
export { type ModelGradientOptions, modelGradients } from './model.ts';

export interface GradientRequest {
  /** What is differentiated, each with what its gradient begins with: ones where absent. */
  readonly of: readonly { readonly value: Value; readonly seed?: Value | undefined }[];
  /** What it is differentiated by: graph inputs, weights, or values in between. */
  readonly wrt: readonly Value[];
  /** Gets the functions that the nodes call, for the model that they go into; operators of the standard only where absent. */
  readonly own?: OwnFunctions | undefined;
  /** What stands for values of the graph in the copy, in place of themselves. */
  readonly given?: ReadonlyMap<Value, Value> | undefined;
  /** The function that a node calls; its body takes the place of the call. */
  readonly called?: Environment['called'] | undefined;
}

export interface GradientValues {
  /** What stands for a value of the graph among the copied nodes. */
  at(v: Value): Value;
  /** One for each of `wrt`, in its type and shape; undefined where nothing of `of` changes with it. */
  readonly gradients: readonly (Value | undefined)[];
}

/**
 * Append the nodes of a graph and of its gradients. Types of all values must be known, ranks too; sizes may be symbols.
 * @throws ModelError E6001 where nothing of `of` depends on any of `wrt`; E6002 for each of `wrt` that reaches `of` only through operators
 *   without a gradient; E6003 for an operator whose gradient is not said here; E6004 for what is no float
 */
export function gradients(
  b: Builder,
  nodes: readonly Node[],
  { of, wrt, own, given = new Map(), called }: GradientRequest,
): GradientValues {
  for (const v of [...wrt, ...of.map(o => o.value)])
    if (!isReal(v)) throw fail('E6004', `${quoted(v.name)} has no gradient: it is ${v.element ?? 'of no known type'}, not a float`);
  const leads = leadingTo(
    nodes,
    of.map(o => o.value),
  );
  requirePaths(nodes, leads, of, wrt);
  const functions = own ?? new OwnFunctions({ inline: true });
  const env: Environment = {
    own: functions,
    called: node => called?.(node) ?? functions.called(node.domain, node.op, node.overload),
  };
  const wanted = new Set(wrt);
  const now = new Map<Value, Value | undefined>(given);
  const tape = new Tape(
    env,
    wrt.map(v => given.get(v) ?? v),
  );
  tape.record(nodes, now, b, leads, wanted);
  const at = (v: Value): Value => now.get(v) ?? v;
  const seeds = of.map(({ value, seed }) => [at(value), seed ?? onesLike(b, at(value))] as const);
  const totals = tape.pull(seeds, b);
  return { at, gradients: wrt.map(v => totals.get(at(v))) };
}

export type { FunctionDefinition };
