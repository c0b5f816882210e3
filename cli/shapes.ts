// Shapes as the command line takes them.
import type { InputShapes } from '../src/edit/set-shapes.ts';
import { fail } from '../src/errors.ts';
import type { InputValue } from '../src/formats/format.ts';
import { type Dim, symbol, unknownDim } from '../src/ir/dims.ts';
import { type DataType, isDataType, tensorType, type ValueType } from '../src/ir/types.ts';

/** `x:1,3,224` and `x:[batch,3]`; the name is all before the last colon. Errors: E4001. */
export function parseShapes(option: string, texts: readonly string[]): InputShapes | undefined {
  if (texts.length === 0) return undefined;
  const shapes = texts.map((text): [string, (number | string)[]] => {
    const [, name, list] = /^(.+):(?:\[([^[\]]*)\]|[^[\]]*)$/s.exec(text) ?? [];
    const sizes = list ?? text.slice((name ?? '').length + 1);
    const dims = sizes.trim() === '' ? [] : sizes.split(',').map(s => s.trim());
    if (name === undefined || (dims.length === 0 && list === undefined) || !dims.every(d => /^(\d{1,15}|[A-Za-z_]\w{0,99})$/.test(d)))
      throw fail('E4001', `${option} ${text}: expected NAME:DIMS such as x:1,3,224,224 or x:batch,3`);
    return [name, dims.map(d => (/^\d/.test(d) ? Number(d) : d))];
  });
  const twice = shapes.find(([name], i) => shapes.findIndex(([other]) => other === name) < i);
  if (twice) throw fail('E4001', `${option} names ${twice[0]} twice`);
  return Object.fromEntries(shapes);
}

/** What somebody says of inputs: their sizes, their element types, or both. */
export interface InputTypes {
  readonly shapes: InputShapes | undefined;
  readonly types: Readonly<Record<string, DataType>>;
}

/** `x:1,3,224` as above, with an element type `x:int64[batch,128]`, and `x:int64` alone. Errors: E4001. */
export function parseInputTypes(option: string, texts: readonly string[]): InputTypes {
  const types: [string, DataType][] = [];
  const shapes = texts.flatMap(text => {
    const [, name, element, sizes] = /^(.+):([a-z]\w*)(\[[^[\]]*\])?$/s.exec(text) ?? [];
    if (name === undefined || element === undefined || !isDataType(element)) return [text];
    if (types.some(([other]) => other === name)) throw fail('E4001', `${option} names ${name} twice`);
    types.push([name, element]);
    return sizes === undefined ? [] : [`${name}:${sizes}`];
  });
  return { shapes: parseShapes(option, shapes), types: Object.fromEntries(types) };
}

/** `sr=16000`, `flag=true`, `mask=None`, `mode=sum`; quoted, a value is a text. Errors: E4001. */
export function parseValues(option: string, texts: readonly string[]): Readonly<Record<string, InputValue>> | undefined {
  if (texts.length === 0) return undefined;
  const values = texts.map((text): [string, InputValue] => {
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
    if (name === undefined || value === undefined) throw fail('E4001', `${option} ${text}: expected NAME=VALUE such as sr=16000`);
    return [name, valueIn(value)];
  });
  const twice = values.find(([name], i) => values.findIndex(([other]) => other === name) < i);
  if (twice) throw fail('E4001', `${option} names ${twice[0]} twice`);
  return Object.fromEntries(values);
}

function valueIn(text: string): InputValue {
  if (/^[-+]?\d{1,19}$/.test(text)) return Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text);
  if (/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text)) return Number(text);
  if (/^(true|false)$/i.test(text)) return text.toLowerCase() === 'true';
  if (text === 'None' || text === 'null') return null;
  return /^(["']).*\1$/s.test(text) && text.length > 1 ? text.slice(1, -1) : text;
}

/** `x`, or with a type `x:float32[batch,3]` or `x:float32`. A size is a number, a name, or ? where nothing is known of it. Errors: E4001. */
export function parseTyped(option: string, text: string): { readonly name: string; readonly type?: ValueType } {
  const [, name, element, list] = /^(.+):([a-z]\w*)(?:\[([^[\]]*)\])?$/s.exec(text) ?? [];
  if (name === undefined || element === undefined || !isDataType(element)) {
    if (/:[^:]*\[[^\]]*\]$/.test(text)) throw fail('E4001', `${option} ${text}: expected NAME or NAME:TYPE such as x:float32[batch,3]`);
    return { name: text };
  }
  if (list === undefined) return { name, type: tensorType(element) };
  const sizes = list.trim() === '' ? [] : list.split(',').map(s => s.trim());
  if (!sizes.every(s => /^(\d{1,15}|\?|[A-Za-z_]\w{0,99})$/.test(s)))
    throw fail('E4001', `${option} ${text}: sizes are numbers, names or ?`);
  return { name, type: tensorType(element, sizes.map(sizeOf)) };
}

const sizeOf = (text: string): Dim => (text === '?' ? unknownDim() : /^\d/.test(text) ? Number(text) : symbol(text));
