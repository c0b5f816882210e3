// Convolution and pooling.
import { fail } from '../errors.ts';
import { addDims, ceilDivDims, type Dim, floorDivDims, formatDim, maxDims, mulDims, subDims } from '../ir/dims.ts';
import { formatShape, type Shape, tensorType } from '../ir/types.ts';
import type { Family } from './row.ts';
import { elementOf, range, shapeOf } from './shapes.ts';

interface WindowAttributes {
  readonly auto_pad: string;
  readonly kernel_shape?: readonly number[] | undefined;
  readonly strides?: readonly number[] | undefined;
  readonly dilations?: readonly number[] | undefined;
  readonly pads?: readonly number[] | undefined;
  readonly ceil_mode?: number;
}

/** Window facts with every default worked out for an input of this shape. */
interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** At the beginning of each spatial axis, then at the end. */
  readonly pads: readonly Dim[];
  /** Sizes of the spatial axes of the output. */
  readonly output: readonly Dim[];
}

function windowOf(op: string, input: Shape, kernel: readonly Dim[], at: WindowAttributes): Window {
  const spatial = input.slice(2);
  const rank = spatial.length;
  const taps = kernel.map(k => {
    if (typeof k !== 'number' || k < 1) throw fail('E3009', `${op}: the window [${kernel.map(formatDim)}] must be known`);
    return k;
  });
  const strides = at.strides ?? range(rank).map(() => 1);
  const dilations = at.dilations ?? range(rank).map(() => 1);
  for (const [name, list] of Object.entries({ strides, dilations, kernel_shape: taps }))
    if (list.length !== rank || list.some(n => n < 1)) throw fail('E1305', `${op}: ${name} [${list}] does not fit ${rank} spatial axes`);
  const extents = taps.map((k, d) => (k - 1) * dilations[d]! + 1);
  const pads = padsOf(op, spatial, extents, strides, at);
  const output = spatial.map((size, d) => {
    const padded = subDims(addDims(size, addDims(pads[d]!, pads[rank + d]!)), extents[d]!);
    return outputSize(size, padded, pads[d]!, strides[d]!, at.ceil_mode ?? 0, op);
  });
  return { kernel: taps, strides, dilations, pads, output };
}

/** A window that starts in the padding at the end is not counted, as in PyTorch and the standard since opset 22. */
function outputSize(size: Dim, padded: Dim, before: Dim, stride: number, ceil: number, op: string): Dim {
  if (typeof padded === 'number' && padded < 0) throw fail('E1305', `${op}: the window is larger than the padded input`);
  if (!ceil) return addDims(floorDivDims(padded, stride), 1);
  const count = addDims(ceilDivDims(padded, stride), 1);
  const last = mulDims(subDims(count, 1), stride);
  const limit = addDims(size, before);
  return typeof last === 'number' && typeof limit === 'number' && last >= limit ? subDims(count, 1) : count;
}

function padsOf(op: string, spatial: Shape, extents: readonly number[], strides: readonly number[], at: WindowAttributes): readonly Dim[] {
  const rank = spatial.length;
  if (at.auto_pad === 'NOTSET') {
    const pads = at.pads ?? range(2 * rank).map(() => 0);
    if (pads.length !== 2 * rank) throw fail('E1305', `${op}: ${pads.length} pads for ${rank} spatial axes`);
    return pads;
  }
  if (at.auto_pad === 'VALID') return range(2 * rank).map(() => 0);
  const totals = spatial.map((size, d) => {
    const covered = mulDims(subDims(ceilDivDims(size, strides[d]!), 1), strides[d]!);
    return maxDims(subDims(addDims(covered, extents[d]!), size), 0);
  });
  const less = totals.map(t => floorDivDims(t, 2));
  const more = totals.map((t, d) => subDims(t, less[d]!));
  return at.auto_pad === 'SAME_LOWER' ? [...more, ...less] : [...less, ...more];
}

export function convWindow(op: string, x: Shape, w: Shape, at: WindowAttributes & { readonly group: number }): Window {
  if (x.length !== w.length || x.length < 3)
    throw fail('E1305', `${op}: X ${formatShape(x)} and W ${formatShape(w)} need one rank of at least 3`);
  const [channels, perGroup] = [x[1], w[1]];
  if (typeof channels === 'number' && typeof perGroup === 'number' && channels !== perGroup * at.group)
    throw fail('E1305', `${op}: ${channels} input channels, W ${formatShape(w)} and group ${at.group} expect ${perGroup * at.group}`);
  return windowOf(op, x, at.kernel_shape ?? w.slice(2), at);
}

