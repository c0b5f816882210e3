// The packages as they are published: the main one and that of this platform, packed, installed into an empty folder, and used there; with an
// addon that cannot be used too. Needs `npm run prebuild` and, for the dependencies, npm's registry or its cache.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const main = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const folder = mkdtempSync(join(tmpdir(), 'omnix-packages-'));
const failed = [];
let passed = 0;
function check(what, holds, seen) {
  if (holds) passed++;
  else failed.push(`${what}: ${seen}`);
}

const pack = from => {
  const made = execFileSync('npm', ['pack', '--json', '--pack-destination', folder], {
    cwd: from,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  // What runs before may write to the same stream.
  return JSON.parse(made.slice(made.indexOf('[')))[0];
};

const prebuilt = join(root, 'build', 'prebuild');
const [platform] = readdirSync(prebuilt);
const manifest = JSON.parse(readFileSync(join(prebuilt, platform, 'package.json'), 'utf8'));
const packed = [pack(root), pack(join(prebuilt, platform))];
const files = packed.map(p => p.filename.replace('@', '').replace('/', '-'));
check(
  'the main package asks for it',
  main.optionalDependencies[manifest.name] === manifest.version,
  JSON.stringify(main.optionalDependencies),
);
check('its size', packed[1].unpackedSize <= 12 * 2 ** 20, packed[1].unpackedSize);
check('its platform', manifest.os[0] === process.platform && manifest.cpu[0] === process.arch, JSON.stringify(manifest));

const user = join(folder, 'user');
mkdirSync(user);
writeFileSync(join(user, 'package.json'), '{ "private": true }');
execFileSync('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', ...files.map(f => join(folder, f))], {
  cwd: user,
  stdio: ['ignore', 2, 2],
});
const addon = join(user, 'node_modules', manifest.name, manifest.main);
const whole = join(folder, 'whole.node');
cpSync(addon, whole);
cpSync(join(root, 'models/simple-nn'), join(user, 'simple-nn'), { recursive: true });

const env = { ...process.env };
delete env.OMNIX_ADDON;
const omnix = (...args) =>
  spawnSync(process.execPath, [join(user, 'node_modules/omnix/dist/cli/main.js'), ...args], { cwd: user, env, encoding: 'utf8' });
const computed = () => {
  const { status, stdout, stderr } = omnix(
    'compare',
    'simple-nn/model.pt2',
    '--inputs',
    'simple-nn/inputs.npz',
    '--expect',
    'simple-nn/outputs.npz',
    '-b',
    'cpu',
  );
  return { status, stdout, notes: stderr.split('\n').filter(line => line.includes('backend')) };
};

const doctor = JSON.parse(omnix('doctor', '--json').stdout).results.backends.find(b => b.name === 'cpu');
check('omnix doctor finds it', doctor.available && doctor.file === addon, JSON.stringify(doctor));
const native = computed();
check('a model runs on it', native.status === 0 && native.notes.length === 0, JSON.stringify(native));
const script =
  "import { cpuBackend, load, Session, Tensor } from 'omnix'; const s = await Session.create(await load('simple-nn/model.pt2'), { backend: cpuBackend() }); console.log(s.backend.name);";
const library = spawnSync(process.execPath, ['--input-type=module', '-e', script], { cwd: user, env, encoding: 'utf8' });
check('the library finds it', library.stdout.trim() === 'cpu', library.stderr);

/** What may be the matter with the file. */
const broken = {
  absent: () => rmSync(addon),
  'cut off': () => truncateSync(addon, Math.floor(statSync(addon).size / 2)),
  empty: () => truncateSync(addon, 0),
  'for another processor': () => {
    const bytes = readFileSync(addon);
    bytes.writeUInt16LE(243, 18);
    writeFileSync(addon, bytes);
  },
  text: () => writeFileSync(addon, 'version https://example.org/'.repeat(1000)),
};
for (const [what, spoil] of Object.entries(broken)) {
  spoil();
  const { status, stdout, notes } = computed();
  check(`an addon that is ${what} is one line`, status === 0 && notes.length === 1, JSON.stringify({ status, stdout, notes }));
  cpSync(whole, addon);
}

rmSync(folder, { recursive: true, force: true });
for (const line of failed) console.log(`FAIL ${line}`);
console.log(`${passed} passed, ${failed.length} failed`);
process.exitCode = failed.length > 0 ? 1 : 0;
