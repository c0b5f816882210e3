// What a case is: how its files are made, the command it goes through, and everything that command must say.
import type { Code, ExitKind, Finding } from '../../src/errors.ts';
import type { Piece } from './wire.ts';

/** A finding to the letter. A name for `offset` is a mark of the main file. */
export interface Expected {
  readonly severity: Finding['severity'];
  readonly code: Code;
  readonly message: string;
  readonly path?: string | undefined;
  readonly offset?: string | number | undefined;
  readonly hint?: string | undefined;
}

/** Something beside the model, by relative path: content, or a step that makes it. */
export type Beside = Readonly<Record<string, Uint8Array | string | ((path: string, folder: string) => void)>>;

export type CommandName = 'check' | 'info' | 'convert' | 'run' | 'weights';

/** What reading the main file comes to from some byte on: an error of the disk, or its end, as where somebody cuts it off. */
export interface Fault {
  readonly kind: 'EIO' | 'ends';
  readonly at: number;
}

/** What `meter.ts` says of a process. */
export interface Measured {
  readonly megabytes: number;
  /** Seconds of processor time. */
  readonly processor: number;
  /** Paths of files that it opened. */
  readonly opened: readonly string[];
  /** Connections and processes that it began. */
  readonly reached: readonly string[];
}

export interface Case {
  /** Row of the catalogue. */
  readonly row: string;
  readonly variant: string;
  /** The main file. */
  readonly make: () => Piece;
  /** `bad.onnx` unless the name matters. */
  readonly file: string;
  readonly beside: Beside;
  readonly command: CommandName;
  /** Options after the command and the path. */
  readonly options: readonly string[];
  readonly exit: ExitKind;
  readonly findings: readonly Expected[];
  /** Files that the command has to make, and their number of bytes where that matters. */
  readonly writes: readonly string[];
  /** A file that the command has to make with the bytes of the main file. */
  readonly same?: string | undefined;
  /** Run with --json, and what is printed must be JSON. */
  readonly json?: boolean | undefined;
  /** Lines that standard error must hold. */
  readonly notes?: readonly string[] | undefined;
  /** Text that standard output must hold. */
  readonly prints: readonly string[];
  /** Only for processes of their own. */
  readonly fault?: Fault | undefined;
  /** Only for processes of their own: a file so large that it would hold up all other tests. */
  readonly large?: boolean | undefined;
  /** For sound models of great size, and headers of 100 MB: seconds and MiB beyond the start of Node instead of the usual ones. */
  readonly limits?: { readonly seconds: number; readonly megabytes: number } | undefined;
}

/** What is said of bytes that are no model. */
export const readable =
  'not a known model format; read are Keras model (.keras), PyTorch exported program (.pt2), TorchScript program (.pt), TensorFlow Lite model (.tflite), Keras HDF5 model (.h5), TensorFlow.js layers model (model.json), TensorFlow.js graph model (model.json), TensorFlow SavedModel (saved_model.pb), TensorFlow GraphDef (.pb), ONNX text (.onnxtxt), ONNX JSON (.onnxjson), ONNX protobuf text (.textproto), TensorFlow SavedModel text (saved_model.pbtxt), TensorFlow GraphDef text (.pbtxt), ONNX (.onnx)';

type Given = Partial<Omit<Case, 'row' | 'variant' | 'make' | 'findings'>>;

/** A finding of severity `error`. */
export const error = (code: Code, message: string, path?: string, offset?: string | number, hint?: string): Expected => ({
  severity: 'error',
  code,
  message,
  path,
  offset,
  hint,
});
export const warns = (...given: Parameters<typeof error>): Expected => ({ ...error(...given), severity: 'warning' });

/** The exit code that a command gives for findings unless the case says another. */
function usualExit(command: CommandName, findings: readonly Expected[]): ExitKind {
  if (!findings.some(f => f.severity === 'error')) return 'ok';
  return command === 'check' ? 'no' : 'input';
}

/** A case; `check` unless `given` says another command. */
export const hostile = (row: string, variant: string, make: () => Piece, findings: readonly Expected[], given: Given = {}): Case => ({
  row,
  variant,
  make,
  file: 'bad.onnx',
  beside: {},
  command: 'check',
  options: [],
  exit: usualExit(given.command ?? 'check', findings),
  findings,
  writes: [],
  prints: [],
  ...given,
});
