// Which tensors lie in row-major order: TorchScript does not say, and whether `reshape` and `contiguous` give views or copies hangs on it.
import type { Value } from '../../../ir/graph.ts';
import type { Builder } from '../../../ops/builder.ts';
import { TensorRef } from '../memory.ts';

const set = (names: string): ReadonlySet<string> => new Set(names.split(' '));

/** Views that lie as what they look at does, as far as their tensor is row-major. */
const keeping = set('view view_as reshape reshape_as _unsafe_view unsqueeze squeeze flatten unflatten ravel alias detach');
/** Views that may lie in any way. */
const rearranging = set(
  'transpose t permute swapaxes swapdims movedim moveaxis numpy_T mT mH T H adjoint expand expand_as slice select narrow split split_with_sizes ' +
    'chunk tensor_split hsplit vsplit dsplit unbind diagonal unfold as_strided broadcast_to view_as_real view_as_complex',
);
/** Operators that write their results in order, however their operands lie. */
const ordering = set(
  'contiguous linear matmul mm bmm addmm baddbmm addbmm mv dot einsum conv1d conv2d conv3d _convolution convolution conv_transpose1d ' +
    'embedding layer_norm softmax log_softmax _softmax zeros ones full empty arange linspace eye rand randn cat stack concat gather index_select ' +
    'one_hot repeat tile cumsum scaled_dot_product_attention',
);

/** Note of the results of a call how they lie, where that follows. */
export function noteOrder(name: string, args: Iterable<unknown>, results: readonly unknown[], b: Builder): void {
  const operands = [...args].flatMap(arg => (Array.isArray(arg) ? arg : [arg])).filter(arg => arg instanceof TensorRef);
  const [first] = operands;
  if (rearranging.has(name)) {
    const [result] = results;
    if (first?.contiguous && result instanceof TensorRef) result.contiguous ??= isOrderedView(first.read(b), result.read(b));
    return;
  }
  const isOrdered = ordering.has(name) || (keeping.has(name) ? first?.contiguous : operands.every(operand => operand.contiguous));
  if (isOrdered) for (const result of results) if (result instanceof TensorRef) result.contiguous ??= true;
}

/** Whether a view of an ordered tensor is ordered; sizes that only the run knows are taken to be none of 1, as torch.export does. */
function isOrderedView(of: Value, view: Value): boolean | undefined {
  if (of === view) return true;
  const node = view.producer;
  const perm = node?.op === 'Transpose' && node.inputs[0] === of ? node.attributes.get('perm') : undefined;
  if (perm?.kind !== 'ints') return undefined;
  const moved = perm.value.map(Number).filter(axis => of.shape?.[axis] !== 1);
  return moved.every((axis, i) => i === 0 || axis > moved[i - 1]!);
}
