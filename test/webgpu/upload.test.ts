// Weights that lie in a file go to the device piece by piece, over the ends of bindings.
import { describe, expect, test } from 'vitest';
import { Device, openDevice, usage } from '../../src/exec/webgpu/device.ts';
import { Segments, upload } from '../../src/exec/webgpu/memory.ts';
import type { Stored } from '../../src/ir/tensor.ts';
import { Tensor } from '../../src/ir/tensor.ts';
import { changedGpu, whyNot } from './adapters.ts';

const reason = await whyNot();

describe.skipIf(reason !== undefined)('weights', () => {
  test.each([
    ['in pieces', 64, 2 ** 20],
    ['in pieces that cross the ends of bindings', 96, 256],
    ['in one piece', 4096, 2 ** 20],
  ])('%s', async (_, piece, binding) => {
    const limits = { maxStorageBufferBindingSize: binding };
    const device = await openDevice(changedGpu({ limits }));
    if (!(device instanceof Device)) throw new Error(device);
    // Of bytes that end within a word.
    const bytes = Uint8Array.from({ length: 1001 }, (_, i) => (i * 37 + (i >> 8)) & 255);
    const reads: [number, number][] = [];
    const stored: Stored = {
      length: bytes.length,
      read: async (offset = 0, length = bytes.length - offset) => {
        reads.push([offset, length]);
        return bytes.slice(offset, offset + length);
      },
    };
    const segments = new Segments(device, usage.storage | usage.copyTarget | usage.copySource);
    const place = segments.placeParts(bytes.length);
    segments.allocate();
    await upload(device, new Tensor('uint8', stored, [bytes.length]), place(), piece);
    expect(reads.length).toBe(Math.ceil(bytes.length / piece));
    expect(Math.max(...reads.map(([, length]) => length))).toBe(Math.min(piece, bytes.length));
    expect(place().length).toBe(Math.ceil(bytes.length / Math.min(binding, 2 ** 20)));
    expect([...(await contentOf(device, place()))].slice(0, bytes.length)).toEqual([...bytes]);
    segments.destroy();
    device.check();
  });
});

async function contentOf(device: Device, ranges: ReturnType<ReturnType<Segments['placeParts']>>): Promise<Uint8Array> {
  const all: number[] = [];
  for (const { buffer, offset, size } of ranges) {
    const staging = device.gpu.createBuffer({ size, usage: usage.mapRead | usage.copyTarget });
    const encoder = device.gpu.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, offset, staging, 0, size);
    device.gpu.queue.submit([encoder.finish()]);
    await staging.mapAsync(1);
    all.push(...new Uint8Array(staging.getMappedRange()));
    staging.destroy();
  }
  return Uint8Array.from(all);
}
