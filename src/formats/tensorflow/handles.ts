// What an edge carries: a tensor, or a handle to something that is none.
import { fail } from '../../errors.ts';
import { Value } from '../../ir/graph.ts';
import type { Tensor } from '../../ir/tensor.ts';
import { quoted } from '../../ir/text.ts';
import type { DataType } from '../../ir/types.ts';

/** A variable: its content is the value that was stored last. */
export class Variable {
  readonly name: string;
  value: Value | undefined;
  /** Whether the program stores into it. */
  isWritten = false;
  constructor(name: string, value: Value | undefined) {
    this.name = name;
    this.value = value;
  }
}

/** A lookup table and what its initializer put into it. */
export class Table {
  readonly name: string;
  content: { readonly keys: Tensor; readonly values: Tensor } | undefined;
  constructor(name: string) {
    this.name = name;
  }
}

/** A list of tensors of one type, as a value: what changes it makes another. */
export interface List {
  readonly kind: 'list';
  readonly element: DataType;
  readonly content: ListContent;
}

export type ListContent =
  /** One tensor with the elements along its first axis. */
  | { readonly is: 'tensor'; readonly value: Value }
  /** So many elements (an int64 scalar) that nothing was stored into; sizes of an element, -1 for open ones, where its rank is known. */
  | { readonly is: 'empty'; readonly count: Value; readonly sizes: readonly number[] | undefined }
  /** In the body of a loop: the list that goes round at a place. */
  | { readonly is: 'carried'; readonly place: number }
  /** The same with an element stored, at an index or at the end. */
  | { readonly is: 'stored'; readonly place: number; readonly index: Value | undefined; readonly item: Value };

export const list = (element: DataType, content: ListContent): List => ({ kind: 'list', element, content });

/** Complex numbers: their parts, of one shape; without an imaginary part that is zero. */
export interface Complex {
  readonly kind: 'complex';
  readonly real: Value;
  readonly imaginary: Value | undefined;
}

export const complex = (real: Value, imaginary?: Value): Complex => ({ kind: 'complex', real, imaginary });

/** `undefined` where it could not be converted. */
export type Handle = Value | Variable | Table | List | Complex | undefined;

export const isValue = (v: unknown): v is Value => v instanceof Value;
const isKind = (handle: Handle, kind: string): boolean => typeof handle === 'object' && 'kind' in handle && handle.kind === kind;
export const isList = (handle: Handle): handle is List => isKind(handle, 'list');
export const isComplex = (handle: Handle): handle is Complex => isKind(handle, 'complex');

/** The tensor of a handle; that of an old variable is its content. @throws ModelError E2001 */
export function tensorOf(handle: Handle): Value {
  if (isValue(handle)) return handle;
  if (handle instanceof Variable) return contentOf(handle);
  throw fail(
    'E2001',
    isComplex(handle) ? 'a tensor of complex numbers stands where one of numbers is needed' : 'an input is a resource or a list',
  );
}

/** @throws ModelError E1013 for a variable that the checkpoint does not have */
export function contentOf(variable: Variable): Value {
  if (variable.value) return variable.value;
  throw fail('E1013', `nothing gives the variable ${quoted(variable.name)} a value`, { tensor: variable.name });
}
