// Texts: their methods, and values as messages show them.
import { bounded, sequence } from './builtin.ts';
import type { Interpreter } from './interpret.ts';
import { Device, type Host, isKnownFloat, isKnownNumber, kindOf, List, plain, Tuple } from './values.ts';

export const joined = (parts: readonly string[], by = ''): string => {
  bounded(
    'text',
    parts.reduce((n, part) => n + part.length + by.length, 0),
  );
  return parts.join(by);
};
/** `"{} of {}".format(a, b)`, as far as messages need it. */
export function format([text, ...values]: readonly Host[], e: Interpreter): string {
  const parts = String(text).split('{}');
  return joined(parts.flatMap((part, i) => (i === 0 ? [part] : [written(values[i - 1], e), part])));
}
export function written(v: Host, e: Interpreter): string {
  e.spend(1);
  const items = (list: readonly Host[]): string =>
    joined(
      list.map(item => written(item, e)),
      ', ',
    );
  if (typeof v === 'string') return v;
  if (v === undefined) return 'None';
  if (typeof v === 'boolean') return v ? 'True' : 'False';
  if (isKnownFloat(v)) return Number.isInteger(plain(v)) ? `${plain(v)}.0` : String(plain(v));
  if (isKnownNumber(v)) return String(v);
  if (v instanceof List) return `[${items(v.items)}]`;
  if (v instanceof Tuple) return `(${items(v.items)})`;
  return v instanceof Device ? v.name : `<${kindOf(v)}>`;
}
export const texts: Readonly<Record<string, (text: string, args: readonly Host[], e: Interpreter) => Host>> = {
  lower: text => text.toLowerCase(),
  upper: text => text.toUpperCase(),
  strip: text => text.trim(),
  startswith: (text, [start]) => text.startsWith(String(start)),
  endswith: (text, [end]) => text.endsWith(String(end)),
  replace: (text, [from, to]) => joined(text.split(String(from)), String(to)),
  find: (text, [part]) => text.indexOf(String(part)),
  split: (text, [by]) => new List(by === undefined ? text.split(/\s+/).filter(Boolean) : text.split(String(by))),
  join: (text, [parts], e) =>
    joined(
      (sequence(parts) ?? []).map(part => written(part, e)),
      text,
    ),
};
