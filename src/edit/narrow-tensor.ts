// Tensors of float32 as float16 or bfloat16. Content is converted when it is read; what is beyond the range becomes the nearest number
// that is finite and not zero.
import { type Stored, Tensor } from '../ir/tensor.ts';
import { bfloat16, float16 } from '../kernels/storage.ts';

export type Half = 'float16' | 'bfloat16';

interface Range {
  readonly encode: (x: number) => number;
  readonly largest: number;
  readonly smallest: number;
  /** From here on numbers round to infinity, and up to here to zero. */
  readonly over: number;
  readonly under: number;
}

const ranges: Readonly<Record<Half, Range>> = {
  float16: { encode: float16.encode, largest: 65504, smallest: 2 ** -24, over: 65520, under: 2 ** -25 },
  bfloat16: {
    encode: bfloat16.encode,
    largest: 2 ** 127 * (2 - 2 ** -7),
    smallest: 2 ** -133,
    over: 2 ** 127 * (2 - 2 ** -8),
    under: 2 ** -134,
  },
};

/** How many elements of a tensor are beyond the range. */
export interface OutOfRange {
  readonly name: string;
  /** Too large to be finite. */
  readonly over: number;
  /** Too small to be told from zero. */
  readonly under: number;
}

/** The tensor in the type, with finite numbers where it had such. */
export function narrowTensor(tensor: Tensor, half: Half): Tensor {
  const range = ranges[half];
  const attributes = new Map([['to', { kind: 'string', value: half } as const]]);
  const recipe = { op: 'Narrow', attributes, inputs: [tensor], output: 0, outputs: 1 };
  if (tensor.isResident) return new Tensor(half, halves(tensor.data as Float32Array, range), tensor.dims, undefined, recipe);
  const source = tensor.content as Stored;
  const content: Stored = {
    length: source.length / 2,
    async read(offset = 0, length = source.length / 2 - offset) {
      // Whole elements, whatever part of them is asked for.
      const from = offset - (offset % 2);
      const to = offset + length + ((offset + length) % 2);
      const bytes = await source.read(from * 2, (to - from) * 2);
      const made = halves(new Float32Array(aligned(bytes).buffer as ArrayBuffer, aligned(bytes).byteOffset, bytes.length / 4), range);
      return new Uint8Array(made.buffer as ArrayBuffer).subarray(offset - from, offset - from + length);
    },
  };
  return new Tensor(half, content, tensor.dims, undefined, recipe);
}

const aligned = (bytes: Uint8Array): Uint8Array => (bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes));

function halves(numbers: Float32Array, { encode, largest, smallest, over, under }: Range): Uint16Array {
  const made = new Uint16Array(numbers.length);
  for (let i = 0; i < numbers.length; i++) {
    const x = numbers[i]!;
    const size = Math.abs(x);
    const isOver = size >= over && size < Number.POSITIVE_INFINITY;
    const isUnder = size <= under && size > 0;
    made[i] = encode(isOver ? Math.sign(x) * largest : isUnder ? Math.sign(x) * smallest : x);
  }
  return made;
}

/** Elements that are counted at once. */
const block = 2 ** 20;

/** What of a tensor of float32 is beyond the range of the type; undefined where nothing is. */
export async function outOfRange(name: string, tensor: Tensor, half: Half): Promise<OutOfRange | undefined> {
  const range = ranges[half];
  let [over, under] = [0, 0];
  for (let from = 0; from < tensor.size; from += block) {
    for (const x of await numbersAt(tensor, from)) {
      const size = Math.abs(x);
      if (size >= range.over && size < Number.POSITIVE_INFINITY) over++;
      else if (size <= range.under && size > 0) under++;
    }
  }
  return over + under > 0 ? { name, over, under } : undefined;
}

async function numbersAt(tensor: Tensor, from: number): Promise<Float32Array> {
  const count = Math.min(block, tensor.size - from);
  if (tensor.isResident) return (tensor.data as Float32Array).subarray(from, from + count);
  const bytes = aligned(await (tensor.content as Stored).read(from * 4, count * 4));
  return new Float32Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, count);
}
