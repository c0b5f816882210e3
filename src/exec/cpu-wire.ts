// The words in which a bound plan goes to the native addon: doubles that hold integers, counts before lists, in the order that
// native/cpu/parse.cpp reads. Block functions are named in a list beside the words.
import { type Phrased, phrased } from '../expr/phrases.ts';
import type { Dim } from '../ir/dims.ts';
import { arrayFor } from '../ir/tensor.ts';
import { type DataType, elementTypes } from '../ir/types.ts';
import type { Kernel, KernelKind, View } from '../kernels/kernel.ts';
import { encodeElement } from '../kernels/storage.ts';
import type { BoundPlan, PlannedStep } from './bind.ts';
import { Numbers, type Sizes } from './numbers.ts';
import type { BufferFacts } from './plan.ts';

export interface EncodedPlan {
  readonly words: Float64Array;
  /** Block functions that the words refer to by position. */
  readonly names: readonly string[];
}

/** native/cpu/wire.h has the same. */
export const wireVersion = 8;
/** In the order of the addon's own list. */
const kinds = [
  'map',
  'reduce',
  'argreduce',
  'matmul',
  'conv',
  'pool',
  'copy',
  'fill',
  'values',
  'gather',
  'topk',
  'scatter',
] as const satisfies readonly KernelKind[];
const roles = ['input', 'constant', 'temporary', 'output'] as const;
const reductions = ['sum', 'prod', 'max', 'min'] as const;
const pools = ['max', 'average', 'lp'] as const;
const scatters = ['none', 'add', 'mul', 'max', 'min'] as const;

/** A plan whose sizes may be open. */
interface Open {
  readonly inputs: readonly { readonly view: View }[];
  readonly outputs: readonly { readonly view: View }[];
  readonly buffers: readonly BufferFacts[];
  readonly steps: readonly PlannedStep[];
}

/** A bound plan as words. Constants are not part of it. */
export const encodePlan = (plan: BoundPlan): EncodedPlan => new WordsOf(plan).of(plan, new Map());

/** The words of a plan: all but the sizes that binding knows are put down once. */
export class WordsOf {
  readonly #names: readonly string[];
  readonly #words: Float64Array;
  readonly #numbers = new Numbers();
  /** Words that are sizes, each by its place among the words and among the numbers. */
  readonly #open: readonly number[];

