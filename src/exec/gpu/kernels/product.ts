// Sums of products, which matmul and conv share: tiles of results that a workgroup computes from tiles of both factors in its own
// memory; blocks that each invocation computes from factors where they lie; or, where one side is narrow, results that invocations share.

import type { ScalarType } from '../../../expr/primitives.ts';
import type { Dim } from '../../../ir/dims.ts';
import { type Fours, workgroupSize } from '../language.ts';
import { groupsFor, type Pass, type Size, type Writer } from '../writer.ts';
import { sharedResults } from './lanes.ts';

/** Gives the text of an element of a factor at a place along the summed axis. */
export type Line = (k: string) => string;

/** A product of two factors, `batches` times. */
export interface Product {
  readonly type: ScalarType;
  readonly batches: Size;
  readonly rows: Size;
  readonly columns: Size;
  readonly length: Size;
  /** Says where batch `batch` has its factors and results. */
  readonly inBatch: (batch: string) => Sides;
  /** Whether neighbours in a factor's memory follow the summed axis. */
  readonly isDense: { readonly left: boolean; readonly right: boolean };
}

export interface Sides {
  readonly left: (row: string) => Line;
  readonly right: (column: string) => Line;
  /** Walks the summed axis for so many rows and columns at once: each element is read once for all of the others. */
  readonly walk: (rows: readonly string[], columns: readonly string[], take: Take) => void;
  readonly finish: (row: string, column: string, sum: string) => void;
}

/** Takes a term of each row and of each column. */
export type Take = (left: readonly string[], right: readonly string[]) => void;

/** Results of a tile along each side, terms that are taken at once, and results along each side of an invocation's own. */
const tile = 32;
const depth = 16;
const own = 4;
const across = tile / own;

export const sumOf = (w: Writer, type: ScalarType, total: string, a: string, b: string): string =>
  w.call('add', type, total, w.call('mul', type, a, b));

/** Whether tiles are not mostly empty. */
export const isWide = (rows: number, columns: number): boolean => rows >= 8 && columns >= 8;

/** Results that invocations share. */
export function narrowProduct(w: Writer, p: Product): Pass {
  const { type } = p;
  const count: Size = s => p.batches(s) * p.rows(s) * p.columns(s);
  const split = (at: string): [string, string, string] => {
    const columns = w.parameter('columns', p.columns);
    const rows = w.parameter('rows', p.rows);
    const line = w.let('index', `${at} / ${columns}`);
    return [w.let('index', `${line} / ${rows}`), w.let('index', `${line} % ${rows}`), w.let('index', `${at} % ${columns}`)];
  };
  return sharedResults(
    w,
    { count, length: p.length, isDense: () => p.isDense.right },
    {
      parts: [type],
      start: [w.constant(0, type)],
      terms: at => {
        const [batch, row, column] = split(at);
        const sides = p.inBatch(batch);
        const [left, right] = [sides.left(row), sides.right(column)];
        return (k, [total]) => {
          const a = w.let(type, left(k));
          const b = w.let(type, right(k));
          w.set(total!, sumOf(w, type, total!, a, b));
        };
      },
      join: ([total], [other]) => w.set(total!, w.call('add', type, total!, other!)),
      end: (at, [total]) => {
        const [batch, row, column] = split(at);
        p.inBatch(batch).finish(row, column, total!);
      },
    },
  );
}

/** Terms that one round of a loop takes, where it can. */
const step = 4;
/** Taps along the last axis that are no loop. */
export const mostUnrolled = 8;

/** A loop to `to`, whose rounds take several terms where its length is known to divide so. */
export function inSteps(w: Writer, to: string, length: Dim | undefined, body: (k: string) => void): void {
  if (typeof length !== 'number' || length % step !== 0) {
    w.loop(to, body);
    return;
  }
  w.loop(
    to,
    k => {
      for (let own = 0; own < step; own++) body(own === 0 ? k : w.let('index', `${k} + ${own}`));
    },
    { by: String(step) },
  );
}

export interface Block {
  readonly rows: number;
  readonly columns: number;
}

/** Invocations whose columns lie side by side; those of one invocation are so far apart, so that neighbours read neighbours. */
const neighbours = 8;

