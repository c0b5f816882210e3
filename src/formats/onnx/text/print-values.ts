// Types, tensors and names as ONNX's textual syntax has them.
import { type Bytes, hasEscapedBytes } from '../../../codec/protobuf.ts';
import { float32Text, floatText } from '../../../codec/protobuf-values.ts';
import type { TextSink } from '../../../codec/text-sink.ts';
import { decodeUtf8 } from '../../../codec/utf8.ts';
import { Tensor } from '../../../ir/tensor.ts';
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
import { fieldOf, fieldOfBytes } from '../tensor-fields.ts';
import type { Losses } from './losses.ts';
import { elementWord, isFloatWord, isIdentifier, startsType } from './words.ts';

export const quote = (text: string): string => `"${text.replace(/["\\]/g, '\\$&')}"`;

/** A name, in quotes where it is no identifier. */
export const printName = (name = ''): string => (isIdentifier(name) ? name : quote(name));

export const printEntries = (entries: readonly StringStringEntryProto[]): string =>
  `[${entries.map(({ key = '', value = '' }) => `${quote(key)}: ${quote(value)}`).join(', ')}]`;

/** What writes the parts of one model: where the text goes, what has no words, and contents by their bytes. */
export interface Printing {
  readonly sink: TextSink;
  readonly losses: Losses;
  readonly contents: (bytes: Bytes) => Uint8Array;
}

/** A type; empty where the message says none. */
export function printType(type: TypeProto | undefined, path: string, losses: Losses): string {
  if (!type) return '';
  const inner = (of: TypeProto | undefined, step: string): string => {
    const text = printType(of, `${path}.${step}`, losses);
    if (text === '') losses.refuse('the textual syntax cannot say a type without its element', path);
    return text;
  };
  if (type.tensor_type) return printTensorType(type.tensor_type, path, losses);
  if (type.sequence_type) return `seq(${inner(type.sequence_type.elem_type, 'sequence_type.elem_type')})`;
  if (type.optional_type) return `optional(${inner(type.optional_type.elem_type, 'optional_type.elem_type')})`;
  if (type.sparse_tensor_type) return `sparse_tensor(${printTensorType(type.sparse_tensor_type, path, losses)})`;
  if (type.opaque_type) return printOpaque(type.opaque_type, path, losses);
  if (!type.map_type) return '';
  const { key_type, value_type } = type.map_type;
  return `map(${printElement(key_type, path, losses)}, ${inner(value_type, 'map_type.value_type')})`;
}

function printElement(code: number | undefined, path: string, losses: Losses): string {
  const word = elementWord.get(code ?? 0);
  if (word === undefined) losses.refuse(`the textual syntax has no word for the element type ${code ?? 0}`, path);
  return word ?? '';
}

function printTensorType({ elem_type, shape }: TypeProto_Tensor, path: string, losses: Losses): string {
  const word = printElement(elem_type, path, losses);
  if (!shape) return `${word}[]`;
  return shape.dim?.length ? `${word}[${shape.dim.map(printDim).join(',')}]` : word;
}

const printDim = ({ dim_value, dim_param }: TensorShapeProto_Dimension): string =>
  dim_value !== undefined ? String(dim_value) : dim_param === undefined ? '?' : printName(dim_param);

function printOpaque({ domain = '', name = '' }: TypeProto_Opaque, path: string, losses: Losses): string {
  const words = domain === '' ? name.split('.') : [...domain.split('.'), name];
  if ((domain !== '' || name !== '') && !words.every(isIdentifier))
    losses.refuse(`the textual syntax cannot say the opaque type ${quote(name)} of ${quote(domain)}`, path);
  return domain === '' ? `opaque(${name})` : `opaque(${domain}, ${name})`;
}

/** A name that counts for nothing, as an identifier: where a value may stand, quotes are not read by every parser. */
export function printLabel(name: string, what: string, path: string, losses: Losses): string {
  if (isIdentifier(name) && !startsType(name) && !isFloatWord(name)) return name;
  const plain = name.replace(/[^A-Za-z0-9_]/g, '_').replace(/^(?=\d|$)/, '_');
  const label = startsType(plain) || isFloatWord(plain) ? `${plain}_` : plain;
  losses.drop(
    `names of ${what} have to be identifiers and are written as such,`,
    path,
    `${quote(name.slice(0, 200))} as ${label.slice(0, 200)}`,
  );
  return label;
}

/** A tensor with its type and elements. A name of an initializer keeps what quotes it needs. */
export function printTensor(tensor: TensorProto, path: string, isInitializer: boolean, printing: Printing): void {
  const { sink, losses } = printing;
  const dims = tensor.dims?.length ? `[${tensor.dims.join(',')}]` : '';
  const name = tensor.name ?? '';
  const shown = isInitializer ? printName(name) : name && printLabel(name, 'tensors in attributes', path, losses);
  sink.write(printElement(tensor.data_type, path, losses), dims, shown && ' ', shown, ' = ');
  if (tensor.data_location === TensorProto_DataLocation.EXTERNAL) sink.write(printEntries(tensor.external_data ?? []));
  else printElements(tensor, path, printing);
}

function printElements(tensor: TensorProto, path: string, { sink, losses, contents }: Printing): void {
  const type = dataTypeOfCode(tensor.data_type ?? 0);
  if (type === undefined || type === 'undefined') return;
  const field = fieldOf(type);
  let separator = '{';
  const write = (text: string): void => {
    sink.write(separator, text);
    separator = ', ';
  };
  if (field === 'string_data') for (const item of tensor.string_data ?? []) write(printBytes(contents(item), path, losses));
  else {
    const raw = tensor.raw_data === undefined ? undefined : contents(tensor.raw_data);
    const values = raw ? fieldOfBytes(new Tensor(type, raw, (tensor.dims ?? []).map(Number)), field) : (tensor[field] ?? []);
    const print = field === 'float_data' ? float32Text : field === 'double_data' ? floatText : String;
    // The cast: floats are numbers, and every other text is made alike.
    for (const value of values) write(print(value as number));
  }
  sink.write(separator === '{' ? '{}' : '}');
}

/** Bytes as a string in quotes. Those that are no UTF-8 are refused: a text that holds them is read by nothing. */
export function printBytes(bytes: Uint8Array, path: string, losses: Losses): string {
  const text = decodeUtf8(bytes);
  if (hasEscapedBytes(text)) losses.refuse('the textual syntax cannot say bytes that are no UTF-8', path);
  return quote(text);
}
