// Types, tensors and lists of entries of ONNX's textual syntax.
import { at } from '../../../codec/protobuf.ts';
import { ascii } from '../../../codec/text-cursor.ts';
import { dataTypeOfCode } from '../../../ir/types.ts';
import {
  type StringStringEntryProto,
  type TensorProto,
  TensorProto_DataLocation,
  type TensorShapeProto_Dimension,
  type TypeProto,
  type TypeProto_Opaque,
  type TypeProto_Tensor,
} from '../proto.gen.ts';
import { fieldOf } from '../tensor-fields.ts';
import type { Lexer } from './lexer.ts';
import { elementWords, isTypeWord, startsType, type TypeWord } from './words.ts';

export const atType = (lexer: Lexer): boolean => startsType(lexer.peekWord());

/** A type. `float` is a scalar, `float[]` has no known rank. */
export function parseType(lexer: Lexer): TypeProto {
  const start = offset(lexer);
  const word = lexer.peekWord();
  if (elementWords.has(word)) return { tensor_type: tensorType(lexer), [at]: start };
  if (!isTypeWord(word)) throw lexer.unexpected('a type');
  lexer.word();
  lexer.expect(ascii.open);
  const type = lexer.nested(2, () => composite[word](lexer));
  lexer.expect(ascii.close);
  return { ...type, [at]: start };
}

const composite: Readonly<Record<TypeWord, (lexer: Lexer) => TypeProto>> = {
  seq: l => ({ sequence_type: { elem_type: parseType(l) } }),
  optional: l => ({ optional_type: { elem_type: parseType(l) } }),
  map: l => {
    const key_type = element(l);
    l.expect(ascii.comma);
    return { map_type: { key_type, value_type: parseType(l) } };
  },
  sparse_tensor: l => ({ sparse_tensor_type: tensorType(l) }),
  opaque: l => ({ opaque_type: opaque(l) }),
};

/** `(name)` or `(domain, name)`; the first may have points. */
function opaque(lexer: Lexer): TypeProto_Opaque {
  if (lexer.next() === ascii.close) return {};
  const first = lexer.qualified('a name').join('.');
  return lexer.take(ascii.comma) ? { domain: first, name: lexer.identifier('a name') } : { name: first };
}

function element(lexer: Lexer): number {
  const code = elementWords.get(lexer.peekWord());
  if (code === undefined) throw lexer.unexpected('an element type');
  lexer.word();
  return code;
}

function tensorType(lexer: Lexer): TypeProto_Tensor {
  const elem_type = element(lexer);
  if (!lexer.take(ascii.openBracket)) return { elem_type, shape: {} };
  if (lexer.take(ascii.closeBracket)) return { elem_type };
  const dim: TensorShapeProto_Dimension[] = [];
  do dim.push(dimension(lexer));
  while (lexer.take(ascii.comma));
  lexer.expect(ascii.closeBracket);
  return { elem_type, shape: { dim } };
}

function dimension(lexer: Lexer): TensorShapeProto_Dimension {
  if (lexer.take(ascii.question)) return {};
  if (lexer.next() === ascii.quote) return { dim_param: lexer.text() };
  const word = lexer.word();
  return word === '' ? { dim_value: lexer.int() } : { dim_param: word };
}

/** `["key": "value", …]`, its first bracket stepped over. */
export function parseEntries(lexer: Lexer): StringStringEntryProto[] {
  const entries: StringStringEntryProto[] = [];
  if (lexer.take(ascii.closeBracket)) return entries;
  do {
    const start = offset(lexer);
    const key = lexer.text();
    lexer.expect(ascii.colon);
    entries.push({ key, value: lexer.text(), [at]: start });
  } while (lexer.take(ascii.comma));
  lexer.expect(ascii.closeBracket);
  return entries;
}

/** The tensor of a type whose elements, or the place of them, come next; `start` is where its type stands. */
export function parseTensor(lexer: Lexer, type: TypeProto, name: string): TensorProto {
  const start = type[at] ?? 0;
  const { elem_type = 0, shape } = type.tensor_type ?? {};
  if (!type.tensor_type || !shape) throw lexer.error('E1006', `a tensor needs a type with sizes, such as float[2,3]`, start);
  const dims = (shape.dim ?? []).map(({ dim_value }) => {
    if (dim_value === undefined) throw lexer.error('E1006', 'the sizes of a tensor have to be numbers', start);
    return dim_value;
  });
  const tensor: TensorProto = { name, data_type: elem_type, dims, [at]: start };
  if (lexer.take(ascii.openBracket))
    return { ...tensor, data_location: TensorProto_DataLocation.EXTERNAL, external_data: parseEntries(lexer) };
  if (!lexer.take(ascii.openBrace)) throw lexer.unexpected("'{' or '['");
  const elements = lexer.take(ascii.closeBrace) ? {} : parseElements(lexer, elem_type);
  return { ...tensor, ...elements };
}

/** The elements up to the brace, in the field of their type. Types of few bits are written as the entries of that field, not unpacked. */
function parseElements(lexer: Lexer, code: number): TensorProto {
  const type = dataTypeOfCode(code)!;
  const field = fieldOf(type);
  switch (field) {
    case 'float_data':
      return { float_data: Float32Array.from(list(lexer, () => lexer.float())) };
    case 'double_data':
      return { double_data: Float64Array.from(list(lexer, () => lexer.float('double'))) };
    case 'int64_data':
      return { int64_data: BigInt64Array.from(list(lexer, () => lexer.bigint('int64', -(2n ** 63n), 2n ** 63n - 1n))) };
    case 'uint64_data':
      return { uint64_data: BigUint64Array.from(list(lexer, () => lexer.bigint('uint64', 0n, 2n ** 64n - 1n))) };
    case 'int32_data':
      return { int32_data: Int32Array.from(list(lexer, () => Number(lexer.bigint('int32', -(2n ** 31n), 2n ** 31n - 1n)))) };
    case 'string_data':
      return { string_data: list(lexer, () => lexer.string()) };
    default:
      return field satisfies never;
  }
}

function list<T>(lexer: Lexer, read: () => T): T[] {
  const items: T[] = [];
  do items.push(read());
  while (lexer.take(ascii.comma));
  if (!lexer.take(ascii.closeBrace)) throw lexer.unexpected("',' or '}'");
  return items;
}

/** Where the next thing starts. */
export function offset(lexer: Lexer): number {
  lexer.next();
  return lexer.pos;
}
