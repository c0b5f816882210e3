// What a language of device code must say. Kernels are written once, with control flow and index arithmetic that all of them share;
// this is the rest: types, memory, primitives and what stands around a kernel. It knows no kernel.
import type { Primitive, ScalarType } from '../../expr/primitives.ts';
import type { DataType } from '../../ir/types.ts';

/** A binding of a kernel: memory as words, or as pairs of words where elements have 64 bits. */
export interface Slot {
  readonly name: string;
  /** Bits of an element; those below 32 bits share words. */
  readonly bits: 8 | 16 | 32 | 64;
  /** Whether nothing ever writes its memory; other slots may lie in one buffer with what is written. */
  readonly isConstant: boolean;
  /** Bindings that it takes: more than one where its memory is larger than what one binds. */
  readonly parts: number;
  /** Elements of each part but the last, as a text. */
  readonly partLength: string;
  isRead: boolean;
  isWritten: boolean;
  /** Whether words are exchanged between invocations. */
  isAtomic: boolean;
}

export interface Shared {
  readonly name: string;
  readonly type: ScalarType | 'index';
  readonly length: number;
  /** Whether its elements are fours of the type. */
  readonly hasFours?: boolean;
}

/** Four scalars as one. */
export interface Fours {
  make(type: ScalarType, scalars: readonly string[]): string;
  declare(name: string, type: ScalarType, text: string): string;
  /** A scalar by a number that the text knows, or by an index. */
  part(text: string, at: number | string): string;
}

export interface Module {
  readonly slots: readonly Slot[];
  readonly shared: readonly Shared[];
  /** Words of numbers that binding decides. */
  readonly parameters: number;
  /** Statements. `group` is the number of the workgroup, `lane` that of the invocation within it. */
  readonly body: readonly string[];
}

/** Invocations of one workgroup. */
export const workgroupSize = 64;

export interface Language {
  readonly name: string;
  /** Whether scalars of this type can be computed. */
  has(type: ScalarType): boolean;
  /** A number that binding decides, as an index. */
  parameter(at: number): string;
  /** A scalar of its words. */
  constant(type: ScalarType, words: readonly string[]): string;
  /** Undefined where the primitive has no form. */
  call(op: Primitive, type: ScalarType, args: readonly string[]): string | undefined;
  cast(from: ScalarType, to: ScalarType, text: string): string | undefined;
  /** A truth value as a condition. */
  isTrue(text: string): string;
  choose(condition: string, yes: string, no: string): string;
  /** An integer as an index; one that is no index becomes the lowest there is. */
  toIndex(type: ScalarType, text: string): string;
  /** An index that is not negative as int64. */
  fromIndex(text: string): string;
  declare(name: string, type: ScalarType | 'index', text: string, isVariable: boolean): string;
  /** Scalars of one invocation, all of them zeros or anything. */
  declareArray(name: string, type: ScalarType, length: number): string;
  /** The element of `type` at an index, in the type in which it is computed. */
  load(slot: Slot, type: DataType, index: string): string;
  /** A statement. */
  store(slot: Slot, type: DataType, index: string, value: string): string;
  /** An index of 32 bits in a slot that is atomic. */
  exchange(slot: Slot, index: string, value: string): string;
  /** A statement that keeps the first index found outside of an axis, and where. */
  report(slot: Slot, step: string, type: ScalarType, value: string, size: string, axis: string): string;
  readonly barrier: string;
  /** The head of a loop over `name` from `from` below `to`. */
  loop(name: string, from: string, to: string, step: string): string;
  /** The head of a loop that halves `name` from `from` on while it is at least `least`, which is above 0. */
  halving(name: string, from: string, least: string): string;
  /** Scalars of this type four at a time, where the language has that. */
  fours(type: ScalarType): Fours | undefined;
  /** Where invocations of a subgroup see each other's scalars: how many they are, and the scalar of the one whose number differs by `xor`. */
  readonly subgroup?: { readonly size: string; other(text: string, xor: string): string } | undefined;
  print(module: Module): string;
}
