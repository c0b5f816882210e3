// A new head: the last layer of a model for another number of classes.
import { Copy } from '../../edit/copy.ts';
import { fail } from '../../errors.ts';
import type { Graph, Model, Node, Value } from '../../ir/graph.ts';
import type { Tensor } from '../../ir/tensor.ts';
import { isFloat, tensorType } from '../../ir/types.ts';
import { inferTypes } from '../../opset/infer.ts';
import { noise } from './noise.ts';

/** What may stand between the last layer and an output. */
const after: ReadonlySet<string> = new Set([
  'Identity',
  'Softmax',
  'LogSoftmax',
  'Sigmoid',
  'Add',
  'Flatten',
  'Squeeze',
  'Reshape',
  'Cast',
  'Dropout',
]);

interface Head {
  readonly weight: Value;
  /** The axis of the weight along which outputs lie. */
  readonly axis: number;
  readonly bias: Value | undefined;
}

export interface ReplacedHead {
  readonly model: Model;
  /** Names of the weights that are new. */
  readonly weights: readonly string[];
}

/**
 * A copy of the model whose last layer has other weights, drawn by a seed as PyTorch draws those of a Linear layer.
 * @throws ModelError E2002 where the first output is not that of such a layer
 */
export function replaceHead(model: Model, classes: number, seed = 0): ReplacedHead {
  if (!Number.isSafeInteger(classes) || classes < 1) throw fail('E4001', `a head of ${classes} classes`);
  const { weight, axis, bias } = headOf(model.graph);
  const before = weight.tensor!;
  const old = before.dims[axis]!;
  const dims = before.dims.map((d, i) => (i === axis ? classes : d));
  const bound = 1 / Math.sqrt(before.size / old);
  const replaced = new Map<Tensor, Tensor>([[before, noise(before.type, dims, bound, seed)]]);
  if (bias)
    replaced.set(
      bias.tensor!,
      noise(
        bias.tensor!.type,
        bias.tensor!.dims.map(d => (d === old ? classes : d)),
        bound,
        seed + 1,
      ),
    );
  const made = new Copy({
    tensor: tensor => replaced.get(tensor) ?? tensor,
    // Types of values follow again from the inputs.
    type(type, v) {
      const tensor = v.tensor && replaced.get(v.tensor);
      if (tensor) return tensorType(tensor.type, tensor.dims);
      return v.producer ? undefined : type;
    },
  }).model(model);
  const { types } = inferTypes(made);
  return {
    model: new Copy({ type: (type, v) => types.get(v) ?? type }).model(made),
    weights: [weight, ...(bias ? [bias] : [])].map(v => v.name),
  };
}

function headOf({ outputs }: Graph): Head {
  const refuse = () => fail('E2002', 'the first output is not that of a Linear or 1×1 convolution layer whose weights are constants');
  let v: Value | undefined = outputs[0]?.value;
  let bias: Value | undefined;
  while (v?.producer) {
    const node: Node = v.producer;
    const head = layerOf(node);
    if (head) return { ...head, bias: head.bias ?? bias };
    if (!after.has(node.op)) throw refuse();
    const constant = node.inputs.find(x => isWeight(x));
    if (node.op === 'Add' && constant) bias = constant;
    v = node.inputs.find(x => x?.producer !== undefined);
  }
  throw refuse();
}

const isWeight = (v: Value | undefined): v is Value => v?.tensor !== undefined && isFloat(v.tensor.type) && v.tensor.size > 1;

function layerOf({ op, inputs: [, second, third], attributes }: Node): Head | undefined {
  if (!isWeight(second)) return undefined;
  const bias = isWeight(third) ? third : undefined;
  if (op === 'MatMul' && second.tensor!.dims.length === 2) return { weight: second, axis: 1, bias };
  const transposed = attributes.get('transB');
  if (op === 'Gemm') return { weight: second, axis: transposed?.kind === 'int' && transposed.value ? 0 : 1, bias };
  const isPointwise = op === 'Conv' && second.tensor!.dims.slice(2).every(d => d === 1);
  return isPointwise ? { weight: second, axis: 0, bias } : undefined;
}
