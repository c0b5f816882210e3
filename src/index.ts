/**
 * omnix: read, convert, run and compare models, in browsers and in Node.
 *
 * @example
 * ```ts
 * import { load, Session, Tensor } from 'omnix';
 * const model = await load(bytes);
 * const session = await Session.create(model);
 * const { y } = await session.run({ x: new Tensor('float32', data, [2, 3]) });
 * ```
 * @module
 */
export * from './api.ts';
export { BlobSource, MemorySource, type Source } from './codec/source.ts';
export { type Blocker, type DryRun, dryRun } from './dry-run.ts';
export { type ExtractOptions, extract } from './edit/extract.ts';
export { inferShapes } from './edit/infer-shapes.ts';
export { inlineFunctions } from './edit/inline.ts';
export { type ChannelOrder, type LayoutOptions, layout } from './edit/layout.ts';
export { type MergeOptions, merge } from './edit/merge.ts';
export { type Half, type Narrowed, type NarrowOptions, narrow } from './edit/narrow.ts';
export type { Whereabouts } from './edit/provenance.ts';
export type { ActivationType, Kept, Scheme } from './edit/quantize/index.ts';
export { type Renames, rename } from './edit/rename.ts';
export { type InputShapes, setShapes } from './edit/set-shapes.ts';
export { type SimplifyOptions, simplify } from './edit/simplify.ts';
export { type PassName, passNames as simplifyPasses } from './edit/simplify-passes.ts';
export {
  type NameRule,
  type ReplacedWeights,
  type ReplaceWeightsOptions,
  replaceWeights,
  weightsOf,
} from './edit/weights.ts';
export { type Code, codes, exitCodes, type Finding, ModelError } from './errors.ts';
export type { Backend, Bound, Executable } from './exec/backend.ts';
export { Cache, type CacheOptions } from './exec/cache.ts';
export { compilePlan, type Plan, printPlan } from './exec/plan.ts';
export { referenceBackend } from './exec/reference.ts';
export { type WebGpuOptions, webgpuBackend } from './exec/webgpu/backend.ts';
export { readArrays, writeArray, writeArrays } from './formats/arrays.ts';
export { bytesOfFile, type Format, type OutputFile, type ReadLimits } from './formats/format.ts';
export { formatOfName, formats, mainFiles } from './formats/index.ts';
export { parseMap, printMap } from './formats/map.ts';
export { type WeightFormat, weightFormats } from './formats/weights/index.ts';
export { allNodes, constantsOf, Graph, Model, Node, Value } from './ir/graph.ts';
export type { ConversionMap, Expression, FileFacts, MappedNode, MappedTensor, MappedWeight } from './ir/provenance.ts';
export { resident, Tensor } from './ir/tensor.ts';
export { type DataType, formatType, type ValueType } from './ir/types.ts';
export type { Weights } from './ir/weights.ts';
export { type Builder, newBuilder } from './ops/builder.ts';
export { passes, rewriteModel } from './passes/index.ts';
export {
  type Quantized,
  type QuantizedLayer,
  type QuantizeOptions,
  type QuantizeProgress,
  quantize,
} from './quantize.ts';
export { type SwapOptions, swapWeights } from './swap.ts';
export { type ModelGradientOptions, modelGradients } from './train/gradient/index.ts';
export type { Samples } from './validate/calibrate.ts';
export { type Comparison, compareArrays, compareTensors, defaultTolerance, matchArrays, type Tolerance } from './validate/compare.ts';
export { diff, type ModelDiff } from './validate/diff.ts';
export type { CalibrationMethod } from './validate/histogram.ts';
export { type RandomOptions, randomArrays } from './validate/random.ts';
export { type Repaired, repair } from './validate/repair.ts';
