// Rows of maps and reductions as one kernel: softmax, normalisations. Invocations share a row as they share the result of a reduction.
// Results of a reduction are in registers of all of them; elements of whole rows are computed again by each loop over the row, so that a row of
// any length needs no memory.
import type { ScalarType } from '../../../expr/primitives.ts';
import type { Kernel } from '../../../kernels/kernel.ts';
import { identityOf } from '../../../kernels/reduce.ts';
import type { BoundStep } from '../../bind.ts';
import type { Chain, Member, Read } from '../fused.ts';
import { placesAt } from '../walk.ts';
import { countOf, Lack, type Operand, type Pass, type Writer } from '../writer.ts';
import { joinForAll, type Lanes, shareLanes } from './lanes.ts';
import { runProgram } from './map.ts';
import { combine } from './reduce.ts';

/** Elements of a row: of longer ones there are too few for a device to be busy with. */
export const mostInRow = 2 ** 14;

/** Texts of elements, where a loop over the row stands. */
export interface Elements {
  /** Of an input of the step. */
  readonly input: (k: number) => string;
  /** Those of members that need not be computed. */
  readonly known: Map<number, readonly string[]>;
}

/** The members of a chain, in order, as statements. */
export class ChainWriter {
  readonly #w: Writer;
  readonly #members: readonly Member[];
  /** What members make of a row. */
  readonly #ofRow = new Map<number, readonly string[]>();

  constructor(w: Writer, members: readonly Member[]) {
    this.#w = w;
    this.#members = members;
  }

  /** Names of what a member makes at an element of the row. */
  at(member: number, elements: Elements): readonly string[] {
    const known = this.#ofRow.get(member) ?? elements.known.get(member);
    if (known) return known;
    const made = this.#map(member, read => ('input' in read ? elements.input(read.input) : this.at(read.member, elements)[read.output]!));
    elements.known.set(member, made);
    return made;
  }

  /** Computes a map that has one element a row. */
  mapRow(member: number, input: (k: number) => string): readonly string[] {
    const made = this.#map(member, read => ('input' in read ? input(read.input) : this.#ofRow.get(read.member)![read.output]!));
    this.#ofRow.set(member, made);
    return made;
  }

  /** Reduces rows: `loop` goes over the row and gives the texts of its elements. */
  reduceRow(member: number, lanes: Pick<Lanes, 'many' | 'own' | 'laneStep'>, loop: (body: (e: Elements) => void) => void): string {
    const w = this.#w;
    const { kernel, reads } = this.#members[member]!;
    const { by } = kernel as Extract<Kernel, { kind: 'reduce' }>;
    const read = reads[0]!;
    const type = this.typeOf(read);
    const total = w.variable(type, w.constant(identityOf(by, type), type));
    loop(elements => w.set(total, w.call(combine[by], type, total, this.read(read, elements))));
    joinForAll(w, lanes, {
      parts: [type],
      partial: [total],
      join: ([a], [b]) => w.set(a!, w.call(combine[by], type, a!, b!)),
    });
    this.#ofRow.set(member, [total]);
    return total;
  }

  read(read: Read, elements: Elements): string {
    return 'input' in read ? elements.input(read.input) : this.at(read.member, elements)[read.output]!;
  }

  /** @throws Lack where elements are stored otherwise than they are computed */
  typeOf(read: Read): ScalarType {
    if ('input' in read) {
      const { type, view } = this.#w.input(read.input)!;
      if (view.type !== type) throw new Lack(`reduce on ${view.type}`);
      return type;
    }
    const { kernel, reads } = this.#members[read.member]!;
    if (kernel.kind !== 'map') return this.typeOf(reads[0]!);
    return kernel.program.instructions[kernel.program.outputs[read.output]!]!.type;
  }

  #map(member: number, read: (from: Read) => string): readonly string[] {
    const { kernel, reads } = this.#members[member]!;
    const { program } = kernel as Extract<Kernel, { kind: 'map' }>;
    const values = runProgram(this.#w, program, k => read(reads[k]!));
    return program.outputs.map(o => values[o]!);
  }
}

/** Rows that invocations share. */
export function rows(w: Writer, chain: Chain): Pass {
  const writer = new RowsWriter(w, chain);
  for (const [member, { isWhole }] of chain.members.entries()) if (!isWhole) writer.runMember(member);
  writer.storeElements();
  return w.finish(writer.lanes.groups);
}

