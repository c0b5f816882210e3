// Control flow as PyTorch's higher-order operators: a branch is `cond`, a loop `while_loop`. What graphs read of those around them is given to
// them as operands.
import { type Dim, unknownDim } from '../../../ir/dims.ts';
import type { Graph, Node, Value } from '../../../ir/graph.ts';
import { type TensorType, tensorType } from '../../../ir/types.ts';
import { bodyInputsOf } from '../../../ops/control-types.ts';
import { typeOf } from '../../../ops/shapes.ts';
import { type Emission, gap, type NodeEmission } from './emission.ts';
import type { Said } from './ops.ts';
import { type Call, GraphArg, Ref, TypeArg } from './program.ts';

/** Nodes, and what is wanted of them. */
export interface Part {
  readonly nodes: readonly Node[];
  readonly outputs: readonly { readonly value: Value }[];
}

/** Writes the nodes of one graph. */
export interface GraphWriter {
  readonly e: Emission;
  nested(): GraphWriter;
  input(v: Value): Ref;
  output(ref: Ref): Ref;
  nodes(graph: Part): void;
  calls(outputs: readonly Ref[]): readonly Call[];
}

type ControlRow = (n: NodeEmission<never>, writer: GraphWriter) => Said;

function graphIn(node: Node, name: string): Graph {
  const a = node.attributes.get(name);
  if (a?.kind === 'graph') return a.value;
  throw gap(`there is no ${name}`);
}

const truth = tensorType('bool', []);
const whole = tensorType('int64', []);

/** A tensor of one element without axes. */
const scalar = (e: Emission, ref: Ref): Ref =>
  ref.type?.shape?.length === 0 ? ref : e.t.call('aten.reshape.default', [ref, []], tensorType(ref.type!.element, []));

/** The tensors that some graphs read of the one around them, in one order for all. */
const capturedBy = (writers: readonly GraphWriter[]): Ref[] => [...new Set(writers.flatMap(w => [...w.e.captures.keys()]))];

/** A graph of these inputs and of what all of them capture. */
function graphOf(
  name: string,
  w: GraphWriter,
  inputs: readonly Ref[],
  captured: readonly Ref[],
  outputs: readonly Ref[],
  isSingle = false,
): GraphArg {
  const given = captured.map(ref => w.e.captures.get(ref) ?? new Ref(w.e.t.argument(ref.name), ref.type));
  return new GraphArg(name, [...inputs, ...given], w.calls(outputs), outputs, isSingle);
}

const branch: ControlRow = (n, writer) => {
  const condition = scalar(n.e, n.x());
  const branches = ['then_branch', 'else_branch'].map(name => {
    const graph = graphIn(n.node, name);
    const w = writer.nested();
    w.nodes(graph);
    return { w, outputs: graph.outputs.map(o => w.output(w.e.tensor(o.value))) };
  });
  const captured = capturedBy(branches.map(b => b.w));
  const [yes, no] = branches.map(({ w, outputs }, i) =>
    graphOf(n.t.unique(i === 0 ? 'true_graph' : 'false_graph'), w, [], captured, outputs),
  );
  const types = branches[0]!.outputs.map((ref, i) => (n.node.outputs[i] ? typeOr(n.node.outputs[i], ref.type!) : ref.type!));
  return n.t.several('higher_order.cond', [condition, yes!, no!, captured], types, false);
};

/** The type of so many of a tensor along a new first axis. */
const stackOf = ({ type }: Ref, count: Dim): TensorType => tensorType(type!.element, type!.shape && [count, ...type!.shape]);

const typeOr = (v: Value, type: TensorType): TensorType => (v.type?.kind === 'tensor' ? v.type : type);

/** Carried are the number of the round, whether there is another one, the states, and what the rounds gave so far. */
const loop: ControlRow = (n, writer) => {
  const { e, t, node } = n;
  const body = graphIn(node, 'body');
  const states = node.inputs.slice(2).map(v => e.tensor(v!));
  const limit = node.inputs[0] && scalar(e, e.tensor(node.inputs[0]));
  const filled = (value: number | boolean, type: TensorType): Ref =>
    t.call('aten.full.default', [[], value], type, { kwargs: { dtype: new TypeArg(type.element) } });
  const going = node.inputs[1] ? scalar(e, e.tensor(node.inputs[1])) : filled(true, truth);
  const w = writer.nested();
  const types = bodyInputsOf(node, node.inputs)!.types;
  const inputs = body.inputs.map((v, i) => {
    v.type ??= types[i];
    return i < 2 ? new Ref(w.e.t.argument(v.name), i === 0 ? whole : truth) : w.input(v);
  });
  // The body may want its own two as vectors of one element.
  for (const i of [0, 1]) {
    const v = body.inputs[i]!;
    w.e.bind(v, v.shape?.length === 1 ? w.e.t.call('aten.reshape.default', [inputs[i]!, [1]], typeOf(v)) : inputs[i]!);
  }
  w.nodes(body);
  const made = body.outputs.map(o => w.e.tensor(o.value));
  const scans = made.slice(1 + states.length);
  const gathered = scans.map(ref => new Ref(w.e.t.unique('gathered'), stackOf(ref, unknownDim())));
  const outputs = [
    w.e.t.call('aten.add.Tensor', [inputs[0]!, 1], whole),
    w.output(scalar(w.e, made[0]!)),
    ...made.slice(1, 1 + states.length).map(ref => w.output(ref)),
    ...scans.map((ref, k) => {
      const row = w.e.t.call('aten.unsqueeze.default', [ref, 0], stackOf(ref, 1));
      return w.e.t.call('aten.cat.default', [[gathered[k]!, row], 0], stackOf(ref, unknownDim()));
    }),
  ];
  const test = writer.nested();
  const seen = [...inputs, ...gathered].map(ref => new Ref(test.e.t.argument(ref.name), ref.type));
  const isAnother = limit
    ? test.e.t.call(
        'aten.logical_and.default',
        [seen[1]!, test.e.t.call('aten.lt.Tensor', [seen[0]!, test.e.captured(limit)], truth)],
        truth,
      )
    : test.output(seen[1]!);
  const captured = capturedBy([test, w]);
  const carried = [filled(0, whole), going, ...states, ...scans.map(ref => emptyOf(e, ref.type!))];
  const results = t.several(
    'higher_order.while_loop',
    [
      graphOf(t.unique('while_loop_cond_graph'), test, seen, captured, [isAnother], true),
      graphOf(t.unique('while_loop_body_graph'), w, [...inputs, ...gathered], captured, outputs),
      carried,
      captured,
    ],
    [whole, truth, ...node.outputs.map((v, i) => (v ? typeOr(v, states[i]?.type ?? scans[i - states.length]!.type!) : truth))],
    false,
  );
  return results.slice(2);
};

/** Nothing yet of what rounds give. Where their shape is not known, a vector: joining passes over one without elements. */
function emptyOf(e: Emission, { element, shape }: TensorType): Ref {
  const sizes = shape?.every(d => typeof d === 'number') ? [0, ...shape] : [0];
  return e.t.call('aten.empty.memory_format', [sizes], tensorType(element, sizes), { kwargs: { dtype: new TypeArg(element) } });
}

export const controlRows: Readonly<Record<string, ControlRow | undefined>> = { If: branch, Loop: loop };
