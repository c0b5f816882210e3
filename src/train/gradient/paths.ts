// Whether what is differentiated depends on what it is differentiated by, and where a path is cut.
import { type Finding, fail, ModelError } from '../../errors.ts';
import type { Node, Value } from '../../ir/graph.ts';
import { quoted } from '../../ir/text.ts';
import { formatType } from '../../ir/types.ts';
import { leadingTo, readBy } from './driver.ts';
import { gradientRowOf } from './rows/index.ts';
import { isReal } from './steps.ts';

interface Step {
  readonly node: Node;
  /** The output of the node through which the path goes on. */
  readonly out: Value;
}
type Readers = ReadonlyMap<Value, readonly Node[]>;

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
  const readers = readersIn(nodes, leads);
  const ends = new Set(of.map(o => o.value));
  const dependent = wrt.filter(v => leads.has(v));
  if (dependent.length === 0) {
    const names = of.map(o => quoted(o.value.name)).join(', ');
    throw fail('E6001', `${names} depends on none of ${wrt.length} values it is to be differentiated by`);
  }
  const findings = dependent.flatMap(v => cutOf(v, readers, ends, leads));
  if (findings.length > 0) throw new ModelError(findings);
}

/** Those of some values from which a path of operators with a gradient leads to `of`. */
export function withPaths(nodes: readonly Node[], of: readonly Value[], values: readonly Value[]): Value[] {
  const leads = leadingTo(nodes, of);
  const readers = readersIn(nodes, leads);
  return values.filter(v => leads.has(v) && path(v, readers, new Set(of), leads, false));
}

function readersIn(nodes: readonly Node[], leads: ReadonlySet<Value>): Readers {
  const readers = new Map<Value, Node[]>();
  for (const node of nodes) {
    if (!node.outputs.some(v => v && leads.has(v))) continue;
    for (const v of new Set(readBy(node))) {
      const list = readers.get(v);
      if (list) list.push(node);
      else readers.set(v, [node]);
    }
  }
  return readers;
}

/** What cuts a value off, where all of its paths are cut: said of the shortest. */
function cutOf(v: Value, readers: Readers, ends: ReadonlySet<Value>, leads: ReadonlySet<Value>): Finding[] {
  const found = path(v, readers, ends, leads, false) ? undefined : path(v, readers, ends, leads, true);
  const cut = found?.find(step => !passes(step));
  if (!found || !cut) return [];
  const { node, out } = cut;
  const row = gradientRowOf(node.op, node.domain);
  const why = 'why' in row && isCut(node) ? row.why : `it makes ${formatType(out.type)} here`;
  const names = found.map(({ node: n }) => (n.name ? `${n.op} (${n.name})` : n.op)).join(', ');
  const message = `no gradient reaches ${quoted(v.name)}: ${node.qualifiedName} has none (${why}); the path is ${names}`;
  const code = row.kind === 'gap' ? 'E6003' : 'E6002';
  return [{ code, severity: 'error', message, node: { op: node.qualifiedName, name: node.name }, tensor: v.name }];
}

const isCut = (node: Node): boolean => {
  const { kind } = gradientRowOf(node.op, node.domain);
  return kind === 'none' || kind === 'gap';
};
/** Whether a gradient comes back through a node from one of its outputs. Sequences are followed to their items. */
const passes = ({ node, out }: Step): boolean => !isCut(node) && (isReal(out) || (out.type !== undefined && out.type.kind !== 'tensor'));

/** A path of nodes from `v` to an end, of those that a gradient comes back through or of any. Breadth first, so that it is a short one. */
function path(
  v: Value,
  readers: Readers,
  ends: ReadonlySet<Value>,
  leads: ReadonlySet<Value>,
  mayCut: boolean,
): readonly Step[] | undefined {
  const from = new Map<Value, { readonly step: Step; readonly before: Value } | undefined>([[v, undefined]]);
  for (const [value] of from) {
    if (ends.has(value)) {
      const steps: Step[] = [];
      for (let last = from.get(value); last; last = from.get(last.before)) steps.push(last.step);
      return steps.reverse();
    }
    for (const node of readers.get(value) ?? [])
      for (const out of node.outputs)
        if (out && leads.has(out) && !from.has(out) && (mayCut || passes({ node, out })))
          from.set(out, { step: { node, out }, before: value });
  }
  return undefined;
}
