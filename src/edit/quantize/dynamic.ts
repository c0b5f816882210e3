// Scheme dynamic: layers multiply integers, and the range of what they read is found when the model runs.
import { type Attribute, Node, type Value } from '../../ir/graph.ts';
import { Tensor } from '../../ir/tensor.ts';
import { numberOf } from '../../opset/form.ts';
import { type Layer, labelOf, residentConstant } from './layers.ts';
import { QuantizingCopy } from './quantizing.ts';

/** What a layer becomes: an integer operator, its sums as floats times both scales, and the bias. */
interface DynamicRow {
  readonly op: string;
  /** Attributes that the integer operator takes over. */
  readonly keeps: boolean;
  /** The shape in which a number for each channel meets the output. */
  readonly channels: (count: number, rank: number) => readonly number[];
}

const dynamicRows: Readonly<Record<string, DynamicRow>> = {
  Conv: { op: 'ConvInteger', keeps: true, channels: (n, rank) => [n, ...Array.from({ length: rank - 2 }, () => 1)] },
  MatMul: { op: 'MatMulInteger', keeps: false, channels: n => [n] },
  Gemm: { op: 'MatMulInteger', keeps: false, channels: n => [n] },
};

export const dynamicOps: readonly string[] = Object.keys(dynamicRows);

/** Why a layer has no dynamic form; undefined where it has one. */
export function dynamicObstacle({ node, row }: Layer): string | undefined {
  const at = (name: string, otherwise: number): number => numberOf(node.attributes.get(name)) ?? otherwise;
  if (node.op !== 'Gemm') return undefined;
  if (at('transA', 0) !== 0) return 'it transposes its input';
  const bias = node.inputs[row.bias!];
  return bias && at('beta', 1) !== 1 && !residentConstant(bias) ? 'it scales a bias that is no constant' : undefined;
}

export class Dynamic extends QuantizingCopy {
  protected override layer(layer: Layer): boolean {
    const { node, row, tensor } = layer;
    const { op, keeps, channels } = dynamicRows[node.op]!;
    const { q, scale, zero } = this.weights.get(layer)!;
    const label = labelOf(node);
    const x = this.value(node.inputs[row.x!]!)!;
    const [y, xScale, xZero] = this.#quantized(x);
    const [w, wScale, wZero] = this.constants(layer.weight.name, [q, scaled(layer, scale, channels), centre(zero)]);
    const attributes = new Map<string, Attribute>(keeps ? this.attributes(node.attributes) : []);
    const product = this.append(new Node({ op, name: node.name, inputs: [y, w, xZero, wZero], attributes }, [{ name: `${label}_sums` }]));
    const sums = this.cast(product.outputs[0]!, 'float32', `${label}_float`);
    const both = this.emit('Mul', [xScale, wScale], { name: `${label}_scale` });
    const bias = row.bias === undefined ? undefined : node.inputs[row.bias];
    const output = node.outputs[0]!;
    const type = this.types.get(output) ?? output.type;
    const last = { name: output.name, type };
    const made = bias
      ? this.emit(
          'Add',
          [this.emit('Mul', [sums, both], { name: `${label}_product` }), this.#bias(layer, bias, channels(0, tensor.dims.length))],
          last,
        )
      : this.emit('Mul', [sums, both], last);
    made.meta = output.meta;
    this.values.set(output, made);
    return true;
  }

  #quantized(x: Value): [Value, Value, Value] {
    const y = this.once(x, () => {
      const outputs = ['quantized', 'scale', 'zero_point'].map(suffix => ({ name: `${x.name}_${suffix}` }));
      return this.append(new Node({ op: 'DynamicQuantizeLinear', inputs: [x] }, outputs)).outputs[0]!;
    });
    const { outputs } = y.producer!;
    return [y, outputs[1]!, outputs[2]!];
  }

  /** A bias as it is added: with a factor, and with the axes that come after its channels. */
  #bias({ node }: Layer, bias: Value, shape: readonly number[]): Value {
    const beta = node.op === 'Gemm' ? (numberOf(node.attributes.get('beta')) ?? 1) : 1;
    const tensor = residentConstant(bias);
    const more = shape.length - 1;
    if (more === 0 && beta === 1) return this.value(bias)!;
    if (!tensor) return this.#spread(bias, more);
    const data = (tensor.data as Float32Array).map(x => x * beta);
    return this.constant(`${bias.name}_added`, new Tensor('float32', data, [...tensor.dims, ...shape.slice(1)]));
  }

  #spread(bias: Value, more: number): Value {
    const shape = new Tensor('int64', [-1, ...Array.from({ length: more }, () => 1)]);
    return this.emit('Reshape', [this.value(bias)!, this.constant(`${bias.name}_shape`, shape)], { name: `${bias.name}_added` });
  }
}

/** The scales of a weight in the shape in which they meet the output, with the factor of a Gemm. */
function scaled({ node, tensor }: Layer, scale: Tensor, channels: DynamicRow['channels']): Tensor {
  const alpha = node.op === 'Gemm' ? (numberOf(node.attributes.get('alpha')) ?? 1) : 1;
  const dims = scale.size === 1 && scale.dims.length === 0 ? [] : channels(scale.size, tensor.dims.length);
  return new Tensor(
    'float32',
    (scale.data as Float32Array).map(s => s * alpha),
    dims,
  );
}

/** All zero points of a symmetric weight are one number, and kernels of ConvInteger take no more. */
const centre = (zero: Tensor): Tensor => (zero.dims.length === 0 ? zero : new Tensor(zero.type, zero.bytes().slice(0, 1), []));
