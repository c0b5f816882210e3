// What `forward` is called with: inputs of the model for tensors and numbers, those in tuples, lists and dicts too, and values that
// somebody gave.
import { fail } from '../../../errors.ts';
import { type Dim, sameDim } from '../../../ir/dims.ts';
import { Value } from '../../../ir/graph.ts';
import { type TensorType, tensorType } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import type { InputValue } from '../../format.ts';
import { Symbolic } from '../aten/row.ts';
import { TensorRef } from '../memory.ts';
import { givenType, type Openness, tracedType } from './inputs.ts';
import { kindOfType } from './objects.ts';
import type { ClassDef, Expression, FunctionDef, Parameter } from './parse.ts';
import { settled, symbolicOf } from './scalars.ts';
import { Dict, floatHost, type Host, List, Tuple } from './values.ts';

export interface Given {
  readonly inputShapes: Readonly<Record<string, readonly (number | string)[]>>;
  readonly inputValues: Readonly<Record<string, InputValue>>;
  readonly traced: readonly (TensorType | undefined)[];
  readonly open: Openness;
  /** Types that are known of inputs whose types nothing says. */
  readonly types: ReadonlyMap<string, TensorType> | undefined;
  readonly classOf: (name: string) => ClassDef | undefined;
}

const elements = { int: 'int64', float: 'float32', bool: 'bool' } as const;

export class Arguments {
  readonly inputs: { readonly value: Value; readonly ref: TensorRef | undefined }[] = [];
  readonly #given: Given;
  readonly #b: Builder;
  readonly #used = new Set<string>();
  #traced = 0;

  constructor(given: Given, b: Builder) {
    this.#given = given;
    this.#b = b;
  }

