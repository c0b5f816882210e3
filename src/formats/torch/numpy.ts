// Arrays and scalars of NumPy as its pickles hold them: bytes, an element type, a shape. Checkpoints keep epochs, metrics and states of
// generators so. Their calls are carried out as data, like those of PyTorch.
// Source: numpy/_core/src/multiarray/methods.c (array_reduce, array_setstate), descriptor.c (arraydescr_reduce).
import { Call, type Global, type PickleValue, Tuple } from '../../codec/pickle.ts';
import { numbersOf, Tensor, viewBytes } from '../../ir/tensor.ts';
import { byteLength, type DataType } from '../../ir/types.ts';
import { contiguousStrides } from '../../kernels/kernel.ts';
import { float16 } from '../../kernels/storage.ts';
import type { Rebuild, Rebuilder, SavedValue } from './rebuild.ts';

/** Element types by NumPy's codes: kind and bytes. */
const types: Readonly<Record<string, DataType | undefined>> = {
  b1: 'bool',
  i1: 'int8',
  i2: 'int16',
  i4: 'int32',
  i8: 'int64',
  u1: 'uint8',
  u2: 'uint16',
  u4: 'uint32',
  u8: 'uint64',
  f2: 'float16',
  f4: 'float32',
  f8: 'float64',
  c8: 'complex64',
  c16: 'complex128',
};

/** Classes that are arguments of calls, and never called. */
export const numpyNames: ReadonlySet<string> = new Set(['numpy.ndarray', 'numpy.dtype']);

/** What a pickled `numpy.dtype` says. */
interface Dtype {
  readonly code: string;
  readonly isBigEndian: boolean;
}

/** `numpy.dtype(code, align, copy)`, whose state is (version, byte order, …). */
function dtypeOf(value: PickleValue | undefined, r: Rebuilder): Dtype {
  const [code] = value instanceof Call && value.callee.name === 'numpy.dtype' ? value.args : [];
  if (!(value instanceof Call) || typeof code !== 'string') throw r.wrong('an array of NumPy without an element type');
  const order = value.state instanceof Tuple ? value.state.items[1] : undefined;
  return { code, isBigEndian: order === '>' || code.startsWith('>') };
}

function elementOf({ code }: Dtype, r: Rebuilder): DataType {
  const plain = code.replace(/^[<>|=]/, '');
  const type = Object.hasOwn(types, plain) ? types[plain] : undefined;
  if (type) return type;
  throw r.error('E2002', `the pickle holds an array of NumPy of type ${code.slice(0, 40)}, which has no conversion`);
}

/** `_codecs.encode(text, 'latin1')`, by which pickles of protocol 2 hold bytes. */
export function bytesOfText({ args }: Call, r: Rebuilder): Uint8Array {
  const [text, encoding = 'utf-8'] = args;
  if (typeof text !== 'string') throw r.wrong('bytes that are no text');
  if (encoding !== 'latin1' && encoding !== 'latin-1') {
    if (encoding === 'utf-8' || encoding === 'utf8') return new TextEncoder().encode(text);
    throw r.error('E2002', `the pickle holds bytes in the encoding ${String(encoding).slice(0, 40)}, which has no conversion`);
  }
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 255) throw r.wrong('bytes beyond 255');
    bytes[i] = code;
  }
  return bytes;
}

async function bytesOf(value: PickleValue | undefined, r: Rebuilder, depth: number): Promise<Uint8Array> {
  const made = await r.convert(value ?? null, depth);
  if (made instanceof Uint8Array) return made;
  throw r.wrong('an array of NumPy whose content is no bytes');
}

/** Elements with their bytes in the order that is used here; they are copied, as views need them aligned. */
function inOrder(bytes: Uint8Array, type: DataType, { isBigEndian }: Dtype): Uint8Array {
  const made = new Uint8Array(bytes);
  const isComplex = type.startsWith('complex');
  const width = byteLength(type, 1) / (isComplex ? 2 : 1);
  if (isBigEndian && width > 1) for (let at = 0; at < made.length; at += width) made.subarray(at, at + width).reverse();
  return made;
}

