// Builds the native CPU addon from native/cpu with the C++ compiler of this machine. Nothing is downloaded: the headers are
// those of the packages node-api-headers and node-addon-api.
//   node scripts/build-native.mjs [--sanitize address,undefined | --sanitize thread] [--release FILE] [--force]
// --release writes an addon for other machines: stripped, and with the C++ library inside.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('../', import.meta.url));
const { values: options } = parseArgs({
  options: { sanitize: { type: 'string' }, release: { type: 'string' }, force: { type: 'boolean', default: false } },
});

function stop(line) {
  console.error(line);
  process.exit(1);
}

/** $CXX, or the first compiler that answers. */
function findCompiler() {
  const names = process.env.CXX ? [process.env.CXX] : ['g++', 'clang++'];
  return names.find(name => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0);
}

function headerFolders() {
  const require = createRequire(join(root, 'package.json'));
  try {
    return ['node-api-headers', 'node-addon-api'].map(name => {
      const folder = dirname(require.resolve(`${name}/package.json`));
      return name === 'node-api-headers' ? join(folder, 'include') : folder;
    });
  } catch {
    return stop('build-native: the header packages node-api-headers and node-addon-api are not installed: run npm install');
  }
}

const sanitizers = options.sanitize;
if (sanitizers !== undefined && !/^[a-z,]+$/.test(sanitizers))
  stop('build-native: --sanitize takes names such as address,undefined or thread');
if (process.platform === 'win32') stop('build-native: Windows is not supported; every other backend works without the addon');

const folder = join(root, 'native/cpu');
const files = readdirSync(folder, { recursive: true })
  .map(name => join(folder, name))
  .filter(name => /\.(cpp|h)$/.test(name));
/**
 * Instruction sets for which the files of isa/ are compiled, or `only` one of them, each with its vectors in bytes and the rows of a tile. Those
 * that not every compiler has say what it needs.
 */
const portable = { name: 'portable', vector: 16, rows: process.arch === 'arm64' ? 8 : 4, flags: [] };
const wide = ['-mavx512f', '-mavx512vl', '-mavx512bw', '-mavx512dq', '-mfma'];
/** Checked builds have one set: the sources are the same, and checks in every loop take minutes to compile. */
const sets =
  process.arch === 'x64' && sanitizers === undefined
    ? [
        portable,
        { name: 'avx2', vector: 32, rows: 6, flags: ['-mavx2', '-mfma'] },
        { name: 'avx512', vector: 64, rows: 12, flags: wide },
        { name: 'avx512vnni', vector: 64, rows: 12, flags: [...wide, '-mavx512vnni'], only: 'integer_product.cpp', needs: '-mavx512vnni' },
        { name: 'avxvnni', vector: 32, rows: 6, flags: ['-mavx2', '-mfma', '-mavxvnni'], only: 'integer_product.cpp', needs: '-mavxvnni' },
      ]
    : [portable];
const sourceFiles = files.filter(name => name.endsWith('.cpp')).sort();
const isOfSet = name => basename(dirname(name)) === 'isa';
const suffix = sanitizers ? `-${sanitizers.replaceAll(',', '-')}` : '';
const target = options.release
  ? resolve(options.release)
  : join(root, 'build', `omnix_cpu-${process.platform}-${process.arch}${suffix}.node`);
const newest = Math.max(...[...files, fileURLToPath(import.meta.url)].map(name => statSync(name).mtimeMs));
if (!options.force && existsSync(target) && statSync(target).mtimeMs > newest) {
  console.log(`build-native: ${target} is up to date`);
  process.exit(0);
}

