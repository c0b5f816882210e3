// Weights that an exporter stored once because they were equal when it looked: each is a weight of its own again. PyTorch's exporter writes
// the others as Identity nodes. What is all one number, as new scales and offsets are, was equal by chance; so was what batch normalisations
// read: where two are added, their offsets had the same gradient in every step. Others are taken to be shared, as an embedding and the layer
// after it are.
import { allNodes, type Graph, Value } from '../ir/graph.ts';
import { Tensor } from '../ir/tensor.ts';
import { isFloat } from '../ir/types.ts';
import { isBatchNorm } from './training-form.ts';

/** Separate such weights of a graph, in place; whether there were some. */
export function separateEqual(graph: Graph): boolean {
  const replaced = new Map<Value, Value>();
  const ofBatchNorm = new Set([...allNodes(graph)].filter(isBatchNorm).flatMap(node => node.inputs.slice(1)));
  graph.nodes = graph.nodes.filter(node => {
    const [from, made] = [node.inputs[0], node.outputs[0]];
    const isCopy = node.op === 'Identity' && node.domain === '' && from?.tensor && isFloat(from.tensor.type);
    if (!isCopy || !made || !(ofBatchNorm.has(made) || isUniform(from.tensor!))) return true;
    const { type, content, dims } = from.tensor!;
    replaced.set(made, new Value(made.name, undefined, { tensor: new Tensor(type, content, dims), parameter: from.parameter }));
    return false;
  });
  if (replaced.size === 0) return false;
  graph.initializers.push(...replaced.values());
  for (const node of allNodes(graph)) node.inputs = node.inputs.map(v => v && (replaced.get(v) ?? v));
  for (const output of graph.outputs) output.value = replaced.get(output.value) ?? output.value;
  return true;
}

function isUniform(tensor: Tensor): boolean {
  if (!tensor.isResident || tensor.size < 2) return false;
  const data = tensor.data as ArrayLike<number>;
  for (let i = 1; i < data.length; i++) if (data[i] !== data[0]) return false;
  return true;
}
