// Runs before `npm start` and `npm test`: installs packages where they are missing and builds where sources are newer.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stamp = join(root, 'dist', '.built');

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`omnix needs Node 20.19 or newer; this is ${process.version}`);
  process.exit(2);
}

const timeOf = path => (existsSync(path) ? statSync(path).mtimeMs : 0);

function newest(path) {
  if (!statSync(path).isDirectory()) return timeOf(path);
  return Math.max(timeOf(path), ...readdirSync(path).map(name => newest(join(path, name))));
}

function run(what, command, args) {
  console.error(what);
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' });
  if (status !== 0) {
    console.error(error ? String(error) : `${command} ${args.join(' ')} ended with ${status}`);
    process.exit(status ?? 1);
  }
}

if (timeOf(join(root, 'package-lock.json')) > timeOf(join(root, 'node_modules', '.package-lock.json')))
  run('Installing packages …', 'npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);

const sources = ['src', 'cli', 'scripts', 'test', 'tsconfig.json', 'package.json'].map(name => join(root, name));
if (Math.max(...sources.map(newest)) > timeOf(stamp)) {
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  run('Building …', process.execPath, [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.json']);
  writeFileSync(stamp, '');
}
