// Output types of operators that have no row of meaning yet, so that whole models can be typed, checked and written.
import { fail } from '../errors.ts';
import { addDims, type Dim, floorDivDims, mulDims, productOf, subDims, unknownDim } from '../ir/dims.ts';
import type { Value } from '../ir/graph.ts';
import { numbersOf } from '../ir/tensor.ts';
import { type DataType, dataTypeOfCode, formatShape, type Shape, type TensorType, tensorType } from '../ir/types.ts';
import { productShape } from './matmul.ts';
import type { At, InferTable, Inputs } from './row.ts';
import { axesOf, axisOf, broadcastShapes, contentsOf, elementOf, known, range, shapeOf, sizesIn, typeOf } from './shapes.ts';
import { convWindow, spread } from './window.ts';

export const gapTypes = {
  AffineGrid({ theta, size }) {
    const [n, , ...spatial] = ofRank(sizesIn(size), [4, 5], 'AffineGrid: size');
    return [tensorType(elementOf(theta), [n!, ...spatial, spatial.length])];
  },
  Bernoulli: ({ input }, { dtype }) => [retyped(input, dtype)],
  BitCast: ({ input }, { to }) => [retyped(input, to)],
  CenterCropPad: ({ input_data, shape }, { axes }) => [resized(input_data, axes, sizesIn(shape))],
  Col2Im({ input, image_shape, block_shape }) {
    const [n, blocks] = ranked(input, 3);
    return [tensorType(elementOf(input), [n!, floorDivDims(blocks!, productOf(sizesIn(block_shape))), ...sizesIn(image_shape)])];
  },
  Compress({ input, condition }, { axis }) {
    const kept = contentsOf(condition)?.reduce<Dim>((n, c) => addDims(n, c), 0) ?? unknownDim();
    return [axis === undefined ? tensorType(elementOf(input), [kept]) : tensorType(elementOf(input), along(shapeOf(input), axis, kept))];
  },
  ConvInteger({ x, w }, at) {
    return [tensorType('int32', convolved('ConvInteger', shapeOf(x), shapeOf(w), at))];
  },
  DFT({ input, dft_length, axis }, { inverse, onesided }) {
    const shape = ranked(input, [2]);
    const on = axis ? axisOf(numberIn(axis), shape.length) : shape.length - 2;
    const toReal = Boolean(onesided && inverse);
    const size = shape[on]!;
    const length = dft_length ? contentOf(dft_length) : toReal ? mulDims(subDims(size, 1), 2) : size;
    const bins = onesided && !inverse ? onesidedBins(length) : length;
    return [tensorType(elementOf(input), along(along(shape, on, bins), -1, toReal ? 1 : 2))];
  },
  DeformConv({ X, W }, at) {
    return [tensorType(elementOf(X), convolved('DeformConv', shapeOf(X), shapeOf(W), { ...at, auto_pad: 'NOTSET' }))];
  },
  DequantizeLinear: ({ x, x_scale }, { output_dtype }) => [retyped(x, output_dtype || undefined, elementOf(x_scale))],
  Det({ X }) {
    const shape = ranked(X, [2]);
    const [rows, columns] = shape.slice(-2) as [Dim, Dim];
    if (typeof rows === 'number' && typeof columns === 'number' && rows !== columns)
      throw fail('E1305', `Det: the matrices of ${formatShape(shape)} are not square`);
    return [tensorType(elementOf(X), shape.slice(0, -2))];
  },
  DynamicQuantizeLinear: ({ x }) => [retyped(x, undefined, 'uint8'), tensorType('float32', []), tensorType('uint8', [])],
  Einsum: ({ Inputs }, { equation }) => [tensorType(elementOf(Inputs[0]!), einsumShape(equation, Inputs.map(shapeOf)))],
  GRU: recurrentTypes,
  GridSample({ X, grid }) {
    const [x, at] = [ranked(X, [3]), ranked(grid, [3])];
    return [tensorType(elementOf(X), [x[0]!, x[1]!, ...at.slice(1, -1)])];
  },
  ImageDecoder({ encoded_stream }, { pixel_format }) {
    if (encoded_stream.shape) ranked(encoded_stream, 1);
    return [tensorType('uint8', [unknownDim(), unknownDim(), pixel_format === 'Grayscale' ? 1 : 3])];
  },
  LSTM: recurrentTypes,
  LinearAttention({ query, key, value }, { q_num_heads: heads, kv_num_heads: shared }) {
    const [q, k, v] = [ranked(query, 3), ranked(key, 3), ranked(value, 3)];
    const [keySize, valueSize] = [floorDivDims(k[2]!, shared), floorDivDims(v[2]!, shared)];
    const element = elementOf(query);
    return [tensorType(element, [q[0]!, q[1]!, mulDims(valueSize, heads)]), tensorType(element, [q[0]!, shared, keySize, valueSize])];
  },
  MatMulInteger: ({ A, B }) => [tensorType('int32', productShape(shapeOf(A), shapeOf(B)))],
  MaxRoiPool: ({ X, rois }, { pooled_shape }) => [tensorType(elementOf(X), [ranked(rois, 2)[0]!, ranked(X, 4)[1]!, ...pooled_shape])],
  MaxUnpool({ X, output_shape }, at) {
    const window = spread('MaxUnpool', ranked(X, [3]), at.kernel_shape, at);
    return [tensorType(elementOf(X), output_shape ? sizesIn(output_shape) : [...shapeOf(X).slice(0, 2), ...window])];
  },
  MelWeightMatrix: ({ num_mel_bins, dft_length }, { output_datatype }) => [
    tensorType(elementCoded(output_datatype), [onesidedBins(contentOf(dft_length)), contentOf(num_mel_bins)]),
  ],
  Multinomial: ({ input }, { dtype, sample_size }) => [tensorType(elementCoded(dtype), [ranked(input, 2)[0]!, sample_size])],
  NegativeLogLikelihoodLoss: ({ input, target }, { reduction }) => [
    tensorType(elementOf(input), reduction === 'none' ? shapeOf(target) : []),
  ],
  NonMaxSuppression: () => [tensorType('int64', [unknownDim(), 3])],
  NonZero: ({ X }) => [tensorType('int64', [shapeOf(X).length, unknownDim()])],
  QLinearConv: ({ x, w, y_zero_point }, at) => [tensorType(elementOf(y_zero_point), convolved('QLinearConv', shapeOf(x), shapeOf(w), at))],
  QLinearMatMul: ({ a, b, y_zero_point }) => [tensorType(elementOf(y_zero_point), productShape(shapeOf(a), shapeOf(b)))],
  QuantizeLinear: ({ x, y_zero_point }, { output_dtype }) => [
    retyped(x, output_dtype || undefined, y_zero_point ? elementOf(y_zero_point) : 'uint8'),
  ],
  RNN: recurrentTypes,
  RandomNormal: (_x, { dtype, shape }) => [tensorType(elementCoded(dtype), shape)],
  RandomNormalLike: ({ input }, { dtype }) => [retyped(input, dtype)],
  RandomUniform: (_x, { dtype, shape }) => [tensorType(elementCoded(dtype), shape)],
  RandomUniformLike: ({ input }, { dtype }) => [retyped(input, dtype)],
  Resize: resizeTypes,
  ReverseSequence: ({ input }) => [input.type],
  RoiAlign({ X, rois, batch_indices }, { output_height, output_width }) {
    const [regions, [, channels]] = [ranked(rois, 2)[0]!, ranked(X, 4)];
    if (batch_indices.shape) ranked(batch_indices, 1);
    return [tensorType(elementOf(X), [regions, channels!, output_height, output_width])];
  },
  STFT({ signal, frame_step, window, frame_length }, { onesided }) {
    const [n, samples] = ranked(signal, 3);
    const length = frame_length ? contentOf(frame_length) : window ? ranked(window, 1)[0]! : samples!;
    const frames = addDims(floorDivDims(subDims(samples!, length), contentOf(frame_step)), 1);
    return [tensorType(elementOf(signal), [n!, frames, onesided ? onesidedBins(length) : length, 2])];
  },
  ScatterElements: ({ data }) => [data.type],
  ScatterND: ({ data }) => [data.type],
  SoftmaxCrossEntropyLoss: ({ scores, labels }, { reduction }) => [
    tensorType(elementOf(scores), reduction === 'none' ? shapeOf(labels) : []),
    scores.type,
  ],
  TensorScatter: ({ past_cache }) => [past_cache.type],
  Unique({ X }, { axis }) {
    const found = unknownDim();
    const shape = shapeOf(X);
    const indices = tensorType('int64', [found]);
    const inverse = tensorType('int64', [axis === undefined ? productOf(shape) : shape[axisOf(axis, shape.length)]!]);
    return [tensorType(elementOf(X), axis === undefined ? [found] : along(shape, axis, found)), indices, inverse, indices];
  },
} satisfies InferTable;

