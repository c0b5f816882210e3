// Loaded before the command line in a process of its own: measures it, records what it opens and where it connects, and makes reads fail
// where HOSTILE_FAULT says so.
import childProcess from 'node:child_process';
import fs from 'node:fs';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import { basename, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Fault, Measured } from './case.ts';

const file = process.env['HOSTILE_METER'];
// The cast: run.ts writes it.
const fault = process.env['HOSTILE_FAULT'] ? (JSON.parse(process.env['HOSTILE_FAULT']) as Fault & { file: string }) : undefined;
const { readFileSync, writeFileSync } = fs;
const opened = new Set<string>();
const reached = new Set<string>();
/** Descriptors of the file that is to fail. */
const failing = new Set<number>();

type Call = (this: unknown, ...args: unknown[]) => unknown;
type Calls = Record<string, Call>;

/** Put a call before that of a module. What promisify knows of a function is kept. */
function before(calls: object, name: string, replacement: (original: Call) => Call): void {
  // The cast: names are those of functions, see below.
  const table = calls as Calls;
  const original = table[name]!;
  const made = replacement(original);
  for (const key of Object.getOwnPropertySymbols(original))
    Object.defineProperty(made, key, Object.getOwnPropertyDescriptor(original, key)!);
  table[name] = made;
}

const notePath = (path: unknown): void => {
  if (typeof path === 'string') opened.add(resolve(path));
  else if (path instanceof URL) opened.add(fileURLToPath(path));
};
const isFailing = (path: unknown): boolean => fault !== undefined && typeof path === 'string' && basename(path) === fault.file;

for (const name of ['openSync', 'readFileSync', 'readFile', 'open', 'createReadStream'] as const)
  before(fs, name, original => {
    return function (this: unknown, path, ...rest) {
      notePath(path);
      const done = rest.at(-1);
      if (name === 'open' && isFailing(path) && typeof done === 'function')
        rest[rest.length - 1] = (error: unknown, descriptor: number) => {
          if (!error) failing.add(descriptor);
          done(error, descriptor);
        };
      return original.call(this, path, ...rest);
    };
  });
for (const name of ['open', 'readFile'] as const)
  before(fs.promises, name, original => {
    return function (this: unknown, path, ...rest) {
      notePath(path);
      return original.call(this, path, ...rest);
    };
  });

const ioError = (): Error => Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO', errno: -5, syscall: 'read' });
/** Whether a read of a failing file reaches the byte from which it fails. */
const fails = (descriptor: unknown, length: unknown, position: unknown): boolean =>
  fault !== undefined && failing.has(descriptor as number) && Number(position) + Number(length) > fault.at;

before(fs, 'readSync', original => {
  return function (this: unknown, descriptor, buffer, offset, length, position) {
    if (!fails(descriptor, length, position)) return original.call(this, descriptor, buffer, offset, length, position);
    if (fault!.kind === 'EIO') throw ioError();
    return original.call(this, descriptor, buffer, offset, Math.max(0, fault!.at - Number(position)), position);
  };
});
before(fs, 'read', original => {
  return function (this: unknown, descriptor, buffer, offset, length, position, done) {
    if (!fails(descriptor, length, position)) return original.call(this, descriptor, buffer, offset, length, position, done);
    if (fault!.kind === 'EIO') return process.nextTick(done as () => void, ioError());
    return original.call(this, descriptor, buffer, offset, Math.max(0, fault!.at - Number(position)), position, done);
  };
});

before(net.Socket.prototype, 'connect', original => {
  return function (this: unknown, ...args) {
    reached.add(`a connection to ${JSON.stringify(args[0])}`);
    return original.apply(this, args);
  };
});
const dns = createRequire(import.meta.url)('node:dns') as object;
before(dns, 'lookup', original => {
  return function (this: unknown, ...args) {
    reached.add(`a look-up of ${String(args[0])}`);
    return original.apply(this, args);
  };
});
for (const name of ['spawn', 'spawnSync', 'exec', 'execSync', 'execFile', 'execFileSync', 'fork'])
  before(childProcess, name, original => {
    return function (this: unknown, ...args) {
      reached.add(`a process of ${String(args[0])}`);
      return original.apply(this, args);
    };
  });
syncBuiltinESMExports();

/**
 * The most memory of this process, MiB. Where Linux says it of the program itself, that counts: `maxRSS` begins with the most that the process
 * which started this one ever held, since a spawned process shares its parent's memory up to `exec` (getrusage(2)).
 */
function peak(): number {
  const said = process.platform === 'linux' ? /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) : null;
  return (said ? Number(said[1]) : process.resourceUsage().maxRSS) / 1024;
}

process.on('exit', () => {
  if (file === undefined) return;
  const { userCPUTime, systemCPUTime } = process.resourceUsage();
  const measured: Measured = {
    megabytes: peak(),
    processor: (userCPUTime + systemCPUTime) / 1e6,
    opened: [...opened],
    reached: [...reached],
  };
  writeFileSync(file, JSON.stringify(measured));
});
