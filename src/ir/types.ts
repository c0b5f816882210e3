// Element types and value types, as the standard has them. Imports nothing but dimensions.
import type { Dim } from './dims.ts';
import { formatDim } from './dims.ts';

type ElementClass = 'float' | 'int' | 'uint' | 'bool' | 'string' | 'complex' | 'none';

interface ElementRow {
  /** `TensorProto.DataType`. */
  readonly code: number;
  /** Bits of one element; types below 8 bits are packed, the first element in the low bits. */
  readonly bits: number;
  readonly class: ElementClass;
}
const element = (code: number, bits: number, kind: ElementClass): ElementRow => ({ code, bits, class: kind });

/** Every element type of IR version 14, under the name onnxruntime's JavaScript API uses where it has one. */
export const elementTypes = {
  undefined: element(0, 0, 'none'),
  float32: element(1, 32, 'float'),
  uint8: element(2, 8, 'uint'),
  int8: element(3, 8, 'int'),
  uint16: element(4, 16, 'uint'),
  int16: element(5, 16, 'int'),
  int32: element(6, 32, 'int'),
  int64: element(7, 64, 'int'),
  string: element(8, 0, 'string'),
  bool: element(9, 8, 'bool'),
  float16: element(10, 16, 'float'),
  float64: element(11, 64, 'float'),
  uint32: element(12, 32, 'uint'),
  uint64: element(13, 64, 'uint'),
  complex64: element(14, 64, 'complex'),
  complex128: element(15, 128, 'complex'),
  bfloat16: element(16, 16, 'float'),
  float8e4m3fn: element(17, 8, 'float'),
  float8e4m3fnuz: element(18, 8, 'float'),
  float8e5m2: element(19, 8, 'float'),
  float8e5m2fnuz: element(20, 8, 'float'),
  uint4: element(21, 4, 'uint'),
  int4: element(22, 4, 'int'),
  float4e2m1: element(23, 4, 'float'),
  float8e8m0: element(24, 8, 'float'),
  uint2: element(25, 2, 'uint'),
  int2: element(26, 2, 'int'),
  float6e2m3: element(27, 6, 'float'),
  float6e3m2: element(28, 6, 'float'),
} as const satisfies Record<string, ElementRow>;

export type DataType = keyof typeof elementTypes;

const byCode = new Map<number, DataType>(Object.entries(elementTypes).map(([name, row]) => [row.code, name as DataType]));

/** The element type of a `TensorProto.DataType` number; undefined where the standard has none. */
export const dataTypeOfCode = (code: number): DataType | undefined => byCode.get(code);

export const isDataType = (name: string): name is DataType => Object.hasOwn(elementTypes, name);
export const isFloat = (type: DataType): boolean => elementTypes[type].class === 'float';
export const isInteger = (type: DataType): boolean => elementTypes[type].class === 'int' || elementTypes[type].class === 'uint';

/** Bytes that `count` elements take when stored; sub-byte elements are packed without gaps. */
export const byteLength = (type: DataType, count: number): number => Math.ceil((elementTypes[type].bits * count) / 8);

/** Sizes of each axis, outermost first. */
export type Shape = readonly Dim[];

export interface TensorType {
  readonly kind: 'tensor' | 'sparse';
  readonly element: DataType;
  /** Absent where the rank is not known. */
  readonly shape?: Shape | undefined;
  readonly denotation?: string | undefined;
}

export type ValueType =
  | TensorType
  | { readonly kind: 'sequence' | 'optional'; readonly of: ValueType | undefined; readonly denotation?: string | undefined }
  | { readonly kind: 'map'; readonly key: DataType; readonly of: ValueType | undefined; readonly denotation?: string | undefined }
  | { readonly kind: 'opaque'; readonly domain: string; readonly name: string; readonly denotation?: string | undefined };

export const tensorType = (element: DataType, shape?: Shape): TensorType =>
  shape ? { kind: 'tensor', element, shape } : { kind: 'tensor', element };

/** `float32[batch,3]`, `float32[*]` for an unknown rank, `seq(…)`, `optional(…)`, `map(…)`. */
export function formatType(of: ValueType | undefined): string {
  if (!of) return '?';
  switch (of.kind) {
    case 'tensor':
      return `${of.element}${formatShape(of.shape)}`;
    case 'sparse':
      return `sparse(${of.element}${formatShape(of.shape)})`;
    case 'sequence':
      return `seq(${formatType(of.of)})`;
    case 'optional':
      return `optional(${formatType(of.of)})`;
    case 'map':
      return `map(${of.key}, ${formatType(of.of)})`;
    case 'opaque':
      return `opaque(${of.domain}.${of.name})`;
    default:
      return of satisfies never;
  }
}

export const formatShape = (shape: Shape | undefined): string => (shape ? `[${shape.map(formatDim).join(',')}]` : '[*]');
