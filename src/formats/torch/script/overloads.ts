// Which overload of an ATen operator a call means: TorchScript's text does not say, so the kinds of its arguments decide.
import { fail } from '../../../errors.ts';
import type { DataType } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { assertions, atenRow } from '../aten/index.ts';
import { Float, Symbolic } from '../aten/row.ts';
import { callAten, type Operand } from '../calls.ts';
import { TensorRef } from '../memory.ts';
import { type AtenArg, type AtenSchema, atenOverloads, atenSchema } from '../schema.ts';
import { settled, symbolicOf } from './scalars.ts';
import { noteOrder } from './strides.ts';
import { Device, Dict, type Host, isKnownFloat, isKnownInt, isNumber, kindOf, List, Tuple } from './values.ts';

/** c10's numbers of element types. Source: PyTorch, c10/core/ScalarType. */
const elements: Readonly<Record<number, DataType | undefined>> = {
  0: 'uint8',
  1: 'int8',
  2: 'int16',
  3: 'int32',
  4: 'int64',
  5: 'float16',
  6: 'float32',
  7: 'float64',
  9: 'complex64',
  10: 'complex128',
  11: 'bool',
  15: 'bfloat16',
  23: 'float8e5m2',
  24: 'float8e4m3fn',
  25: 'float8e5m2fnuz',
  26: 'float8e4m3fnuz',
  27: 'uint16',
  28: 'uint32',
  29: 'uint64',
  44: 'float8e8m0',
};
const codes = new Map(Object.entries(elements).map(([code, type]) => [type, Number(code)]));
export const codeOfElement = (type: DataType): number => codes.get(type) ?? 6;
export function elementOfCode(code: number): DataType {
  const type = elements[code];
  if (!type) throw fail('E2001', `element type ${code} has no conversion`);
  return type;
}

/** Whether an argument may be passed for a type of the schema; `loose` also lets numbers become each other. */
function accepts(type: string, v: Host, loose: boolean): boolean {
  if (type.endsWith('?')) return v === undefined || accepts(type.slice(0, -1), v, loose);
  const [, item, length] = /^(.*)\[(\d*)\]$/.exec(type) ?? [];
  if (item !== undefined) {
    if (v instanceof List || v instanceof Tuple) return v.items.every(x => accepts(item, x, loose));
    return length !== '' && accepts(item, v, loose);
  }
  const simple = Object.hasOwn(kinds, type) ? kinds[type] : undefined;
  if (simple) return simple(v, loose);
  return /^[a-z]\d?$/.test(type) || type === 'Any' || type === 'AnyClassType' || (type.startsWith('Dict(') && v instanceof Dict);
}

const symbolicIs = (v: Host, ...types: readonly (DataType | undefined)[]): boolean =>
  v instanceof Symbolic && types.includes(v.value.element);
const int = (v: Host, loose: boolean): boolean => isKnownInt(v) || symbolicIs(v, 'int64') || (loose && typeof v === 'boolean');
const float = (v: Host, loose: boolean): boolean =>
  isKnownFloat(v) || symbolicIs(v, 'float32', 'float64') || (loose && (isKnownInt(v) || symbolicIs(v, 'int64')));
const bool = (v: Host): boolean => typeof v === 'boolean' || symbolicIs(v, 'bool');
const kinds: Readonly<Record<string, ((v: Host, loose: boolean) => boolean) | undefined>> = {
  Tensor: v => v instanceof TensorRef,
  int,
  SymInt: int,
  float,
  SymFloat: float,
  bool,
  SymBool: bool,
  Scalar: v => isNumber(v),
  number: v => isNumber(v),
  str: v => typeof v === 'string',
  ScalarType: v => isKnownInt(v),
  Layout: v => isKnownInt(v),
  MemoryFormat: v => isKnownInt(v),
  Device: v => v instanceof Device || typeof v === 'string',
  Generator: () => false,
};

