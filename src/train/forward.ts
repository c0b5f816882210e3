// The forward half of training: the model in its training form, its weights as inputs, and the loss after it.
import { type Finding, fail } from '../errors.ts';
import { Model, type Node, Value } from '../ir/graph.ts';
import { updatedName } from '../ir/state.ts';
import type { Tensor } from '../ir/tensor.ts';
import { quoted } from '../ir/text.ts';
import { formatType, tensorType } from '../ir/types.ts';
import { type Builder, newBuilder } from '../ops/builder.ts';
import { takenBranch } from '../ops/control-types.ts';
import { upgrade } from '../opset/upgrade.ts';
import { inline } from '../passes/inline.ts';
import { copyNodes } from '../passes/rebuild.ts';
import type { Source } from './draws.ts';
import { lossNamed, type TargetFacts } from './losses/index.ts';
import type { Chosen } from './options.ts';
import { type ParameterOptions, type Parameters, parametersOf } from './parameters.ts';
import { separateEqual } from './separate.ts';
import { TrainingForm, type TrainingFormOptions, type Update } from './training-form.ts';

export interface ForwardOptions extends ParameterOptions, TrainingFormOptions {
  /**
   * A loss of the table, such as `cross_entropy:label_smoothing=0.1`; or a model with one number as its output, whose inputs are named as
   * outputs of the model, and otherwise are data. `output`, where the model computes its loss itself.
   */
  readonly loss: Chosen | Model;
  /** A model whose first output a loss such as `distillation` reads beside those of the model; it is not trained. */
  readonly teacher?: Model | undefined;
}

/** A weight or other tensor of the model that is an input of the training graph. */
export interface StateInput {
  readonly value: Value;
  readonly tensor: Tensor;
}

/** Nodes up to the loss, and what they read. */
export interface Forward {
  readonly nodes: readonly Node[];
  /** The inputs of the model. */
  readonly inputs: readonly Value[];
  /** Data beside them that the loss reads. */
  readonly targets: readonly (TargetFacts & { readonly value: Value })[];
  readonly parameters: readonly StateInput[];
  /** Tensors that change without a gradient. */
  readonly buffers: readonly (StateInput & { readonly next: Value })[];
  readonly outputs: readonly { readonly name: string; readonly value: Value }[];
  readonly loss: Value;
  /** What random numbers depend on, where some are drawn. */
  readonly source: Source | undefined;
  readonly areParametersNamed: boolean;
  readonly findings: readonly Finding[];
}

/** How many steps came before, and what random numbers depend on beside it. */
export const stepName = 'step';
export const seedName = 'seed';

/**
 * The forward half of the training of a model.
 * @throws ModelError what `parametersOf` throws; E4001 for a loss that does not fit the model; E6016 for one that is not one number
 */
export function forwardOf(model: Model, options: ForwardOptions): Forward {
  return prepare(model, options, 'training');
}

/** The same in the form that the trained model has: nothing is dropped, and batch normalisation takes the numbers that it remembers. */
export const evaluationOf = (model: Model, options: ForwardOptions): Forward => prepare(model, options, 'evaluation');

function prepare(model: Model, options: ForwardOptions, purpose: 'training' | 'evaluation'): Forward {
  const newest = upgrade(model, { choose: takenBranch });
  const graph = inline(newest);
  separateEqual(graph);
  const chosen = parametersOf(newest, graph, options);
  const form = purpose === 'training' ? options : { ...options, batchNorm: 'frozen' as const, dropout: false };
  // What is remembered is an input where it changes: in training, and for what training has left.
  const statistics = options.batchNorm === 'frozen' ? [] : TrainingForm.statistics(graph.nodes);
  return new ForwardMaker(graph.nodes, form).make(graph, chosen, statistics);
}

class ForwardMaker {
  readonly #b: Builder = newBuilder();
  readonly #now = new Map<Value, Value | undefined>();
  readonly #options: ForwardOptions;
  readonly #form: TrainingForm;
  #source: Source | undefined;

