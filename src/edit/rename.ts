// rename: inputs, outputs, values, nodes and sizes under other names. What the model computes, its opset and its order stay.
import { type Dim, symbol } from '../ir/dims.ts';
import type { Graph, Model } from '../ir/graph.ts';
import { quoted } from '../ir/text.ts';
import { Copy, refuseTraining } from './copy.ts';
import { Findings, namesIn, nodeNamesIn } from './names.ts';
import { openSizes, withSizes } from './sizes.ts';

/** New names by old ones. All are given at once, so that names can be swapped. */
export interface Renames {
  readonly inputs?: Readonly<Record<string, string>>;
  readonly outputs?: Readonly<Record<string, string>>;
  /** Any value: inputs, outputs, initializers and what lies between, in nested graphs too. */
  readonly values?: Readonly<Record<string, string>>;
  readonly nodes?: Readonly<Record<string, string>>;
  /** Open sizes; one that gets the name of another is from then on the same size. */
  readonly dims?: Readonly<Record<string, string>>;
}

/**
 * A copy of the model with other names.
 * @throws ModelError E3001 for every name that the model does not have, E1102 for every new one that is taken, E4001 for an empty one,
 * E2002 for a model with training graphs
 */
export function rename(model: Model, renames: Renames): Model {
  refuseTraining(model);
  const findings = new Findings();
  const values = valueNames(model, renames, findings);
  const nodes = checked('node', renames.nodes, nodeNamesIn(model.graph), findings);
  const dims = sizes(model.graph, renames.dims, findings);
  findings.throw();
  const copy = new Copy({
    name: name => values.get(name) ?? name,
    nodeName: name => nodes.get(name) ?? name,
    ...(dims.size > 0 && { type: type => withSizes(type, dims) }),
  });
  return copy.model(model);
}

function valueNames({ graph }: Model, { inputs, outputs, values }: Renames, findings: Findings): ReadonlyMap<string, string> {
  const all = namesIn(graph);
  const known = [
    ['input', inputs, new Set(graph.inputs.map(v => v.name))],
    ['output', outputs, new Set(graph.outputs.map(o => o.name))],
    ['value', values, all],
  ] as const;
  const names = new Map<string, string>();
  for (const [what, given, there] of known)
    for (const [from, to] of checkedNames(what, given, there, findings)) {
      const other = names.get(from);
      if (other !== undefined && other !== to)
        findings.add('E4001', `${quoted(from)} cannot become both ${quoted(other)} and ${quoted(to)}`);
      names.set(from, to);
    }
  refuseTaken('value', names, all, findings);
  return names;
}

function checked(what: string, given: Readonly<Record<string, string>> | undefined, there: Set<string>, findings: Findings) {
  const names = checkedNames(what, given, there, findings);
  refuseTaken(what, names, there, findings);
  return names;
}

function checkedNames(
  what: string,
  given: Readonly<Record<string, string>> = {},
  there: ReadonlySet<string>,
  findings: Findings,
): ReadonlyMap<string, string> {
  for (const [from, to] of Object.entries(given)) {
    if (!there.has(from)) findings.unknown(what, from, there);
    if (to === '') findings.add('E4001', `${what} ${quoted(from)} cannot get an empty name`);
  }
  return new Map(Object.entries(given));
}

/** A new name must be free once all old ones are gone. */
function refuseTaken(what: string, names: ReadonlyMap<string, string>, there: ReadonlySet<string>, findings: Findings): void {
  const made = new Map<string, string>();
  for (const [from, to] of names) {
    const other = made.get(to) ?? (there.has(to) && !names.has(to) ? to : undefined);
    if (other !== undefined) findings.add('E1102', `${what} ${quoted(from)} cannot become ${quoted(to)}: the name is taken`);
    made.set(to, from);
  }
}

function sizes(graph: Graph, given: Readonly<Record<string, string>> = {}, findings: Findings): ReadonlyMap<string, Dim> {
  const there = openSizes(graph);
  for (const [from, to] of checkedNames('size', given, there, findings))
    if (/^\d+$/.test(to)) findings.add('E4001', `size ${quoted(from)} cannot become ${to} by renaming; give its inputs shapes instead`);
  return new Map(Object.entries(given).map(([from, to]) => [from, symbol(to)]));
}