class RowsWriter {
  readonly lanes: Lanes;
  readonly #w: Writer;
  readonly #chain: Chain;
  readonly #writer: ChainWriter;
  readonly #inputs: readonly Operand[];
  readonly #outputs: readonly Operand[];
  /** What has the shape of whole rows. */
  readonly #row: Operand;
  /** Where the row begins in it, in the inputs, and in the outputs. */
  readonly #places: readonly [whole: string, inputs: readonly string[], outputs: readonly string[]];
  readonly #length: string;

  constructor(w: Writer, chain: Chain) {
    this.#w = w;
    this.#chain = chain;
    this.#writer = new ChainWriter(w, chain.members);
    this.#inputs = w.step.inputs.map((_, k) => w.input(k)!);
    this.#outputs = w.step.outputs.map((_, k) => w.output(k));
    const row = this.#inputs[chain.whole]!;
    this.#row = row;
    const along = chain.reduced;
    const across = row.shape.flatMap((_, axis) => (along.includes(axis) ? [] : [axis]));
    const sizeOf = (s: BoundStep, axes: readonly number[]): number => countOf(axes.map(axis => row.bound(s).shape[axis]!));
    this.lanes = shareLanes(w, {
      count: s => sizeOf(s, across),
      length: s => sizeOf(s, along),
      isDense: s => row.bound(s).strides[along.at(-1) ?? 0] === 1,
    });
    this.#length = w.parameter('length', s => sizeOf(s, along));
    // What is beyond the last row does as that does, and is not stored.
    const last = w.parameter('last row', s => sizeOf(s, across) - 1);
    const at = w.let('index', w.language.choose(`${this.lanes.result} < ${last}`, this.lanes.result, last));
    const [whole, ...places] = placesAt(
      w,
      at,
      [row, ...this.#inputs, ...this.#outputs].map(operand => ({ operand, axes: across })),
    );
    this.#places = [whole!, places.slice(0, this.#inputs.length), places.slice(this.#inputs.length)];
  }

  /** Computes what a member makes of a row, and stores what of it is an output. */
  runMember(member: number): void {
    const { kernel, reads, stores } = this.#chain.members[member]!;
    const [, inputPlaces, outputPlaces] = this.#places;
    const made =
      kernel.kind === 'map'
        ? this.#writer.mapRow(member, k => this.#inputs[k]!.load(inputPlaces[k]!))
        : [this.#writer.reduceRow(member, this.lanes, body => this.#loop(reads, [], body))];
    for (const [k, output] of stores.entries())
      if (output !== undefined)
        this.#w.if(`${this.lanes.isOne} && ${this.lanes.own} == 0`, () => this.#outputs[output]!.store(outputPlaces[output]!, made[k]!));
  }

  /** Stores the outputs that have the shape of whole rows. */
  storeElements(): void {
    const ends = this.#chain.members.flatMap(({ isWhole, stores }, member) =>
      isWhole ? stores.flatMap((output, k) => (output === undefined ? [] : [{ output, read: { member, output: k } }])) : [],
    );
    if (ends.length === 0) return;
    const [reads, outputs] = [ends.map(e => e.read), ends.map(e => e.output)];
    this.#w.if(this.lanes.isOne, () =>
      this.#loop(reads, outputs, (elements, places) => {
        for (const [k, { output, read }] of ends.entries()) this.#outputs[output]!.store(places[k]!, this.#writer.read(read, elements));
      }),
    );
  }

  /** A loop over this invocation's elements of the row, with the places of outputs. */
  #loop(reads: readonly Read[], outputs: readonly number[], body: (e: Elements, places: readonly string[]) => void): void {
    const used = [...inputsOf(this.#chain.members, reads)];
    const [whole, inputPlaces, outputPlaces] = this.#places;
    const walked = [this.#row, ...used.map(k => this.#inputs[k]!), ...outputs.map(k => this.#outputs[k]!)];
    const from = [whole, ...used.map(k => inputPlaces[k]), ...outputs.map(k => outputPlaces[k])];
    this.#w.loop(
      this.#length,
      r => {
        const places = placesAt(
          this.#w,
          r,
          walked.map(operand => ({ operand, axes: this.#chain.reduced })),
          from,
        );
        const input = (k: number): string => this.#inputs[k]!.load(places[1 + used.indexOf(k)]!);
        body({ input, known: new Map() }, places.slice(1 + used.length));
      },
      { from: this.lanes.own, by: this.lanes.many },
    );
  }
}

/** Inputs of the step that elements of whole rows are computed from. */
function inputsOf(members: readonly Member[], reads: readonly Read[], found = new Set<number>()): ReadonlySet<number> {
  for (const read of reads) {
    if ('input' in read) found.add(read.input);
    else if (members[read.member]!.isWhole) inputsOf(members, members[read.member]!.reads, found);
  }
  return found;
}
