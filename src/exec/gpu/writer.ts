// Writing one kernel: names, statements, the memory it binds and the numbers that binding decides. Nothing that a model names enters
// the text, and neither do sizes, strides, offsets or constants: kernels that differ only in these are one text.

import { wordsOf } from '../../expr/expr.ts';
import type { Primitive, ScalarType } from '../../expr/primitives.ts';
import type { DataType, Shape } from '../../ir/types.ts';
import { elementTypes } from '../../ir/types.ts';
import type { View } from '../../kernels/kernel.ts';
import { computeType } from '../../kernels/storage.ts';
import type { BoundStep } from '../bind.ts';
import type { Step } from '../plan.ts';
import type { Chain, Joined } from './fused.ts';
import { type Language, type Shared, type Slot, workgroupSize } from './language.ts';

/** A number that is known once sizes are bound. */
export type Size = (step: BoundStep) => number;

/** What a slot is bound to. */
export type Source =
  | { readonly kind: 'buffer'; readonly buffer: number }
  /** Words that are the kernel's own while its passes run; as many as the largest that the passes ask for. */
  | { readonly kind: 'scratch'; readonly words: Size }
  /** Numbers, two words each. */
  | { readonly kind: 'list'; readonly numbers: (step: BoundStep) => readonly number[] }
  /** Where kernels say that an index is outside of its axis. */
  | { readonly kind: 'status' };

export interface BoundSlot {
  readonly source: Source;
  /** Whether its memory may be written, by this pass or by others. */
  readonly isWritten: boolean;
  /** How many bindings follow each other for it. */
  readonly parts: number;
}

/** One dispatch of a kernel. */
export interface Pass {
  readonly text: string;
  readonly slots: readonly BoundSlot[];
  /** Each gives a word; `stepNumber` stands for the number of the step in its plan. */
  readonly parameters: readonly (Size | typeof stepNumber)[];
  readonly groups: Size;
}

export const stepNumber = Symbol('step');

/** What a device cannot do of a step, in words. */
export class Lack extends Error {}

export const countOf = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1);

/** The unsigned type of the same width: elements that only move. */
export const rawType = (type: DataType): DataType => `uint${Math.max(8, elementTypes[type].bits)}` as DataType;

/** A step, and what a device knows of the buffers of its plan. */
export interface Written {
  readonly step: Step;
  readonly isConstant: (buffer: number) => boolean;
  /** How many bindings a buffer takes; one where this says nothing. */
  readonly partsOf?: (buffer: number) => number;
  /** Bytes of one binding. */
  readonly partBytes?: number;
  /** Whether memory of a workgroup is nearer than that of the device; it is where this says nothing. */
  readonly sharesMemory?: boolean;
  /** The map that joins the step, whose outputs and further inputs are then the step's. */
  readonly joined?: Joined | undefined;
  /** The members whose views the step has. */
  readonly chain?: Chain | undefined;
}

export class Writer {
  readonly language: Language;
  readonly step: Step;
  readonly lines: string[] = [];
  readonly written: Written;
  readonly #slots: { readonly slot: Slot; readonly source: Source; readonly key: string }[] = [];
  readonly #shared: Shared[] = [];
  readonly #parameters: (Size | typeof stepNumber)[] = [];
  readonly #places = new Map<string, number>();
  #names = 0;

  constructor(language: Language, written: Written) {
    this.language = language;
    this.step = written.step;
    this.written = written;
  }

  /** The text of a number that binding decides; asked for twice under one key, it is one. */
  parameter(key: string, size: Size | typeof stepNumber): string {
    let at = this.#places.get(key);
    if (at === undefined) {
      at = this.#parameters.push(size) - 1;
      this.#places.set(key, at);
    }
    return this.language.parameter(at);
  }

  constant(value: number | bigint, type: ScalarType): string {
    if (!this.language.has(type)) throw new Lack(type);
    const words = wordsOf(value, type).map((word, k) => this.parameter(`${type} ${Object.is(value, -0) ? '-0' : value} ${k}`, () => word));
    return this.language.constant(type, words);
  }

  call(op: Primitive, type: ScalarType, ...args: readonly string[]): string {
    const text = this.language.call(op, type, args);
    if (text === undefined) throw new Lack(`${op} on ${type}`);
    return text;
  }

  input(k: number): Operand | undefined {
    const view = this.step.inputs[k];
    return view && new Operand(this, view, `x${k}`, s => s.inputs[k]!);
  }
  output(k: number): Operand {
    return new Operand(this, this.step.outputs[k]!, `y${k}`, s => s.outputs[k]!);
  }

  slot(source: Source, key: string, bits: Slot['bits']): Slot {
    const found = this.#slots.find(s => s.key === key);
    if (found) return found.slot;
    const name = source.kind === 'status' ? 'status' : `b${this.#slots.length}`;
    const isConstant = source.kind === 'list' || (source.kind === 'buffer' && this.written.isConstant(source.buffer));
    const { partsOf, partBytes = 0 } = this.written;
    const parts = source.kind === 'buffer' && partsOf ? partsOf(source.buffer) : 1;
    const partLength = parts > 1 ? this.parameter(`part of ${bits}`, () => (partBytes * 8) / bits) : '';
    const slot: Slot = { name, bits, isConstant, parts, partLength, isRead: false, isWritten: false, isAtomic: false };
    this.#slots.push({ slot, source, key });
    return slot;
  }

