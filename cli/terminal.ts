// Text for terminals: names from files made harmless, colours, columns. Knows nothing of models and commands.
import { styleText } from 'node:util';

/** The longest name that is shown, in columns; errors show more. */
export const longestName = 80;
const longestWord = 200;
const longestMessage = 4000;

/** Controls, and what is invisible or reorders text: Cc, Cf, lone surrogates, line and paragraph separators, Hangul fillers. */
const unsafe = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\u115f\u1160\u3164\uffa0]/gu;

/**
 * The text with every control, invisible and reordering character as `\x1b`, `\u202e` or `\u{e0001}`. A byte that is no UTF-8, which
 * texts hold as a lone surrogate, is shown as the byte.
 */
export const escaped = (text: string): string =>
  text.replace(unsafe, c => {
    const point = c.codePointAt(0)!;
    const code = point >= 0xdc80 && point <= 0xdcff ? point - 0xdc00 : point;
    if (code < 0x100) return `\\x${code.toString(16).padStart(2, '0')}`;
    return code < 0x10000 ? `\\u${code.toString(16).padStart(4, '0')}` : `\\u{${code.toString(16)}}`;
  });

/** A name from a file as it may be shown: escaped, and cut to `columns` with `…`. */
export const shown = (name: string, columns = longestName): string => cut(escaped(name.slice(0, columns + 1)), columns);

/** A message with names in it: escaped, no word longer than 200 columns, at most 4,000 in all. */
export const shownMessage = (message: string): string =>
  cut(
    escaped(message.slice(0, longestMessage * 4)).replace(/\S{201,}/g, word => cut(word, longestWord)),
    longestMessage,
  );

function cut(text: string, columns: number): string {
  if (text.length <= columns && widthOf(text) <= columns) return text;
  if (plain.test(text)) return `${text.slice(0, columns - 1)}…`;
  let width = 0;
  let kept = '';
  for (const c of text) {
    width += widthOf(c);
    if (width >= columns) break;
    kept += c;
  }
  return `${kept}…`;
}

const combining = /\p{M}/u;
const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;
const colours = /\x1b\[[0-9;]*m/g;

/** Text of one column a character. */
const plain = /^[\x20-\x7e]*$/;

/** Columns that text takes; colours take none. */
export function widthOf(text: string): number {
  if (plain.test(text)) return text.length;
  let width = 0;
  for (const c of text.replace(colours, '')) width += combining.test(c) ? 0 : wide.test(c) ? 2 : 1;
  return width;
}

export type Style = 'red' | 'yellow' | 'green' | 'dim' | 'bold';
/** Gives text a colour, or leaves it as it is where colours are off. */
export type Paint = (style: Style, text: string) => string;

export interface ColourFacts {
  readonly isTTY: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** False after `--no-color`. */
  readonly allowed: boolean;
}

/** Whether to colour: `--no-color`, then FORCE_COLOR, NO_COLOR (any value but empty), TERM=dumb, then whether it is a terminal. */
export function wantsColour({ isTTY, env, allowed }: ColourFacts): boolean {
  if (!allowed) return false;
  const forced = env['FORCE_COLOR'];
  if (forced !== undefined) return forced !== '0' && forced !== 'false';
  if (env['NO_COLOR']) return false;
  return isTTY && env['TERM'] !== 'dumb';
}

export const painter =
  (colour: boolean): Paint =>
  (style, text) =>
    // The decision has been made; styleText must not ask the stream again.
    colour ? styleText(style, text, { validateStream: false }) : text;

/** Rows as lines with aligned columns. Columns in `right` are aligned to the right. */
export function columns(rows: readonly (readonly string[])[], { right = [] }: { readonly right?: readonly number[] } = {}): string[] {
  const widths: number[] = [];
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, widthOf(cell));
  return rows.map(row =>
    row
      .map((cell, i) => {
        const pad = ' '.repeat(widths[i]! - widthOf(cell));
        return right.includes(i) ? pad + cell : cell + pad;
      })
      .join('  ')
      .trimEnd(),
  );
}

/** `44.6 MiB`. */
export function bytesText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(units.length - 1, bytes > 0 ? Math.floor(Math.log2(bytes) / 10) : 0);
  return power === 0 ? `${bytes} B` : `${(bytes / 1024 ** power).toFixed(1)} ${units[power]}`;
}

/** `11.69 M`. */
export function countText(count: number): string {
  const units = ['', ' k', ' M', ' G', ' T'];
  const power = Math.min(units.length - 1, count > 0 ? Math.floor(Math.log10(count) / 3) : 0);
  return power === 0 ? String(count) : `${Number((count / 1000 ** power).toPrecision(4))}${units[power]}`;
}

/** `3 ms`, `1.42 s`. */
export const timeText = (ms: number): string =>
  ms < 1000 ? `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`;

/** `2 errors`, `1 error`. */
export const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** A number in at most four significant digits, as tables show it. */
export function numberText(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? 'inf' : '-inf';
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e6) return String(value);
  return size >= 1e-3 && size < 1e6 ? String(Number(value.toPrecision(4))) : value.toExponential(2);
}
