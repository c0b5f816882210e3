// How far the contents of two tensors are apart, read block by block, so that of both at most one block is in memory.
import { Tensor } from '../ir/tensor.ts';
import { byteLength, type DataType, elementTypes } from '../ir/types.ts';
import { numbersOf } from './compare.ts';

/** The difference of two tensors of one shape whose types are numbers. */
export interface Distance {
  readonly maxAbs: number;
  /** The norm of the difference over the norm of the first: 0 for equal ones, infinite where only the first is zero. */
  readonly relative: number;
  /** Elements that are NaN or infinite in one of them only; they are in no number above. */
  readonly odd: number;
}

/** Elements of one block; a multiple of 8, so that packed types fill whole bytes. */
const block = 2 ** 20;

/** Whether two tensors have the same type, shape and bytes. Reads no further than the first block that differs. */
export async function sameTensor(a: Tensor, b: Tensor): Promise<boolean> {
  if (a.type !== b.type || a.dims.length !== b.dims.length || a.dims.some((d, i) => d !== b.dims[i])) return false;
  if (a.content === b.content) return true;
  if (a.type === 'string') return a.strings().every((s, i) => sameBytes(s, b.strings()[i]!));
  for (let from = 0; from < a.size; from += block) if (!sameBytes(await bytesOf(a, from), await bytesOf(b, from))) return false;
  return true;
}

/** How far apart they are; undefined where the shapes differ or one of the types is no number. */
export async function distance(a: Tensor, b: Tensor): Promise<Distance | undefined> {
  const sameShape = a.dims.length === b.dims.length && a.dims.every((d, i) => d === b.dims[i]);
  if (!sameShape || !isNumber(a.type) || !isNumber(b.type) || isComplex(a.type) !== isComplex(b.type)) return undefined;
  let [maxAbs, squares, norm, odd] = [0, 0, 0, 0];
  for (let from = 0; from < a.size; from += block) {
    const [x, y] = [await blockOf(a, from), await blockOf(b, from)];
    for (let i = 0; i < x.length; i++) {
      const [p, q] = [Number(x[i]), Number(y[i])];
      if (Number.isFinite(p) && Number.isFinite(q)) {
        // 64-bit integers are subtracted before they are rounded.
        const d =
          typeof x[i] === 'bigint' && typeof y[i] === 'bigint' ? Math.abs(Number((x[i] as bigint) - (y[i] as bigint))) : Math.abs(p - q);
        maxAbs = Math.max(maxAbs, d);
        squares += d * d;
        norm += p * p;
      } else if (!Object.is(p, q)) odd++;
    }
  }
  return { maxAbs, relative: squares === 0 ? 0 : Math.sqrt(squares) / Math.sqrt(norm), odd };
}

const isNumber = (type: DataType): boolean => !['string', 'none'].includes(elementTypes[type].class);
const isComplex = (type: DataType): boolean => elementTypes[type].class === 'complex';

/** The bytes of a block of elements. */
async function bytesOf(t: Tensor, from: number): Promise<Uint8Array> {
  const [start, end] = [byteLength(t.type, from), byteLength(t.type, Math.min(t.size, from + block))];
  // The cast: callers have ruled out strings.
  const content = t.content as Exclude<Tensor['content'], readonly Uint8Array[]>;
  return content instanceof Uint8Array ? content.subarray(start, end) : content.read(start, end - start);
}

async function blockOf(t: Tensor, from: number): Promise<ArrayLike<number | bigint>> {
  return numbersOf(new Tensor(t.type, await bytesOf(t, from), [Math.min(block, t.size - from)]));
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  const words = Math.floor(a.length / 8);
  if (a.byteOffset % 8 === 0 && b.byteOffset % 8 === 0) {
    const [x, y] = [new BigUint64Array(a.buffer, a.byteOffset, words), new BigUint64Array(b.buffer, b.byteOffset, words)];
    for (let i = 0; i < words; i++) if (x[i] !== y[i]) return false;
    for (let i = words * 8; i < a.length; i++) if (a[i] !== b[i]) return false;
    return true;
  }
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