/** The array of some bytes, its first axis running slowest or, as in Fortran, fastest. */
async function arrayOf(bytes: Uint8Array, dtype: Dtype, dims: readonly number[], isFortran: boolean, r: Rebuilder): Promise<SavedValue> {
  const type = elementOf(dtype, r);
  const size = dims.reduce((n, d) => n * d, 1);
  if (byteLength(type, size) !== bytes.length)
    throw r.error('E1203', `an array of NumPy: ${type}[${dims}] takes ${byteLength(type, size)} bytes, ${bytes.length} are stored`);
  const product = (a: number, b: number): number => a * b;
  const strides = isFortran ? contiguousStrides([...dims].reverse(), product, 1).reverse() : contiguousStrides(dims, product, 1);
  return r.lay('an array of NumPy', { type, dims, strides, offset: 0 }, inOrder(bytes, type, dtype));
}

/** `_reconstruct(numpy.ndarray, (0,), b'b')`, whose state is (version, shape, element type, whether as in Fortran, content). */
const array: Rebuild = async ({ args: [kind], state }, r, depth) => {
  const [, shape, dtype, isFortran, content] = state instanceof Tuple ? state.items : [];
  if ((kind as Global | undefined)?.name !== 'numpy.ndarray' || shape === undefined) throw r.wrong('an array of NumPy without its state');
  const type = dtypeOf(dtype, r);
  elementOf(type, r);
  return arrayOf(await bytesOf(content, r, depth), type, r.sizes(shape), isFortran === true, r);
};

/** `_frombuffer(content, element type, shape, order)`, the form of protocol 5. */
const fromBuffer: Rebuild = async ({ args: [content, dtype, shape, order] }, r, depth) =>
  arrayOf(await bytesOf(content, r, depth), dtypeOf(dtype, r), r.sizes(shape), order === 'F', r);

/** `scalar(element type, content)`: a number of Python, text for those of texts. */
const scalar: Rebuild = async ({ args: [of, content] }, r, depth) => {
  const dtype = dtypeOf(of, r);
  const bytes = await bytesOf(content, r, depth);
  const text = /^[<>=|]?([US])\d+$/.exec(dtype.code)?.[1];
  if (text === 'S') return bytes;
  if (text === 'U') return textOf(bytes, dtype);
  const type = elementOf(dtype, r);
  if (bytes.length !== byteLength(type, 1)) throw r.wrong(`a scalar of NumPy of ${type} in ${bytes.length} bytes`);
  const plain = inOrder(bytes, type, dtype);
  if (type.startsWith('complex')) return numbersOf(new Tensor(type === 'complex64' ? 'float32' : 'float64', plain, [2]));
  if (type === 'bool') return plain[0] !== 0;
  const [element] = viewBytes(type, plain);
  if (type === 'float16') return float16.decode(Number(element));
  return typeof element === 'bigint' && Number.isSafeInteger(Number(element)) ? Number(element) : element!;
};

/** Four bytes a character. */
function textOf(bytes: Uint8Array, { isBigEndian }: Dtype): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const points = Array.from({ length: Math.floor(bytes.length / 4) }, (_, i) => view.getUint32(4 * i, !isBigEndian));
  return points.map(point => (point <= 0x10ffff ? String.fromCodePoint(point) : '\ufffd')).join('');
}

/** NumPy 1 and 2 call their modules differently. */
const inModules = (name: string, rebuild: Rebuild): [string, Rebuild][] =>
  ['numpy.core', 'numpy._core'].map(module => [`${module}.${name}`, rebuild]);

/** What pickles of NumPy call. */
export const numpyRebuilds: Readonly<Record<string, Rebuild | undefined>> = {
  ...Object.fromEntries([
    ...inModules('multiarray._reconstruct', array),
    ...inModules('multiarray.scalar', scalar),
    ...inModules('numeric._frombuffer', fromBuffer),
  ]),
  // An element type by itself is read as its code.
  'numpy.dtype': async (call, r) => dtypeOf(call, r).code,
};
