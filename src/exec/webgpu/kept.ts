// Tensors that stay on a device: an output that the next run takes as an input, and that is fetched only where somebody asks for it.
import { fail } from '../../errors.ts';
import type { Stored, Tensor } from '../../ir/tensor.ts';
import { type Device, usage } from './device.ts';

/** The content of a tensor in memory of its own on a device. It is free again when nobody holds it any more. */
export class DeviceContent implements Stored {
  readonly device: Device;
  readonly buffer: GPUBuffer;
  readonly length: number;

  constructor(device: Device, length: number) {
    this.device = device;
    this.length = length;
    this.buffer = device.spare(Math.ceil(Math.max(1, length) / 16) * 16);
    abandoned.register(this, { device, buffer: this.buffer });
  }

  async read(offset = 0, length = this.length - offset): Promise<Uint8Array> {
    const { device, buffer } = this;
    device.check();
    const from = offset & ~3;
    const size = Math.ceil((offset + length - from) / 4) * 4;
    const staging = device.gpu.createBuffer({ size: Math.max(4, size), usage: usage.mapRead | usage.copyTarget });
    try {
      const encoder = device.gpu.createCommandEncoder();
      if (size > 0) encoder.copyBufferToBuffer(buffer, from, staging, 0, size);
      device.gpu.queue.submit([encoder.finish()]);
      await staging.mapAsync(1);
      return new Uint8Array(staging.getMappedRange().slice(offset - from, offset - from + length));
    } catch (error) {
      device.check();
      throw fail('E3008', `backend webgpu: a tensor on the device cannot be read: ${String(error)}`, {}, { cause: error });
    } finally {
      staging.destroy();
    }
  }
}

const abandoned = new FinalizationRegistry<{ readonly device: Device; readonly buffer: GPUBuffer }>(({ device, buffer }) =>
  device.giveBack(buffer),
);

/** The content of a tensor on this device. */
export const contentOn = (device: Device | undefined, { content }: Tensor): DeviceContent | undefined =>
  content instanceof DeviceContent && content.device === device ? content : undefined;
