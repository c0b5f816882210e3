// The kernels of a device, by kind: the passes of a step, and where two ways may serve it, which one does once sizes are bound.
import type { Dim } from '../../../ir/dims.ts';
import type { BoundStep } from '../../bind.ts';
import type { Language } from '../language.ts';
import { countOf, Lack, type Pass, Writer, type Written } from '../writer.ts';
import { blockConv, narrowConv, tiledConv } from './conv.ts';
import { gather } from './gather.ts';
import { copy, fill, map, values } from './map.ts';
import { blockMatmul, narrowMatmul, tiledMatmul } from './matmul.ts';
import { pool } from './pool.ts';
import { isWide } from './product.ts';
import { argreduce, reduce } from './reduce.ts';
import { scatter } from './scatter.ts';
import { areFew, countingTopk, roundsTopk } from './topk.ts';

/** The ways to run a step; the first that fits the sizes is taken, and the last fits all. */
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

function waysOf(written: Written, language: Language): Program {
  const { step } = written;
  const { kernel } = step;
  const one = (write: (w: Writer) => Pass): Program => [{ fits: always, passes: [write(new Writer(language, written))] }];
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
