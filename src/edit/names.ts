// What the names in an edit mean: values of the graph, and what was meant where there are none.
import { type Finding, ModelError } from '../errors.ts';
import { allNodes, type Graph, subgraphs, type Value } from '../ir/graph.ts';
import { quoted } from '../ir/text.ts';
import { nearestName } from '../ops/nearest.ts';

/** The values of a graph by name, those of nested graphs not included; an output's name is one of its value. */
export function valuesOf(graph: Graph): Map<string, Value> {
  const values = new Map<string, Value>();
  const add = (name: string, v: Value): void => {
    if (name !== '' && !values.has(name)) values.set(name, v);
  };
  for (const v of [...graph.inputs, ...graph.initializers]) add(v.name, v);
  for (const { name, value } of graph.outputs) add(name, value);
  for (const node of graph.nodes) for (const v of [...node.outputs, ...node.inputs]) if (v) add(v.name, v);
  return values;
}

/** The names of everything in the graph and those nested in it that has a name by which it is read. */
export function namesIn(graph: Graph): Set<string> {
  const names = new Set<string>();
  const collect = (g: Graph): void => {
    for (const name of valuesOf(g).keys()) names.add(name);
    for (const node of g.nodes) for (const [, inner] of subgraphs(node)) collect(inner);
  };
  collect(graph);
  return names;
}

export const nodeNamesIn = (graph: Graph): Set<string> => new Set([...allNodes(graph)].map(node => node.name).filter(name => name !== ''));

/** Findings of an edit, thrown together. */
export class Findings {
  readonly list: Finding[] = [];

  add(code: Finding['code'], message: string): void {
    this.list.push({ code, severity: 'error', message });
  }
  /** A name that is none of those there are. */
  unknown(what: string, name: string, names: Iterable<string>, owner = 'the model'): void {
    this.add('E3001', `${owner} has no ${what} ${quoted(name)}${suggestion(name, [...names])}`);
  }
  throw(): void {
    if (this.list.length > 0) throw new ModelError(this.list);
  }
}

/** The most names that are listed where none is near. */
const listed = 8;

function suggestion(name: string, names: readonly string[]): string {
  const near = nearestName(name, names);
  if (near !== undefined) return `; nearest name: ${quoted(near)}`;
  if (names.length === 0) return '';
  const rest = names.length > listed ? `, … ${names.length - listed} more` : '';
  return `; there are ${names.slice(0, listed).map(quoted).join(', ')}${rest}`;
}