/** The arguments of a call by the names of a schema, or undefined where they do not fit. */
function bindTo(
  schema: AtenSchema,
  args: readonly Host[],
  keywords: ReadonlyMap<string, Host>,
  loose: boolean,
): Map<string, Host> | undefined {
  const positional = schema.args.filter(arg => !arg.kwarg);
  if (args.length > positional.length) return undefined;
  const bound = new Map<string, Host>();
  const put = (arg: AtenArg | undefined, v: Host): boolean => {
    if (!arg || bound.has(arg.name) || !accepts(arg.type, v, loose)) return false;
    bound.set(arg.name, v);
    return true;
  };
  if (!args.every((v, i) => put(positional[i], v))) return undefined;
  for (const [name, v] of keywords)
    if (
      !put(
        schema.args.find(arg => arg.name === name),
        v,
      )
    )
      return undefined;
  return schema.args.every(arg => bound.has(arg.name) || arg.default !== undefined) ? bound : undefined;
}

export interface Chosen {
  readonly schema: AtenSchema;
  readonly target: string;
  readonly args: ReadonlyMap<string, Host>;
}

/**
 * The overload that a call means: the first that takes its arguments, of those that have a conversion where there are any.
 * @throws ModelError E2001 where none takes them
 */
export function chooseOverload(name: string, args: readonly Host[], keywords: ReadonlyMap<string, Host>): Chosen {
  const overloads = atenOverloads(name);
  if (overloads.length === 0) throw fail('E2001', 'no conversion');
  for (const loose of [false, true]) {
    const fitting = overloads.flatMap(overload => {
      const schema = atenSchema(`${name}.${overload}`)!;
      const bound = bindTo(schema, args, keywords, loose);
      return bound ? [{ schema, target: `${name}.${overload}`, args: bound }] : [];
    });
    const found = fitting.find(f => assertions.has(f.target) || atenRow(f.schema.name, f.schema.overload)) ?? fitting[0];
    if (found) return found;
  }
  const given = [...args.map(kindOf), ...[...keywords].map(([key, v]) => `${key}=${kindOf(v)}`)];
  throw fail('E2001', `no overload takes (${given.join(', ')})`);
}

/** Make the nodes of a call; its results as TorchScript has them. */
export function callOverload({ schema, target, args }: Chosen, b: Builder): Host {
  if (assertions.has(target)) return undefined;
  const types = new Map(schema.args.map(arg => [arg.name, arg.type]));
  const given = new Map([...args].map(([name, v]) => [name, operandOf(v, types.get(name)!)]));
  const results = callAten(target, given, b);
  noteOrder(schema.name, given.values(), results, b);
  const one = (type: string, ref: TensorRef | undefined): Host => {
    if (type === 'Tensor' || !ref) return ref;
    return settled(symbolicOf(ref.read(b), b));
  };
  if (schema.returns.length === 0) return undefined;
  const [first] = schema.returns;
  if (schema.returns.length === 1) return first!.type.endsWith('[]') ? new List(results) : one(first!.type, results[0]);
  return new Tuple(schema.returns.map(({ type }, i) => one(type, results[i])));
}

/** An argument as rows take it. */
function operandOf(v: Host, type: string): Operand {
  if (v instanceof List || v instanceof Tuple) {
    const item = type.replace(/\?$/, '').replace(/\[\d*\]$/, '');
    return v.items.map(x => operandOf(x, item));
  }
  const base = type.replace(/\?$/, '');
  if (base === 'ScalarType') return v === undefined ? undefined : { element: elementOfCode(Number(v)) };
  if (base === 'Layout' || base === 'MemoryFormat' || base === 'Device' || base === 'Generator') return undefined;
  if (base === 'float' && typeof v === 'number' && Number.isInteger(v)) return new Float(v);
  if (v === undefined || typeof v === 'string' || v instanceof TensorRef || isNumber(v)) return v;
  throw fail('E2001', `a ${kindOf(v)} cannot be an argument of ${type}`);
}
