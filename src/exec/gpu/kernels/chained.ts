// A product whose rows go through maps and reductions into another product, as attention is: a workgroup takes some rows through all of it, and
// keeps them in its memory, so that scores are stored nowhere.
import { type ScalarType, scalarTypes } from '../../../expr/primitives.ts';
import type { Dim } from '../../../ir/dims.ts';
import type { BoundStep } from '../../bind.ts';
import type { Chain, Member, Read } from '../fused.ts';
import { workgroupSize } from '../language.ts';
import { placesAt } from '../walk.ts';
import { countOf, Lack, type Operand, type Pass, type Size, type Writer } from '../writer.ts';
import { type Block, inSteps, sumsOfBlock } from './product.ts';
import { ChainWriter, type Elements } from './rows.ts';

/** Numbers that a workgroup keeps: rows of the first left side, and of the first product. It leaves room for joining results. */
const mostKept = 3584;
/** Rows that a workgroup takes; each row of the right sides is read once for all of them. */
const mostRows = 16;
const mostReductions = 8;

/** Whether a workgroup keeps a row at least. */
export const isKept = (terms: number, columns: number): boolean => terms + columns <= mostKept;

/** Terms and columns of the first product. */
export const sidesOf = <D extends Dim>(chain: Chain, inputs: readonly ({ readonly shape: readonly D[] } | undefined)[]): readonly D[] =>
  inputs[rightOf(chain, chain.products!.first)]!.shape.slice(-2);

const rightOf = ({ members }: Chain, product: number): number => (members[product]!.reads[1] as { readonly input: number }).input;

/** A workgroup takes some rows of one batch, and writes its part of the second product. */
export function chainedProducts(w: Writer, chain: Chain, block: Block): Pass {
  if (chain.members.filter(m => m.kernel.kind === 'reduce').length > mostReductions) throw new Lack('so many reductions');
  const chained = new ChainedWriter(w, chain, block);
  chained.fillLeft();
  w.emit(w.language.barrier);
  chained.multiplyFirst();
  w.emit(w.language.barrier);
  chained.runRows();
  w.emit(w.language.barrier);
  chained.multiplySecond();
  return w.finish(chained.groups);
}

class ChainedWriter {
  /** Workgroups. */
  readonly groups: Size;
  readonly #w: Writer;
  readonly #chain: Chain;
  readonly #block: Block;
  readonly #writer: ChainWriter;
  readonly #inputs: readonly Operand[];
  readonly #y: Operand;
  readonly #type: ScalarType;
  readonly #kept: Kept;
  /** Where the batch begins in the result and in each input. */
  readonly #bases: readonly string[];
  /** Rows of a workgroup, and the first of this one. */
  readonly #own: Size;
  readonly #firstRow: string;
  /** Where the left side is kept, and rows after so many elements of it. */
  readonly #memory: string;
  readonly #leftCount: string;

