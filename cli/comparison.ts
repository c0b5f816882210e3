// Comparisons as people read them and as --json gives them.
import { formatShape } from '../src/ir/types.ts';
import type { Comparison, Tolerance } from '../src/validate/compare.ts';
import { columns, numberText, type Paint, shown } from './terminal.ts';

const header = ['dtype', 'shape', 'max abs', 'max rel', 'mean abs', 'cosine', 'needs', 'verdict'];

/** A table with a row an output, and the worst element under it. */
export const comparisonLines = (comparisons: readonly Comparison[], tolerance: Tolerance, paint: Paint): string[] =>
  comparisonTable('output', comparisons, tolerance, paint);

/** The same under another word for what a row is. */
export function comparisonTable(what: string, comparisons: readonly Comparison[], { rtol, atol }: Tolerance, paint: Paint): string[] {
  const rows = comparisons.map(c => [
    shown(c.name),
    c.type,
    formatShape(c.dims),
    ...[c.maxAbs, c.maxRel, c.meanAbs].map(measured),
    Number.isNaN(c.cosine) ? '–' : c.cosine.toFixed(6),
    needsText(c),
    c.ok ? paint('green', 'ok') : `${paint('red', 'FAIL')} (${c.reason ? shown(c.reason, 200) : `rtol ${rtol}, atol ${atol}`})`,
  ]);
  const [head = '', ...lines] = columns([[what, ...header], ...rows], { right: [3, 4, 5, 6] });
  return [head, ...lines.flatMap((line, i) => [line, ...worstLine(comparisons[i]!)])];
}

const measured = (value: number): string => (Number.isNaN(value) ? '–' : value === 0 ? '0' : value.toExponential(2));

/** The smallest tolerance that would pass; nothing where no tolerance would, or none is needed. */
function needsText({ needs: { atol }, reason }: Comparison): string {
  if (reason !== undefined || Number.isNaN(atol)) return '–';
  return atol > 0 ? `atol≥${atol.toExponential(1)}` : '–';
}

function worstLine({ worst, maxAbs }: Comparison): string[] {
  if (!worst || maxAbs === 0) return [];
  return [`  worst at [${worst.index}]: ${numberText9(worst.got)} vs ${numberText9(worst.want)} expected`];
}

/** Enough digits to tell two float32 values apart. */
const numberText9 = (value: number): string => (Number.isFinite(value) ? String(Number(value.toPrecision(9))) : numberText(value));
