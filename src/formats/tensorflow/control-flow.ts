// Control flow of old graphs, made of nodes that pass tensors on or not, as loops and branches with bodies of their own.
// Source: TensorFlow white paper, "Implementation of Control Flow in TensorFlow": Switch, Merge, Enter, Exit, NextIteration.
import { fail } from '../../errors.ts';
import { quoted } from '../../ir/text.ts';
import type { Body, BodyNode, Ref } from './body.ts';
import { bytesIn, unsupported } from './call.ts';

const done = new WeakMap<Body, Body>();

/** The same body with loops as While and conditions as If; the body itself where it has neither. */
export function structured(body: Body): Body {
  const before = done.get(body);
  if (before) return before;
  const made = hasOldControlFlow(body) ? foldBranches(foldLoops(body)) : body;
  done.set(body, made);
  done.set(made, made);
  return made;
}

function hasOldControlFlow(body: Body): boolean {
  for (const node of body.nodes.values()) if (node.op === 'Merge' || node.op === 'Exit') return true;
  return false;
}

/** Names that stand for something before anything was run. */
const boundIn = ({ args, inherits }: Body): ReadonlySet<string> => new Set([...args.map(a => a.name), ...(inherits ?? [])]);

/** Nodes that the outputs are computed from, without what is behind the arguments. */
function reachable(body: Body): BodyNode[] {
  const { nodes, outputs } = body;
  const bound = boundIn(body);
  const found = new Set<BodyNode>();
  const queue = outputs.map(ref => ref.node);
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    const node = bound.has(name) ? undefined : nodes.get(name);
    if (!node || found.has(node)) continue;
    found.add(node);
    queue.push(...node.inputs.map(ref => ref.node));
  }
  return [...found];
}

/** Gives its input at both of its outputs: a Switch that has been decided. */
const decided = (node: BodyNode, input: Ref): BodyNode => ({ ...node, op: '_Both', inputs: [input] });

const frameName = (node: BodyNode): string => new TextDecoder().decode(bytesIn(node.attrs.get('frame_name')?.s));

/** Loops that lie in no other: those inside of them are found when their bodies are run. */
function foldLoops(body: Body): Body {
  const reached = reachable(body);
  const frames = framesOf(body, reached);
  const outermost = new Set(reached.filter(n => n.op === 'Enter' && frames.get(n.name)!.length === 1).map(frameName));
  let nodes: Map<string, BodyNode> | undefined;
  for (const frame of outermost) {
    nodes ??= new Map(body.nodes);
    const inside = reached.filter(n => frames.get(n.name)!.length === 1 && frames.get(n.name)![0] === frame);
    foldLoop(body, inside, reached, frame, nodes);
  }
  return nodes ? { ...body, nodes } : body;
}

/** The inputs of a node but those that the rounds of a loop come back with. */
const inputsAtFirst = ({ nodes }: Body, node: BodyNode): readonly Ref[] =>
  node.op === 'Merge' ? node.inputs.filter(ref => nodes.get(ref.node)?.op !== 'NextIteration') : node.inputs;

/** The loops that each node lies in, outermost first. */
function framesOf(body: Body, reached: readonly BodyNode[]): Map<string, readonly string[]> {
  const frames = new Map<string, readonly string[]>([...boundIn(body)].map(name => [name, []]));
  const wanted = new Set(reached.map(n => n.name));
  const needs = (node: BodyNode): string[] => {
    const names = inputsAtFirst(body, node).map(r => r.node);
    // A constant in a loop is tied to it by what has to run before it.
    return (node.op === 'Const' ? [...names, ...node.control] : names).filter(
      n => wanted.has(n) && body.nodes.get(n)!.op !== 'NextIteration',
    );
  };
  for (const root of reached) {
    const stack = [root];
    const open = new Set<string>();
    while (stack.length > 0) {
      const node = stack.at(-1)!;
      const missing = frames.has(node.name) ? [] : needs(node).filter(n => !frames.has(n));
      if (missing.length > 0 && !open.has(node.name)) {
        open.add(node.name);
        stack.push(...missing.map(n => body.nodes.get(n)!));
        continue;
      }
      stack.pop();
      if (!frames.has(node.name))
        frames.set(
          node.name,
          frameOf(
            node,
            needs(node).map(n => frames.get(n) ?? []),
          ),
        );
    }
  }
  return frames;
}

