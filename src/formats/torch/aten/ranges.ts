// ATen overloads that make numbers from positions: ranges, unit matrices, windows.
import type { Value } from '../../../ir/graph.ts';
import { type DataType, elementTypes, isFloat } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { range } from '../../../ops/shapes.ts';
import { knownNumber } from './elementwise.ts';
import { filled, numbers } from './fill.ts';
import { asTensor, defaultFloat, resultType } from './operands.ts';
import { type Args, type AtenRow, type AtenRows, isScalar, unsupported } from './row.ts';

/** Most elements of a range that is written out. */
const maxWritten = 1 << 20;

const arange: AtenRow = (x, b) => {
  const bounds = [x.optionalScalar('start') ?? 0, x.scalar('end'), x.optionalScalar('step') ?? 1];
  const natural = resultType(bounds);
  const type = x.element('dtype') ?? (isFloat(natural) ? natural : 'int64');
  const known = bounds.map(bound => knownNumber(bound));
  const count = known.every(n => n !== undefined) ? Math.max(0, Math.ceil((known[1]! - known[0]!) / known[2]!)) : undefined;
  if (count !== undefined && count <= maxWritten) return progression(b, known[0]!, known[2]!, count, type);
  if (isFloat(natural) && !isFloat(type)) throw unsupported('integers between float bounds that only the run knows');
  const wide = !isFloat(natural) ? 'int64' : type === 'float64' ? type : 'float32';
  const [start, limit, delta] = bounds.map(bound => asTensor(b, bound, wide)) as [Value, Value, Value];
  return b.Cast(b.Range({ start, limit, delta }), type);
};

function progression(b: Builder, start: number, step: number, count: number, type: DataType): Value {
  const [from, by] = isFloat(type) ? [start, step] : [Math.trunc(start), Math.trunc(step)];
  return numbers(
    b,
    range(count).map(i => from + by * i),
    type,
  );
}

/** The range that includes its end. */
const closedRange: AtenRow = (x, b) => {
  const [start, end, step] = [x.number('start'), x.number('end'), x.optionalNumber('step') ?? 1];
  return progression(b, start, step, Math.floor((end - start) / step) + 1, x.element('dtype') ?? defaultFloat);
};

/** How far position `i` is from the nearer end of `steps` positions: from the start on, or back from the end. */
const offsets = (steps: number): { readonly isHead: boolean; readonly by: number }[] =>
  range(steps).map(i => (i < Math.floor(steps / 2) ? { isHead: true, by: i } : { isHead: steps === 1, by: i - (steps - 1) }));

const spaced =
  (isLogarithmic: boolean): AtenRow =>
  (x, b) => {
    const type = x.element('dtype') ?? defaultFloat;
    const steps = x.number('steps');
    const [start, end] = [x.operand('start'), x.operand('end')];
    const base = isLogarithmic ? x.number('base') : undefined;
    if (!isScalar(start) || !isScalar(end)) return spacedBetween(b, x, steps, type, base);
    const cut = (n: number): number => (isFloat(type) ? n : Math.trunc(n));
    const [from, to] = [cut(x.number('start')), cut(x.number('end'))];
    const step = (to - from) / (steps - 1);
    const values = offsets(steps).map(({ isHead, by }) => (by === 0 ? 0 : step * by) + (isHead ? from : to));
    return numbers(
      b,
      values.map(n => cut(base === undefined ? n : base ** n)),
      type,
    );
  };

/** The same between bounds that only the run knows. */
function spacedBetween(b: Builder, x: Args, steps: number, type: DataType, base: number | undefined): Value {
  const wide = isFloat(type) ? type : 'float64';
  const bound = (name: string): Value => {
    const operand = x.operand(name);
    return isScalar(operand) ? asTensor(b, operand, wide) : b.Cast(b.Cast(operand, type), wide);
  };
  const [start, end] = [bound('start'), bound('end')];
  const at = offsets(steps);
  const nearer = b.Where(
    b.constant(
      at.map(({ isHead }) => isHead),
      'bool',
    ),
    start,
    end,
  );
  const step = b.Div(b.Sub(end, start), b.like(Math.max(1, steps - 1), start));
  const by = numbers(
    b,
    at.map(offset => offset.by),
    wide,
  );
  const values = b.Add(nearer, b.Mul(step, by));
  return b.Cast(base === undefined ? values : b.Pow(b.like(base, values), values), type);
}

