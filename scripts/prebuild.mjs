// npm run prebuild: the npm package with the native addon for this platform, in build/prebuild/. npm runs a script of that name before
// every `npm run build` too, so this is `postprebuild`, which only `npm run prebuild` runs.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
const main = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
/** What the package may weigh. */
const mostBytes = 12 * 2 ** 20;

process.report.excludeNetwork = true;
const isGnu = process.report.getReport().header.glibcVersionRuntime !== undefined;
const libc = process.platform === 'linux' ? (isGnu ? 'glibc' : 'musl') : undefined;
const platform = `cpu-${process.platform}-${process.arch}${libc === 'musl' ? '-musl' : ''}`;
const folder = join(root, 'build', 'prebuild', platform);
const addon = join(folder, 'omnix_cpu.node');

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
const { status } = spawnSync(process.execPath, [join(root, 'scripts/build-native.mjs'), '--release', addon], { stdio: 'inherit' });
if (status !== 0) process.exit(status ?? 1);

const { size } = statSync(addon);
if (size > mostBytes) {
  console.error(`prebuild: ${addon} has ${size} bytes, the most is ${mostBytes}`);
  process.exit(1);
}
// The newest version of a symbol is what the loader asks of the C library.
const versions = [...readFileSync(addon, 'latin1').matchAll(/GLIBC_2\.(\d+)/g)].map(([, minor]) => Number(minor));
const needs = libc === 'glibc' ? `, with glibc 2.${Math.max(...versions)} or newer` : '';
const manifest = {
  name: `@omnix/${platform}`,
  version: main.version,
  description: `The native CPU backend of omnix for ${process.platform} on ${process.arch}${needs}`,
  license: main.license,
  engines: main.engines,
  os: [process.platform],
  cpu: [process.arch],
  ...(libc && { libc: [libc] }),
  main: 'omnix_cpu.node',
  files: ['omnix_cpu.node'],
  preferUnplugged: true,
};
writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
writeFileSync(
  join(folder, 'README.md'),
  `# ${manifest.name}\n\n${manifest.description}. omnix finds it by itself; one file serves Node 20 to 26.\n`,
);
copyFileSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
console.log(`prebuild: ${folder} (${(size / 2 ** 20).toFixed(1)} MiB)`);
