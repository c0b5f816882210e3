// What a lost device costs: everything that was on it is made again once, on another, and the run that met the loss begins anew.
import type { Bound, Executable } from '../backend.ts';
import type { Sizes } from '../numbers.ts';
import type { Device } from './device.ts';

interface Made {
  readonly device: Device;
  readonly executable: Executable;
}

export async function recovering(
  first: Device,
  reopen: (lost: Device) => Promise<Device>,
  compile: (device: Device) => Promise<Executable>,
): Promise<Executable> {
  let made: Promise<Made> = compile(first).then(executable => ({ device: first, executable }));
  await made;
  /** The executable, on another device where this one is gone. */
  const usable = async (): Promise<Made> => {
    const before = await made;
    if (before.device.lost === undefined) return before;
    const device = await reopen(before.device);
    made = compile(device).then(executable => ({ device, executable }));
    return made;
  };
  return {
    async bind(sizes: Sizes): Promise<Bound> {
      const bindAgain = async (): Promise<{ device: Device; bound: Bound }> => {
        const { device, executable } = await usable();
        return { device, bound: await executable.bind(sizes) };
      };
      let current = await bindAgain();
      return {
        plan: current.bound.plan,
        async run(inputs, watch, places) {
          try {
            return await current.bound.run(inputs, watch, places);
          } catch (error) {
            if (!(await isLost(current.device))) throw error;
            current = await bindAgain();
            return current.bound.run(inputs, watch, places);
          }
        },
        dispose: () => current.bound.dispose(),
      };
    },
    dispose: async () => (await made).executable.dispose(),
  };
}

/** A loss is told a moment after what it broke. */
async function isLost(device: Device): Promise<boolean> {
  for (let tries = 0; tries < 10 && device.lost === undefined; tries++) await new Promise(done => setTimeout(done, 1));
  return device.lost !== undefined;
}