  shared(type: ScalarType | 'index', length: number, hasFours = false): string {
    const name = `s${this.#shared.length}`;
    this.#shared.push({ name, type, length, hasFours });
    return name;
  }

  name(): string {
    return `v${this.#names++}`;
  }
  emit(line: string): void {
    this.lines.push(line);
  }
  let(type: ScalarType | 'index', text: string): string {
    const name = this.name();
    this.emit(this.language.declare(name, type, text, false));
    return name;
  }
  variable(type: ScalarType | 'index', text: string): string {
    const name = this.name();
    this.emit(this.language.declare(name, type, text, true));
    return name;
  }
  /** Scalars of this invocation that an index chooses from. */
  array(type: ScalarType, length: number): string {
    const name = this.name();
    this.emit(this.language.declareArray(name, type, length));
    return name;
  }
  set(name: string, text: string): void {
    this.emit(`${name} = ${text};`);
  }
  if(condition: string, yes: () => void, no?: () => void): void {
    this.emit(`if (${condition}) {`);
    yes();
    if (no) {
      this.emit('} else {');
      no();
    }
    this.emit('}');
  }
  loop(to: string, body: (index: string) => void, { from = '0', by = '1' } = {}): void {
    const name = this.name();
    this.emit(this.language.loop(name, from, to, by));
    body(name);
    this.emit('}');
  }

  /** Where kernels report indexes. */
  report(type: ScalarType, value: string, size: string, axis: string): void {
    const slot = this.slot({ kind: 'status' }, 'status', 32);
    this.emit(this.language.report(slot, this.parameter('step', stepNumber), type, value, size, axis));
  }

  /** The kernel as a pass, with as many workgroups as `groups` says. */
  finish(groups: Size): Pass {
    const text = this.language.print({
      slots: this.#slots.map(s => s.slot),
      shared: this.#shared,
      parameters: this.#parameters.length,
      body: this.lines,
    });
    return {
      text,
      groups,
      parameters: this.#parameters,
      slots: this.#slots.map(({ source, slot }) => ({ source, isWritten: !slot.isConstant, parts: slot.parts })),
    };
  }
}

/** A view of the step as kernels address it. */
export class Operand {
  readonly view: View;
  /** Tells it from the other operands of its kernel. */
  readonly key: string;
  readonly #writer: Writer;
  readonly #bound: (s: BoundStep) => View<number>;

  constructor(writer: Writer, view: View, key: string, bound: (s: BoundStep) => View<number>) {
    this.view = view;
    this.#writer = writer;
    this.key = key;
    this.#bound = bound;
  }

  get rank(): number {
    return this.view.shape.length;
  }
  get shape(): Shape {
    return this.view.shape;
  }
  /** The type of its elements as they are computed. */
  get type(): ScalarType {
    const type = computeType(this.view.type);
    if (!type) throw new Lack(this.view.type);
    return type;
  }
  bound(s: BoundStep): View<number> {
    return this.#bound(s);
  }
  get offset(): string {
    return this.#writer.parameter(`${this.key} offset`, s => this.#bound(s).offset);
  }
  size(axis: number): string {
    return this.#writer.parameter(`${this.key} size ${axis}`, s => this.#bound(s).shape[axis]!);
  }
  stride(axis: number): string {
    return this.#writer.parameter(`${this.key} stride ${axis}`, s => this.#bound(s).strides[axis]!);
  }
  /** The sum of the offset and of indexes times strides; axes that never move the place are left out. */
  place(indexes: ReadonlyMap<number, string> = new Map(), from = this.offset): string {
    const terms = [...indexes].flatMap(([axis, index]) =>
      this.view.strides[axis] === 0 || this.view.shape[axis] === 1 ? [] : [`${index} * ${this.stride(axis)}`],
    );
    return [from, ...terms].join(' + ');
  }

  get slot(): Slot {
    const bits = Math.max(8, elementTypes[this.view.type].bits) as Slot['bits'];
    const slot = this.#writer.slot({ kind: 'buffer', buffer: this.view.buffer }, `buffer ${this.view.buffer}`, bits);
    if (slot.bits !== bits) throw new Lack('one buffer in elements of two widths');
    return slot;
  }
  /** The text of the element at a place. */
  load(place: string, type: DataType = this.view.type): string {
    const { slot } = this;
    slot.isRead = true;
    this.#check(type);
    return this.#writer.language.load(slot, type, place);
  }
  store(place: string, value: string, type: DataType = this.view.type): void {
    const { slot } = this;
    slot.isWritten = true;
    this.#check(type);
    this.#writer.emit(this.#writer.language.store(slot, type, place, value));
  }
  #check(type: DataType): void {
    const scalar = computeType(type);
    if (!scalar || !this.#writer.language.has(scalar)) throw new Lack(type);
  }
}

/** Workgroups for so many invocations. */
export const groupsFor = (count: number): number => Math.ceil(count / workgroupSize);