/** Blocks of results, in registers: no invocation waits for another. */
export function blockProduct(w: Writer, p: Product, block: Block): Pass {
  const { type } = p;
  const [rows, columns] = [w.parameter('rows', p.rows), w.parameter('columns', p.columns)];
  const down: Size = s => Math.ceil(p.rows(s) / block.rows);
  const across: Size = s => Math.ceil(p.columns(s) / (block.columns * neighbours)) * neighbours;
  const blocks: Size = s => p.batches(s) * down(s) * across(s);
  const at = w.let('index', `group * ${workgroupSize} + lane`);
  w.emit(`if (${at} >= ${w.parameter('blocks', blocks)}) { return; }`);
  const line = w.let('index', `${at} / ${w.parameter('blocks across', across)}`);
  const side = w.let('index', `${at} % ${w.parameter('blocks across', across)}`);
  const sides = p.inBatch(w.let('index', `${line} / ${w.parameter('blocks down', down)}`));
  const firstRow = w.let('index', `(${line} % ${w.parameter('blocks down', down)}) * ${block.rows}`);
  const firstColumn = w.let('index', `(${side} / ${neighbours}) * ${block.columns * neighbours} + ${side} % ${neighbours}`);
  // What is beyond the end reads the last line, and is not stored.
  const within = (count: number, text: (k: number) => string, end: string): string[] =>
    Array.from({ length: count }, (_, k) => {
      const index = w.let('index', text(k));
      return w.let('index', w.language.choose(`${index} < ${end}`, index, `${end} - 1`));
    });
  const ownRows = within(block.rows, k => `${firstRow} + ${k}`, rows);
  const ownColumns = within(block.columns, k => `${firstColumn} + ${k * neighbours}`, columns);
  const results = sumsOfBlock(w, type, block, add => sides.walk(ownRows, ownColumns, add));
  results((k, sum) => {
    const row = w.let('index', `${firstRow} + ${k} / ${block.columns}`);
    const column = w.let('index', `${firstColumn} + (${k} % ${block.columns}) * ${neighbours}`);
    w.if(`${row} < ${rows} && ${column} < ${columns}`, () => sides.finish(row, column, sum()));
  });
  return w.finish(s => groupsFor(blocks(s)));
}

/**
 * A block of results in registers: `walk` gives the lines of both sides, one step of the depth after the other. What it returns goes over the
 * results, row by row, each with its sum.
 */
export function sumsOfBlock(
  w: Writer,
  type: ScalarType,
  block: Block,
  walk: (add: (left: readonly string[], right: readonly string[]) => void) => void,
): (finish: (k: string, sum: () => string) => void) => void {
  const zero = w.constant(0, type);
  const sums = Array.from({ length: block.rows * block.columns }, () => w.variable(type, zero));
  walk((left, right) => {
    for (const [i, a] of left.entries())
      for (const [j, b] of right.entries()) {
        const sum = sums[i * block.columns + j]!;
        w.set(sum, sumOf(w, type, sum, a, b));
      }
  });
  return finish => {
    // The end is written once, so sums must be where an index finds them.
    const results = w.array(type, sums.length);
    for (const [k, sum] of sums.entries()) w.set(`${results}[${k}]`, sum);
    w.loop(String(sums.length), k => finish(k, () => w.let(type, `${results}[${k}]`)));
  };
}

/** Memory of a workgroup in which four scalars side by side are written and read at once, where the language can. */
class TileMemory {
  readonly #w: Writer;
  readonly #type: ScalarType;
  readonly #fours: Fours | undefined;
  readonly #name: string;

  constructor(w: Writer, type: ScalarType, length: number) {
    this.#w = w;
    this.#type = type;
    this.#fours = w.language.fours(type);
    this.#name = this.#fours ? w.shared(type, length / 4, true) : w.shared(type, length);
  }

