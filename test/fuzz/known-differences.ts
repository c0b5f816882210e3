// Where our checker and onnx.checker come to different verdicts, class by class, and why ours stands.

export interface KnownDifference {
  /** Who alone refuses. */
  readonly only: 'ours' | 'theirs';
  /** What every error of the side that refuses looks like. */
  readonly says: RegExp;
  readonly reason: string;
}

export const knownDifferences: readonly KnownDifference[] = [];
