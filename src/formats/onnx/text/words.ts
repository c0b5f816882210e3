// The words of ONNX's textual syntax. Element types have names of its own.
import { elementTypes } from '../../../ir/types.ts';
import { AttributeProto_AttributeType as AttributeType } from '../proto.gen.ts';

const renamed: Readonly<Record<string, string>> = { float32: 'float', float64: 'double' };

/** Element types by their word: numbers of `TensorProto.DataType`. */
export const elementWords: ReadonlyMap<string, number> = new Map(
  Object.entries(elementTypes)
    .filter(([name]) => name !== 'undefined')
    .map(([name, { code }]) => [renamed[name] ?? name, code]),
);

/** Kinds of attributes by their word: numbers of `AttributeType`. */
export const attributeWords: ReadonlyMap<string, number> = new Map(
  Object.entries(AttributeType)
    .filter(([name]) => name !== 'UNDEFINED')
    .map(([name, code]) => [name.toLowerCase(), code]),
);

const inverse = (words: ReadonlyMap<string, number>): ReadonlyMap<number, string> =>
  new Map([...words].map(([word, code]) => [code, word]));
export const elementWord = inverse(elementWords);
export const attributeWord = inverse(attributeWords);

export const typeWords = ['seq', 'map', 'optional', 'sparse_tensor', 'opaque'] as const;
export type TypeWord = (typeof typeWords)[number];
export const isTypeWord = (word: string): word is TypeWord => (typeWords as readonly string[]).includes(word);

/** Whether a word starts a type, so that a name like it needs quotes where a type may stand. */
export const startsType = (word: string): boolean => elementWords.has(word) || isTypeWord(word);

/** Floats that are no numerals. */
export const isFloatWord = (word: string): boolean => /^(nan|inf|infinity)$/i.test(word);

export const isIdentifier = (name: string): boolean => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name);

/** Fields of the header of a model, and of a function, by their word; what kind of value each has. */
export const modelWords = {
  ir_version: 'int',
  opset_import: 'opsets',
  producer_name: 'string',
  producer_version: 'string',
  domain: 'string',
  model_version: 'int',
  doc_string: 'string',
  metadata_props: 'entries',
} as const;
export const functionWords = { domain: 'string', overload: 'string', opset_import: 'opsets', doc_string: 'string' } as const;
