// The kernels of a device, by kind: the passes of a step, and where two ways may serve it, which one does once sizes are bound.
import type { Dim } from '../../../ir/dims.ts';
import type { BoundStep } from '../../bind.ts';
import type { Chain } from '../fused.ts';
import type { Language } from '../language.ts';
import { countOf, Lack, type Pass, Writer, type Written } from '../writer.ts';
import { chainedProducts, isKept, sidesOf } from './chained.ts';
import { blockConv, narrowConv, tiledConv } from './conv.ts';
import { gather } from './gather.ts';
import { copy, fill, map, values } from './map.ts';
import { blockMatmul, narrowMatmul, tiledMatmul } from './matmul.ts';
import { pool } from './pool.ts';
import { isWide } from './product.ts';
import { argreduce, reduce } from './reduce.ts';
import { mostInRow, rows } from './rows.ts';
import { scatter } from './scatter.ts';
import { areFew, countingTopk, roundsTopk } from './topk.ts';

/** The ways to run a step; the first that fits the sizes is taken. Only where several steps are run as one, none may fit. */
export type Program = readonly Way[];

export interface Way {
  readonly fits: (s: BoundStep) => boolean;
  readonly passes: readonly Pass[];
}

/** The ways to run a step, or what of it the language lacks. */
export function programOf(written: Written, language: Language): Program | string {
  try {
    return waysOf(written, language);
  } catch (error) {
    if (error instanceof Lack) return `${written.step.kernel.kind} (${error.message})`;
    throw error;
  }
}

/** Results that an invocation computes at once. */
const square = { rows: 8, columns: 8 };

const always = (): boolean => true;

/** Whether a program fits sizes of any kind. */
export const fitsAll = (program: Program): boolean => program.some(way => way.fits === always);

/** The way that is known to fit, to fit not, or to be asked about once sizes are bound. */
const onlyWhere = (decided: boolean | undefined, fits: (s: BoundStep) => boolean, way: () => Program): Program =>
  decided === undefined ? way().map(w => ({ ...w, fits: s => fits(s) && w.fits(s) })) : decided ? way() : [];

function chainWays(written: Written, chain: Chain, language: Language): Program {
  const { step } = written;
  const one = (write: (w: Writer) => Pass) => (): Program => [{ fits: always, passes: [write(new Writer(language, written))] }];
  const { whole, reduced } = chain;
  if (chain.products) {
    // Rows lie in the memory of a workgroup, or in none.
    if (written.sharesMemory === false) return [];
    const rowsOf = ({ outputs }: { readonly outputs: readonly { readonly shape: readonly Dim[] }[] }): Dim => outputs[0]!.shape.at(-2)!;
    const isOne = (rows: number): boolean => rows === 1;
    const blocks = (rows: number, columns: number): (() => Program) => one(w => chainedProducts(w, chain, { rows, columns }));
    return onlyWhere(
      known(sidesOf(chain, step.inputs), isKept),
      s => isKept(...(sidesOf(chain, s.inputs) as [number, number])),
      () => either(known([rowsOf(step)], isOne), s => isOne(rowsOf(s) as number), blocks(1, 1), blocks(4, 4)),
    );
  }
  const along = <D extends Dim>(shape: readonly D[]): D[] => reduced.map(axis => shape[axis]!);
  const isShort = (...sizes: number[]): boolean => countOf(sizes) <= mostInRow;
  return onlyWhere(
    known(along(step.inputs[whole]!.shape), isShort),
    s => isShort(...along(s.inputs[whole]!.shape)),
    one(w => rows(w, chain)),
  );
}

function waysOf(written: Written, language: Language): Program {
  const { step } = written;
  const { kernel } = step;
  const one = (write: (w: Writer) => Pass): Program => [{ fits: always, passes: [write(new Writer(language, written))] }];
  if (written.chain) return chainWays(written, written.chain, language);
  switch (kernel.kind) {
    case 'map':
      return one(w => map(w, kernel.program));
    case 'copy':
      return one(copy);
    case 'fill':
      return one(w => fill(w, kernel.value));
    case 'values':
      return one(w => values(w, kernel));
    case 'reduce':
      return one(w => reduce(w, kernel.by));
    case 'argreduce':
      return one(w => argreduce(w, kernel));
    case 'matmul': {
      const [rows, columns] = step.outputs[0]!.shape.slice(-2) as [Dim, Dim];
      const isTiled = (s: BoundStep): boolean => isWide(...(s.outputs[0]!.shape.slice(-2) as [number, number]));
      // A row or a few by many columns: enough invocations without sharing.
      const isLong = written.sharesMemory === false && known([rows, columns], (r, c) => r < square.rows && c >= 256) === true;
      const wide = written.sharesMemory === false ? (w: Writer) => blockMatmul(w, square) : tiledMatmul;
      return either(
        known([rows, columns], isWide),
        isTiled,
        () => one(wide),
        () => one(isLong ? w => blockMatmul(w, { ...square, rows: rows as number }) : narrowMatmul),
      );
    }
    case 'conv': {
      const positions = <D extends Dim>(shape: readonly D[]): D[] => [shape[0]!, ...shape.slice(2)];
      const areMany = (...sizes: number[]): boolean => countOf(sizes) >= square.columns;
      // A batch has one image at least.
      const inImage = known(step.outputs[0]!.shape.slice(2), areMany);
      const rows = known([step.inputs[1]!.shape[0]!], n => n / kernel.group);
      const block = { ...square, rows: Math.min(rows ?? square.rows, square.rows) };
      const isTiled = written.sharesMemory !== false && block.rows === square.rows;
      return either(
        inImage || known(positions(step.outputs[0]!.shape), areMany),
        s => areMany(...positions(s.outputs[0]!.shape)),
        () => one(w => (isTiled ? tiledConv(w, kernel) : blockConv(w, kernel, block))),
        () => one(w => narrowConv(w, kernel)),
      );
    }
    case 'pool':
      return one(w => pool(w, kernel));
    case 'gather':
      return one(w => gather(w, kernel.axis));
    case 'scatter':
      return [{ fits: always, passes: scatter(language, written, kernel) }];
    case 'topk': {
      const along = (views: readonly ({ shape: readonly Dim[] } | undefined)[]): Dim => views[0]!.shape[kernel.axis]!;
      const few = (s: BoundStep): boolean => areFew(along(s.outputs) as number, along(s.inputs) as number);
      const decided = known([along(step.outputs), along(step.inputs)], areFew);
      return either(
        decided,
        few,
        () => one(w => roundsTopk(w, kernel)),
        () => one(w => countingTopk(w, kernel)),
      );
    }
    default:
      kernel satisfies never;
      throw new Lack('no such kernel');
  }
}

/** What a test says where all of its sizes are known before binding. */
const known = <T extends number[], R>(sizes: readonly Dim[], test: (...sizes: T) => R): R | undefined =>
  sizes.every(d => typeof d === 'number') ? test(...(sizes as unknown as T)) : undefined;

/** One way where it is decided, otherwise both. */
function either(decided: boolean | undefined, fits: (s: BoundStep) => boolean, first: () => Program, second: () => Program): Program {
  if (decided === undefined) return [{ ...first()[0]!, fits }, ...second()];
  return decided ? first() : second();
}