  /** @param at a multiple of four, divided by it */
  store(at: string, scalars: readonly string[]): void {
    if (this.#fours) this.#w.set(`${this.#name}[${at}]`, this.#fours.make(this.#type, scalars));
    else for (const [k, scalar] of scalars.entries()) this.#w.set(`${this.#name}[(${at}) * 4 + ${k}]`, scalar);
  }
  load(at: string): readonly string[] {
    const parts = [0, 1, 2, 3];
    if (!this.#fours) return parts.map(k => this.#w.let(this.#type, `${this.#name}[(${at}) * 4 + ${k}]`));
    const four = this.#w.name();
    this.#w.emit(this.#fours.declare(four, this.#type, `${this.#name}[${at}]`));
    return parts.map(k => this.#fours!.part(four, k));
  }
  loadOne(at: string): string {
    return this.#w.let(this.#type, this.#fours ? this.#fours.part(`${this.#name}[${at} / 4]`, `${at} % 4`) : `${this.#name}[${at}]`);
  }
}

/** Tiles of results. */
export function tiledProduct(w: Writer, p: Product): Pass {
  const { type } = p;
  const [rows, columns, length] = [w.parameter('rows', p.rows), w.parameter('columns', p.columns), w.parameter('length', p.length)];
  const downTiles: Size = s => Math.ceil(p.rows(s) / tile);
  const acrossTiles: Size = s => Math.ceil(p.columns(s) / tile);
  const tiles: Size = s => p.batches(s) * downTiles(s) * acrossTiles(s);
  w.emit(`if (group >= ${w.parameter('tiles', tiles)}) { return; }`);
  const line = w.let('index', `group / ${w.parameter('tiles across', acrossTiles)}`);
  const sides = p.inBatch(w.let('index', `${line} / ${w.parameter('tiles down', downTiles)}`));
  const firstRow = w.let('index', `(${line} % ${w.parameter('tiles down', downTiles)}) * ${tile}`);
  const firstColumn = w.let('index', `(group % ${w.parameter('tiles across', acrossTiles)}) * ${tile}`);
  // First the tiles of both factors, a term after the other, then that of the results.
  const memory = new TileMemory(w, type, tile * tile);
  const zero = w.constant(0, type);
  const sums = Array.from({ length: own * own }, () => w.variable(type, zero));
  const fillLeft = fillTile(w, { type, memory, base: 0, first: firstRow, end: rows, isDense: p.isDense.left, line: sides.left });
  const rightBase = depth * across;
  const fillRight = fillTile(w, {
    type,
    memory,
    base: rightBase,
    first: firstColumn,
    end: columns,
    isDense: p.isDense.right,
    line: sides.right,
  });
  const row = w.let('index', `lane / ${across}`);
  const column = w.let('index', `lane % ${across}`);
  w.loop(
    length,
    start => {
      fillLeft(start, length);
      fillRight(start, length);
      w.emit(w.language.barrier);
      w.loop(String(depth), k => {
        const a = memory.load(`${k} * ${across} + ${row}`);
        const b = memory.load(`${rightBase} + ${k} * ${across} + ${column}`);
        for (let i = 0; i < own; i++)
          for (let j = 0; j < own; j++) w.set(sums[i * own + j]!, sumOf(w, type, sums[i * own + j]!, a[i]!, b[j]!));
      });
      w.emit(w.language.barrier);
    },
    { by: String(depth) },
  );
  for (let i = 0; i < own; i++) memory.store(`(${row} * ${own} + ${i}) * ${across} + ${column}`, sums.slice(i * own, (i + 1) * own));
  w.emit(w.language.barrier);
  // Neighbours write what lies side by side.
  w.loop(
    String(tile * tile),
    at => {
      const [y, x] = [w.let('index', `${firstRow} + ${at} / ${tile}`), w.let('index', `${firstColumn} + ${at} % ${tile}`)];
      w.if(`${y} < ${rows} && ${x} < ${columns}`, () => sides.finish(y, x, memory.loadOne(at)));
    },
    { from: 'lane', by: String(workgroupSize) },
  );
  return w.finish(tiles);
}

interface Filling {
  readonly type: ScalarType;
  readonly memory: TileMemory;
  /** Where the tile begins in it, in fours. */
  readonly base: number;
  readonly first: string;
  readonly end: string;
  readonly isDense: boolean;
  readonly line: (at: string) => Line;
}

/** Fills a tile of one factor, a term of all lines after the other and four lines at once; neighbours read what lies side by side. */
function fillTile(w: Writer, { type, memory, base, first, end, isDense, line }: Filling): (start: string, length: string) => void {
  /** Four lines, as what tells whether a term is there, and the term. */
  const linesOf = (four: string): readonly { readonly inside: string; readonly line: Line }[] =>
    Array.from({ length: own }, (_, k) => {
      const at = w.let('index', `${first} + ${four} * ${own} + ${k}`);
      return { inside: `${at} < ${end}`, line: line(at) };
    });
  const put = (lines: ReturnType<typeof linesOf>, four: string, kOwn: string, k: string, length: string): void => {
    const terms = lines.map(({ inside, line }) => {
      const value = w.variable(type, w.constant(0, type));
      w.if(`${inside} && ${k} < ${length}`, () => w.set(value, line(k)));
      return value;
    });
    memory.store(`${base} + ${kOwn} * ${across} + ${four}`, terms);
  };
  if (isDense) {
    const kOwn = w.let('index', `lane % ${depth}`);
    return (start, length) => {
      const k = w.let('index', `${start} + ${kOwn}`);
      w.loop(String(across), four => put(linesOf(four), four, kOwn, k, length), {
        from: `lane / ${depth}`,
        by: String(workgroupSize / depth),
      });
    };
  }
  const four = w.let('index', `lane % ${across}`);
  const lines = linesOf(four);
  return (start, length) =>
    w.loop(String(depth), kOwn => put(lines, four, kOwn, w.let('index', `${start} + ${kOwn}`), length), {
      from: `lane / ${across}`,
      by: String(workgroupSize / across),
    });
}
