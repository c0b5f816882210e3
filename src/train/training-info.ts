// The form that the standard has for training (TrainingInfoProto): the model with its weights, and beside it the graph of a step, whose
// results are bound to the initializers that they replace.
import type { Finding } from '../errors.ts';
import { graphMessage } from '../formats/onnx/index.ts';
import { Graph, Model, Node, Value } from '../ir/graph.ts';
import { Tensor } from '../ir/tensor.ts';
import { tensorType } from '../ir/types.ts';
import { target } from '../opset/target.ts';
import { upgrade } from '../opset/upgrade.ts';
import { emitAgain, rebuild } from '../passes/rebuild.ts';
import { seedName, stepName } from './forward.ts';
import { nextName, type TrainingGraphOptions, type TrainingSignature, trainingGraph } from './graphs.ts';

export interface TrainingInfo {
  readonly model: Model;
  readonly signature: TrainingSignature;
  readonly findings: readonly Finding[];
}

/**
 * The model with the graph of a step of its training. Data are inputs of that graph; weights are initializers of the model; state of the
 * optimizer, learning rates and the number of steps are initializers of the graph.
 * @throws ModelError what `trainingGraph` throws
 */
export function withTrainingInfo(model: Model, options: TrainingGraphOptions): TrainingInfo {
  const { model: step, signature, findings } = trainingGraph(model, { ...options, initial: false });
  const opset = step.opsets.get('')!;
  const whole = upgrade(model);
  target(whole, opset);
  whole.irVersion = Math.max(whole.irVersion, step.irVersion);
  whole.functions = [...whole.functions, ...step.functions];
  whole.opsets = new Map([...whole.opsets, ...step.opsets]);
  const kept = new Map<string, Tensor>([
    ...signature.state.map(({ name, initial }) => [name, initial] as const),
    ...signature.rates.map(({ name, lr }) => [name, new Tensor('float32', [lr], [])] as const),
    [stepName, new Tensor('int64', [0], [])],
    [seedName, new Tensor('int64', [0], [])],
  ]);
  const weights = new Map([...signature.parameters, ...signature.buffers].map(({ name, initial }) => [name, initial]));
  const algorithm = graphMessage(new Model(counting(step.graph, new Map([...kept, ...weights])), step));
  // Those of the model are read from there.
  algorithm.initializer = algorithm.initializer?.filter(t => !weights.has(t.name ?? ''));
  const bound = [...signature.parameters, ...signature.state, ...signature.buffers].map(({ name, next }) => ({ key: name, value: next }));
  const update_binding = [...bound, { key: stepName, value: nextName(stepName) }];
  whole.meta = { ...whole.meta, rest: { ...whole.meta.rest, training_info: [{ algorithm, update_binding }] } };
  return { model: whole, signature, findings };
}

/** The graph with constants in the place of what goes from step to step, and with the number of steps after it as an output. */
function counting(graph: Graph, tensors: ReadonlyMap<string, Tensor>): Graph {
  const constants = new Map(
    graph.inputs.flatMap(v => {
      const tensor = tensors.get(v.name);
      return tensor ? [[v, new Value(v.name, v.type, { tensor, parameter: true })] as const] : [];
    }),
  );
  const steps =
    [...constants].find(([v]) => v.name === stepName)?.[1] ??
    new Value(stepName, undefined, { tensor: tensors.get(stepName)!, parameter: true });
  const bare = new Graph(graph.name, {
    inputs: graph.inputs.filter(v => !constants.has(v)),
    outputs: graph.outputs,
    nodes: graph.nodes,
  });
  const made = rebuild(bare, new Map(), emitAgain, constants);
  const one = new Value('one', undefined, { tensor: new Tensor('int64', [1], []) });
  const type = tensorType('int64', []);
  const next = new Node({ op: 'Add', inputs: [steps, one] }, [{ name: nextName(stepName), type }]);
  made.nodes = [...made.nodes, next];
  made.outputs = [...made.outputs, { name: nextName(stepName), value: next.outputs[0]! }];
  return made;
}
