// What bounds a run on the command line, the same for every command that runs a model.
import { type Command, InvalidArgumentError } from 'commander';
import type { RunOptions } from '../src/exec/session.ts';

export interface LimitOptions {
  /** Seconds. */
  readonly timeout?: number;
  /** Bytes. */
  readonly maxMemory?: number;
  readonly seed?: number;
}

/** Add the options to a command. */
export const withLimits = (command: Command): Command =>
  command
    .option('--timeout <seconds>', 'end the run after so long', positive)
    .option('--max-memory <bytes>', 'the most memory of a run, such as 500M or 2G', bytes)
    .option('--seed <number>', 'what random operators without a seed of their own draw from', wholeSeed);

/** The same as options of a session's run. */
export const runOptions = ({ timeout, maxMemory, seed }: LimitOptions): RunOptions => ({
  timeout: timeout === undefined ? undefined : timeout * 1000,
  memory: maxMemory,
  seed,
});

function positive(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value <= 0) throw new InvalidArgumentError('A number above 0 is expected.');
  return value;
}

function wholeSeed(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('A whole number of at most 9 digits is expected.');
  return Number(text);
}

/** A size in bytes, with a unit or without. */
export function bytes(text: string): number {
  const [, digits, unit = ''] = /^(\d+)([kMGT]?)(?:i?B)?$/i.exec(text) ?? [];
  const scale = 1024 ** ['', 'K', 'M', 'G', 'T'].indexOf(unit.toUpperCase());
  const value = Number(digits) * scale;
  if (!Number.isSafeInteger(value) || value <= 0) throw new InvalidArgumentError('A size such as 800000, 500M or 2G is expected.');
  return value;
}
