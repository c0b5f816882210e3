// Which nodes of a body have to run, and in what order: what its outputs are computed from, and what changes state on the way.
import { fail } from '../../errors.ts';
import { quoted } from '../../ir/text.ts';
import type { Body, BodyNode } from './body.ts';

/** Operators that store into variables. */
const writers: ReadonlySet<string> = new Set([
  'Assign',
  'AssignAdd',
  'AssignSub',
  'AssignVariableOp',
  'AssignAddVariableOp',
  'AssignSubVariableOp',
  'ResourceScatterUpdate',
  'ResourceScatterAdd',
]);

/** Operators whose inputs need not be computed: they check or print, and give nothing. */
const observers: ReadonlySet<string> = new Set([
  'Assert',
  'Print',
  'PrintV2',
  'NoOp',
  'ControlTrigger',
  'CheckPinned',
  'DisableCopyOnRead',
]);

/** Finds whether a function stores into variables. */
export class Effects {
  readonly #body: (name: string) => Body | undefined;
  readonly #known = new Map<Body, boolean>();
  constructor(body: (name: string) => Body | undefined) {
    this.#body = body;
  }

  isEffect(node: BodyNode): boolean {
    if (writers.has(node.op)) return true;
    return functionsOf(node).some(name => {
      const body = this.#body(name);
      return body !== undefined && this.#has(body);
    });
  }

  #has(body: Body): boolean {
    const known = this.#known.get(body);
    if (known !== undefined) return known;
    this.#known.set(body, false);
    const has = [...body.nodes.values()].some(node => this.isEffect(node));
    this.#known.set(body, has);
    return has;
  }
}

/** Names of the functions that a node calls. */
export function functionsOf(node: BodyNode): string[] {
  const names = [node.op];
  for (const value of node.attrs.values()) {
    if (value.func?.name) names.push(value.func.name);
    for (const func of value.list?.func ?? []) if (func.name) names.push(func.name);
  }
  return names;
}

/** What a node needs of its body: nothing of what is only looked at. */
export const inputsOf = (node: BodyNode): readonly string[] => (observers.has(node.op) ? [] : node.inputs.map(ref => ref.node));

/**
 * The nodes that the outputs of a body need, each after those that it needs. Nodes that only have to run before others are left out unless
 * they store something, and so are those that are bound already.
 * @throws ModelError E1105 for nodes that need each other
 */
export function orderOf(body: Body, effects: Effects, bound: ReadonlyMap<string, unknown>): BodyNode[] {
  const wanted = nodesFor(body, effects, bound);
  const order: BodyNode[] = [];
  const state = new Map<string, 'open' | 'done'>();
  for (const root of [...body.outputs.map(ref => ref.node), ...body.control].filter(name => wanted.has(name))) {
    const stack = [{ name: root, next: 0, needs: needsOf(body, root, wanted) }];
    if (state.has(root)) continue;
    state.set(root, 'open');
    while (stack.length > 0) {
      const top = stack.at(-1)!;
      const need = top.needs[top.next++];
      if (need === undefined) {
        state.set(top.name, 'done');
        const node = body.nodes.get(top.name);
        if (node) order.push(node);
        stack.pop();
      } else if (state.get(need) === 'open') {
        throw fail('E1105', `${quoted(need)} needs itself`, body.nodes.get(need)?.place);
      } else if (!state.has(need)) {
        state.set(need, 'open');
        stack.push({ name: need, next: 0, needs: needsOf(body, need, wanted) });
      }
    }
  }
  return order;
}

function needsOf(body: Body, name: string, wanted: ReadonlySet<string>): string[] {
  const node = body.nodes.get(name);
  if (!node) return [];
  return [...inputsOf(node), ...node.control].filter(n => wanted.has(n));
}

function nodesFor(body: Body, effects: Effects, bound: ReadonlyMap<string, unknown>): Set<string> {
  const wanted = new Set<string>();
  const leads = effectsBehind(body, effects);
  const queue = [...body.outputs.map(ref => ref.node), ...body.control.filter(leads)];
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    if (wanted.has(name) || bound.has(name)) continue;
    wanted.add(name);
    const node = body.nodes.get(name);
    if (node) queue.push(...inputsOf(node), ...node.control.filter(leads));
  }
  return wanted;
}

/** Whether a node stores something, or has to run after one that does. */
function effectsBehind(body: Body, effects: Effects): (name: string) => boolean {
  if (![...body.nodes.values()].some(node => effects.isEffect(node))) return () => false;
  const behind = new Set<string>();
  const readers = new Map<string, string[]>();
  for (const node of body.nodes.values())
    for (const before of [...node.inputs.map(r => r.node), ...node.control]) {
      const list = readers.get(before);
      if (list) list.push(node.name);
      else readers.set(before, [node.name]);
    }
  const queue = [...body.nodes.values()].filter(node => effects.isEffect(node)).map(node => node.name);
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    if (behind.has(name)) continue;
    behind.add(name);
    queue.push(...(readers.get(name) ?? []));
  }
  return name => behind.has(name);
}
