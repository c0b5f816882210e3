// Training as graphs: one step in one graph, or its parts apart. All of it is ONNX that any runtime can run.
import { type Finding, fail, ModelError, warning } from '../errors.ts';
import { countUses, type FunctionDefinition, Graph, Model, type Node, type Output, Value } from '../ir/graph.ts';
import type { Tensor } from '../ir/tensor.ts';
import { quoted } from '../ir/text.ts';
import { tensorType } from '../ir/types.ts';
import { type Builder, newBuilder } from '../ops/builder.ts';
import { irVersionFor, newestOpset } from '../ops/schema.ts';
import { target } from '../opset/target.ts';
import { emitAgain, rebuild } from '../passes/rebuild.ts';
import { removeUnread } from '../passes/rewrite.ts';
import { type ClipOptions, clip } from './clip.ts';
import { evaluationOf, type Forward, type ForwardOptions, forwardOf, type StateInput, stepName } from './forward.ts';
import { gradients as deriveGradients, OwnFunctions, ownDomain } from './gradient/index.ts';
import type { TargetFacts } from './losses/index.ts';
import { appendUpdate, type Group, groupsOf, initialState, type Updated, type UpdateOptions } from './update.ts';

export interface TrainingGraphOptions extends ForwardOptions, UpdateOptions {
  readonly clip?: ClipOptions | undefined;
  /** Operators of the standard only, in place of calls of functions of our own domain. */
  readonly inline?: boolean | undefined;
  /** 21 otherwise, which runtimes of today know. */
  readonly opset?: number | undefined;
  /** Give the outputs of the model too. */
  readonly predictions?: boolean | undefined;
  /** Inputs for weights and state have what they hold at first as defaults; they do otherwise. */
  readonly initial?: boolean | undefined;
}

/** A tensor that goes from step to step: an input of the graph, and the output that takes its place in the next step. */
export interface Carried {
  readonly name: string;
  readonly next: string;
  readonly initial: Tensor;
}

/** What the inputs and outputs of the graphs are for. */
export interface TrainingSignature {
  readonly loss: string;
  readonly parameters: readonly Carried[];
  readonly state: readonly Carried[];
  /** What batch normalisation remembers, and other tensors that change without a gradient. */
  readonly buffers: readonly Carried[];
  readonly inputs: readonly string[];
  readonly targets: readonly TargetFacts[];
  /** Outputs of the model, where they are outputs of the graph. */
  readonly predictions: readonly string[];
  /** Inputs for learning rates, and the rate that each group has by itself. */
  readonly rates: readonly { readonly name: string; readonly lr: number }[];
  /** Whether the graph has the input `seed`, on which its random numbers depend. */
  readonly isRandom: boolean;
  /** The length of all gradients before clipping, where they are clipped by it. */
  readonly norm?: string | undefined;
}

export interface TrainingGraph {
  readonly model: Model;
  readonly signature: TrainingSignature;
  /** Warnings: what is not trained, and why. */
  readonly findings: readonly Finding[];
}

/** The parts of a step as models of their own. */
export interface TrainingParts {
  /** Inputs and weights to the loss and what the backward half reads. */
  readonly forward: Model;
  /** What the forward half saved to gradients, named `NAME.grad`. */
  readonly backward: Model;
  /** Both halves together; gradients are added to inputs `NAME.grad`, each times the input `scale`. */
  readonly gradients: Model;
  /** Gradients, weights and state to new weights and state. */
  readonly update: Model;
  readonly signature: TrainingSignature;
  readonly findings: readonly Finding[];
}

/** The opset of training graphs where none is asked for. */
const defaultOpset = 21;
export const lossName = 'loss';
export const scaleName = 'scale';
const normName = 'gradient_norm';
export const nextName = (name: string): string => `${name}.next`;
export const gradientName = (name: string): string => `${name}.grad`;

/**
 * One step of training in one graph: from weights, state, a batch, learning rates and the number of steps before it to the loss, new
 * weights and new state. State of the optimizer is named `WEIGHT::SLOT`, results `NAME.next`.
 *
 * @example
 * const { model } = trainingGraph(await load('net.onnx'), { loss: 'cross_entropy', optimizer: 'adam' });
 * @throws ModelError E6001 to E6004 where there are no gradients, and what the parts of the options throw
 */
