// The ways that a device takes: what was said, what a clock found, and what is likely where there is no clock.
import { describe, expect, test } from 'vitest';
import { type Device, openDevice } from '../../src/exec/webgpu/device.ts';
import { type Clock, chooseWays, clockOn, describeDevice } from '../../src/exec/webgpu/probe.ts';
import { possible, type Ways } from '../../src/exec/webgpu/ways.ts';
import { changedGpu, whyNot } from './adapters.ts';

const reason = await whyNot();

const open = async (changes: Parameters<typeof changedGpu>[0] = {}, said?: Partial<Ways>): Promise<Device> => {
  const device = await openDevice(changedGpu(changes), said);
  if (typeof device === 'string') throw new Error(device);
  return device;
};
const asAdapter =
  (isFallbackAdapter: boolean) =>
  (device: GPUDevice): void => {
    Object.defineProperty(device, 'adapterInfo', { value: { isFallbackAdapter } });
  };

/** A clock by which a way takes so many milliseconds at the smallest size, and how often it was asked, with which sizes. */
function clockOf(milliseconds: Readonly<Record<string, number>>): { clock: Clock; asked: [size: number, repeats: number][] } {
  const asked: [number, number][] = [];
  const clock: Clock = async (_, trials) => {
    asked.push([trials[0]!.size, trials[0]!.repeats]);
    return trials.map(({ way, size, repeats }) => milliseconds[way]! * (size / 64) ** 2 * repeats);
  };
  return { clock, asked };
}

describe.skipIf(reason !== undefined)('ways of a device', () => {
  test.each<[string, Record<string, number>, boolean, string]>([
    ['the faster one is taken on hardware', { tiles: 4, blocks: 2 }, false, 'blocks'],
    ['the faster one is taken on software', { tiles: 2, blocks: 4 }, true, 'tiles'],
    ['noise does not move hardware from tiles', { tiles: 2, blocks: 1.9 }, false, 'tiles'],
    ['noise does not move software from blocks', { tiles: 1.9, blocks: 2 }, true, 'blocks'],
  ])('%s', async (_, times, isSoftware, way) => {
    const device = await open({ onDevice: asAdapter(isSoftware) });
    await chooseWays(device, ['products'], clockOf(times).clock);
    expect(device.ways.products).toBe(way);
    expect((await device.measured.get('products'))!.times).toEqual(new Map(Object.entries(times)));
  });

  test('work grows until it can be timed, and a device is asked once', async () => {
    const device = await open();
    const { clock, asked } = clockOf({ tiles: 0.01, blocks: 0.005 });
    await Promise.all([chooseWays(device, ['products'], clock), chooseWays(device, ['products'], clock)]);
    await chooseWays(device, ['products'], clock);
    expect(device.ways.products).toBe('blocks');
    const sizes = [64, 128, 256, 512, 1024];
    // Each size warms up and is timed, the last one three times.
    expect(asked).toEqual([
      ...sizes.flatMap(size => [
        [size, 1],
        [size, 1],
      ]),
      [1024, 1],
      [1024, 1],
    ]);
    const still = clockOf({ tiles: 0, blocks: 0 });
    await chooseWays(await open(), ['products'], still.clock);
    expect(still.asked.at(-1)).toEqual([1024, 16]);
  });

  test('what was said is not measured', async () => {
    const device = await open({}, { products: 'tiles' });
    const { clock, asked } = clockOf({ tiles: 9, blocks: 1 });
    await chooseWays(device, ['products'], clock);
    expect(device.ways.products).toBe('tiles');
    expect(asked).toEqual([]);
  });

  test.each([
    [true, 'blocks'],
    [false, 'tiles'],
  ])('without a clock the likely one is taken (software: %s)', async (isSoftware, way) => {
    const device = await open({ features: [], onDevice: asAdapter(isSoftware) });
    expect(device.gpu.features.has('timestamp-query')).toBe(false);
    await chooseWays(device, ['products']);
    expect(device.ways.products).toBe(way);
    expect(await device.measured.get('products')).toBe(undefined);
    device.check();
  });

  test('a way that does not compile is not taken', async () => {
    const shader = (code: string): string => (code.includes('var<workgroup>') ? code : code.replace('fn main(', 'fn main(,'));
    const device = await open({ shader });
    await chooseWays(device, ['products'], clockOf({ tiles: 9, blocks: 1 }).clock);
    expect(device.ways.products).toBe('tiles');
  });

  test('the clock of the device tells the ways apart, and leaves no defect', async () => {
    const device = await open();
    const seen: number[] = [];
    const clock: Clock = async (...args) => {
      const times = await clockOn(device)!(...args);
      seen.push(...(times ?? []));
      return times;
    };
    await chooseWays(device, ['products'], clock);
    expect(seen.length).toBeGreaterThanOrEqual(2 * possible.products(device.gpu).length);
    expect(Math.min(...seen)).toBeGreaterThanOrEqual(0);
    const measured = (await device.measured.get('products'))!;
    expect(Math.max(...measured.times.values())).toBeGreaterThan(0);
    expect(await describeDevice(device)).toMatch(new RegExp(`products by ${measured.way} \\(\\w+ [\\d.]+ ms, \\w+ [\\d.]+ ms\\)`));
    device.check();
  });
});
