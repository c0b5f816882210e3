// Finding and loading the native CPU addon. It is optional: whatever goes wrong is a reason, never an exception.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Backend } from '../exec/backend.ts';
import { type CpuAddon, type NativeOptions, nativeBackend } from '../exec/cpu.ts';
import { wireVersion } from '../exec/cpu-wire.ts';

/** The native CPU backend with the addon of this package, or the one that `OMNIX_ADDON` names. */
export const cpuBackend = (options: NativeOptions = {}): Backend => nativeBackend(loadCpuAddon, options);

/** The addon, or the reason why it cannot be used. */
export function loadCpuAddon(): CpuAddon | string {
  const path = addonPath();
  if (path === undefined) return 'no native addon in this checkout: run npm run build:native';
  try {
    const addon = createRequire(import.meta.url)(path) as CpuAddon;
    return addon.version === wireVersion ? addon : `${path} is of another version: run npm run build:native`;
  } catch (error) {
    return `${path} does not load: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function addonPath(): string | undefined {
  const named = process.env['OMNIX_ADDON'];
  if (named) return resolve(named);
  const path = join(packageRoot(), 'build', `omnix_cpu-${process.platform}-${process.arch}.node`);
  return existsSync(path) ? path : undefined;
}

/** The nearest folder above with a package.json: the same from the sources and from what they are compiled to. */
function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder);
  return folder;
}
