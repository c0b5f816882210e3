// ONNX: models from and to bytes.

export { checkLocation } from '../location.ts';
export { type NamedDatum, readDatum } from './data.ts';
export { type Duplicates, duplicatesIn, withoutDuplicates } from './duplicates.ts';
export type { ExternalOptions, OpenExternal } from './external.ts';
export { loadable, type ReadOptions, type ReadResult, readOnnx } from './read.ts';
export { functionKey } from './read-functions.ts';
export { graphMessage, type OnnxFiles, type WriteOptions, writeOnnx } from './write.ts';
