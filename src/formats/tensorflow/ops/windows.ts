// What convolutions and pools share: where channels are, and padding. Operators with the channels last run between two Transposes.
import { fail } from '../../../errors.ts';
import type { Value } from '../../../ir/graph.ts';
import type { Builder, Size } from '../../../ops/builder.ts';
import * as channels from '../../../ops/channels.ts';
import { range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { addSizes, divSizes, maxSizes, mulSizes, subSizes } from '../../../ops/sizing.ts';
import { type Call, unsupported } from '../call.ts';

/** Whether the attribute puts the channels second, as ONNX does. */
export const isChannelsFirst = (x: Call): boolean => x.has('data_format') && x.string('data_format').startsWith('NC');

/** `compute` over a tensor with the channels second, whatever the node says. */
export const onChannelsFirst = (b: Builder, v: Value, x: Call, compute: (v: Value) => Value): Value =>
  channels.onChannelsFirst(b, v, isChannelsFirst(x), compute);

/** Numbers of the spatial axes out of a list with one for each axis. @throws ModelError E2001 where batch or channels have one too */
export function spatial(x: Call, name: string, rank: number): number[] {
  const all = x.numbers(name);
  if (all.length !== rank) throw unsupported(`${name} has ${all.length} entries for ${rank} axes`);
  const [batch, channel, rest] = isChannelsFirst(x) ? [all[0], all[1], all.slice(2)] : [all[0], all.at(-1), all.slice(1, -1)];
  if (batch !== 1 || channel !== 1) throw unsupported(`${name} over batch or channels`);
  return rest;
}

export interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
}

/** How far a window reaches along an axis. */
export const reach = ({ kernel, dilations }: Window, i: number): number => (kernel[i]! - 1) * dilations[i]! + 1;

/** Pads that are known before the run as ONNX lists them, or as sizes that only the run knows. */
export type Pads = { readonly known: readonly number[] } | { readonly open: readonly Size[] };

/**
 * Padding of the spatial axes of `v`, which has the channels second. SAME depends on sizes where windows move by more than one: what is
 * missing to whole windows, the larger half at the end.
 */
export function padsFor(b: Builder, v: Value, x: Call, window: Window): Pads {
  const padding = x.string('padding');
  const count = window.kernel.length;
  if (rankOf(v) !== count + 2) throw fail('E1305', `${x.op} moves a window of ${count} axes over a tensor of ${rankOf(v)}`);
  if (padding === 'VALID') return { known: range(2 * count).map(() => 0) };
  if (padding === 'EXPLICIT') {
    const all = x.numbers('explicit_paddings');
    const own = isChannelsFirst(x) ? all.slice(4) : all.slice(2, -2);
    return { known: [...range(count).map(i => own[2 * i]!), ...range(count).map(i => own[2 * i + 1]!)] };
  }
  if (padding !== 'SAME') throw unsupported(`padding ${padding}`);
  const missing = range(count).map(i => channels.missingFor(shapeOf(v)[i + 2]!, reach(window, i), window.strides[i]!));
  if (missing.every((d): d is number => typeof d === 'number')) return { known: channels.halved(missing) };
  const sizes = range(count).map(i => missingSize(b, b.dim(v, i + 2), window, i));
  const before = sizes.map(s => divSizes(b, s, 2));
  return { open: [...before, ...sizes.map((s, i) => subSizes(b, s, before[i]!))] };
}

function missingSize(b: Builder, size: Size, window: Window, i: number): Size {
  const [stride, length] = [window.strides[i]!, reach(window, i)];
  if (stride === 1) return length - 1;
  const windows = divSizes(b, addSizes(b, size, stride - 1), stride);
  const wanted = addSizes(b, mulSizes(b, subSizes(b, windows, 1), stride), length);
  return maxSizes(b, subSizes(b, wanted, size), 0);
}

/** How ONNX's operators are told a padding: by numbers, or by name where only the run knows the sizes. */
export function paddingAttributes(
  pads: Pads,
  window: Window,
): { readonly pads: readonly number[] } | { readonly auto_pad: string } | undefined {
  if ('known' in pads) return { pads: pads.known };
  return window.dilations.every(d => d === 1) ? { auto_pad: 'SAME_UPPER' } : undefined;
}

/** `v` with pads that only the run knows. */
export function padded(b: Builder, v: Value, sizes: readonly Size[], value?: Value): Value {
  const count = sizes.length / 2;
  return b.Pad({ data: v, pads: b.sizes([0, 0, ...sizes.slice(0, count), 0, 0, ...sizes.slice(count)]), constant_value: value });
}