  constructor(plan: Open) {
    const e = new Encoder(this.#numbers);
    e.put(wireVersion, 0);
    e.each(plan.buffers, b => {
      e.put(elementTypes[b.type].code, b.size);
      e.put(roles.indexOf(b.role), -1);
    });
    e.each(plan.inputs, p => e.view(p.view));
    e.each(plan.outputs, p => e.view(p.view));
    e.each(plan.steps, s => e.step(s));
    this.#words = e.taken();
    this.#open = e.open;
    this.#names = [...e.names.keys()];
  }

  /** For the plan as it was bound with these sizes. The words are the same memory every time, good until the next call. */
  of({ arena, buffers }: BoundPlan, sizes: Sizes): EncodedPlan {
    const words = this.#words;
    const numbers = this.#numbers.valuesFor(sizes);
    for (let i = 0; i < this.#open.length; i += 2) words[this.#open[i]!] = numbers[this.#open[i + 1]!]!;
    words[1] = arena;
    // Version, arena and the number of buffers come first, and the place of a buffer is the last of its four words.
    for (const [i, { offset = -1 }] of buffers.entries()) words[3 + 4 * i + 3] = offset;
    return { words, names: this.#names };
  }
}

class Encoder {
  readonly names = new Map<string, number>();
  readonly open: number[] = [];
  readonly #numbers: Numbers;
  #words = new Float64Array(1024);
  #length = 0;

  constructor(numbers: Numbers) {
    this.#numbers = numbers;
  }

  taken(): Float64Array {
    return this.#words.slice(0, this.#length);
  }

  put(word: Dim, ...others: readonly Dim[]): void {
    if (this.#length === this.#words.length) {
      const longer = new Float64Array(2 * this.#length);
      longer.set(this.#words);
      this.#words = longer;
    }
    if (typeof word === 'number') this.#words[this.#length] = word;
    else this.open.push(this.#length, this.#numbers.placeOf(word));
    this.#length++;
    for (const other of others) this.put(other);
  }
  list(numbers: readonly Dim[]): void {
    this.each(numbers, n => this.put(n));
  }
  each<T>(items: readonly T[], put: (item: T) => void): void {
    this.put(items.length);
    for (const item of items) put(item);
  }

  view(v: View): void {
    this.put(v.buffer, elementTypes[v.type].code, v.offset, v.shape.length);
    for (const d of v.shape) this.put(d);
    for (const d of v.strides) this.put(d);
  }

  step(s: PlannedStep): void {
    const { kernel } = s;
    this.put(kinds.indexOf(kernel.kind));
    this.#kernel(kernel, s.outputs[0]!.type);
    this.each(s.inputs, v => {
      this.put(v ? 1 : 0);
      if (v) this.view(v);
    });
    this.each(s.outputs, v => this.view(v));
    this.put(s.joins ? 1 : 0, s.rows?.count ?? 0, s.rows?.axes ?? 0);
  }

  #kernel(k: Kernel, type: DataType): void {
    if (k.kind === 'map') this.#program(phrased(k.program));
    else if (k.kind === 'fill') this.#bits(k.value, type);
    else
      for (const word of parametersOf(k)) {
        if (Array.isArray(word)) this.list(word);
        else this.put(word as Dim);
      }
  }

  #program(p: Phrased): void {
    this.each(p.instructions, i => {
      this.put(elementTypes[i.type].code);
      if (i.op === 'input') this.put(0, i.index);
      else if (i.op === 'const') {
        this.put(1);
        this.#bits(i.value, i.type);
      } else {
        this.put(2, this.#name(nameOf(i, p)));
        this.list(i.args);
      }
    });
    this.list(p.outputs);
  }

  #name(name: string): number {
    const at = this.names.get(name) ?? this.names.size;
    this.names.set(name, at);
    return at;
  }

  /** The stored bits of a number, low word first. */
  #bits(value: number | bigint, type: DataType): void {
    const bits = new Uint32Array(2);
    new (arrayFor(type))(bits.buffer)[0] = encodeElement(type, value) as never;
    this.put(bits[0]!, bits[1]!);
  }
}

/** What the addon calls the function of a call. */
function nameOf(i: Extract<Phrased['instructions'][number], { readonly args: readonly number[] }>, p: Phrased): string {
  if (i.op === 'phrase') return i.phrase.name;
  const from = p.instructions[i.args.at(-1)!]!.type;
  return i.op === 'cast' ? `${from}_${i.type}` : `${i.op}_${from}`;
}

/** Words, and lists that go with their length. */
function parametersOf(k: Exclude<Kernel, { kind: 'map' | 'fill' }>): readonly (Dim | readonly Dim[])[] {
  switch (k.kind) {
    case 'reduce':
      return [reductions.indexOf(k.by)];
    case 'argreduce':
      return [reductions.indexOf(k.by), k.axis, k.last ? 1 : 0];
    case 'conv':
      return [k.group, k.strides, k.dilations, k.pads, k.winograd ? 1 : 0];
    case 'pool':
      return [pools.indexOf(k.by), k.countPads ? 1 : 0, k.p, k.kernel, k.strides, k.dilations, k.pads];
    case 'values':
      return [k.values];
    case 'gather':
      return [k.axis];
    case 'topk':
      return [k.axis, k.largest ? 1 : 0];
    case 'scatter':
      return [scatters.indexOf(k.by), ...(k.axis === undefined ? [0] : [1, k.axis])];
    case 'matmul':
      return [k.block ?? 0];
    case 'copy':
      return [];
    default:
      return k satisfies never;
  }
}
