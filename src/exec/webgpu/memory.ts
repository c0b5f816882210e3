// Device memory: many arrays in few buffers, and the bytes that go there and come back.
import type { Stored, Tensor } from '../../ir/tensor.ts';
import { bytesOf, resident, type TypedArray } from '../../ir/tensor.ts';
import { elementTypes } from '../../ir/types.ts';
import { elementsOf } from '../../kernels/memory.ts';
import type { Device } from './device.ts';

/** Where bindings may begin. */
export const alignment = 256;
const roundUp = (n: number, to: number): number => Math.ceil(n / to) * to;

/** A range of device memory. */
export interface Range {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  /** A multiple of what the widest element takes. */
  readonly size: number;
}

/** Bytes that a binding of so many has. */
const bindingLength = (bytes: number): number => Math.max(16, roundUp(bytes, 16));

/** Arrays that are placed one after the other, in as many buffers as it takes. */
export class Segments {
  readonly #device: Device;
  readonly #usage: number;
  readonly #most: number;
  readonly #lengths: number[] = [];
  #buffers: GPUBuffer[] | undefined;

  constructor(device: Device, usage: number) {
    this.#device = device;
    this.#usage = usage;
    this.#most = device.gpu.limits.maxBufferSize;
  }

  /** Places for so many bytes, in as many ranges as bindings take, which are there once `allocate` was called. */
  placeParts(bytes: number): () => readonly Range[] {
    const most = this.#device.mostBytes;
    const parts = Array.from({ length: Math.max(1, Math.ceil(bytes / most)) }, (_, k) => this.place(Math.min(most, bytes - k * most)));
    return () => parts.map(part => part());
  }

  /** A place for bytes that one binding holds. */
  place(bytes: number): () => Range {
    const size = bindingLength(bytes);
    let segment = this.#lengths.length - 1;
    if (segment < 0 || this.#lengths[segment]! + size > this.#most) segment = this.#lengths.push(0) - 1;
    const offset = this.#lengths[segment]!;
    this.#lengths[segment] = roundUp(offset + size, alignment);
    return () => ({ buffer: this.#buffers![segment]!, offset, size });
  }

  /** Ranges of an arena whose parts do not cross the end of a buffer. */
  placeArena(bytes: number): (offset: number, bytes: number) => Range {
    const first = this.#lengths.length;
    for (let left = bytes; left > 0; left -= this.#most) this.#lengths.push(Math.min(left, this.#most));
    return (offset, length) => ({
      buffer: this.#buffers![first + Math.floor(offset / this.#most)]!,
      offset: offset % this.#most,
      size: bindingLength(length),
    });
  }

  /** Bytes of all buffers. */
  get bytes(): number {
    return this.#lengths.reduce((n, length) => n + length, 0);
  }
  allocate(): void {
    this.#buffers = this.#lengths.map(size => this.#device.gpu.createBuffer({ size: Math.min(size, this.#most), usage: this.#usage }));
  }
  destroy(): void {
    for (const buffer of this.#buffers ?? []) buffer.destroy();
  }
}

/** Bytes that are written at once, so that a large weight never lies in memory whole. */
const chunk = 2 ** 24;

/** Put a tensor's elements where kernels read them, at most `piece` bytes at once, a multiple of 4. */
export async function upload(device: Device, tensor: Tensor, to: readonly Range[], piece = chunk): Promise<void> {
  const { content } = tensor;
  if (elementTypes[tensor.type].bits < 8 || content instanceof Uint8Array || !('read' in content)) {
    write(device, to, bytesOf(elementsOf(await resident(tensor)) as TypedArray));
    return;
  }
  const stored: Stored = content;
  for (let at = 0; at < stored.length; at += piece) write(device, to, await stored.read(at, Math.min(piece, stored.length - at)), at);
}

/** Put bytes into memory, from byte `from` of the ranges on, which is a multiple of 4. */
export function write(device: Device, to: readonly Range[], bytes: Uint8Array, from = 0): void {
  let start = 0;
  for (const { buffer, offset, size } of to) {
    const [first, end] = [Math.max(from, start), Math.min(from + bytes.length, start + size)];
    if (end > first) writeWords(device, buffer, offset + first - start, bytes.subarray(first - from, end - from));
    start += size;
  }
}

/** The queue takes whole words. */
function writeWords(device: Device, buffer: GPUBuffer, offset: number, bytes: Uint8Array): void {
  const whole = bytes.length & ~3;
  const { queue } = device.gpu;
  if (whole > 0) queue.writeBuffer(buffer, offset, bytes as Uint8Array<ArrayBuffer>, 0, whole);
  if (whole === bytes.length) return;
  const rest = new Uint8Array(4);
  rest.set(bytes.subarray(whole));
  queue.writeBuffer(buffer, offset + whole, rest);
}