const compiler = findCompiler();
if (!compiler) stop('build-native: no C++ compiler found (tried $CXX, g++, clang++); install one, or use a backend that needs none');
/** Those that the compiler has, and what is compiled: a file, the name of its object, and flags beside those of all. */
const known = sets.filter(
  ({ needs }) => needs === undefined || spawnSync(compiler, [needs, '-x', 'c++', '-fsyntax-only', '/dev/null']).status === 0,
);
const chosen = known.flatMap(({ name, needs }) => (needs ? [`-DOMNIX_${name.toUpperCase()}`] : []));
const sources = [
  ...sourceFiles.filter(name => !isOfSet(name)).map(file => ({ file, object: basename(file), flags: chosen })),
  ...sourceFiles.filter(isOfSet).flatMap(file =>
    known
      .filter(({ only }) => only === undefined || only === basename(file))
      .map(({ name, vector, rows, flags }) => ({
        file,
        object: `${name}-${basename(file)}`,
        flags: [
          // Checks in every loop of every set take minutes to optimise.
          sanitizers ? '-O1' : '-O3',
          '-ffp-contract=fast',
          // Without them roots and roundings are calls.
          '-fno-math-errno',
          '-fno-trapping-math',
          `-DOMNIX_ISA=${name}`,
          `-DOMNIX_NAME="${name}"`,
          `-DOMNIX_VECTOR=${vector}`,
          `-DOMNIX_ROWS=${rows}`,
          ...flags,
        ],
      })),
  ),
];
mkdirSync(dirname(target), { recursive: true });
const partial = `${target}.${process.pid}`;
const flags = [
  ...['-std=c++17', '-O2', '-fPIC', '-shared', '-Wall', '-Wextra', '-fvisibility=hidden'],
  ...['-DNAPI_VERSION=9', '-DNAPI_CPP_EXCEPTIONS', '-DBUILDING_NODE_EXTENSION'],
  ...(process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : []),
  ...(sanitizers ? ['-DOMNIX_PORTABLE_ONLY', `-fsanitize=${sanitizers}`, '-fno-omit-frame-pointer', '-g'] : []),
  ...headerFolders().flatMap(path => ['-isystem', path]),
];
/** Objects are kept: what is older than a file it was made from, as the compiler lists them, or this script is compiled again. */
const objects = join(root, 'build', `objects${suffix}`);
mkdirSync(objects, { recursive: true });
const changed = name => statSync(name, { throwIfNoEntry: false })?.mtimeMs ?? 0;
function isFresh(object) {
  const list = `${object}.d`;
  if (options.force || !existsSync(object) || !existsSync(list)) return false;
  const parts = readFileSync(list, 'utf8')
    .replaceAll('\\\n', ' ')
    .split(/(?<!\\)\s+/)
    .slice(1);
  const sources = parts.filter(Boolean).map(name => name.replaceAll('\\ ', ' '));
  const own = changed(object);
  return [...sources, fileURLToPath(import.meta.url)].every(name => existsSync(name) && changed(name) < own);
}

/** Runs the compiler; whether it succeeded. */
const compiled = args =>
  new Promise(resolve => {
    spawn(compiler, args, { stdio: 'inherit' })
      .on('error', () => resolve(false))
      .on('close', status => resolve(status === 0));
  });

/** Compiles sources until none is left; several of these run side by side. */
async function worker(left, made) {
  for (let source = left.pop(); source !== undefined; source = left.pop()) {
    const object = join(objects, `${source.object}.o`);
    made.push(object);
    if (isFresh(object)) continue;
    // Under another name until it is whole, so that a build that was stopped leaves nothing behind.
    const begun = `${object}.${process.pid}`;
    if (!(await compiled([...flags, ...source.flags, '-MMD', '-MF', `${object}.d`, '-c', source.file, '-o', begun]))) {
      rmSync(begun, { force: true });
      return false;
    }
    renameSync(begun, object);
  }
  return true;
}

/** What is not in every distribution goes into the addon, and its names stay there. */
const releaseFlags =
  process.platform === 'linux' ? ['-s', '-static-libstdc++', '-static-libgcc', '-Wl,--exclude-libs,ALL', '-Wl,--gc-sections'] : ['-Wl,-x'];
const made = [];
const left = [...sources];
const done = await Promise.all(Array.from({ length: availableParallelism() }, () => worker(left, made)));
const linked = done.every(Boolean) && (await compiled([...flags, ...(options.release ? releaseFlags : []), ...made.sort(), '-o', partial]));
if (!linked) {
  rmSync(partial, { force: true });
  stop(`build-native: ${compiler} failed`);
}
renameSync(partial, target);
console.log(`build-native: ${target}`);