  constructor(w: Writer, chain: Chain, block: Block) {
    this.#w = w;
    this.#chain = chain;
    this.#block = block;
    this.#writer = new ChainWriter(w, chain.members);
    this.#inputs = w.step.inputs.map((_, k) => w.input(k)!);
    const y = w.output(0);
    this.#y = y;
    this.#type = this.#oneType();
    this.#kept = new Kept(chain, member => this.#writer.typeOf({ member, output: 0 }) === this.#type);
    const rowsOf: Size = s => y.bound(s).shape.at(-2)!;
    this.#own = s => {
      const most = Math.min(mostRows, Math.floor(mostKept / sidesOf(chain, s.inputs).reduce((a, b) => a + b)));
      return Math.min(rowsOf(s), most < block.rows ? most : most - (most % block.rows));
    };
    const blocksOf: Size = s => Math.ceil(rowsOf(s) / this.#own(s));
    this.groups = s => countOf(y.bound(s).shape.slice(0, -2)) * blocksOf(s);
    w.emit(`if (group >= ${w.parameter('groups', this.groups)}) { return; }`);
    const blocks = w.parameter('blocks', blocksOf);
    const own = w.parameter('own rows', this.#own);
    const batch = w.let('index', `group / ${blocks}`);
    this.#firstRow = w.let('index', `(group % ${blocks}) * ${own}`);
    const axes = y.shape.slice(0, -2).map((_, axis) => axis);
    this.#bases = placesAt(
      w,
      batch,
      [y, ...this.#inputs].map(operand => ({ operand, axes })),
    );
    this.#memory = w.shared(this.#type, mostKept);
    this.#leftCount = w.let('index', `${own} * ${this.#right('first').size(y.rank - 2)}`);
  }

  /** The left side, element by element. */
  fillLeft(): void {
    const w = this.#w;
    const terms = this.#right('first').size(this.#y.rank - 2);
    w.loop(
      this.#leftCount,
      at => {
        const [row, term] = [this.#rowOf(`${at} / ${terms}`), w.let('index', `${at} % ${terms}`)];
        const elements = { input: (k: number) => this.#loadAt(k, row, term), known: new Map() };
        w.set(`${this.#memory}[${at}]`, this.#writer.read(this.#left('first'), elements));
      },
      { from: 'lane', by: String(workgroupSize) },
    );
  }

  /** Rows of the first product, and what follows it element by element. */
  multiplyFirst(): void {
    const w = this.#w;
    const right = this.#right('first');
    const terms = right.size(this.#y.rank - 2);
    this.#multiply('first', {
      left: (own, k) => `${this.#memory}[${own} * ${terms} + ${k}]`,
      finish: (own, column, sum) => {
        const row = this.#rowOf(own);
        const elements = {
          input: (k: number) => this.#loadAt(k, row, column),
          known: new Map([[this.#chain.products!.first, [sum]]]),
        };
        w.set(this.#keptAt(own, column), this.#writer.at(this.#kept.member, elements)[0]!);
      },
    });
  }

  /** Maps and reductions of rows: invocations share a row. */
  runRows(): void {
    const w = this.#w;
    const { members, products } = this.#chain;
    const many = w.parameter('share', s => workgroupSize / 2 ** Math.ceil(Math.log2(this.#own(s))));
    const lanes = { many, own: w.let('index', `lane % ${many}`), laneStep: '1' };
    const line = w.let('index', `lane / ${many}`);
    const row = this.#rowOf(line);
    const columns = this.#right('first').size(this.#y.rank - 1);
    const end = w.let('index', w.language.choose(`${line} < ${w.parameter('own rows', this.#own)}`, columns, '0'));
    /** A loop over an invocation's elements, which keeps those of a member from then on, where it is another. */
    const loop = (next: number, body: (e: Elements) => void): void => {
      const { member } = this.#kept;
      w.loop(
        end,
        column => {
          const known = new Map([[member, [w.let(this.#type, this.#keptAt(line, column))]]]);
          const elements = { input: (k: number) => this.#loadAt(k, row, column), known };
          body(elements);
          if (next !== member) w.set(this.#keptAt(line, column), this.#writer.at(next, elements)[0]!);
        },
        { from: lanes.own, by: many },
      );
      this.#kept.member = next;
    };
    for (let member = products!.first + 1; member < products!.second; member++) {
      const { kernel, isWhole } = members[member]!;
      if (isWhole) continue;
      if (kernel.kind === 'map') this.#writer.mapRow(member, k => this.#loadAt(k, row, '0'));
      else this.#writer.reduceRow(member, lanes, body => loop(this.#kept.after(member), body));
    }
    const { member } = this.#left('second') as { readonly member: number };
    if (this.#kept.member !== member) loop(member, () => {});
  }

  multiplySecond(): void {
    const w = this.#w;
    this.#multiply('second', {
      left: (own, k) => this.#keptAt(own, k),
      finish: (own, column, sum) => {
        const row = w.let('index', `${this.#firstRow} + ${own}`);
        w.if(`${row} < ${this.#y.size(this.#y.rank - 2)}`, () => this.#y.store(this.#placeIn(this.#y, this.#bases[0]!, row, column), sum));
      },
    });
  }

  #multiply(product: 'first' | 'second', { left, finish }: Pick<Rows, 'left' | 'finish'>): void {
    const right = this.#right(product);
    const [down, side] = [this.#y.rank - 2, this.#y.rank - 1];
    blocksOfRows(this.#w, this.#type, this.#block, {
      own: this.#own,
      columns: { text: right.size(side), size: s => right.bound(s).shape[side]! },
      terms: { text: right.size(down), size: right.shape[down] },
      left,
      right: (k, column) => this.#loadAt(rightOf(this.#chain, this.#chain.products![product]), k, column),
      finish,
    });
  }

  #left(product: 'first' | 'second'): Read {
    return this.#chain.members[this.#chain.products![product]]!.reads[0]!;
  }
  #right(product: 'first' | 'second'): Operand {
    return this.#inputs[rightOf(this.#chain, this.#chain.products![product])]!;
  }

  /** @throws Lack where it is not one of 32 bits */
  #oneType(): ScalarType {
    const { type, view } = this.#y;
    const types = [view.type, ...(['first', 'second'] as const).flatMap(p => [this.#writer.typeOf(this.#left(p)), this.#right(p).type])];
    if (types.some(t => t !== type) || scalarTypes[type].bits !== 32) throw new Lack(`products on ${view.type}`);
    return type;
  }

  #placeIn(operand: Operand, base: string, row: string, column: string): string {
    const { rank } = operand;
    return operand.place(
      new Map([
        [rank - 2, row],
        [rank - 1, column],
      ]),
      base,
    );
  }
  #loadAt(input: number, row: string, column: string): string {
    const x = this.#inputs[input]!;
    return x.load(this.#placeIn(x, this.#bases[1 + input]!, row, column));
  }
  #keptAt(own: string, column: string): string {
    return `${this.#memory}[${this.#leftCount} + ${own} * ${this.#right('first').size(this.#y.rank - 1)} + ${column}]`;
  }

  /** A row of the workgroup in the whole; beyond the end it is the last, and is not stored. */
  #rowOf(own: string): string {
    const w = this.#w;
    const rows = this.#y.size(this.#y.rank - 2);
    const row = w.let('index', `${this.#firstRow} + ${own}`);
    return w.let('index', w.language.choose(`${row} < ${rows}`, row, `${rows} - 1`));
  }
}

/** Whose elements the workgroup keeps. */
class Kept {
  member: number;
  readonly #members: readonly Member[];
  readonly #first: number;
  readonly #canKeep: (member: number) => boolean;

  constructor({ members, products }: Chain, canKeep: (member: number) => boolean) {
    this.#members = members;
    this.#canKeep = canKeep;
    this.#first = products!.first;
    this.member = this.#first;
    this.member = this.after(
      members.findIndex(m => m.kernel.kind === 'reduce'),
      true,
    );
  }

  /**
   * The member to keep from a reduction on: the only one before it whose elements are read from there on.
   * @param orBy whether the reduction itself reads them too
   */
  after(reduction: number, orBy = false): number {
    const readers = this.#members.slice(orBy ? reduction : reduction + 1);
    const read = new Set(
      readers.flatMap(m => m.reads.flatMap(r => ('member' in r && r.member < reduction && this.#isOfRows(r.member) ? [r.member] : []))),
    );
    const [only] = read;
    return only !== undefined && read.size === 1 && this.#members[only]!.stores.length === 1 && this.#canKeep(only) ? only : this.member;
  }

  #isOfRows(member: number): boolean {
    return member === this.#first || (member > this.#first && this.#members[member]!.isWhole);
  }
}

interface Rows {
  /** Rows of a workgroup. */
  readonly own: Size;
  readonly columns: { readonly text: string; readonly size: Size };
  readonly terms: { readonly text: string; readonly size: Dim | undefined };
  readonly left: (own: string, k: string) => string;
  readonly right: (k: string, column: string) => string;
  readonly finish: (own: string, column: string, sum: string) => void;
}

/** A product of the workgroup's rows, in blocks of results that invocations have in registers. */
function blocksOfRows(w: Writer, type: ScalarType, block: Block, { own, columns, terms, left, right, finish }: Rows): void {
  const downOf: Size = s => Math.ceil(own(s) / block.rows);
  const acrossOf: Size = s => Math.ceil(columns.size(s) / block.columns);
  const down = w.parameter('blocks down', downOf);
  const across = w.parameter(`blocks across ${columns.text}`, acrossOf);
  const rows = w.parameter('own rows', own);
  const within = (text: string, end: string): string => {
    const at = w.let('index', text);
    return w.let('index', w.language.choose(`${at} < ${end}`, at, `${end} - 1`));
  };
  w.loop(
    w.parameter(`blocks ${columns.text}`, (s: BoundStep) => downOf(s) * acrossOf(s)),
    at => {
      const firstRow = w.let('index', `(${at} % ${down}) * ${block.rows}`);
      // Columns of an invocation are far apart, so that neighbours read neighbours.
      const firstColumn = w.let('index', `${at} / ${down}`);
      const lines = Array.from({ length: block.rows }, (_, i) => within(`${firstRow} + ${i}`, rows));
      const sides = Array.from({ length: block.columns }, (_, j) => within(`${firstColumn} + ${j} * ${across}`, columns.text));
      const results = sumsOfBlock(w, type, block, add =>
        inSteps(w, terms.text, terms.size, k =>
          add(
            lines.map(line => w.let(type, left(line, k))),
            sides.map(column => w.let(type, right(k, column))),
          ),
        ),
      );
      results((k, sum) => {
        const row = w.let('index', `${firstRow} + ${k} / ${block.columns}`);
        const column = w.let('index', `${firstColumn} + (${k} % ${block.columns}) * ${across}`);
        w.if(`${row} < ${rows} && ${column} < ${columns.text}`, () => finish(row, column, sum()));
      });
    },
    { from: 'lane', by: String(workgroupSize) },
  );
}