  /**
   * The arguments of a method by name; those that are not there take their defaults.
   * @throws ModelError E2002 for types that have no conversion, E3001 for values of no input, E3002 for values of another type
   */
  of(method: FunctionDef): Map<string, Host> {
    const hosts = new Map<string, Host>();
    let isOptional = false;
    for (const [i, parameter] of method.parameters.slice(1).entries()) {
      const { name, type } = parameter;
      isOptional ||= parameter.default !== undefined && kindOfType(type)[0] !== 'Tensor' && this.#given.traced.length <= i;
      if (isOptional && parameter.default && !this.#isNamed(name)) continue;
      hosts.set(name, this.#open(name, type, { parameter, method }));
    }
    const unused = Object.keys(this.#given.inputValues).find(name => !this.#used.has(name));
    if (unused !== undefined) throw fail('E3001', `the program has no input ${unused} that takes a value`);
    return hosts;
  }

  /** A size of the inputs by its name. */
  size(wanted: Dim): Host {
    for (const { value } of this.inputs) {
      const axis = value.shape?.findIndex(size => sameDim(size, wanted)) ?? -1;
      const size = axis < 0 ? undefined : this.#b.dim(value, axis);
      if (size !== undefined) return typeof size === 'number' ? size : settled(new Symbolic(size));
    }
    throw fail('E2001', 'a number that the program keeps from call to call is no size of an input');
  }

  #open(name: string, type: Expression | undefined, at: At): Host {
    const [kind, items] = kindOfType(type);
    const { inputValues, inputShapes, traced } = this.#given;
    if (Object.hasOwn(inputValues, name)) return this.#valueOf(name, kind, items, inputValues[name]!);
    switch (kind) {
      case 'Tensor':
        return this.#tensor(name, traced[this.#traced++]);
      case 'Optional':
        if (at.parameter.default && !traced[this.#traced] && !this.#isNamed(name)) return undefined;
        return this.#open(name, items[0], at);
      case 'Tuple':
        return new Tuple(items.map((item, i) => this.#open(`${name}_${i}`, item, at)));
      case 'List': {
        const count = this.#partsOf(name, at).map(Number);
        return new List(Array.from({ length: Math.max(...count) + 1 }, (_, i) => this.#open(`${name}_${i}`, items[0], at)));
      }
      case 'Dict':
        return new Dict(this.#partsOf(name, at).map(key => [key, this.#open(`${name}_${key}`, items[1], at)] as const));
      case 'int':
      case 'float':
      case 'bool': {
        const value = new Value(name, tensorType(elements[kind], Object.hasOwn(inputShapes, name) ? inputShapes[name]!.map(Number) : []));
        this.inputs.push({ value, ref: undefined });
        return symbolicOf(value, this.#b);
      }
      default:
        return this.#fields(name, kind, type, at);
    }
  }

  /** A named tuple: its fields. */
  #fields(name: string, kind: string, type: Expression | undefined, at: At): Host {
    const definition = this.#given.classOf(dottedName(type));
    if (definition?.base !== 'NamedTuple') {
      const hint = kind === 'str' ? { hint: `Give its value: --input-value ${name}=TEXT.` } : {};
      throw fail('E2002', `the input ${name} is a ${kind}, which has no conversion`, hint);
    }
    const fields = [...definition.attributes];
    return new Tuple(
      fields.map(([field, item]) => this.#open(`${name}_${field}`, item, at)),
      fields.map(([field]) => field),
    );
  }

  #tensor(name: string, traced: TensorType | undefined): TensorRef {
    const { inputShapes, open, types } = this.#given;
    const sizes = Object.hasOwn(inputShapes, name) ? inputShapes[name] : undefined;
    const value = new Value(name, traced ? (sizes ? givenType(traced.element, sizes) : tracedType(name, traced, open)) : types?.get(name));
    const ref = TensorRef.of(value);
    ref.contiguous = true;
    this.inputs.push({ value, ref });
    return ref;
  }

  #valueOf(name: string, kind: string, items: readonly Expression[], value: InputValue): Host {
    this.#used.add(name);
    if (kind === 'Optional') return value === null ? undefined : this.#valueOf(name, kindOfType(items[0])[0], [], value);
    if (kind === 'int' && (typeof value === 'bigint' || Number.isSafeInteger(value))) return value as number | bigint;
    if (kind === 'float' && typeof value === 'number') return floatHost(value);
    if ((kind === 'bool' && typeof value === 'boolean') || (kind === 'str' && typeof value === 'string')) return value;
    throw fail('E3002', `the input ${name} is a ${kind}, which cannot be ${value === null ? 'None' : JSON.stringify(String(value))}`);
  }

  /** Whether somebody said something of an input, or of a part of it. */
  #isNamed(name: string): boolean {
    return this.#names().some(given => given === name || given.startsWith(`${name}_`));
  }
  #names(): readonly string[] {
    return [...Object.keys(this.#given.inputShapes), ...Object.keys(this.#given.inputValues)];
  }

  /** The places or keys that are in a list or dict: those that somebody named, or all that the code reads. */
  #partsOf(name: string, { parameter, method }: At): readonly string[] {
    const prefix = `${name}_`;
    const isList = kindOfType(parameter.type)[0] === 'List';
    const named = this.#names().flatMap(given => (given.startsWith(prefix) ? [given.slice(prefix.length)] : []));
    const parts = named.length > 0 ? [...new Set(named)] : name === parameter.name ? partsRead(method.body, name) : undefined;
    if (parts && parts.length > 0 && (!isList || parts.every(part => /^\d{1,3}$/.test(part)))) return parts;
    throw fail('E2002', `the code does not say what is in the input ${name}`, {
      hint: `Name its parts, as in --input-shape ${prefix}${isList ? '0' : 'KEY'}:1,3.`,
    });
  }
}

interface At {
  readonly parameter: Parameter;
  readonly method: FunctionDef;
}

const dottedName = (e: Expression | undefined): string =>
  e?.kind === 'attribute' ? `${dottedName(e.of)}.${e.name}` : e?.kind === 'name' ? e.name : '';

/** The items of a list or dict that code reads, where it does nothing else with it. */
function partsRead(body: unknown, name: string): readonly string[] | undefined {
  const parts = new Set<string>();
  const isIt = (e: unknown): boolean => (e as Partial<Expression> | null)?.kind === 'name' && (e as { name: string }).name === name;
  const isOnlyRead = (part: unknown): boolean => {
    if (typeof part !== 'object' || part === null) return true;
    if (Array.isArray(part)) return part.every(isOnlyRead);
    if (isIt(part)) return false;
    const { kind, of, index, target, value } = part as {
      kind?: string;
      of?: unknown;
      index?: Expression;
      target?: Expression;
      value?: unknown;
    };
    if (kind === 'index' && isIt(of) && (index?.kind === 'string' || (index?.kind === 'int' && index.value >= 0))) {
      parts.add(String(index.value));
      return true;
    }
    if (kind === 'assign' && target?.kind === 'tuple' && isIt(value)) {
      for (const i of target.items.keys()) parts.add(String(i));
      return true;
    }
    return Object.values(part).every(isOnlyRead);
  };
  return isOnlyRead(body) ? [...parts] : undefined;
}
