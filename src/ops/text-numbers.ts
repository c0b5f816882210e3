// Numbers as text and text as numbers, by the rules of Cast: plain decimal notation is written, scientific notation is read as well;
// NaN, INF and -INF stand for themselves in either case.
import { fail } from '../errors.ts';
import { Tensor, type TypedArray } from '../ir/tensor.ts';
import { type DataType, elementTypes, isFloat, isInteger } from '../ir/types.ts';
import { elementsOf, emptyArray, fromElements } from '../kernels/memory.ts';
import { computeType, decodeElement, encodeElement, load, store } from '../kernels/storage.ts';

/** The elements of a tensor of numbers in plain decimal notation: floats in the fewest digits that give the element back. */
export function toText(x: Tensor): Tensor {
  if (x.type === 'string') return x;
  if (!computeType(x.type)) throw fail('E1304', `no conversion from ${x.type} to string`);
  if (!isFloat(x.type)) {
    const text = Array.from(elementsOf(x) as ArrayLike<number | bigint>, entry => String(decodeElement(x.type, entry)));
    return new Tensor('string', text, x.dims);
  }
  const numbers = floatsOf(x);
  const round = rounding(x.type);
  return new Tensor(
    'string',
    Array.from(numbers, n => formatFloat(n, round)),
    x.dims,
  );
}

/** The numbers as float64. @throws ModelError E3012 for text that is no number */
export const floatsFromText = (x: Tensor): Tensor => new Tensor('float64', (x.data as readonly string[]).map(parseFloatText), x.dims);

/** Truth values or integers. @throws ModelError E3012 for text that is no number, or none that the type holds */
export function fromText(x: Tensor, type: DataType): Tensor {
  const text = x.data as readonly string[];
  if (type === 'bool')
    return new Tensor(
      type,
      text.map(s => parseFloatText(s) !== 0),
      x.dims,
    );
  if (!isInteger(type)) throw fail('E1304', `no conversion from string to ${type}`);
  const { bits, class: kind } = elementTypes[type];
  const [low, high] = kind === 'int' ? [-(2n ** BigInt(bits - 1)), 2n ** BigInt(bits - 1) - 1n] : [0n, 2n ** BigInt(bits) - 1n];
  const integer = (s: string): bigint => {
    const value = parseInteger(s);
    if (value >= low && value <= high) return value;
    throw fail('E3012', `${quoted(s)} is outside ${type}`);
  };
  const data = emptyArray(type, x.size) as TypedArray;
  for (const [i, line] of text.entries()) data[i] = encodeElement(type, integer(line)) as never;
  return fromElements(type, data, x.dims);
}

function floatsOf(x: Tensor): Float64Array {
  const numbers = new Float64Array(x.size);
  load(numbers, 0, elementsOf(x) as TypedArray, x.type, 0, 1, x.size);
  return numbers;
}

/** What storing a number in a type and reading it again makes of it. */
function rounding(type: DataType): (n: number) => number {
  const stored = emptyArray(type, 1) as TypedArray;
  const number = new Float64Array(1);
  return n => {
    number[0] = n;
    store(stored, type, 0, 1, number, 0, 1);
    load(number, 0, stored, type, 0, 1, 1);
    return number[0]!;
  };
}

function formatFloat(n: number, round: (n: number) => number): string {
  if (Number.isNaN(n)) return 'NaN';
  if (!Number.isFinite(n)) return n > 0 ? 'INF' : '-INF';
  if (n === 0) return Object.is(n, -0) ? '-0' : '0';
  let digits = 1;
  while (digits < 17 && round(Number(n.toPrecision(digits))) !== n) digits++;
  return plain(n.toExponential(digits - 1));
}

/** `d.ddde±x` without the exponent and without zeros at the end of a fraction. */
function plain(scientific: string): string {
  const [, sign = '', first = '', more = '', exponent] = /^(-?)(\d)(?:\.(\d+))?e([+-]\d+)$/.exec(scientific) ?? [];
  const digits = (first + more).replace(/0+$/, '');
  const point = Number(exponent) + 1;
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  if (point >= digits.length) return sign + digits.padEnd(point, '0');
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
}

const quoted = (s: string): string => JSON.stringify(s.length > 40 ? `${s.slice(0, 40)}…` : s);

function parseFloatText(s: string): number {
  const text = s.trim();
  if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return Number(text);
  const special = /^([+-]?)(inf|nan)$/i.exec(text);
  if (!special) throw fail('E3012', `${quoted(s)} is no number`);
  if (special[2]!.toLowerCase() === 'nan') return Number.NaN;
  return special[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}

/** A fraction is cut off. */
function parseInteger(s: string): bigint {
  const text = s.trim();
  // More digits than any integer type has are read as a float, which takes no longer than the text is long.
  if (/^[+-]?\d{1,24}$/.test(text)) return BigInt(text.replace(/^\+/, ''));
  const value = Math.trunc(parseFloatText(text));
  if (Number.isFinite(value)) return BigInt(value);
  throw fail('E3012', `${quoted(s)} is no integer`);
}
