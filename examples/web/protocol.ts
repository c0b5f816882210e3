// What the page asks of its worker, and what comes back: plain data that a message carries.
export interface Port {
  readonly name: string;
  readonly type: string;
}

export interface Summary {
  readonly file: string;
  readonly format: string;
  /** Of all files. */
  readonly bytes: number;
  readonly files: number;
  readonly producer: string;
  readonly opsets: readonly string[];
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly nodes: number;
  readonly parameters: number;
  readonly weightBytes: number;
  readonly operators: readonly { readonly name: string; readonly count: number }[];
  /** Formats that the model can be written in. */
  readonly targets: readonly { readonly name: string; readonly title: string; readonly extension: string }[];
  readonly warnings: readonly Problem[];
}

/** A node, with what reads and feeds it by number. */
export interface Layer {
  readonly op: string;
  readonly name: string;
  readonly outputs: readonly string[];
  /** Elements of its constants. */
  readonly parameters: number;
  /** Numbers of the nodes whose results it reads. */
  readonly reads: readonly number[];
}

export interface MadeFile {
  readonly name: string;
  readonly blob: Blob;
}

export interface Converted {
  readonly files: readonly MadeFile[];
  readonly warnings: readonly Problem[];
}

export interface OutputFacts {
  readonly name: string;
  readonly type: string;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  /** The first elements. */
  readonly head: readonly string[];
  readonly comparison?: { readonly ok: boolean; readonly maxAbs: number; readonly maxRel: number; readonly reason?: string };
}

export interface Ran {
  readonly backend: string;
  /** Milliseconds: making the session ready, the first run, and the one after it. */
  readonly prepare: number;
  readonly first: number;
  readonly second: number;
  readonly outputs: readonly OutputFacts[];
  readonly arrays: Blob;
  /** Names that expected arrays have and outputs do not. */
  readonly unmatched: readonly string[];
}

export interface Problem {
  readonly code: string;
  readonly message: string;
  /** File, offset, node: where it is. */
  readonly place: string;
}

export interface RunWish {
  readonly backend: 'webgpu' | 'reference';
  /** Arrays for the inputs; generated otherwise. */
  readonly inputs?: File | undefined;
  readonly expected?: File | undefined;
  /** What open sizes become in generated arrays. */
  readonly size: number;
}

/** The verbs of the worker. */
export interface Verbs {
  open(files: readonly File[]): Summary;
  layers(): readonly Layer[];
  convert(target: string, dtype: '' | 'float16' | 'bfloat16'): Converted;
  run(wish: RunWish): Ran;
  webgpu(): true | string;
}

export type Verb = keyof Verbs;

export interface Request {
  readonly id: number;
  readonly verb: Verb;
  readonly args: readonly unknown[];
}

export type Reply =
  | { readonly id: number; readonly kind: 'done'; readonly result: unknown }
  | { readonly id: number; readonly kind: 'failed'; readonly problems: readonly Problem[] }
  | { readonly id: number; readonly kind: 'progress'; readonly text: string; readonly fraction?: number };