function elementCoded(code: number): DataType {
  const element = dataTypeOfCode(code);
  if (element) return element;
  throw fail('E1304', `there is no element type ${code}`);
}

/** The type of `v` with another element type: that of a code where there is one, else the one given, else its own. */
function retyped(v: Value, code: number | undefined, otherwise?: DataType): TensorType {
  const { element, shape } = typeOf(v);
  return tensorType(code === undefined ? (otherwise ?? element) : elementCoded(code), shape);
}

/** The shape of a value of exactly `rank` axes, or of at least `[rank]`. */
function ranked(v: Value, rank: number | readonly [number]): Shape {
  const shape = shapeOf(v);
  if (typeof rank === 'number' ? shape.length === rank : shape.length >= rank[0]) return shape;
  throw fail('E1305', `${v.name || 'a value'} ${formatShape(shape)} must have ${typeof rank === 'number' ? '' : 'at least '}${rank} axes`);
}

function ofRank(sizes: Shape, ranks: readonly number[], what: string): Shape {
  if (ranks.includes(sizes.length)) return sizes;
  throw fail('E1305', `${what} ${formatShape(sizes)} must have ${ranks.join(' or ')} elements`);
}

const along = (shape: Shape, axis: number, size: Dim): Shape => shape.with(axisOf(axis, shape.length), size);

