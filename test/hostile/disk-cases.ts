// D01 and D02: reads that fail, and files that end earlier than they did when they were opened.
import { type Case, type CommandName, type Expected, error, type Fault, hostile } from './case.ts';
import { initializer, model, rawData } from './onnx-wire.ts';
import type { Piece } from './wire.ts';

const bytes = 200_000;
/** A model that is larger than what is read at once. */
const big = (): Piece => model({ initializers: initializer('w', 1, [bytes / 4], rawData(new Uint8Array(bytes))) });
const failed = (file: string): Expected => error('E5004', `${file} could not be read: EIO: i/o error, read`);
const ended = (file: string, at: number): Expected =>
  error('E5005', `${file} became shorter while it was read: it ends at byte ${at}`, undefined, at);

const faulty = (row: string, variant: string, fault: Fault, finding: Expected, given: object = {}, command: CommandName = 'check'): Case =>
  hostile(row, `${variant}, to ${command}`, big, [finding], { command, exit: 'io', fault, ...given });

const output = { options: ['-o', 'out.onnx'] };
const half = bytes / 2;
/** Weights are stepped over: the read of what follows them finds the end. */
const afterWeights = bytes + 41;
const eio = (at: number): Fault => ({ kind: 'EIO', at });
const cut = (at: number): Fault => ({ kind: 'ends', at });

export const diskCases: readonly Case[] = [
  faulty('D01', 'an error in the first bytes', eio(0), failed('bad.onnx')),
  faulty('D01', 'an error in the middle', eio(half), failed('bad.onnx')),
  faulty('D01', 'an error in the first bytes', eio(0), failed('bad.onnx'), {}, 'info'),
  faulty('D01', 'an error in the middle', eio(half), failed('bad.onnx'), output, 'convert'),
  faulty('D02', 'a file that is empty by then', cut(0), ended('bad.onnx', 0)),
  faulty('D02', 'a file that was cut in the middle', cut(half), ended('bad.onnx', afterWeights)),
  faulty('D02', 'a file that was cut in the middle', cut(half), ended('bad.onnx', afterWeights), output, 'convert'),
];