export function trainingGraph(model: Model, options: TrainingGraphOptions): TrainingGraph {
  const step = new Step(model, options);
  const { forward, b } = step;
  const clipped = clip(b, step.gradients, options.clip ?? {});
  const updated = step.update(b, clipped.gradients);
  const results = step.results(updated, clipped.norm);
  const predictions = options.predictions ? forward.outputs.map(o => ({ ...o, value: step.at(o.value) })) : [];
  const outputs = [{ name: lossName, value: step.at(forward.loss) }, ...predictions, ...results.outputs];
  const graph = graphOf(`${model.graph.name || 'model'}_step`, b.nodes, [...step.inputs, ...results.inputs], outputs);
  const signature = step.signature(updated, predictions, clipped.norm);
  return { model: step.model(options.initial === false ? graph : withDefaults(graph, signature)), signature, findings: step.findings };
}

/**
 * The loss and the outputs of a model in the form that it has when it is trained, with weights and remembered numbers as inputs.
 * @param trained the signature of the training that it goes with
 */
export function evaluationGraph(model: Model, options: TrainingGraphOptions, { parameters }: TrainingSignature): Model {
  const forward = evaluationOf(model, { ...options, trainable: parameters.map(p => p.name), freeze: [] });
  const inputs = [
    ...forward.inputs,
    ...forward.targets.map(t => t.value),
    ...[...forward.parameters, ...forward.buffers].map(p => p.value),
  ];
  return modelOf(graphOf('evaluation', forward.nodes, inputs, [{ name: lossName, value: forward.loss }, ...forward.outputs]));
}

/** The parts of a step. Takes and throws what `trainingGraph` does. */
export function trainingParts(model: Model, options: TrainingGraphOptions): TrainingParts {
  const step = new Step(model, options);
  const { forward, b } = step;
  const name = model.graph.name || 'model';
  const lossOutput = { name: lossName, value: step.at(forward.loss) };
  const predictions = options.predictions ? forward.outputs.map(o => ({ ...o, value: step.at(o.value) })) : [];
  const buffers = forward.buffers.map(v => ({ name: nextName(v.value.name), value: step.at(v.next) }));
  const ahead = [lossOutput, ...predictions, ...buffers];
  const nodes = [...b.nodes];

  const derived = step.parameters.map((p, i) => ({ name: gradientName(p.value.name), value: step.gradients[i]! }));
  const halves = cut(
    nodes,
    ahead.map(o => o.value),
    derived.map(o => o.value),
  );
  const forwardGraph = halfOf(`${name}_forward`, halves.first, step.inputs, [...ahead, ...halves.saved]);
  const saved = new Map(halves.saved.map(({ name: saved, value }) => [value, new Value(saved, value.type)]));
  const backwardGraph = withInputs(halfOf(`${name}_backward`, halves.second, step.inputs, derived), saved);

  const both = newBuilder();
  both.nodes.push(...nodes);
  const scale = new Value(scaleName, tensorType('float32', []));
  const sums = step.parameters.map(({ value }) => new Value(gradientName(value.name), value.type));
  const added = sums.map((sum, i) => both.Add(sum, both.Mul(step.gradients[i]!, both.Cast(scale, sum.element!))));
  const gradientsGraph = graphOf(
    `${name}_gradients`,
    both.nodes,
    [...step.inputs, ...sums, scale],
    [...ahead, ...added.map((value, i) => ({ name: nextName(sums[i]!.name), value }))],
  );

  const last = newBuilder();
  const given = step.parameters.map(({ value }) => new Value(gradientName(value.name), value.type));
  const clipped = clip(last, given, options.clip ?? {});
  const updated = step.update(last, clipped.gradients);
  const results = step.results(updated, clipped.norm, false);
  const own = step.parameters.map(p => p.value);
  const updateGraph = graphOf(`${name}_update`, last.nodes, [...own, ...given, ...results.inputs], results.outputs);
  return {
    forward: step.model(forwardGraph),
    backward: step.model(backwardGraph),
    gradients: step.model(gradientsGraph),
    update: step.model(updateGraph),
    signature: step.signature(updated, predictions, clipped.norm),
    findings: step.findings,
  };
}

/** What every form of a step begins with: the forward half and the gradients, in one builder. */
class Step {
  readonly forward: Forward;
  readonly b: Builder;
  readonly own: OwnFunctions;
  readonly parameters: readonly StateInput[];
  readonly groups: readonly Group[];
  readonly gradients: readonly Value[];
  readonly findings: readonly Finding[];
  /** How many steps came before. */
  readonly count: Value;
  readonly #at: (v: Value) => Value;
  readonly #options: TrainingGraphOptions;

