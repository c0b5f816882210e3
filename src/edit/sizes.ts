// Open sizes in the declared types of a graph.
import { type Dim, substitute, symbolsOf } from '../ir/dims.ts';
import { type Graph, subgraphs } from '../ir/graph.ts';
import type { ValueType } from '../ir/types.ts';

/** The names of open sizes in declared types. */
export function openSizes(graph: Graph): Set<string> {
  const names = new Set<string>();
  collectSizes(graph, names);
  for (const name of names) if (isUnknownName(name)) names.delete(name);
  return names;
}

const isUnknownName = (name: string): boolean => /^\?\d+$/.test(name);

function collectSizes(graph: Graph, into: Set<string>): void {
  const collect = (type: ValueType | undefined): void => {
    if (!type) return;
    if (type.kind === 'tensor' || type.kind === 'sparse') for (const d of type.shape ?? []) symbolsOf(d, into);
    else if ('of' in type) collect(type.of);
  };
  for (const v of graph.inputs) collect(v.type);
  for (const o of graph.outputs) collect(o.type ?? o.value.type);
  for (const node of graph.nodes) {
    for (const v of node.outputs) collect(v?.type);
    for (const [, inner] of subgraphs(node)) collectSizes(inner, into);
  }
}

/** The type with other sizes for its symbols; itself where it has none of them. */
export function withSizes(type: ValueType | undefined, sizes: ReadonlyMap<string, Dim>): ValueType | undefined {
  if (!type) return type;
  if (type.kind === 'tensor' || type.kind === 'sparse') {
    if (!type.shape?.some(d => [...symbolsOf(d)].some(name => sizes.has(name)))) return type;
    return { ...type, shape: type.shape.map(d => substitute(d, sizes)) };
  }
  if (!('of' in type)) return type;
  const of = withSizes(type.of, sizes);
  return of === type.of ? type : { ...type, of };
}
