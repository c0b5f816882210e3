// What a format is: how its files are told, read and written. One row a format in `index.ts`.
import type { ByteRange, Source } from '../codec/source.ts';
import type { Finding } from '../errors.ts';
import type { Model } from '../ir/graph.ts';
import type { Stored } from '../ir/tensor.ts';
import type { Spelling } from './onnx/spelling.ts';

/** What a file may ask of its reader before it is refused; each error that comes of a limit names it. */
export interface ReadLimits {
  /** How deep messages of the file may nest, at most 1,000; 100. A graph in a node takes three. */
  readonly depth?: number | undefined;
  /** How deep graphs may nest in nodes; 64. */
  readonly graphs?: number | undefined;
  /** The most nodes of a model, those of nested graphs and functions included; 5,000,000. */
  readonly nodes?: number | undefined;
  /** The most findings of one code that are kept; 1,000. */
  readonly findings?: number | undefined;
}

export interface ReadOptions {
  /** Opens a file beside the model, for formats that have several. Names are checked before they come here. */
  readonly open?: ((location: string) => Promise<Source>) | undefined;
  readonly limits?: ReadLimits | undefined;
  /** Keep operators without a conversion as nodes of domains of their own, where the format can. */
  readonly allowCustom?: boolean | undefined;
  /** Which of several functions of the file: the signature of a SavedModel. */
  readonly signature?: string | undefined;
  /** Which of several graphs of the file: the tags of a SavedModel's, separated by commas. */
  readonly tag?: string | undefined;
  /** Tensors that become inputs and outputs, for formats that do not say them. */
  readonly inputs?: readonly string[] | undefined;
  readonly outputs?: readonly string[] | undefined;
  /** Sizes of inputs by name, for formats that do not say them; a text names an open size. */
  readonly inputShapes?: Readonly<Record<string, readonly (number | string)[]>> | undefined;
}

export interface ReadResult {
  readonly model: Model;
  /** Everything found on the way, errors too. */
  readonly findings: readonly Finding[];
}

export interface WriteOptions {
  /** The name of the main file, from which names of others are made. */
  readonly name: string;
  /** Keep weights in a second file; as the source did otherwise. */
  readonly externalData?: boolean | undefined;
  /** The name of that file. */
  readonly dataName?: string | undefined;
  /** Takes warnings of what the format has no place for. */
  readonly warn?: ((finding: Finding) => void) | undefined;
}

/** One file to write; parts are bytes, or ranges that are streamed. */
export interface OutputFile {
  readonly name: string;
  readonly length: number;
  readonly chunks: readonly (Uint8Array | Stored | ByteRange)[];
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
  /** Whether the content is of this format. `head` are the first bytes, up to 4096. */
  detect(head: Uint8Array, source: Source): boolean | Promise<boolean>;
  read?(source: Source, options: ReadOptions): Promise<ReadResult>;
  /** The files of the model, the main one last, so that it never names one that is not there. */
  write?(model: Model, options: WriteOptions): Promise<readonly OutputFile[]>;
}

/** Bytes of an output file, range by range. */
export async function* bytesOfFile(file: OutputFile, step = 8 << 20): AsyncGenerator<Uint8Array> {
  for (const chunk of file.chunks) {
    if (chunk instanceof Uint8Array) yield chunk;
    else for (let at = 0; at < chunk.length; at += step) yield await chunk.read(at, Math.min(step, chunk.length - at));
  }
}
