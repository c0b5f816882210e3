// layers: what is said around a layer becomes part of it: normalisation by stored statistics, factors and terms of its channels, a state of zeros.
import type { Attribute, Node, Value } from '../ir/graph.ts';
import { numbersOf } from '../ir/tensor.ts';
import { contentsOf } from '../ops/shapes.ts';
import { affine, normalisation } from './fuse.ts';
import { type Context, firstOf, type Rule } from './rewrite.ts';

const isConstant = (v: Value | undefined): v is Value => v?.tensor !== undefined;

/** A product of two matrices and a bias of one number a column, or one in all, are a Gemm. */
const bias: Rule = (node, b, context) => {
  const [first, second] = node.inputs;
  const product = [first, second].find(v => context.producer(v)?.op === 'MatMul' && context.uses(v!) === 1);
  const added = product === first ? second : first;
  const [x, w] = context.producer(product)?.inputs ?? [];
  if (!product || !isConstant(added) || x?.shape?.length !== 2 || !isConstant(w) || w.shape?.length !== 2) return undefined;
  const isRow = added.shape?.length === 1 && added.shape[0] === w.shape[1];
  return isRow && floats.has(x.element ?? '') ? b.emit('Gemm', [x, w, added])[0] : undefined;
};
const floats: ReadonlySet<string> = new Set(['float32', 'float64', 'float16']);

/** Most elements of a constant that is looked through. */
const mostElements = 65536;
/** Operators that give the elements of their first input in another shape or order, or some of them, or each of them more than once. */
const moving: ReadonlySet<string> = new Set(['Expand', 'Slice', 'Reshape', 'Transpose', 'Squeeze', 'Unsqueeze', 'Tile', 'Flatten']);

/** Whether every element is known to be zero, whatever the sizes. */
function isZero(v: Value, context: Context): boolean {
  const { tensor } = v;
  if (tensor) return tensor.isResident && tensor.size <= mostElements && tensor.type === 'float32' && numbersOf(tensor).every(x => x === 0);
  const made = context.producer(v);
  if (made?.domain !== '') return false;
  if (made.op === 'ConstantOfShape') {
    const value = made.attributes.get('value');
    return value === undefined || (value.kind === 'tensor' && value.value.isResident && Number(value.value.data[0]) === 0);
  }
  return moving.has(made.op) && made.inputs[0] !== undefined && isZero(made.inputs[0], context);
}

/** A recurrent layer begins with zeros where it is given nothing. */
const initialStates =
  (...places: readonly number[]): Rule =>
  (node, b, context) => {
    const isSpare = (v: Value | undefined, i: number): boolean => v !== undefined && places.includes(i) && isZero(v, context);
    if (!node.inputs.some(isSpare)) return undefined;
    return emitAgain(
      node,
      node.inputs.map((v, i) => (isSpare(v, i) ? undefined : v)),
      b,
    );
  };

const emitAgain = (node: Node, inputs: readonly (Value | undefined)[], b: Parameters<Rule>[1]): readonly (Value | undefined)[] =>
  b.emit(node.op, inputs, node.attributes, { name: node.name, outputs: node.outputs.map(v => v?.name) });

/** Zeros around an image are what a convolution puts there itself. */
const padding: Rule = (node, b, context) => {
  const [x, ...weights] = node.inputs;
  const pad = context.producer(x);
  const rank = x?.shape?.length;
  const amounts = pad?.op === 'Pad' && pad.domain === '' && rank !== undefined ? zerosAround(pad, rank, context) : undefined;
  const autoPad = node.attributes.get('auto_pad')?.value;
  if (!pad || !rank || !amounts || (autoPad !== undefined && autoPad !== 'NOTSET')) return undefined;
  const own = node.attributes.get('pads');
  const before = own?.kind === 'ints' ? own.value.map(Number) : amounts.map(() => 0);
  const pads: Attribute = { kind: 'ints', value: amounts.map((n, i) => n + before[i]!) };
  const options = { name: node.name, outputs: node.outputs.map(v => v?.name) };
  return b.emit(node.op, [pad.inputs[0], ...weights], new Map([...node.attributes, ['pads', pads] as const]), options);
};

/** How many zeros a Pad puts before and after each axis but the first two; undefined where it does anything else. */
function zerosAround(pad: Node, rank: number, context: Context): readonly number[] | undefined {
  const [, amounts, value, axes] = pad.inputs;
  const mode = pad.attributes.get('mode')?.value;
  const numbers = amounts && contentsOf(amounts);
  if (axes || (mode !== undefined && mode !== 'constant') || (value && !isZero(value, context)) || numbers?.length !== 2 * rank)
    return undefined;
  const isPlain = numbers.every((n, i): n is number => typeof n === 'number' && n >= 0 && (i % rank >= 2 || n === 0));
  return isPlain ? numbers.filter((_, i) => i % rank >= 2) : undefined;
}

/** Recurrent layers that begin with zeros. */
export const states = {
  LSTM: initialStates(5, 6),
  GRU: initialStates(5),
  RNN: initialStates(5),
} as const satisfies Readonly<Record<string, Rule>>;

export const layers = {
  BatchNormalization: normalisation(isConstant),
  Add: firstOf(bias, affine(isConstant)),
  Mul: affine(isConstant),
  Conv: padding,
  ...states,
} as const satisfies Readonly<Record<string, Rule>>;