/** Most elements of a unit matrix that is written out. */
const maxMatrix = 1024;

const eye: AtenRow = (x, b) => {
  const type = x.element('dtype') ?? defaultFloat;
  const [rows, columns] = [x.size('n'), x.optionalSize('m') ?? x.size('n')];
  if (typeof rows === 'number' && typeof columns === 'number' && rows * columns <= maxMatrix) {
    const cells = range(rows * columns).map(i => (Math.floor(i / columns) === i % columns ? 1 : 0));
    return numbers(b, cells, type, [rows, columns]);
  }
  // The types that every runtime has; others are cast.
  const made = ['float32', 'float64', 'int32', 'int64'].includes(type) ? type : 'float32';
  const sizes = filled(b, b.sizes([rows, columns]), 0, made);
  return b.Cast(b.EyeLike({ input: sizes }, { dtype: elementTypes[made].code }), type);
};

/** A window over `phase` from 0 to 1. */
type Window = (phase: number, x: Args) => number;

const cosine = (phase: number, turns = 1): number => Math.cos(2 * Math.PI * turns * phase);
const hamming: Window = (phase, x) => (x.optionalNumber('alpha') ?? 0.54) - (x.optionalNumber('beta') ?? 0.46) * cosine(phase);

const windows: Readonly<Record<string, Window>> = {
  hann_window: phase => 0.5 - 0.5 * cosine(phase),
  hamming_window: hamming,
  blackman_window: phase => 0.42 - 0.5 * cosine(phase) + 0.08 * cosine(phase, 2),
  bartlett_window: phase => 1 - Math.abs(2 * phase - 1),
  kaiser_window: (phase, x) => {
    const beta = x.optionalNumber('beta') ?? 12;
    return besselI0(beta * Math.sqrt(Math.max(0, 1 - (2 * phase - 1) ** 2))) / besselI0(beta);
  },
};

/** The modified Bessel function of order 0 by its power series, whose terms are all positive. */
function besselI0(v: number): number {
  let [sum, term] = [1, 1];
  for (let k = 1; term > sum * 1e-17; k++) {
    term *= (v / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

const windowed =
  (window: Window): AtenRow =>
  (x, b) => {
    const length = x.number('window_length');
    const isPeriodic = !x.has('periodic') || x.boolean('periodic');
    const last = isPeriodic ? length : length - 1;
    const values = range(length).map(i => (length === 1 ? 1 : window(i / last, x)));
    return numbers(b, values, x.element('dtype') ?? defaultFloat);
  };

const overloads: Readonly<Record<string, readonly string[]>> = {
  hamming_window: ['periodic_alpha', 'periodic_alpha_beta'],
  kaiser_window: ['beta'],
};

export const ranges: AtenRows = {
  'arange.default': arange,
  'arange.start': arange,
  'arange.start_step': arange,
  'range.default': closedRange,
  'range.step': closedRange,
  'linspace.default': spaced(false),
  'linspace.Tensor_Tensor': spaced(false),
  'linspace.Tensor_Scalar': spaced(false),
  'linspace.Scalar_Tensor': spaced(false),
  'logspace.default': spaced(true),
  'logspace.Tensor_Tensor': spaced(true),
  'logspace.Tensor_Scalar': spaced(true),
  'logspace.Scalar_Tensor': spaced(true),
  'eye.default': eye,
  'eye.m': eye,
  ...Object.fromEntries(
    Object.entries(windows).flatMap(([name, window]) =>
      ['default', 'periodic', ...(overloads[name] ?? [])].map(overload => [`${name}.${overload}`, windowed(window)]),
    ),
  ),
};