  constructor(model: Model, options: TrainingGraphOptions) {
    this.#options = options;
    const { forward, made, findings, own } = differentiated(model, options);
    this.own = own;
    this.forward = forward;
    this.b = made.b;
    this.#at = made.at;
    this.gradients = made.gradients;
    this.parameters = forward.parameters;
    this.findings = [...forward.findings, ...findings];
    this.groups = groupsOf(
      forward.parameters.map(p => p.value),
      options,
    );
    this.count = forward.source?.step ?? new Value(stepName, tensorType('int64', []));
  }

  readonly at = (v: Value): Value => this.#at(v);

  /** What the forward half reads. */
  get inputs(): readonly Value[] {
    const { inputs, targets, buffers, source } = this.forward;
    return [
      ...inputs,
      ...targets.map(t => t.value),
      ...this.parameters.map(p => p.value),
      ...buffers.map(v => v.value),
      ...(source ? [source.seed, source.step] : []),
    ];
  }

  update(b: Builder, gradients: readonly Value[]): Updated {
    const parameters = this.parameters.map(p => p.value);
    return appendUpdate(b, { parameters, gradients, groups: this.groups, step: this.count }, this.own);
  }

  /** What an update reads beside weights and gradients, and what it gives. */
  results(
    updated: Updated,
    norm: Value | undefined,
    withBuffers = true,
  ): { readonly inputs: readonly Value[]; readonly outputs: readonly Output[] } {
    const buffers = withBuffers ? this.forward.buffers : [];
    return {
      inputs: [...updated.state.map(s => s.value), ...this.groups.map(g => g.rate), this.count],
      outputs: [
        ...(norm ? [{ name: normName, value: norm }] : []),
        ...updated.parameters.map((value, i) => ({ name: nextName(this.parameters[i]!.value.name), value })),
        ...updated.state.map(s => ({ name: nextName(s.value.name), value: s.next })),
        ...buffers.map(v => ({ name: nextName(v.value.name), value: this.at(v.next) })),
      ],
    };
  }

  signature(updated: Updated, predictions: readonly Output[], norm: Value | undefined): TrainingSignature {
    const { forward } = this;
    const tensors = new Map(this.parameters.map(p => [p.value.name, p.tensor]));
    const carried = (name: string, initial: Tensor): Carried => ({ name, next: nextName(name), initial });
    return {
      loss: lossName,
      parameters: this.parameters.map(p => carried(p.value.name, p.tensor)),
      state: updated.state.map(s => carried(s.value.name, initialState(s.slot, tensors.get(s.parameter)!))),
      buffers: forward.buffers.map(v => carried(v.value.name, v.tensor)),
      inputs: forward.inputs.map(v => v.name),
      targets: forward.targets.map(({ value, name: _, ...facts }) => ({ name: value.name, ...facts })),
      predictions: predictions.map(o => o.name),
      rates: this.groups.map(g => ({ name: g.rate.name, lr: g.optimizer.lr })),
      isRandom: forward.source !== undefined,
      norm: norm && normName,
    };
  }

