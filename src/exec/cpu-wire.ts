// The words in which a bound plan goes to the native addon: doubles that hold integers, counts before lists, in the order that
// native/cpu/parse.cpp reads. Block functions are named in a list beside the words.
import { type Phrased, phrased } from '../expr/phrases.ts';
import { arrayFor } from '../ir/tensor.ts';
import { type DataType, elementTypes } from '../ir/types.ts';
import type { Kernel, KernelKind, View } from '../kernels/kernel.ts';
import { encodeElement } from '../kernels/storage.ts';
import type { BoundPlan, BoundStep } from './bind.ts';

export interface EncodedPlan {
  readonly words: Float64Array;
  /** Block functions that the words refer to by position. */
  readonly names: readonly string[];
}

/** native/cpu/wire.h has the same. */
export const wireVersion = 7;
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

/** A bound plan as words. Constants are not part of it. */
export function encodePlan(plan: BoundPlan): EncodedPlan {
  const e = new Encoder();
  e.put(wireVersion, plan.arena);
  e.each(plan.buffers, b => e.put(elementTypes[b.type].code, b.size, roles.indexOf(b.role), b.offset ?? -1));
  e.each(plan.inputs, p => e.view(p.view));
  e.each(plan.outputs, p => e.view(p.view));
  e.each(plan.steps, s => e.step(s));
  return { words: Float64Array.from(e.words), names: [...e.names.keys()] };
}

class Encoder {
  readonly words: number[] = [];
  readonly names = new Map<string, number>();

  put(...words: readonly number[]): void {
    for (const w of words) this.words.push(w);
  }
  list(numbers: readonly number[]): void {
    this.each(numbers, n => this.put(n));
  }
  each<T>(items: readonly T[], put: (item: T) => void): void {
    this.put(items.length);
    for (const item of items) put(item);
  }

  view(v: View<number>): void {
    this.put(v.buffer, elementTypes[v.type].code, v.offset, v.shape.length, ...v.shape, ...v.strides);
  }

  step(s: BoundStep): void {
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

  #kernel(k: Kernel<number>, type: DataType): void {
    if (k.kind === 'map') this.#program(phrased(k.program));
    else if (k.kind === 'fill') this.#bits(k.value, type);
    else
      for (const word of parametersOf(k)) {
        if (typeof word === 'number') this.put(word);
        else this.list(word);
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
function parametersOf(k: Exclude<Kernel<number>, { kind: 'map' | 'fill' }>): readonly (number | readonly number[])[] {
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
