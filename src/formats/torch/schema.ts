// Signatures of PyTorch's `aten::` operators: argument order, defaults, keyword-only arguments and what is written in place.
// Reads the generated lines one at a time, when an overload is first asked for; says nothing of what operators mean.
import { fail } from '../../errors.ts';
import { once } from '../../ops/once.ts';
import { atenSchemas } from './aten.gen.ts';

/** A default of an argument: a Python literal. `null` is None; integers beyond 2^53 are bigint. */
export type AtenDefault = number | bigint | boolean | string | null | readonly AtenDefault[];

/** An argument of an overload. */
export interface AtenArg {
  readonly name: string;
  /** As PyTorch writes it, without alias annotations: `Tensor`, `SymInt[2]`, `float?`, `Dict(str, t)`. */
  readonly type: string;
  /** Absent for a required argument; `null` for None. */
  readonly default?: AtenDefault;
  /** Whether it is passed by name only. */
  readonly kwarg: boolean;
  /** The alias set, with `!` where it is written: `a!`, `a`, `a -> *`. */
  readonly alias?: string;
}

/** A result of an overload. */
export interface AtenReturn {
  readonly name?: string;
  readonly type: string;
  readonly alias?: string;
}

/** One overload of one operator. */
export interface AtenSchema {
  /** Without `aten::`. */
  readonly name: string;
  /** `default` for the overload that PyTorch leaves unnamed. */
  readonly overload: string;
  readonly args: readonly AtenArg[];
  readonly returns: readonly AtenReturn[];
  /** Whether further positional arguments of any type may follow. */
  readonly vararg: boolean;
  /** Whether it writes into an argument. */
  readonly mutates: boolean;
  /** Whether PyTorch counts it to its Core ATen set. */
  readonly core: boolean;
}

/**
 * The signature of `name.overload`, such as `conv2d.default`; undefined where there is none.
 * Overloads that write into `out=` arguments are not in the table. Source: PyTorch's operator registry.
 */
export function atenSchema(target: string): AtenSchema | undefined {
  const [name = '', overload, ...rest] = target.split('.', 3);
  if (overload === undefined || rest.length > 0) return undefined;
  return operators().get(name)?.get(overload)?.();
}

/** The overloads of an operator in the order in which TorchScript tries them; empty for an unknown name. */
export const atenOverloads = (name: string): readonly string[] => [...(operators().get(name)?.keys() ?? [])];

/** Every operator name, without `aten::`, in alphabetical order. */
export const atenNames = (): readonly string[] => [...operators().keys()];

/** Name to overload to signature. Only the text before the first parenthesis of a line is looked at. */
const operators = once((): ReadonlyMap<string, ReadonlyMap<string, () => AtenSchema>> => {
  const index = new Map<string, Map<string, () => AtenSchema>>();
  for (const line of atenSchemas.trim().split('\n')) {
    const core = line.startsWith('*');
    const end = line.indexOf('(');
    const [name = '', overload = 'default'] = line.slice(core ? 1 : 0, end).split('.');
    const overloads = index.get(name) ?? new Map<string, () => AtenSchema>();
    overloads.set(
      overload,
      once(() => ({ name, overload, core, ...parseSignature(line.slice(end)) })),
    );
    index.set(name, overloads);
  }
  return index;
});

/** `(Tensor self, *, Scalar alpha=1) -> Tensor`. */
function parseSignature(text: string): Pick<AtenSchema, 'args' | 'returns' | 'vararg' | 'mutates'> {
  const close = closing(text);
  const parts = splitList(text.slice(1, close));
  const star = parts.indexOf('*');
  const args = parts.flatMap((part, i) => (part === '*' || part === '...' ? [] : [parseArg(part, star >= 0 && i > star)]));
  const results = text.slice(close + ' -> '.length + 1);
  const several = results.startsWith('(') && closing(results) === results.length - 1;
  const returns = (several ? splitList(results.slice(1, -1)) : [results]).map(parseReturn);
  return { args, returns, vararg: parts.includes('...'), mutates: args.some(arg => arg.alias?.includes('!')) };
}

function parseArg(text: string, kwarg: boolean): AtenArg {
  const match = /^(.+?) (\w+)(?:=(.*))?$/.exec(text);
  if (!match) throw fail('E9001', `aten table: expected an argument, found '${text}'`);
  const [, annotated = '', name = '', value] = match;
  const arg = { name, ...parseType(annotated), kwarg };
  return value === undefined ? arg : { ...arg, default: widen(parseDefault(value), arg.type) };
}

/** A single default of a list of fixed length, such as `int[2] padding=0`, stands for every element. */
function widen(value: AtenDefault, type: string): AtenDefault {
  const length = /\[(\d+)\]\??$/.exec(type)?.[1];
  return length === undefined || value === null || typeof value === 'object' ? value : Array.from({ length: Number(length) }, () => value);
}

function parseReturn(text: string): AtenReturn {
  const [, annotated = text, name] = /^(.+) (\w+)$/.exec(text) ?? [];
  return name === undefined ? parseType(text) : { name, ...parseType(annotated) };
}

/** Takes alias annotations such as `(a!)` and `(a -> *)` out of a type; the parameters of `Future(t)` are none. */
function parseType(text: string): { readonly type: string; readonly alias?: string } {
  const annotation = /(?<!\b(?:Dict|Future|RRef))\(([a-z|*]+!?(?: -> [a-z|*]+)?)\)/;
  const alias = annotation.exec(text)?.[1];
  return alias === undefined ? { type: text } : { type: text.replace(annotation, ''), alias };
}

const constants: ReadonlyMap<string, AtenDefault> = new Map<string, AtenDefault>([
  ['None', null],
  ['True', true],
  ['False', false],
]);

function parseDefault(text: string): AtenDefault {
  const constant = constants.get(text);
  if (constant !== undefined) return constant;
  if (text.startsWith('"')) return text.slice(1, -1).replace(/\\(.)/g, (_, letter: string) => escapes[letter] ?? letter);
  if (text.startsWith('[')) return splitList(text.slice(1, -1)).map(parseDefault);
  const value = Number(text);
  if (Number.isNaN(value)) throw fail('E9001', `aten table: expected a Python literal, found '${text}'`);
  return /^-?\d+$/.test(text) && !Number.isSafeInteger(value) ? BigInt(text) : value;
}

const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', f: '\f', v: '\v' };

/** The parts of a comma-separated list; commas inside brackets and strings do not count. */
function splitList(text: string): string[] {
  const parts: string[] = [];
  let start = 0;
  for (const { index, letter, depth } of scan(text))
    if (letter === ',' && depth === 0) {
      parts.push(text.slice(start, index).trim());
      start = index + 1;
    }
  const last = text.slice(start).trim();
  return last === '' ? parts : [...parts, last];
}

/** Where the bracket that `text` starts with is closed. */
function closing(text: string): number {
  for (const { index, depth } of scan(text)) if (depth === 0 && index > 0) return index;
  throw fail('E9001', `aten table: expected a closing bracket in '${text}'`);
}

/** The letters outside strings, each with the number of brackets open after it. */
function* scan(text: string): Generator<{ readonly index: number; readonly letter: string; readonly depth: number }> {
  let depth = 0;
  for (let index = 0; index < text.length; index++) {
    const letter = text[index]!;
    if (letter === '"') {
      do index += text[index] === '\\' ? 2 : 1;
      while (index < text.length && text[index] !== '"');
      continue;
    }
    if (letter === '(' || letter === '[') depth++;
    if (letter === ')' || letter === ']') depth--;
    yield { index, letter, depth };
  }
}
