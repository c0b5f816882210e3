// Scheme static, the edit: values between quantised nodes go through QuantizeLinear and DequantizeLinear, whose steps data has decided.
import type { Node, Value } from '../../ir/graph.ts';
import { Tensor } from '../../ir/tensor.ts';
import { int } from '../../opset/form.ts';
import { type Layer, residentConstant } from './layers.ts';
import { integers, quantizeBias, quantizeTensor, type Step } from './numbers.ts';
import { type QuantizedWeights, QuantizingCopy } from './quantizing.ts';
import type { StaticFacts, StaticPlan } from './static-plan.ts';

export type ActivationType = 'uint8' | 'int8';

export interface StaticSteps {
  readonly type: ActivationType;
  readonly symmetric: boolean;
  /** Of the values that were measured. */
  readonly steps: ReadonlyMap<Value, Step>;
}

/** Scale and zero point as constants. */
interface Parameters {
  readonly scale: Value;
  readonly zero: Value;
  readonly step: Step;
}

export class Static extends QuantizingCopy {
  readonly #plan: StaticPlan;
  readonly #given: StaticSteps;
  readonly #parameters = new Map<Value, Parameters>();

  constructor(plan: StaticPlan, { layers, types }: Pick<StaticFacts, 'layers' | 'types'>, weights: QuantizedWeights, given: StaticSteps) {
    super(layers, weights, types);
    this.#plan = plan;
    this.#given = given;
  }

  protected override layer(layer: Layer): boolean {
    const { node, row } = layer;
    if (!this.#plan.nodes.has(node)) return false;
    const inputs = new Map([[row.weight, this.dequantized(layer)]]);
    const x = node.inputs[row.x!]!;
    inputs.set(row.x!, this.#quantized(x));
    const bias = row.bias === undefined ? undefined : node.inputs[row.bias];
    const made = bias && this.#bias(layer, bias, this.#parametersOf(x).step.scale);
    if (made) inputs.set(row.bias!, made);
    this.#finish(node, inputs);
    return true;
  }

  protected override plain(node: Node): void {
    if (!this.#plan.nodes.has(node)) super.plain(node);
    else this.#finish(node, new Map(this.#plan.places(node).map(i => [i, this.#quantized(node.inputs[i]!)])));
  }

  /** Make the node, and let everything that reads what it makes read it in its steps. */
  #finish(node: Node, inputs: ReadonlyMap<number, Value>): void {
    this.reading(node, inputs);
    for (const v of node.outputs) if (v && this.#plan.steps.has(v)) this.values.set(v, this.#quantized(v));
  }

  /** A value as its steps say it: of a constant the integers are stored. */
  #quantized(v: Value): Value {
    if (!this.#plan.steps.has(v)) return this.value(v)!;
    return this.once(v, () => {
      const { scale, zero } = this.#parametersOf(v);
      const type = this.types.get(v) ?? v.type;
      const q = this.#stored(v) ?? this.emit('QuantizeLinear', [this.value(v), scale, zero], { name: `${v.name}_quantized` });
      return this.emit('DequantizeLinear', [q, scale, zero], { name: `${v.name}_dequantized`, type });
    });
  }

  #stored(v: Value): Value | undefined {
    const tensor = residentConstant(v);
    const made = tensor && quantizeTensor(tensor, { of: 'tensor' }, this.#given);
    return made && this.constant(`${v.name}_quantized`, made.q);
  }

  #parametersOf(v: Value): Parameters {
    const root = this.#plan.steps.get(v)!;
    const known = this.#parameters.get(root);
    if (known) return known;
    const step = this.#given.steps.get(root)!;
    const made = {
      step,
      scale: this.constant(`${root.name}_scale`, new Tensor('float32', [step.scale], [])),
      zero: this.constant(`${root.name}_zero_point`, integers(this.#given.type, [step.zero], [])),
    };
    this.#parameters.set(root, made);
    return made;
  }

  /** A bias with one number for each channel in the steps of the sums; others stay floats. */
  #bias(layer: Layer, bias: Value, input: number): Value | undefined {
    const tensor = residentConstant(bias);
    const { scale } = this.weights.get(layer)!;
    const count = layer.tensor.dims[layer.channel]!;
    if (tensor?.type !== 'float32' || tensor.dims.length !== 1 || tensor.dims[0] !== count) return undefined;
    const made = quantizeBias(tensor, input, scale);
    if (!made) return undefined;
    return this.emit('DequantizeLinear', this.constants(bias.name, [made.q, made.scale]), {
      name: `${bias.name}_dequantized`,
      type: bias.type,
      attributes: made.scale.dims.length > 0 ? { axis: int(0) } : {},
    });
  }
}