function frameOf(node: BodyNode, given: readonly (readonly string[])[]): readonly string[] {
  const deepest = given.reduce((most, f) => (f.length > most.length ? f : most), []);
  if (node.op === 'Enter') return [...deepest, frameName(node)];
  return node.op === 'Exit' ? deepest.slice(0, -1) : deepest;
}

/** Put one While in the place of the nodes of a loop. */
function foldLoop(body: Body, inside: readonly BodyNode[], reached: readonly BodyNode[], frame: string, into: Map<string, BodyNode>): void {
  const { nodes } = body;
  const at = (ref: Ref): BodyNode => nodes.get(ref.node)!;
  const variables = inside
    .filter(n => n.op === 'Merge' && n.inputs.some(r => at(r)?.op === 'Enter'))
    .map(merge => {
      const enter = merge.inputs.map(at).find(n => n.op === 'Enter')!;
      const next = merge.inputs.map(at).find(n => n.op === 'NextIteration');
      if (!next) throw fail('E1105', `the loop ${quoted(frame)} does not go on at ${quoted(merge.name)}`, merge.place);
      return { merge, enter, next };
    });
  const entered = new Set(variables.map(v => v.enter.name));
  const constants = inside.filter(n => n.op === 'Enter' && !entered.has(n.name));
  const places = new Map(variables.map((v, i) => [v.merge.name, i]));
  // Another Switch on what goes round is one of a branch.
  const isOfLoop = ({ op, inputs: [data, pred] }: BodyNode): boolean =>
    op === 'Switch' && places.has(data!.node) && at(pred!)?.op === 'LoopCond';
  const switches = [...nodes.values()].filter(isOfLoop);
  const condition = switches[0] && at(switches[0].inputs[1]!);
  if (!condition) throw fail('E1105', `the loop ${quoted(frame)} has no condition`, variables[0]?.merge.place);
  const inner = new Map(nodes);
  for (const node of switches) inner.set(node.name, decided(node, node.inputs[0]!));
  const args = [...variables.map(v => v.merge), ...constants].map(n => ({ name: n.name, type: n.attrs.get('T')?.type ?? 0 }));
  const part = (outputs: readonly Ref[]): Body => ({ name: '', args, nodes: inner, outputs, control: [], inherits: boundIn(body) });
  const results = [...variables.map(v => v.next.inputs[0]!), ...constants.map(n => ({ node: n.name, index: 0 }))];
  const name = `${frame}/loop`;
  if (nodes.has(name)) throw fail('E1102', `there is another ${quoted(name)}`, condition.place);
  into.set(name, {
    name,
    op: 'While',
    attrs: new Map(),
    inputs: [...variables.map(v => v.enter.inputs[0]!), ...constants.map(n => n.inputs[0]!)],
    control: [],
    place: condition.place,
    bodies: new Map([
      ['cond', part([condition.inputs[0]!])],
      ['body', part(results)],
    ]),
  });
  for (const exit of reached) {
    const from = exit.op === 'Exit' ? at(exit.inputs[0]!) : undefined;
    const index = from?.op === 'Switch' ? places.get(from.inputs[0]!.node) : undefined;
    if (index !== undefined) into.set(exit.name, { ...exit, op: 'Identity', inputs: [{ node: name, index }], control: [] });
  }
}

/** By the tensors that decide: which side an output lies on. */
type Sides = ReadonlyMap<string, number>;

const key = ({ node, index }: Ref): string => `${node}:${index}`;

