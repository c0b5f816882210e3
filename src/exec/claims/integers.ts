// Products whose sides stand for integers of 8 bits: sums are exact in int32, and scales and a bias follow them. Between what is quantised no
// floats are made.
import { apply, cast, type Expr, input, program } from '../../expr/expr.ts';
import { Tensor } from '../../ir/tensor.ts';
import type { DataType } from '../../ir/types.ts';
import type { Kernel, View } from '../../kernels/kernel.ts';
import { broadcastView, unsqueezeView } from '../../kernels/views.ts';
import type { Step } from '../plan.ts';
import { type Draft, isScalarView, through } from './draft.ts';
import type { Claim } from './index.ts';
import { filterMatrixOf, type Matrix, matrixOf, scaledWeights, wholeNumbers } from './weights.ts';

/** Deeper sums of products of 8 bits may leave int32. */
const deepest = 2 ** 16;

export const integers: Claim = async (step, draft) => {
  const [x, w, bias] = step.inputs;
  if (!draft.isKnown(w!)) return undefined;
  const left = quantized(x!, draft);
  if (!left) return undefined;
  const weights = await weightsOf(step, w!, left.scale !== undefined, draft);
  if (typeof weights === 'string') return weights;
  const zero = left.zero && (await zeroPoint(left.zero, left.codes.type, draft));
  if (left.zero && !zero) return 'the zero point of the activations is no single number of 8 bits';
  const y = step.outputs[0]!;
  const sums = draft.temporary('int32', y.shape);
  const kernel: Kernel = step.kernel.kind === 'conv' ? step.kernel : { kind: 'matmul' };
  const inputs = step.kernel.kind === 'conv' ? [left.codes, weights.codes, undefined, zero] : [left.codes, weights.codes, zero];
  const product: Step = { label: step.label, kernel, inputs: zero ? inputs : inputs.slice(0, 2), outputs: [sums] };
  const constantScale = left.scale && weights.scales && (await constantOf(left.scale, draft));
  const facts =
    constantScale === undefined
      ? { scale: left.scale, scales: weights.scales, bias }
      : { scale: undefined, scales: weights.scales!.map(s => s * constantScale), bias };
  return [product, { label: step.label, ...finished(step, sums, facts, draft) }];
};

interface Quantized {
  /** uint8 or int8. */
  readonly codes: View;
  /** Of whatever type the numbers are centred in. */
  readonly zero?: View | undefined;
  readonly scale?: View | undefined;
}

/** Types that hold every difference of numbers of 8 bits. */
const wide: ReadonlySet<DataType> = new Set(['int16', 'int32', 'int64', 'float32', 'float64']);

/** What (codes - zero) or (codes - zero) * scale a view holds, going back through one map after the other. */
function quantized(v: View, draft: Draft): Quantized | undefined {
  const operation = draft.operationOf(v);
  if (v.type === 'uint8' || v.type === 'int8') return { codes: v };
  if (!operation || !wide.has(operation.type)) return undefined;
  const [a, b] = operation.inputs;
  const inner = a && through(v, operation, a);
  if (operation.op === 'cast') return inner && quantized(inner, draft);
  if (operation.op !== 'sub' && operation.op !== 'mul') return undefined;
  if (operation.op === 'mul' && a && isScalarView(a) && b && !isScalarView(b)) return scaledBy(through(v, operation, b), a, draft);
  if (!inner || !b || !isScalarView(b)) return undefined;
  if (operation.op === 'mul') return scaledBy(inner, b, draft);
  const found = quantized(inner, draft);
  return found && !found.zero && !found.scale ? { ...found, zero: b } : undefined;
}

function scaledBy(v: View | undefined, scale: View, draft: Draft): Quantized | undefined {
  const found = v && quantized(v, draft);
  return found && !found.scale ? { ...found, scale } : undefined;
}

/** The one number of a constant. */
async function constantOf(v: View, draft: Draft): Promise<number | undefined> {
  if (!draft.isConstant(v) || typeof v.offset !== 'number') return undefined;
  return Number(((await draft.contentOf(v.buffer)) as ArrayLike<number | bigint>)[v.offset]);
}

/** A zero point in the type of the codes. */
async function zeroPoint(v: View, type: DataType, draft: Draft): Promise<View | undefined> {
  const scalar = (from: View): View => ({ ...from, shape: [], strides: [] });
  const value = await constantOf(v, draft);
  if (value !== undefined) {
    const tensor = new Tensor(type, [value], []);
    return (tensor.data as ArrayLike<number>)[0] === value ? draft.constant(tensor) : undefined;
  }
  if (v.type === type) return scalar(v);
  const operation = draft.operationOf(v);
  const from = operation?.op === 'cast' ? through(v, operation, operation.inputs[0]!) : undefined;
  return from && zeroPoint(from, type, draft);
}

interface Weights {
  readonly codes: View;
  /** One for each column; nothing where the product is one of integers. */
  readonly scales?: Float32Array<ArrayBuffer> | undefined;
}

async function weightsOf({ kernel }: Step, w: View, isScaled: boolean, draft: Draft): Promise<Weights | string> {
  if (kernel.kind === 'conv' && w.shape[1] === 1) return 'each channel is for itself';
  const depth = w.shape.slice(1).reduce<number>((n, d) => n * Number(d), 1);
  const matrix: Matrix | string = kernel.kind === 'conv' ? filterMatrixOf(w, depth) : matrixOf(w);
  if (typeof matrix === 'string') return matrix;
  if (matrix.depth > deepest) return `sums of ${matrix.depth} products may leave int32`;
  if (!isScaled) {
    const codes = await wholeNumbers(w, draft);
    return typeof codes === 'string' ? codes : { codes: { ...w, buffer: codes.buffer, type: codes.type } };
  }
  const found = await scaledWeights(matrix, draft);
  if (typeof found === 'string') return found;
  return found.block < matrix.depth ? 'scales differ in a sum' : found;
}

/** The map after the sums: what they stand for, in the place and type of the product. */
function finished(
  { kernel, outputs: [y] }: Step,
  sums: View,
  { scale, scales, bias }: { readonly scale: View | undefined; readonly scales: Weights['scales']; readonly bias: View | undefined },
  draft: Draft,
): Pick<Step, 'kernel' | 'inputs' | 'outputs'> {
  const inputs: View[] = [];
  /** A number for each column of the product: its last axis, or the channels of a filter. */
  const across = (v: View): View =>
    broadcastView(
      kernel.kind === 'conv'
        ? unsqueezeView(
            v,
            y!.shape.slice(2).map((_, axis) => axis + 1),
          )
        : v,
      y!.shape,
    );
  const read = (v: View): Expr => input(inputs.push(v) - 1, v.type as 'float32');
  let e = cast(read(sums), y!.type as 'float32');
  if (scales) e = apply('mul', e, read(across(draft.constant(new Tensor('float32', scales)))));
  if (scale) e = apply('mul', e, read({ ...scale, shape: y!.shape, strides: y!.shape.map(() => 0) }));
  if (bias) e = apply('add', e, read(across(bias)));
  return { kernel: { kind: 'map', program: program([e]) }, inputs, outputs: [y!] };
}
