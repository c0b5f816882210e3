// What a format is: how its files are told, read and written. One row a format in `index.ts`.
import type { ByteRange, Source } from '../codec/source.ts';
import type { Finding } from '../errors.ts';
import type { Meta, Model } from '../ir/graph.ts';
import type { Stored, Tensor } from '../ir/tensor.ts';
import type { DataType } from '../ir/types.ts';
import type { Spelling } from './onnx/spelling.ts';

/** What a file may ask of its reader before it is refused; each error that comes of a limit names it. */
export interface ReadLimits {
  /** How deep messages of the file may nest, at most 1,000; 100. A graph in a node takes three. */
  readonly depth?: number | undefined;
  /** How deep graphs may nest in nodes; 64. */
  readonly graphs?: number | undefined;
  /** The most nodes of a model, those of nested graphs and functions included; 5,000,000. */
  readonly nodes?: number | undefined;
  /** The most nodes that calls of functions may become where they are inlined, at once or later; 1,000,000. */
  readonly inlined?: number | undefined;
  /** The most axes of a tensor or type, at most 64; 64. */
  readonly rank?: number | undefined;
  /** The most findings of one code that are kept; 1,000. */
  readonly findings?: number | undefined;
  /** The most steps in which code of a program is followed, beside one for each of its bytes; 1,000,000. */
  readonly steps?: number | undefined;
}

/** A value for an input of a program: a number, a truth value, a text, or null for None. */
export type InputValue = number | bigint | boolean | string | null;

export interface ReadOptions {
  /** Opens a file beside the model, for formats that have several. Names are checked before they come here. */
  readonly open?: ((location: string) => Promise<Source>) | undefined;
  readonly limits?: ReadLimits | undefined;
  /** Keep operators without a conversion as nodes of domains of their own, where the format can. */
  readonly allowCustom?: boolean | undefined;
  /** Which of several functions of the file, by its name: the signature of a SavedModel or a TensorFlow Lite model. */
  readonly signature?: string | undefined;
  /** Which of several graphs of the file: the tags of a SavedModel's, separated by commas. */
  readonly tag?: string | undefined;
  /** Tensors that become inputs and outputs, for formats that do not say them. */
  readonly inputs?: readonly string[] | undefined;
  readonly outputs?: readonly string[] | undefined;
  /** Inputs and outputs of a quantised model stay the integers that it stores; they are the numbers these stand for otherwise. */
  readonly quantizedIo?: boolean | undefined;
  /** Sizes of inputs by name, for formats that do not say them; a text names an open size. */
  readonly inputShapes?: Readonly<Record<string, readonly (number | string)[]>> | undefined;
  /** Element types of inputs by name, for programs that do not say them. */
  readonly inputTypes?: Readonly<Record<string, DataType>> | undefined;
  /** Values of inputs by name, for programs whose inputs are more than tensors: the model has no such inputs then. */
  readonly inputValues?: Readonly<Record<string, InputValue>> | undefined;
}

export interface ReadResult {
  readonly model: Model;
  /** Everything found on the way, errors too. */
  readonly findings: readonly Finding[];
}

/** Takes what weights and nodes are called in the file; of a node that what it carries is enough to know it by. */
export interface TargetNames {
  weight(tensor: Tensor, name: string): void;
  node(meta: Meta, name: string): void;
}

export interface WriteOptions {
  /** The name of the main file, from which names of others are made. */
  readonly name: string;
  /** Keep weights in a second file; as the source did otherwise. */
  readonly externalData?: boolean | undefined;
  /** The name of that file. */
  readonly dataName?: string | undefined;
  /** Inputs and what the model computes of them, for formats that hold them. */
  readonly reference?: Reference | undefined;
  /** Takes warnings of what the format has no place for. */
  readonly warn?: ((finding: Finding) => void) | undefined;
  readonly names?: TargetNames | undefined;
}

/** A part of a file: bytes, or a range that is streamed. */
export type Chunk = Uint8Array | Stored | ByteRange;

/** Tensors by the names of the inputs and outputs, in the order of the model. */
export interface Reference {
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly outputs: Readonly<Record<string, Tensor>>;
}

/** One file to write; its parts may be made when they are asked for, each time anew. */
export interface OutputFile {
  readonly name: string;
  readonly length: number;
  readonly chunks: Iterable<Chunk> | AsyncIterable<Chunk>;
}

export interface Format {
  /** As `--to` takes it. */
  readonly name: string;
  /** For people. */
  readonly title: string;
  readonly extensions: readonly string[];
  /** The file of a folder that is read for all of it, where models are folders. */
  readonly mainFile?: string;
  /** How a file holds the message of ONNX, where that is all that it holds. */
  readonly spelling?: Spelling;
  /** Whether files are text that people read. */
  readonly isText?: boolean;
  /** Whether the path of a model is that of a folder with its files. */
  readonly isFolder?: boolean;
  /** Whether its files hold inputs and outputs to compare with. */
  readonly hasReference?: boolean;
  /** Whether inputs of its programs can be given values when they are read. */
  readonly takesValues?: boolean;
  /** Whether the content is of this format. `head` are the first bytes, up to 4096. */
  detect(head: Uint8Array, source: Source): boolean | Promise<boolean>;
  read?(source: Source, options: ReadOptions): Promise<ReadResult>;
  /** The files of the model, the main one last, so that it never names one that is not there. */
  write?(model: Model, options: WriteOptions): Promise<readonly OutputFile[]>;
  /**
   * A file that `write` made with other tensors of the same types and shapes in it, by their names there, and nothing else changed. Formats
   * that lose nothing from reading to writing need none.
   */
  patch?(source: Source, tensors: ReadonlyMap<string, Tensor>): Promise<readonly Chunk[]>;
}

/** Bytes of an output file, range by range. */
export async function* bytesOfFile(file: OutputFile, step = 8 << 20): AsyncGenerator<Uint8Array> {
  for await (const chunk of file.chunks) {
    if (chunk instanceof Uint8Array) yield chunk;
    else for (let at = 0; at < chunk.length; at += step) yield await chunk.read(at, Math.min(step, chunk.length - at));
  }
}

/** A file of what `chunks` gives. */
export async function collected(name: string, chunks: AsyncIterable<Uint8Array>): Promise<OutputFile> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return { name, length: parts.reduce((n, c) => n + c.length, 0), chunks: parts };
}