/** An If in the place of each Merge; one of a loop that nothing enters stays, and is found to need itself. */
function foldBranches(body: Body): Body {
  const isOfLoop = (n: BodyNode): boolean => n.inputs.some(({ node }) => body.nodes.get(node)?.op === 'NextIteration');
  const merges = reachable(body).filter(n => n.op === 'Merge' && !isOfLoop(n));
  if (merges.length === 0) return body;
  const sides = sidesOf(body);
  const nodes = new Map(body.nodes);
  for (const merge of merges) nodes.set(merge.name, branchOf(body, merge, sides));
  return { ...body, nodes };
}

function branchOf(body: Body, merge: BodyNode, sides: (ref: Ref) => Sides): BodyNode {
  const [first, second] = merge.inputs;
  if (!first || !second || merge.inputs.length !== 2) throw unsupported(`a Merge of ${merge.inputs.length} inputs`);
  const [left, right] = [sides(first), sides(second)];
  const decider = [...left.keys()].find(p => right.has(p) && right.get(p) !== left.get(p));
  if (decider === undefined) throw unsupported('a Merge of what no single condition decides');
  const switches = [...body.nodes.values()].filter(n => n.op === 'Switch' && key(n.inputs[1]!) === decider);
  const inner = new Map(body.nodes);
  for (const node of switches) inner.set(node.name, decided(node, node.inputs[0]!));
  const part = (ref: Ref): Body => ({
    name: '',
    args: [],
    nodes: inner,
    outputs: [ref],
    control: [],
    inherits: boundIn(body),
  });
  const [yes, no] = left.get(decider) === 1 ? [first, second] : [second, first];
  return {
    ...merge,
    op: 'If',
    // What goes through the switches is computed before, so that the branches find it.
    inputs: [switches[0]!.inputs[1]!, ...switches.map(n => n.inputs[0]!)],
    control: [],
    bodies: new Map([
      ['then_branch', part(yes)],
      ['else_branch', part(no)],
    ]),
  };
}

/** Finds what decides whether an output is there: every Switch on the way to it that no Merge has joined again. */
function sidesOf(body: Body): (ref: Ref) => Sides {
  const known = new Map<string, Sides>([...boundIn(body)].map(name => [name, new Map()]));
  const beside = (ref: Ref): Sides => {
    const node = body.nodes.get(ref.node);
    const own = known.get(ref.node) ?? new Map<string, number>();
    return node?.op === 'Switch' ? new Map([...own, [key(node.inputs[1]!), ref.index]]) : own;
  };
  const refs = (node: BodyNode): Ref[] => [
    ...inputsAtFirst(body, node),
    ...node.control.map(name => ({ node: name, index: pivotIndex(body, name) })),
  ];
  const visit = (root: string): void => {
    const stack = [{ name: root, isEntered: false }];
    while (stack.length > 0) {
      const top = stack.at(-1)!;
      const node = body.nodes.get(top.name);
      if (known.has(top.name) || !node) {
        stack.pop();
      } else if (!top.isEntered) {
        top.isEntered = true;
        for (const ref of refs(node)) if (!known.has(ref.node)) stack.push({ name: ref.node, isEntered: false });
      } else {
        stack.pop();
        known.set(
          top.name,
          node.op === 'Merge' ? common(inputsAtFirst(body, node).map(beside)) : new Map(refs(node).flatMap(ref => [...beside(ref)])),
        );
      }
      if (stack.length > body.nodes.size * 4 + 16) throw fail('E1105', `${quoted(top.name)} needs itself`, node?.place);
    }
  };
  return ref => {
    visit(ref.node);
    return beside(ref);
  };
}

/** A node that has to run after a Switch itself says no side. */
const pivotIndex = (body: Body, name: string): number => (body.nodes.get(name)?.op === 'Switch' ? -1 : 0);

const common = (all: readonly Sides[]): Sides =>
  new Map([...(all[0] ?? [])].filter(([p, side]) => all.every(other => other.get(p) === side)));
