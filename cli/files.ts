// Models and arrays from paths or standard input, and results to paths or standard output. `-` names the standard streams.
import { lstatSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Loaded, read } from '../src/api.ts';
import type { Source } from '../src/codec/source.ts';
import { fail } from '../src/errors.ts';
import type { ReadOptions } from '../src/formats/format.ts';
import { readStdin, removeTemporaries } from '../src/node/files.ts';
import { openModel } from '../src/node/open-model.ts';
import type { ReadLimitOptions } from './limits.ts';

export interface Opened {
  readonly source: Source;
  readonly options: ReadOptions;
}

/** The bytes of a model; external data is looked for beside a file, and nowhere for standard input. */
export async function openInput(path: string, options: ReadOptions = {}): Promise<Opened> {
  if (path === '-') return { source: await readStdin(), options };
  const { source, open } = await openModel(path);
  return { source, options: { ...options, open } };
}

/** Names of tensors that become inputs and outputs of a graph that does not say them; each text may have several with commas. */
export interface Ends {
  readonly inputs?: readonly string[] | undefined;
  readonly outputs?: readonly string[] | undefined;
}

const namesIn = (given: readonly string[] | undefined): string[] | undefined =>
  given?.flatMap(text => text.split(',')).map(name => name.trim());

/** Read a model. Errors: as `read`. */
export async function readModel(
  path: string,
  options: ReadLimitOptions & Pick<ReadOptions, 'allowCustom' | 'inputShapes' | 'inputTypes' | 'inputValues' | 'quantizedIo'> = {},
  { inputs, outputs }: Ends = {},
): Promise<Loaded & { readonly source: Source }> {
  const { limit: limits, allowCustom, inputShapes, inputTypes, inputValues, quantizedIo, signature, tag } = options;
  const named = { inputs: namesIn(inputs), outputs: namesIn(outputs) };
  const wanted = { limits, allowCustom, inputShapes, inputTypes, inputValues, quantizedIo, signature, tag, ...named };
  const { source, options: opened } = await openInput(path, wanted);
  return { ...(await read(source, opened)), source };
}

/** Whether something has this path, be it a link to nothing. */
export const exists = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined;

/** What is to be written to a path. */
export interface OutputKind {
  readonly isText?: boolean | undefined;
  readonly isFolder?: boolean | undefined;
}

/**
 * Refuse an output before any work is done for it.
 * Errors: E4001 standard output is a terminal, E4002 the file exists, E5001 its folder does not, E5004 it is a folder, or no folder where
 * one is expected.
 */
export function checkOutput(path: string, overwrite: boolean, { isText = false, isFolder = false }: OutputKind = {}): void {
  if (path === '-') {
    if (process.stdout.isTTY && !isText) throw fail('E4001', 'standard output is a terminal; binary data is not written to it');
    return;
  }
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found?.isDirectory() && !isFolder) throw fail('E5004', `${path} is a folder, expected a file`, { file: path });
  if (found && isFolder && !statSync(path, { throwIfNoEntry: false })?.isDirectory())
    throw fail('E5004', `${path} is a file, expected a folder`, { file: path });
  if (found && !isFolder && !overwrite && !found.isCharacterDevice() && !found.isFIFO())
    throw fail('E4002', `${path} exists`, { file: path });
  if (!found && !exists(dirname(path))) throw fail('E5001', `the folder ${dirname(path)} of ${path} does not exist`, { file: path });
}

/**
 * Do what writes files; a signal meanwhile removes the temporary ones. At other times there is nothing to remove, and the
 * system's own way to end a process works even in a long computation.
 */
export async function whileWriting<T>(work: () => Promise<T>): Promise<T> {
  const stop = (signal: 'SIGINT' | 'SIGTERM'): never => {
    removeTemporaries();
    process.exit(signal === 'SIGINT' ? 130 : 143);
  };
  process.on('SIGINT', stop).on('SIGTERM', stop);
  try {
    return await work();
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}

/** Write to standard output as fast as its reader takes it. Gives the number of bytes. */
export async function writeToStdout(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<number> {
  let written = 0;
  for await (const chunk of chunks) {
    written += chunk.length;
    await new Promise<void>((resolve, reject) =>
      process.stdout.write(chunk, error => {
        if (!error) resolve();
        // The reader has closed the pipe: the handler of the stream ends the process quietly.
        else if ((error as NodeJS.ErrnoException).code !== 'EPIPE') reject(error);
      }),
    );
  }
  return written;
}