/** A bound beyond every size. */
const endOfAxis = 2 ** 31 - 1;

const pooled = (x: Shape, output: readonly Dim[]): Shape => [...x.slice(0, 2), ...output];

export const windows = {
  Conv: {
    infer({ X, W }, at) {
      const [x, w] = [shapeOf(X), shapeOf(W)];
      return [tensorType(elementOf(X), [x[0]!, w[0]!, ...convWindow('Conv', x, w, at).output])];
    },
    plan({ X, W, B }, at, e) {
      const { strides, dilations, pads, output } = convWindow('Conv', X.shape, W.shape, at);
      const y = e.alloc(X.type, [X.shape[0]!, W.shape[0]!, ...output]);
      e.step({ kind: 'conv', strides, dilations, pads: pads.slice(0, output.length), group: at.group }, [X, W, B], [y]);
      return [y];
    },
  },
  MaxPool: {
    infer({ X }, at) {
      const x = shapeOf(X);
      const shape = pooled(x, windowOf('MaxPool', x, at.kernel_shape, at).output);
      return [tensorType(elementOf(X), shape), tensorType('int64', shape)];
    },
    plan({ X }, at, e, _values, y) {
      const { output, ...window } = windowOf('MaxPool', X.shape, at.kernel_shape, at);
      const shape = pooled(X.shape, output);
      const outputs = y.map((_, i) => e.alloc(i === 0 ? X.type : 'int64', shape));
      e.step({ kind: 'pool', by: 'max', ...window, countPads: false, p: at.storage_order }, [X], outputs);
      return outputs;
    },
  },
  AveragePool: {
    infer({ X }, at) {
      const x = shapeOf(X);
      return [tensorType(elementOf(X), pooled(x, windowOf('AveragePool', x, at.kernel_shape, at).output))];
    },
    plan({ X }, at, e) {
      const { output, ...window } = windowOf('AveragePool', X.shape, at.kernel_shape, at);
      const y = e.alloc(X.type, pooled(X.shape, output));
      e.step({ kind: 'pool', by: 'average', ...window, countPads: at.count_include_pad !== 0, p: 0 }, [X], [y]);
      return [y];
    },
  },
  LpPool: {
    infer({ X }, at) {
      const x = shapeOf(X);
      return [tensorType(elementOf(X), pooled(x, windowOf('LpPool', x, at.kernel_shape, at).output))];
    },
    plan({ X }, at, e) {
      const { output, ...window } = windowOf('LpPool', X.shape, at.kernel_shape, at);
      const y = e.alloc(X.type, pooled(X.shape, output));
      e.step({ kind: 'pool', by: 'lp', ...window, countPads: true, p: at.p }, [X], [y]);
      return [y];
    },
  },
  CausalConvWithState: {
    infer({ input, weight }) {
      const [x, w] = [shapeOf(input), shapeOf(weight)];
      if (x.length !== 3 || w.length !== 3)
        throw fail('E1305', `CausalConvWithState: input ${formatShape(x)} and weight ${formatShape(w)} must have 3 axes`);
      return [input.type, tensorType(elementOf(input), [x[0]!, x[1]!, subDims(w[2]!, 1)])];
    },
    lower({ input, weight, bias, past_state }, { activation }, b) {
      const [channels, , taps] = shapeOf(weight);
      if (typeof channels !== 'number' || typeof taps !== 'number') throw fail('E3009', 'CausalConvWithState: the window must be known');
      const x = past_state ? b.Concat([past_state, input], 2) : b.Pad({ data: input, pads: b.ints([0, 0, taps - 1, 0, 0, 0]) });
      const y = b.Conv(x, weight, bias, { group: channels });
      return {
        output: activation === 'none' ? y : b.Swish({ X: y }),
        present_state: b.Slice(x, { axes: [2], starts: [taps > 1 ? 1 - taps : endOfAxis], ends: [endOfAxis] }),
      };
    },
  },
  GlobalAveragePool: {
    infer: ({ X }) => [
      tensorType(
        elementOf(X),
        shapeOf(X).map((d, i) => (i < 2 ? d : 1)),
      ),
    ],
    lower: ({ X }, _at, b) => b.ReduceMean({ data: X, axes: b.ints(range(shapeOf(X).length - 2, 2)) }),
  },
  GlobalMaxPool: {
    infer: ({ X }) => [
      tensorType(
        elementOf(X),
        shapeOf(X).map((d, i) => (i < 2 ? d : 1)),
      ),
    ],
    lower: ({ X }, _at, b) => b.ReduceMax(X, { axes: range(shapeOf(X).length - 2, 2) }),
  },
} satisfies Family;
