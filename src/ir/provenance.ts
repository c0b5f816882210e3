// What became of the nodes and weights of a file that was converted, as data: where each went, and how the content of each tensor of the
// result follows from weights of the source, so that others can be put in their place.
import type { Attributes } from './graph.ts';
import type { Tensor } from './tensor.ts';
import type { DataType } from './types.ts';

/** A file as it was. */
export interface FileFacts {
  readonly name: string;
  readonly size: number;
  /** In hexadecimal. */
  readonly sha256: string;
}

export interface ConversionMap {
  readonly source: { readonly format: string; readonly files: readonly FileFacts[] };
  readonly target: { readonly format: string; readonly files: readonly FileFacts[] };
  readonly nodes: readonly MappedNode[];
  readonly weights: readonly MappedWeight[];
  /** Tensors of the result that hold what weights decide. */
  readonly tensors: readonly MappedTensor[];
}

/** Why something of the source is not in the result. */
export const removals = {
  unused: 'no output depends on it',
  known: 'what it gives was known while converting',
  joined: 'other nodes do what it did',
  folded: 'it was computed while converting, and is part of a weight',
  same: 'it is the same memory as another weight',
  consumed: 'the form of the result was decided by what is in it',
} as const;
export type Removal = keyof typeof removals;

export interface MappedNode {
  readonly name: string;
  readonly op: string;
  /** The module that it is of, and the line of the program, where the reader knew them. */
  readonly module?: string | undefined;
  readonly source?: string | undefined;
  /** Names of nodes of the result. */
  readonly targets: readonly string[];
  readonly removed?: Removal | undefined;
  /** Nodes or tensors of the result that took it up. */
  readonly into?: readonly string[] | undefined;
}

export interface MappedWeight {
  readonly name: string;
  readonly type: DataType;
  readonly dims: readonly number[];
  readonly targets: readonly { readonly name: string; readonly transform: string }[];
  readonly removed?: Removal | undefined;
  /** The weight whose memory it shares. */
  readonly same?: string | undefined;
  /** Digest of its content, where that must stay: the form of the result was decided by it. */
  readonly fixed?: string | undefined;
}

export interface MappedTensor {
  readonly name: string;
  readonly type: DataType;
  readonly dims: readonly number[];
  readonly from: Expression;
}

/** How the content of a tensor is computed: from weights of the source by name, constants, and operators in their newest opset. */
export type Expression =
  | { readonly weight: string }
  | { readonly constant: Tensor }
  | {
      readonly op: string;
      readonly attributes: Attributes;
      readonly inputs: readonly (Expression | undefined)[];
      /** Which of how many outputs it is. */
      readonly output: number;
      readonly outputs: number;
    };
