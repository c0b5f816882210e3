// What a `.keras` archive holds, and how it is told.
import type { Zip } from '../../codec/zip.ts';

export const entries = {
  config: 'config.json',
  metadata: 'metadata.json',
  weights: 'model.weights.h5',
  shards: 'model.weights.json',
} as const;

export const isKerasArchive = (zip: Zip): boolean =>
  zip.entries.has(entries.config) && (zip.entries.has(entries.weights) || zip.entries.has(entries.shards));
