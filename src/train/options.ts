// Options of losses, optimizers and schedules: a row names them with their defaults, a user gives some of them, as an object or as text.
import { fail } from '../errors.ts';
import { quoted } from '../ir/text.ts';
import { nearestName } from '../ops/nearest.ts';

/** What an option takes, and what it is where nobody says. */
export interface Option<T> {
  readonly initial: T;
  readonly expected: string;
  /** What was given as a value of the option; undefined where it is none. */
  read(given: unknown): T | undefined;
}

/** The options of a row by name. */
// The type parameter of an option is invariant; what reads a table of any options only asks `read`.
// biome-ignore lint/suspicious/noExplicitAny: see above
export type OptionTable = Readonly<Record<string, Option<any>>>;
/** What a row is given: a value for each option. */
export type OptionValues<T extends OptionTable> = { readonly [K in keyof T]: T[K]['initial'] };
/** What a user gives. */
export type GivenOptions = Readonly<Record<string, unknown>>;

const isNumber = (x: unknown): x is number => typeof x === 'number' && !Number.isNaN(x);
const option = <T>(initial: T, expected: string, is: (x: unknown) => boolean): Option<T> => ({
  initial,
  expected,
  // The cast: `is` has just told.
  read: given => (is(given) ? (given as T) : undefined),
});

export const number = (initial: number, least = Number.NEGATIVE_INFINITY, most = Number.POSITIVE_INFINITY): Option<number> =>
  option(initial, rangeText(least, most), x => isNumber(x) && x >= least && x <= most);
export const whole = (initial: number, least = 0): Option<number> =>
  option(initial, `a whole number of at least ${least}`, x => Number.isSafeInteger(x) && (x as number) >= least);
export const integer = (initial: number): Option<number> => option(initial, 'a whole number', x => Number.isSafeInteger(x));
export const flag = (initial: boolean): Option<boolean> => option(initial, 'true or false', x => typeof x === 'boolean');
export const oneOf = <T extends string>(initial: T, ...others: readonly T[]): Option<T> =>
  option(initial, [initial, ...others].join(', '), x => typeof x === 'string' && [initial, ...others].includes(x as T));
/** An option that may be left out. */
export const maybe = <T>(of: Option<T>): Option<T | undefined> => ({ ...of, initial: undefined });
export const numbers = (initial: readonly number[]): Option<readonly number[]> =>
  option(initial, 'a list of numbers', x => Array.isArray(x) && x.every(isNumber));
/** Two factors from 0 to 1, 1 excluded, as moments decay by. */
export const betas = (first: number, second: number): Option<readonly [number, number]> =>
  option([first, second] as const, 'two numbers from 0 to below 1', x => {
    return Array.isArray(x) && x.length === 2 && x.every(beta => isNumber(beta) && beta >= 0 && beta < 1);
  });

const rangeText = (least: number, most: number): string =>
  Number.isFinite(least) ? `a number of at least ${least}${Number.isFinite(most) ? ` and at most ${most}` : ''}` : 'a number';

/**
 * A value for every option of a row.
 * @param what the row, for errors
 * @throws ModelError E4001 for an option that the row does not have, and a value that an option does not take
 */
export function readOptions<T extends OptionTable>(what: string, table: T, given: GivenOptions = {}): OptionValues<T> {
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(table, name)) continue;
    const near = nearestName(name, Object.keys(table));
    const known = Object.keys(table).join(', ') || 'none';
    throw fail('E4001', `${what} has no option ${quoted(name)}; ${near ? `did you mean ${near}?` : `its options are ${known}`}`);
  }
  const values = Object.entries(table).map(([name, option]) => {
    const value = Object.hasOwn(given, name) ? given[name] : undefined;
    if (value === undefined || value === null) return [name, option.initial];
    const read = option.read(value);
    if (read === undefined) throw fail('E4001', `${what}: ${name} is ${JSON.stringify(value)}, expected ${option.expected}`);
    return [name, read];
  });
  // The cast: one value for each option was read just now.
  return Object.fromEntries(values) as OptionValues<T>;
}

/** A row of a table by name, and options for it. */
export interface Choice {
  readonly name: string;
  readonly options?: GivenOptions | undefined;
}

/** A choice as users say it: a name, text such as `sgd:momentum=0.9,nesterov`, or an object with a name. */
export type Chosen = string | ({ readonly name: string } & GivenOptions);

/**
 * A choice taken apart. Options of a text that have no name go by the order of `order`.
 * @throws ModelError E4001 for text of another form
 */
export function parseChoice(chosen: Chosen, order: (name: string) => readonly string[] = () => []): Choice {
  if (typeof chosen !== 'string') {
    if (typeof chosen !== 'object' || chosen === null || typeof chosen.name !== 'string')
      throw fail('E4001', `${JSON.stringify(chosen)} has no name; expected such as {"name": "adam", "eps": 1e-7}`);
    const { name, ...options } = chosen;
    return { name, options };
  }
  const colon = chosen.indexOf(':');
  if (colon < 0) return { name: chosen };
  const name = chosen.slice(0, colon);
  // Brackets hold commas of their own.
  const parts = chosen.slice(colon + 1).split(/,(?![^[\]]*\])/);
  const names = order(name);
  const options = parts.map((part, i): [string, unknown] => {
    const [key, value, ...more] = part.split('=');
    const positional = names[i];
    if (!key || more.length > 0) throw fail('E4001', `${quoted(chosen)}: expected NAME:OPTION=VALUE,…`);
    if (value !== undefined) return [key, parseValue(value)];
    return positional !== undefined && isValue(key) ? [positional, parseValue(key)] : [key, true];
  });
  return { name, options: Object.fromEntries(options) };
}

const isValue = (text: string): boolean => /^[-+.\d[]/.test(text);

function parseValue(text: string): unknown {
  if (text.startsWith('[') && text.endsWith(']'))
    return text
      .slice(1, -1)
      .split(',')
      .filter(part => part !== '')
      .map(parseValue);
  if (text === 'true' || text === 'false') return text === 'true';
  const value = Number(text);
  return text.trim() === '' || Number.isNaN(value) ? text : value;
}

/**
 * The row that a name stands for, however it is spelt: `cross_entropy`, `CrossEntropyLoss`, `cross-entropy`.
 * @param what what the table is of, for errors
 * @throws ModelError E4001 where no row has the name
 */
export function rowNamed<T>(what: string, table: Readonly<Record<string, T>>, name: string): readonly [string, T] {
  const wanted = plain(name);
  const found = Object.keys(table).find(key => plain(key) === wanted);
  if (found !== undefined) return [found, table[found]!];
  const near = nearestName(name, Object.keys(table));
  throw fail(
    'E4001',
    `there is no ${what} ${quoted(name)}; ${near ? `did you mean ${near}?` : `known are ${Object.keys(table).join(', ')}`}`,
  );
}

const plain = (name: string): string =>
  name
    .toLowerCase()
    .replaceAll(/[-_ .]/g, '')
    .replace(/(.)(loss|div|lr|annealing|scheduler)+$/, '$1');
