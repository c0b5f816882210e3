// layers: what is said around a layer becomes part of it: normalisation by stored statistics, a bias that is added, a state of zeros.
import type { Node, Value } from '../ir/graph.ts';
import { numbersOf } from '../ir/tensor.ts';
import { normalisation } from './fuse.ts';
import type { Context, Rule } from './rewrite.ts';

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

export const layers = {
  BatchNormalization: normalisation(isConstant),
  Add: bias,
  LSTM: initialStates(5, 6),
  GRU: initialStates(5),
  RNN: initialStates(5),
} as const satisfies Readonly<Record<string, Rule>>;
