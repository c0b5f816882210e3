// Recurrent layers as PyTorch has them. Its gates come in another order: ifgo for LSTM, rzn for GRU.
import { type DataType, type Shape, type TensorType, tensorType } from '../../../ir/types.ts';
import type { At } from '../../../ops/row.ts';
import { range } from '../../../ops/shapes.ts';
import type { NodeEmission } from './emission.ts';
import type { Arg, Ref } from './program.ts';

type Layer = NodeEmission<Pick<At<'LSTM'>, 'direction' | 'layout' | 'clip' | 'activations' | 'hidden_size'>>;

interface Cell {
  /** Where ATen's gates lie among those of the standard. */
  readonly gates: readonly number[];
  readonly target: string;
  readonly hasCell: boolean;
}

export const recurrent = {
  LSTM: (n: NodeEmission<At<'LSTM'>>) =>
    n.at.input_forget || n.input(7) || !usesDefaults(n, ['Sigmoid', 'Tanh', 'Tanh'])
      ? undefined
      : layer(n, { gates: [0, 2, 3, 1], target: 'aten.lstm.input', hasCell: true }),
  GRU: (n: NodeEmission<At<'GRU'>>) =>
    !n.at.linear_before_reset || !usesDefaults(n, ['Sigmoid', 'Tanh'])
      ? undefined
      : layer(n, { gates: [1, 0, 2], target: 'aten.gru.input', hasCell: false }),
  RNN(n: NodeEmission<At<'RNN'>>) {
    for (const f of ['Tanh', 'Relu'])
      if (usesDefaults(n, [f], f === 'Tanh')) return layer(n, { gates: [0], target: `aten.rnn_${f.toLowerCase()}.input`, hasCell: false });
    return undefined;
  },
};

function usesDefaults(n: Layer, functions: readonly string[], isDefault = true): boolean {
  const { activations } = n.at;
  const fits = activations ? activations.every((f, i) => f === functions[i % functions.length]) : isDefault;
  return fits && n.at.clip === undefined && !n.at.layout && n.input(4) === undefined;
}

/** Inputs: X [time, batch, in], W and R [directions, gates · hidden, …], B, sequence_lens, initial_h, initial_c. */
function layer(n: Layer, { gates, target, hasCell }: Cell): readonly (Ref | undefined)[] | undefined {
  const hidden = n.at.hidden_size ?? n.shape(2)[2];
  if (typeof hidden !== 'number') return undefined;
  const element = n.element();
  const isReverse = n.at.direction === 'reverse';
  const directions = n.at.direction === 'bidirectional' ? 2 : 1;
  const type = (shape: Shape): TensorType => tensorType(element, shape);
  const call = (to: string, args: readonly Arg[], shape: Shape): Ref => n.t.call(to, args, type(shape));
  const rows = gates.length * hidden;
  const params = range(directions).flatMap(d => {
    const [w, r] = [1, 2].map(i =>
      ordered(n, gates, hidden, call('aten.select.int', [n.x(i), 0, d], [rows, n.shape(i)[2]!]), n.shape(i)[2]!),
    );
    if (!n.input(3)) return [w!, r!];
    const biases = call('aten.select.int', [n.x(3), 0, d], [2 * rows]);
    const [wb, rb] = n.t.several('aten.split_with_sizes.default', [biases, [rows, rows], 0], [type([rows]), type([rows])], true);
    return [w!, r!, ordered(n, gates, hidden, wb!), ordered(n, gates, hidden, rb!)];
  });
  const [steps, batch] = [n.e.sizeAt(n.given(0), 0), n.e.sizeAt(n.given(0), 1)];
  const stateShape: Shape = [directions, n.shape()[1]!, hidden];
  const state = (i: number): Ref => (n.input(i) ? n.x(i) : zeros(n, [directions, batch, hidden], element, stateShape));
  const x = isReverse ? call('aten.flip.default', [n.x(), [0]], n.shape()) : n.x();
  const hx = hasCell ? [state(5), state(6)] : state(5);
  const made = n.t.several(
    target,
    [x, hx, params, n.input(3) !== undefined, 1, 0, false, directions === 2, false],
    [type([n.shape()[0]!, n.shape()[1]!, directions * hidden]), ...range(hasCell ? 2 : 1).map(() => type(stateShape))],
    false,
  );
  const turned = isReverse ? call('aten.flip.default', [made[0]!, [0]], made[0]!.type!.shape!) : made[0]!;
  const split = call(
    'aten.reshape.default',
    [turned, [steps, batch, directions, hidden]],
    [n.shape()[0]!, n.shape()[1]!, directions, hidden],
  );
  const y = call('aten.permute.default', [split, [0, 2, 1, 3]], [n.shape()[0]!, directions, n.shape()[1]!, hidden]);
  return [y, made[1], made[2]];
}

/** Rows of all gates in ATen's order. */
function ordered(n: Layer, gates: readonly number[], hidden: number, all: Ref, columns?: Shape[number]): Ref {
  if (gates.length === 1) return all;
  const shape = (rows: number): Shape => [rows, ...(columns === undefined ? [] : [columns])];
  const type = (rows: number): TensorType => tensorType(n.element(), shape(rows));
  const parts = n.t.several(
    'aten.split_with_sizes.default',
    [all, gates.map(() => hidden), 0],
    gates.map(() => type(hidden)),
    true,
  );
  return n.t.call('aten.cat.default', [gates.map(k => parts[k]!), 0], type(gates.length * hidden));
}

const zeros = (n: Layer, sizes: readonly Arg[], element: DataType, shape: Shape): Ref =>
  n.t.call('aten.new_zeros.default', [n.x(), sizes], tensorType(element, shape));