/** The one element of a value as a size, unknown where its content is. */
const contentOf = (v: Value): Dim => contentsOf(v)?.[0] ?? unknownDim();

/** The one element of a value that must be a known number. */
function numberIn(v: Value): number {
  const content = known(v)?.[0];
  if (typeof content === 'number') return content;
  throw fail('E3009', `the content of ${v.name || 'a value'} must be one known number`);
}

const onesidedBins = (length: Dim): Dim => addDims(floorDivDims(length, 2), 1);

type ConvAt = Parameters<typeof convWindow>[3];
const convolved = (op: string, x: Shape, w: Shape, at: ConvAt): Shape => [x[0]!, w[0]!, ...convWindow(op, x, w, at).output];

function recurrentTypes(
  { X, R }: Inputs<'RNN'>,
  { direction, hidden_size, layout }: Pick<At<'RNN'>, 'direction' | 'hidden_size' | 'layout'>,
): TensorType[] {
  const [first, second] = ranked(X, 3);
  const [steps, batch] = layout ? [second!, first!] : [first!, second!];
  const directions = direction === 'bidirectional' ? 2 : 1;
  const hidden = hidden_size ?? ranked(R, 3)[2]!;
  const all = layout ? [batch, steps, directions, hidden] : [steps, directions, batch, hidden];
  const last = tensorType(elementOf(X), layout ? [batch, directions, hidden] : [directions, batch, hidden]);
  return [tensorType(elementOf(X), all), last, last];
}

