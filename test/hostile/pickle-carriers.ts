// The kinds of files that hold pickles, and cases for a pickle in each of them.
import { type Code, codes } from '../../src/errors.ts';
import { type Case, error, hostile } from './case.ts';
import {
  archive,
  call,
  checkpointEntries,
  dict,
  flatProgram,
  global,
  op,
  pickle,
  root,
  scriptEntries,
  stream,
  text,
} from './pickle-wire.ts';
import { join, mark, type Piece } from './wire.ts';

/** A kind of file that holds a pickle. */
export interface Carrier {
  readonly title: string;
  readonly file: string;
  readonly command: 'weights' | 'info';
  /** The pickle with a value under the name `w`. */
  readonly holds: (value: Piece) => Piece;
  readonly make: (data: Piece) => Piece;
  /** Undefined where offsets count from the start of the file. */
  readonly path: string | undefined;
}

export const ofDict = (value: Piece): Piece => pickle(dict(['w', value]));
export const carriers = {
  checkpoint: {
    title: 'a checkpoint',
    file: 'bad.pth',
    command: 'weights',
    holds: ofDict,
    make: data => archive(checkpointEntries(data)),
    path: 'data.pkl',
  },
  stream: {
    title: 'a checkpoint of before 1.6',
    file: 'bad.pth',
    command: 'weights',
    holds: ofDict,
    make: data => stream(data),
    path: undefined,
  },
  script: {
    title: 'a TorchScript program',
    file: 'bad.pt',
    command: 'info',
    holds: value => pickle(root(value)),
    make: data => archive(scriptEntries(data)),
    path: 'data.pkl',
  },
  flat: {
    title: 'the state of a .pt2 program',
    file: 'bad.pt2',
    command: 'info',
    holds: ofDict,
    make: data => flatProgram(archive(checkpointEntries(data))),
    path: 'data.pkl',
  },
} as const satisfies Record<string, Carrier>;
export const all = Object.values(carriers) as readonly Carrier[];

export type Given = Parameters<typeof hostile>[4] & {
  readonly in?: readonly Carrier[];
  /** The entry of an archive that the finding is about, where it is not the pickle. */
  readonly entry?: string;
};

/** What is wrong, where the mark `bad` is at `at`. */
export type Wrong = (at: number) => readonly [Code, string];

/** A case for each carrier of a pickle; `data` makes it. */
export function inEach(
  row: string,
  variant: string,
  data: (carrier: Carrier) => Piece,
  wrong: Wrong,
  { in: among = all, entry, ...given }: Given = {},
): Case[] {
  return among.map(carrier => {
    const whole = (): Piece => carrier.make(data(carrier));
    const at = (carrier.path ? data(carrier) : whole()).marks?.get('bad');
    const [code, message] = wrong(at ?? Number.NaN);
    const finding = error(code, message, carrier.path && (entry ?? carrier.path), at);
    return hostile(row, `${variant}, in ${carrier.title}`, whole, [finding], {
      file: carrier.file,
      command: carrier.command,
      exit: codes[code].exit,
      ...given,
    });
  });
}

/** The whole pickle is given. */
export const pickles = (row: string, variant: string, data: Piece, wrong: Wrong, given?: Given): Case[] =>
  inEach(row, variant, () => data, wrong, given);
/** A value is given. */
export const values = (row: string, variant: string, value: Piece, wrong: Wrong, given?: Given): Case[] =>
  inEach(row, variant, carrier => carrier.holds(value), wrong, given);

export const bad = mark('bad');
export const calls =
  (name: string): Wrong =>
  at => ['E1015', `the pickle calls ${name} at offset ${at}; only tensors and containers are read`];
export const says =
  (code: Code, message: string): Wrong =>
  () => [code, message];

export const named = (module: string, name: string): Piece => join(bad, global(module, name));
export const system = call(named('posix', 'system'), text('id'));
/** The same without the mark, for findings that say no offset. */
export const quiet = call(global('posix', 'system'), text('id'));
export const stacked = (module: Piece, name: Piece): Piece => join(module, name, bad, op('\x93'));
