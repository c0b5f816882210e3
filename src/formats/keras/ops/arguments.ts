// Arguments of operations: those of the call by name or place, those of the operation by name.
import type { Json } from '../../../codec/json.ts';
import type { Value } from '../../../ir/graph.ts';
import { type DataType, isFloat } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { axesOf, axisOf, elementOf, range, rankOf } from '../../../ops/shapes.ts';
import { reshapeTo } from '../../../ops/sizing.ts';
import { dataTypeNamed } from '../config.ts';
import { type Argument, KerasTensor, type LayerCall, type LayerRow, type Made, nestedNumbers, plain, unsupported } from '../layers/row.ts';

/** What an operation was made with, or called with by name. */
export const option = (x: LayerCall, name: string): Argument | undefined => x.config.find(name) ?? x.kwargs[name] ?? undefined;

export function numberOption(x: LayerCall, name: string, otherwise?: number): number {
  const found = option(x, name) ?? otherwise;
  if (typeof found === 'number') return found;
  throw unsupported(`an argument ${name} that is no number`);
}
export const flagOption = (x: LayerCall, name: string): boolean => option(x, name) === true;

/** One number or several; undefined where there is none. */
export function numbersOption(x: LayerCall, name: string): number[] | undefined {
  const found = option(x, name);
  if (found === undefined) return undefined;
  const all = Array.isArray(found) ? (found as readonly unknown[]) : [found];
  if (all.every((n): n is number => typeof n === 'number')) return [...all];
  throw unsupported(`an argument ${name} that only the run knows`);
}

/** The same where there must be one. */
export function requiredNumbers(x: LayerCall, name: string): number[] {
  const found = numbersOption(x, name);
  if (found && found.length > 0) return found;
  throw unsupported(`no argument ${name}`);
}

/** The element type that an operation is asked for. */
export function typeOption(x: LayerCall, otherwise: DataType): DataType {
  const found = option(x, 'dtype');
  return typeof found === 'string' ? dataTypeNamed(found) : otherwise;
}

/** An argument of the call as a tensor; a number takes the type of `like`, lists and arrays have one of their own. */
export function operand(x: LayerCall, b: Builder, name: string, at: number, like?: Value): Value {
  const found = optionalOperand(x, b, name, at, like);
  if (found) return found;
  throw unsupported(`no argument ${name}`);
}
export function optionalOperand(x: LayerCall, b: Builder, name: string, at: number, like?: Value): Value | undefined {
  const found = x.argument(name, at) ?? x.config.find(name);
  return found === undefined ? undefined : asTensor(b, found, name, like);
}

export function asTensor(b: Builder, found: Argument, name: string, like?: Value): Value {
  if (found instanceof KerasTensor) return found.value;
  if (typeof found === 'boolean') return b.constant(found, 'bool');
  if (typeof found === 'number') {
    const own = like && (isFloat(elementOf(like)) || Number.isInteger(found)) ? elementOf(like) : undefined;
    return b.constant(found, own ?? (Number.isInteger(found) ? 'int32' : 'float32'));
  }
  if (found === null || typeof found !== 'object') throw unsupported(`the argument ${name}`);
  // The cast: what holds no tensor is JSON.
  const { data, dims } = nestedNumbers(found as Json);
  const type = (found as { config?: { dtype?: unknown } }).config?.dtype;
  const own = typeof type === 'string' ? dataTypeNamed(type) : data.every(Number.isInteger) ? 'int32' : 'float32';
  return b.constant(data, own, dims);
}

export const floats = (b: Builder, v: Value): Value => (isFloat(elementOf(v)) ? v : b.Cast(v, 'float32'));
export const truths = (b: Builder, v: Value): Value => b.Cast(v, 'bool');
export const flat = (b: Builder, v: Value): Value => (rankOf(v) === 1 ? v : reshapeTo(b, v, [-1]));

/** An operation over one tensor. */
export const unary = (op: (b: Builder, v: Value, x: LayerCall) => Made): LayerRow => plain((x, b) => op(b, x.first.value, x));
/** The same over floats. */
export const real = (op: (b: Builder, v: Value, x: LayerCall) => Made): LayerRow => unary((b, v, x) => op(b, floats(b, v), x));

export interface Over {
  readonly axes: number[];
  readonly keepdims: number;
}
/** The axes that an operation reduces; all of them where it names none. */
export const overOf = (x: LayerCall, v: Value, name = 'axis'): Over => {
  const given = numbersOption(x, name);
  return { axes: given ? axesOf(given, rankOf(v)) : range(rankOf(v)), keepdims: Number(flagOption(x, 'keepdims')) };
};
/** One axis, and the tensor in one row where there is none. */
export function along(x: LayerCall, b: Builder, v: Value, otherwise?: number): { readonly v: Value; readonly axis: number } {
  const given = option(x, 'axis') ?? otherwise;
  return typeof given === 'number' ? { v, axis: axisOf(given, rankOf(v)) } : { v: flat(b, v), axis: 0 };
}