  constructor(nodes: readonly Node[], options: ForwardOptions) {
    this.#options = options;
    this.#form = new TrainingForm(nodes, options, () => {
      const scalar = (name: string): Value => new Value(name, tensorType('int64', []));
      this.#source ??= { seed: scalar(seedName), step: scalar(stepName) };
      return this.#source;
    });
  }

  make(graph: Model['graph'], { parameters: chosen, areNamed, findings }: Parameters, statistics: readonly Value[]): Forward {
    const parameters = chosen.map(v => this.#asInput(v));
    const remembered = statistics.map(v => this.#asInput(v));
    const isUpdated = (v: Value): boolean => graph.outputs.some(o => o.name === updatedName(v.name));
    const state = graph.inputs.filter(v => v.tensor && isUpdated(v)).map(v => this.#asInput(v));
    const inputs = graph.inputs.filter(v => !v.tensor);
    copyNodes(graph.nodes, this.#now, this.#form.visit, this.#b);
    const updated = graph.outputs.filter(o => state.some(s => updatedName(s.value.name) === o.name));
    const outputs = graph.outputs.filter(o => !updated.includes(o)).map(({ name, value }) => ({ name, value: this.#current(value) }));
    const made = outputs.map(o => o.value);
    const { loss, targets } = this.#loss(outputs, inputs);
    const updates = new Map<Value, Value>([
      ...this.#form.updates.map(({ value, next }: Update) => [value, next] as const),
      ...updated.map(o => [state.find(s => updatedName(s.value.name) === o.name)!.value, this.#current(o.value)] as const),
    ]);
    return {
      nodes: this.#b.nodes,
      inputs,
      targets,
      parameters,
      buffers: [...remembered, ...state].map(s => ({ ...s, next: updates.get(s.value) ?? s.value })),
      outputs: outputs.map((o, i) => ({ ...o, value: made[i]! })),
      loss: scalar(this.#b, loss),
      source: this.#source,
      areParametersNamed: areNamed,
      findings: [...findings, ...this.#form.findings],
    };
  }

  /** An input in the place of a constant. */
  #asInput(v: Value): StateInput {
    const value = new Value(v.name, tensorType(v.tensor!.type, v.tensor!.dims));
    this.#now.set(v, value);
    return { value, tensor: v.tensor! };
  }

  readonly #current = (v: Value): Value => this.#now.get(v) ?? v;

  #loss(outputs: Forward['outputs'], inputs: readonly Value[]): Pick<Forward, 'loss' | 'targets'> {
    const { loss, teacher } = this.#options;
    if (loss instanceof Model) return this.#lossModel(loss, outputs, inputs);
    const row = lossNamed(loss);
    const values = [...outputs.map(o => o.value)];
    if (teacher) values.splice(row.outputs - 1, 0, this.#teacher(teacher, inputs));
    const names = new Set(inputs.map(v => v.name));
    const targets = row.targets(values).map(facts => ({ ...facts, value: new Value(freeName(facts.name, names), facts.type) }));
    return {
      targets,
      loss: row.build(
        this.#b,
        values,
        targets.map(t => t.value),
      ),
    };
  }

  /** The first output of a model that reads the same inputs: by their names, or by their order. */
  #teacher(teacher: Model, inputs: readonly Value[]): Value {
    const graph = inline(upgrade(teacher, { choose: takenBranch }));
    const now = new Map<Value, Value | undefined>();
    for (const [i, v] of graph.inputs.filter(v => !v.tensor).entries()) {
      const given = inputs.find(input => input.name === v.name) ?? inputs[i];
      if (!given) throw fail('E4001', `the teacher reads ${quoted(v.name)}, which the model does not`);
      now.set(v, given);
    }
    copyNodes(graph.nodes, now, new TrainingForm([], { dropout: false, batchNorm: 'frozen' }, () => this.#source!).visit, this.#b);
    const [first] = graph.outputs;
    return now.get(first!.value) ?? first!.value;
  }

  #lossModel(loss: Model, outputs: Forward['outputs'], inputs: readonly Value[]): Pick<Forward, 'loss' | 'targets'> {
    const graph = inline(upgrade(loss, { choose: takenBranch }));
    const known = new Map<string, Value>([...inputs.map(v => [v.name, v] as const), ...outputs.map(o => [o.name, o.value] as const)]);
    const open = graph.inputs.filter(v => !v.tensor);
    const isNamed = open.some(v => outputs.some(o => o.name === v.name));
    const names = new Set(known.keys());
    const targets: Forward['targets'][number][] = [];
    const now = new Map<Value, Value | undefined>();
    for (const [i, v] of open.entries()) {
      const given = isNamed ? known.get(v.name) : outputs[i]?.value;
      if (given) {
        now.set(v, given);
        continue;
      }
      if (!v.type) throw fail('E4001', `the input ${quoted(v.name)} of the loss has no type`);
      const value = new Value(freeName(v.name, names), v.type);
      targets.push({ name: v.name, type: v.type, value });
      now.set(v, value);
    }
    copyNodes(graph.nodes, now, this.#form.visit, this.#b);
    const [first] = graph.outputs;
    return { targets, loss: now.get(first!.value) ?? first!.value };
  }
}

const freeName = (wanted: string, taken: ReadonlySet<string>): string => {
  let name = wanted;
  for (let i = 1; taken.has(name); i++) name = `${wanted}_${i}`;
  return name;
};

/** A loss as a scalar. Errors: E6016. */
function scalar(b: Builder, loss: Value): Value {
  const { shape } = loss;
  if (!shape) throw fail('E6016', `the loss is ${formatType(loss.type)}, and not known to be one number`);
  if (shape.some(d => d !== 1)) throw fail('E6016', `the loss is ${formatType(loss.type)}, expected one number`);
  return shape.length === 0 ? loss : b.Reshape(loss, []);
}
