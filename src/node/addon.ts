// Finding and loading the native CPU addon. It is optional: whatever goes wrong is a reason in one line, never an exception.
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { createRequire } from 'node:module';
import { endianness, totalmem } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Backend } from '../exec/backend.ts';
import { type CpuAddon, type NativeOptions, nativeBackend } from '../exec/cpu.ts';
import { wireVersion } from '../exec/cpu-wire.ts';

/** The native CPU backend, with the first addon of `findCpuAddon`. A run takes at most the memory of this machine, or of its container. */
export const cpuBackend = (options: NativeOptions = {}): Backend => nativeBackend(loadCpuAddon, { memory: memoryHere(), ...options });

/** A process without a limit of its own has none, or one beyond all memory. */
const memoryHere = (): number => Math.min(totalmem(), process.constrainedMemory?.() || Number.POSITIVE_INFINITY);

/** The packages that have the addon for this platform. npm installs the one for the C library of this machine. */
export const addonPackages: readonly string[] = ['', ...(process.platform === 'linux' ? ['-musl'] : [])].map(
  libc => `@omnix/cpu-${process.platform}-${process.arch}${libc}`,
);

/** The addon, or the reason why it cannot be used. */
export function loadCpuAddon(): CpuAddon | string {
  const path = findCpuAddon();
  if (path === undefined) return `no native addon: run npm install ${addonPackages[0]}, or npm run build:native in a checkout`;
  const unfit = unfitFile(path);
  if (unfit !== undefined) return `${path} ${unfit}`;
  try {
    const addon = createRequire(import.meta.url)(path) as CpuAddon;
    return addon.version === wireVersion ? addon : `${path} is of another version: install or build it again`;
  } catch (error) {
    return `${path} does not load: ${String((error as Error).message).split('\n')[0]}`;
  }
}

/** The addon that `OMNIX_ADDON` names, else the one that was built here, else that of an installed package; undefined without any. */
export function findCpuAddon(): string | undefined {
  const named = process.env['OMNIX_ADDON'];
  if (named) return resolve(named);
  const built = join(packageRoot(), 'build', `omnix_cpu-${process.platform}-${process.arch}.node`);
  return existsSync(built) ? built : addonPackages.map(installed).find(path => path !== undefined);
}

function installed(name: string): string | undefined {
  try {
    return createRequire(import.meta.url).resolve(name);
  } catch {
    return undefined;
  }
}

/** Machines as ELF files number them. */
const machines: Readonly<Partial<Record<NodeJS.Architecture, number>>> = { x64: 62, arm64: 183, riscv64: 243 };

/** What is wrong with the file, told before the system maps it: a file that was cut off ends the process when its last pages are read. */
function unfitFile(path: string): string | undefined {
  if (!existsSync(path)) return 'is not there';
  if (process.platform !== 'linux' || endianness() !== 'LE') return undefined;
  const file = openSync(path, 'r');
  try {
    const header = Buffer.alloc(64);
    if (readSync(file, header) < 64 || header.readUInt32BE(0) !== 0x7f454c46 || header[4] !== 2) return 'is not an addon for this system';
    const machine = machines[process.arch];
    if (machine !== undefined && header.readUInt16LE(18) !== machine) return `is for another processor than ${process.arch}`;
    // The table of sections is the last thing in the file.
    const end = Number(header.readBigUInt64LE(40)) + header.readUInt16LE(58) * header.readUInt16LE(60);
    return end > fstatSync(file).size ? 'is not whole' : undefined;
  } finally {
    closeSync(file);
  }
}

/** The nearest folder above with a package.json: the same from the sources and from what they are compiled to. */
function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder);
  return folder;
}
