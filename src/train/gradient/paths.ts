// Whether what is differentiated depends on what it is differentiated by, and where a path is cut.
import { type Finding, fail, ModelError } from '../../errors.ts';
import type { Node, Value } from '../../ir/graph.ts';
import { quoted } from '../../ir/text.ts';
import { isReal, readBy } from './driver.ts';
import { gradientRowOf } from './rows/index.ts';

type Found = 'reached' | readonly Node[] | undefined;

/**
 * @throws ModelError E6001 where nothing of `of` depends on any of `wrt`; E6002 for each of `wrt` all of whose paths to `of` go through
 *   operators that are no functions of real numbers, E6003 through operators whose gradient is not said here
 */
export function requirePaths(
  nodes: readonly Node[],
  leads: ReadonlySet<Value>,
  of: readonly { readonly value: Value }[],
  wrt: readonly Value[],
): void {
  const readers = new Map<Value, Node[]>();
  for (const node of nodes) {
    if (!node.outputs.some(v => v && leads.has(v))) continue;
    for (const v of new Set(readBy(node))) readers.set(v, [...(readers.get(v) ?? []), node]);
  }
  const ends = new Set(of.map(o => o.value));
  const dependent = wrt.filter(v => leads.has(v));
  if (dependent.length === 0) {
    const names = of.map(o => quoted(o.value.name)).join(', ');
    throw fail('E6001', `${names} depends on none of ${wrt.length} values it is to be differentiated by`);
  }
  const findings = dependent.flatMap((v): Finding[] => {
    const found = search(v, readers, ends, leads);
    if (found === 'reached' || !found) return [];
    const at = found.findIndex(node => isCut(node));
    const node = found[at]!;
    const row = gradientRowOf(node.op, node.domain);
    const why = 'why' in row ? row.why : '';
    const path = found.map(n => (n.name ? `${n.op} (${n.name})` : n.op)).join(', ');
    const message = `no gradient reaches ${quoted(v.name)}: ${node.qualifiedName} has none (${why}); the path is ${path}`;
    const code = row.kind === 'gap' ? 'E6003' : 'E6002';
    return [{ code, severity: 'error', message, node: { op: node.qualifiedName, name: node.name }, tensor: v.name }];
  });
  if (findings.length > 0) throw new ModelError(findings);
}

const isCut = (node: Node): boolean => {
  const { kind } = gradientRowOf(node.op, node.domain);
  return kind === 'none' || kind === 'gap';
};

/** A path of nodes from `v` to an end: none if it is free, else one that is cut. Breadth first, so that the path is a short one. */
function search(v: Value, readers: ReadonlyMap<Value, readonly Node[]>, ends: ReadonlySet<Value>, leads: ReadonlySet<Value>): Found {
  const walk = (mayCut: boolean): readonly Node[] | undefined => {
    const from = new Map<Value, { readonly node: Node; readonly before: Value } | undefined>([[v, undefined]]);
    for (const [value] of from) {
      if (ends.has(value)) return pathTo(value, from);
      for (const node of readers.get(value) ?? []) {
        if (!mayCut && isCut(node)) continue;
        for (const out of node.outputs)
          if (out && leads.has(out) && !from.has(out) && (mayCut || isReal(out))) from.set(out, { node, before: value });
      }
    }
    return undefined;
  };
  return walk(false) ? 'reached' : walk(true);
}

function pathTo(end: Value, from: ReadonlyMap<Value, { readonly node: Node; readonly before: Value } | undefined>): readonly Node[] {
  const path: Node[] = [];
  for (let step = from.get(end); step; step = from.get(step.before)) path.push(step.node);
  return path.reverse();
}
