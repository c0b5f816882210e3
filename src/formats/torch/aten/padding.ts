// ATen overloads that pad axes, or crop them where a pad is negative.
import type { Value } from '../../../ir/graph.ts';
import type { Builder, Size } from '../../../ops/builder.ts';
import { elementOf, range, rankOf } from '../../../ops/shapes.ts';
import { settled, toTheEnd } from '../../../ops/sizing.ts';
import { asTensor } from './operands.ts';
import { type AtenRow, type AtenRows, Float, type Scalar, unsupported } from './row.ts';

/** PyTorch's names in the order of its enumeration, and ONNX's. */
const modes = [
  ['reflect', 'reflect'],
  ['replicate', 'edge'],
  ['circular', 'wrap'],
  ['constant', 'constant'],
] as const;
type Mode = (typeof modes)[number][1];

/** Before and after each axis. */
interface Pads {
  readonly before: readonly Size[];
  readonly after: readonly Size[];
}

/** PyTorch lists the last axis first, and only as many axes as it needs. */
function padsOf(given: readonly Size[], rank: number): Pads {
  const at = (axis: number, end: 0 | 1): Size => settled(given[2 * (rank - 1 - axis) + end] ?? 0);
  return { before: range(rank).map(axis => at(axis, 0)), after: range(rank).map(axis => at(axis, 1)) };
}

const part = (pads: Pads, of: (size: Size) => Size): Pads => ({ before: pads.before.map(of), after: pads.after.map(of) });
const growth = (size: Size): Size => (typeof size === 'number' ? Math.max(size, 0) : size);
const loss = (size: Size): Size => (typeof size === 'number' ? Math.max(-size, 0) : 0);

/** ONNX's modes see what negative pads leave; PyTorch reflects and repeats the whole tensor, but wraps what they leave. */
function pad(b: Builder, self: Value, given: readonly Size[], mode: Mode, value: Scalar = 0): Value {
  const pads = padsOf(given, rankOf(self));
  if (mode === 'constant') return grown(b, self, pads, mode, value);
  if (mode === 'wrap') return grown(b, cropped(b, self, part(pads, loss)), part(pads, growth), mode);
  return cropped(b, grown(b, self, part(pads, growth), mode), part(pads, loss));
}

function grown(b: Builder, self: Value, { before, after }: Pads, mode: Mode, value: Scalar = 0): Value {
  const sizes = [...before, ...after];
  if (sizes.every(size => size === 0)) return self;
  const isZero = value === 0 || value === false || (value instanceof Float && value.value === 0);
  const constant_value = isZero ? undefined : asTensor(b, value, elementOf(self));
  return b.Pad({ data: self, pads: b.sizes(sizes), constant_value }, mode === 'constant' ? {} : { mode });
}

function cropped(b: Builder, self: Value, { before, after }: Pads): Value {
  const axes = range(before.length).filter(axis => before[axis] !== 0 || after[axis] !== 0);
  if (axes.length === 0) return self;
  const end = (size: Size): Size => (typeof size === 'number' && size > 0 ? -size : toTheEnd);
  return b.Slice(self, { axes, starts: axes.map(axis => before[axis]!), ends: axes.map(axis => end(after[axis]!)) });
}

const fixed =
  (mode: Mode, name = 'padding'): AtenRow =>
  (x, b) =>
    pad(b, x.tensor('self'), x.sizes(name), mode);

const constant: AtenRow = (x, b) => pad(b, x.tensor('self'), x.sizes('pad'), 'constant', x.optionalScalar('value'));

/** Padding whose mode is an argument, by name or by number. */
const chosen: AtenRow = (x, b) => {
  const given = x.any('mode');
  const [, mode] = modes.find(([name], i) => given === name || given === i) ?? [];
  if (!mode) throw unsupported(`padding mode ${String(given)}`);
  return pad(b, x.tensor('self'), x.sizes('pad'), mode, x.optionalScalar('value'));
};

export const padding: AtenRows = {
  'pad.default': chosen,
  '_pad_enum.default': chosen,
  '_pad_circular.default': fixed('wrap', 'pad'),
  'constant_pad_nd.default': constant,
  'reflection_pad1d.default': fixed('reflect'),
  'reflection_pad2d.default': fixed('reflect'),
  'reflection_pad3d.default': fixed('reflect'),
  'replication_pad1d.default': fixed('edge'),
  'replication_pad2d.default': fixed('edge'),
  'replication_pad3d.default': fixed('edge'),
};