/** The shape of an Einstein sum: letters name axes, `...` stands for axes that broadcast. */
function einsumShape(equation: string, shapes: readonly Shape[]): Shape {
  const [left = '', right] = equation.replaceAll(' ', '').split('->');
  const terms = left.split(',');
  if (terms.length !== shapes.length) throw fail('E1303', `Einsum: '${equation}' has ${terms.length} terms for ${shapes.length} inputs`);
  const sizes = new Map<string, Dim>();
  const dots: Shape[] = [];
  for (const [i, term] of terms.entries()) {
    const shape = shapes[i]!;
    const [before = '', after] = term.split('...');
    const named = before.length + (after?.length ?? 0);
    if (after === undefined ? named !== shape.length : named > shape.length)
      throw fail('E1305', `Einsum: term '${term}' does not fit ${formatShape(shape)}`);
    const open = shape.length - named;
    if (after !== undefined) dots.push(shape.slice(before.length, before.length + open));
    for (const [j, letter] of [...before, ...(after ?? '')].entries()) {
      const size = shape[j < before.length ? j : j + open]!;
      sizes.set(letter, broadcastShapes([[sizes.get(letter) ?? 1], [size]])[0]!);
    }
  }
  const once = (letter: string): boolean => left.split(letter).length === 2;
  const letters = right ?? `...${[...sizes.keys()].filter(once).sort().join('')}`;
  const [before = '', after = ''] = letters.split('...');
  const sizeOf = (letter: string): Dim => {
    const size = sizes.get(letter);
    if (size !== undefined) return size;
    throw fail('E1303', `Einsum: '${equation}' has no input axis ${letter}`);
  };
  return [...[...before].map(sizeOf), ...(letters.includes('...') ? broadcastShapes(dots) : []), ...[...after].map(sizeOf)];
}

/** The numbers in a resident tensor of integers or whole-byte floats. */
function numbersIn(v: Value): readonly number[] | undefined {
  const contents = contentsOf(v);
  if (contents?.every(d => typeof d === 'number')) return contents;
  const { tensor } = v;
  return tensor?.isResident && (tensor.type === 'float32' || tensor.type === 'float64') ? numbersOf(tensor) : undefined;
}

/** `v` with other sizes along some axes, all of them by default. */
function resized(v: Value, axes: readonly number[] | undefined, sizes: Shape): TensorType {
  const shape = [...shapeOf(v)] as Dim[];
  const on = axesOf(axes ?? range(shape.length), shape.length);
  if (sizes.length !== on.length) throw fail('E1305', `${sizes.length} sizes for ${on.length} axes`);
  for (const [i, axis] of on.entries()) shape[axis] = sizes[i]!;
  return tensorType(elementOf(v), shape);
}

function resizeTypes({ X, scales, sizes }: Inputs<'Resize'>, at: At<'Resize'>): TensorType[] {
  const shape = shapeOf(X);
  const from = axesOf(at.axes ?? range(shape.length), shape.length).map(axis => shape[axis]!);
  if (!sizes && !scales) throw fail('E1302', 'Resize: there are neither scales nor sizes');
  if (sizes) return [resized(X, at.axes, keptAspect(from, sizesIn(sizes), at.keep_aspect_ratio_policy))];
  const by = scales && numbersIn(scales);
  const isWhole = at.coordinate_transformation_mode !== 'tf_crop_and_resize';
  return [resized(X, at.axes, by && isWhole ? by.map((scale, i) => scaled(from[i] ?? 1, scale)) : from.map(() => unknownDim()))];
}

/** A scale as a numerator over a power of two; undefined where float32 would round its product with a size. */
export function scaleFraction(scale: number): readonly [number, number] | undefined {
  const denominator = [1, 2, 4, 8, 16].find(d => Number.isInteger(scale * d));
  return denominator && scale * denominator < 2 ** 8 ? [scale * denominator, denominator] : undefined;
}

/** floor(size * scale); symbolic where the scale is a small fraction. */
function scaled(size: Dim, scale: number): Dim {
  if (typeof size === 'number') return Math.floor(Math.fround(size * scale));
  const fraction = scaleFraction(scale);
  return fraction ? floorDivDims(mulDims(size, fraction[0]), fraction[1]) : unknownDim();
}

function keptAspect(from: Shape, sizes: Shape, policy: string): Shape {
  if (policy === 'stretch') return sizes;
  const ratios = sizes.map((size, i) => (typeof size === 'number' && typeof from[i] === 'number' ? size / from[i] : Number.NaN));
  const scale = policy === 'not_larger' ? Math.min(...ratios) : Math.max(...ratios);
  return from.map(size => (Number.isNaN(scale) ? unknownDim() : Math.floor(scale * (size as number) + 0.5)));
}
