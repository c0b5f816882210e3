// What bounds reading and running on the command line, the same for every command that does it.
import { type Command, InvalidArgumentError } from 'commander';
import type { RunOptions } from '../src/exec/session.ts';
import type { ReadLimits } from '../src/formats/format.ts';
import type { Report } from './output.ts';
import { shown } from './terminal.ts';

/** Limits of reading, by name, and what is read of a file with several models. */
export interface ReadLimitOptions {
  readonly limit?: ReadLimits;
  readonly signature?: string;
  readonly tag?: string;
}

const readLimits: readonly (keyof ReadLimits)[] = ['depth', 'graphs', 'nodes', 'inlined', 'rank', 'findings', 'steps'];

/** Add the options to a command. */
export const withReadLimits = (command: Command): Command =>
  command
    .option(
      '--signature <name>',
      'which signature or function of a SavedModel, or signature of a TensorFlow Lite model, otherwise its main one',
    )
    .option('--tag <tags>', 'which graph of a SavedModel, otherwise serve')
    .option('--limit <name=value>', `what a file may ask of its reader: ${readLimits.join(', ')}; repeatable`, readLimit);

function readLimit(text: string, before: ReadLimits = {}): ReadLimits {
  const [, name, value] = /^([a-z]+)=(\d{1,15})$/.exec(text) ?? [];
  if (!readLimits.some(known => known === name))
    throw new InvalidArgumentError(`One of ${readLimits.join(', ')} and a number is expected, such as depth=200.`);
  return { ...before, [name!]: Number(value) };
}

export interface LimitOptions extends ReadLimitOptions {
  /** Seconds. */
  readonly timeout?: number;
  /** Bytes. */
  readonly maxMemory?: number;
  readonly seed?: number;
}

/** Add the options to a command. */
export const withLimits = (command: Command): Command =>
  withReadLimits(command)
    .option('--timeout <seconds>', 'end the run after so long', positive)
    .option('--max-memory <bytes>', 'the most memory of a run, such as 500M or 2G', bytes)
    .option('--seed <number>', 'what random operators without a seed of their own draw from', wholeSeed);

/** The same as options of a session's run, which says on `report` how far it is. */
export const runOptions = ({ timeout, maxMemory, seed }: LimitOptions, report: Report = () => {}): RunOptions => ({
  timeout: timeout === undefined ? undefined : timeout * 1000,
  memory: maxMemory,
  seed,
  onProgress: ({ step, steps, label }) => report(`${Math.floor((100 * step) / steps)} %  ${shown(label, 40)}`),
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