  /** A graph without nodes that nothing reads, and without inputs of the step that nothing reads. */
  model(graph: Graph): Model {
    const called = this.own.definitions.filter(f => graph.nodes.some(n => n.domain === ownDomain && n.op === f.name));
    return modelOf(graph, this.#options.opset, called);
  }
}

/** A graph without nodes that nothing reads. */
function graphOf(name: string, nodes: readonly Node[], inputs: readonly Value[], outputs: readonly Output[]): Graph {
  const graph = new Graph(name, { inputs: [...new Set(inputs)], outputs: [...outputs], nodes: [...nodes] });
  removeUnread(graph);
  return graph;
}

/** The same without inputs that nothing reads, for halves of a step, which read some of its inputs each. */
function halfOf(name: string, nodes: readonly Node[], inputs: readonly Value[], outputs: readonly Output[]): Graph {
  const graph = graphOf(name, nodes, inputs, outputs);
  const uses = countUses(graph);
  graph.inputs = graph.inputs.filter(v => uses.has(v));
  return graph;
}

/** A model of a graph. Graphs share nodes and functions until each is brought to its opset. */
function modelOf(graph: Graph, opset = defaultOpset, functions: readonly FunctionDefinition[] = []): Model {
  const opsets = new Map([['', newestOpset('')!], ...(functions.length > 0 ? [[ownDomain, 1] as const] : [])]);
  const made = new Model(rebuild(graph), {
    irVersion: irVersionFor(opsets),
    opsets,
    functions: functions.map(f => ({ ...f, body: rebuild(f.body) })),
    producer: { name: 'omnix' },
  });
  target(made, opset);
  return made;
}

interface Derived {
  readonly b: Builder;
  readonly at: (v: Value) => Value;
  readonly gradients: readonly Value[];
}

/** The forward half with gradients of its loss. Weights that nobody named and that have no gradient are constants. */
function differentiated(
  model: Model,
  options: TrainingGraphOptions,
): { readonly forward: Forward; readonly made: Derived; readonly own: OwnFunctions; readonly findings: readonly Finding[] } {
  const findings: Finding[] = [];
  const frozen: string[] = [...(options.freeze ?? [])];
  for (;;) {
    const forward = forwardOf(model, { ...options, freeze: frozen });
    const own = new OwnFunctions({ inline: options.inline ?? false });
    const tried = derive(forward, own);
    if ('made' in tried) return { forward, made: tried.made, own, findings };
    for (const { name, why } of tried.without) {
      frozen.push(name);
      findings.push(warning('E6011', `${quoted(name)} is not trained: ${why}`, { tensor: name }));
    }
  }
}

type Without = readonly { readonly name: string; readonly why: string }[];

function derive(forward: Forward, own: OwnFunctions): { readonly made: Derived } | { readonly without: Without } {
  const b = newBuilder();
  const wrt = forward.parameters.map(p => p.value);
  try {
    const { at, gradients } = deriveGradients(b, forward.nodes, { of: [{ value: forward.loss }], wrt, own });
    const without = wrt.filter((_, i) => !gradients[i]).map(v => ({ name: v.name, why: 'the loss does not depend on it' }));
    if (without.length === 0) return { made: { b, at, gradients: gradients as readonly Value[] } };
    if (forward.areParametersNamed)
      throw fail('E6001', `the loss does not depend on ${without.map(w => quoted(w.name)).join(', ')}, which are to be trained`);
    return { without };
  } catch (error) {
    const cut = error instanceof ModelError && !forward.areParametersNamed && error.findings.every(f => f.code === 'E6002' && f.tensor);
    if (!cut) throw error;
    const without = error.findings.map(f => ({ name: f.tensor!, why: f.message }));
    if (without.length === wrt.length) throw error;
    return { without };
  }
}

interface Halves {
  readonly first: Node[];
  readonly second: Node[];
  /** Values of the first that the second reads. */
  readonly saved: readonly Output[];
}

/** Nodes that `ends` depend on, and all others, which make `later`. */
function cut(nodes: readonly Node[], ends: readonly Value[], later: readonly Value[]): Halves {
  const needed = new Set(ends);
  const first = new Set<Node>();
  for (const node of [...nodes].reverse()) {
    if (!node.outputs.some(v => v && needed.has(v))) continue;
    first.add(node);
    for (const v of node.inputs) if (v) needed.add(v);
  }
  const second = nodes.filter(node => !first.has(node));
  const read = new Set([...second.flatMap(node => node.inputs), ...later]);
  const saved = [...read].filter((v): v is Value => v?.producer !== undefined && first.has(v.producer));
  return {
    first: nodes.filter(node => first.has(node)),
    second,
    saved: saved.map((value, i) => ({ name: `saved.${i}`, value })),
  };
}

/** The graph with inputs in the place of values that others make. */
function withInputs(graph: Graph, inputs: ReadonlyMap<Value, Value>): Graph {
  const made = rebuild(graph, new Map(), emitAgain, inputs);
  made.inputs = [...made.inputs, ...inputs.values()];
  return made;
}

/** The graph with contents of weights and state as defaults of its inputs. */
function withDefaults(graph: Graph, { parameters, state, buffers }: TrainingSignature): Graph {
  const tensors = new Map([...parameters, ...state, ...buffers].map(c => [c.name, c.initial]));
  const defaults = new Map(
    graph.inputs.flatMap(v => {
      const tensor = tensors.get(v.name);
      return tensor ? [[v, new Value(v.name, v.type, { tensor, parameter: true })] as const] : [];
    }),
  );
  const bare = new Graph(graph.name, { inputs: graph.inputs.filter(v => !defaults.has(v)), outputs: graph.outputs, nodes: graph.nodes });
  const made = rebuild(bare, new Map(), emitAgain, defaults);
  // In the order that they had.
  made.inputs = graph.inputs.map(v => defaults.get(v) ?? made.inputs[bare.inputs.indexOf(v)]!);
  return made;
}
