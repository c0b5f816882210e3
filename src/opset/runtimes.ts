// What releases of ONNX Runtime read on the CPU, found by asking each from 1.15 on, and its kernels and
// element types from 1.16 on (test/interop/runtimes.py). Older opsets down to 7 are
// read by all. A release admits an opset as soon as the standard has it, though not all kernels follow at once, or ever.
import { fail } from '../errors.ts';
import { allNodes, type Model } from '../ir/graph.ts';
import type { DataType } from '../ir/types.ts';

/** What a runtime reads at most. */
export interface Runtime {
  readonly opset: number;
  readonly irVersion: number;
  /** Operators that it has no kernel for, from an opset on. In the opset before, the operator is an older one or is said by others. */
  readonly lacks: Readonly<Record<string, number>>;
  /** Element types that no tensor of it can have. */
  readonly without: ReadonlySet<DataType>;
}

/** Element types by the release that has them first; those that none has are not there. */
const firstIn: Readonly<Partial<Record<DataType, number>>> = {
  float8e4m3fn: 15,
  float8e4m3fnuz: 15,
  float8e5m2: 15,
  float8e5m2fnuz: 15,
  int4: 19,
  uint4: 19,
  float4e2m1: 24,
  float8e8m0: 27,
  int2: 24,
  uint2: 24,
};
const never: readonly DataType[] = ['complex64', 'complex128', 'float6e2m3', 'float6e3m2'];
const withoutIn = (minor: number): ReadonlySet<DataType> =>
  // The cast: keys are those of the table.
  new Set([...never, ...(Object.entries(firstIn) as [DataType, number][]).flatMap(([type, first]) => (minor < first ? [type] : []))]);

const lacking = (opset: number, ...ops: readonly string[]): Runtime['lacks'] => Object.fromEntries(ops.map(op => [op, opset]));
const runtime = (opset: number, irVersion: number, ...lacks: readonly Runtime['lacks'][]): Omit<Runtime, 'without'> => ({
  opset,
  irVersion,
  lacks: Object.assign({}, ...lacks),
});

const deform = lacking(19, 'DeformConv');
const image = lacking(20, 'ImageDecoder');
const random = ['Bernoulli', 'Multinomial', 'RandomNormal', 'RandomNormalLike', 'RandomUniform', 'RandomUniformLike'];
const pools = lacking(22, 'GlobalLpPool', 'MaxRoiPool', 'RoiAlign', ...random);
const norm = lacking(22, 'LpNormalization');
const codes = lacking(28, 'DequantizeLinear', 'Optional', 'OptionalGetElement', 'OptionalHasElement', 'QuantizeLinear');

const onnxRuntime: Readonly<Record<string, Omit<Runtime, 'without'>>> = {
  '1.12': runtime(17, 8),
  '1.13': runtime(17, 8),
  '1.14': runtime(18, 8),
  '1.15': runtime(19, 9, deform),
  '1.16': runtime(19, 9, deform),
  '1.17': runtime(20, 9, deform, image),
  '1.18': runtime(21, 10, deform, image, lacking(21, 'QLinearMatMul')),
  '1.19': runtime(21, 10, deform, image, lacking(21, 'QLinearMatMul')),
  '1.20': runtime(21, 10, deform, image),
  '1.21': runtime(22, 10, deform, image, pools, norm),
  '1.22': runtime(22, 10, deform, image, pools, norm),
  '1.23': runtime(23, 11, deform, image, pools, norm),
  '1.24': runtime(25, 13, deform, image, pools, norm, lacking(24, 'TensorScatter')),
  '1.25': runtime(26, 13, image, pools),
  '1.26': runtime(26, 13, image, pools),
  '1.27': runtime(26, 13, image, pools),
  '1.28': runtime(26, 13, image, pools),
  '1.29': runtime(26, 13, image, pools),
  '1.30': runtime(26, 13, image, pools),
  '1.31': runtime(26, 13, image, pools),
  '1.32': runtime(28, 14, image, pools, codes),
};

/** The newest opset in which the runtime has all operators of the model. */
export function newestFor({ opset, lacks }: Runtime, { graph, functions }: Pick<Model, 'graph' | 'functions'>): number {
  const nodes = [graph, ...functions.map(f => f.body)].flatMap(g => [...allNodes(g)]);
  const bounds = nodes.flatMap(({ op, domain }) => (domain === '' && Object.hasOwn(lacks, op) ? [lacks[op]! - 1] : []));
  return Math.min(opset, ...new Set(bounds));
}

/** The names that `runtimeNamed` knows, such as `ort-1.20`. */
export const runtimeNames: readonly string[] = Object.keys(onnxRuntime).map(version => `ort-${version}`);

/**
 * A runtime by its name.
 * @throws ModelError E4001 for another name, with those that are known
 */
export function runtimeNamed(name: string): Runtime {
  const version = /^ort-(\d+\.\d+)(?:\.\d+)?$/.exec(name)?.[1];
  const found = version !== undefined && Object.hasOwn(onnxRuntime, version) ? onnxRuntime[version] : undefined;
  if (found) return { ...found, without: withoutIn(Number(version!.split('.')[1])) };
  throw fail('E4001', `there is no target ${name}; known are ${runtimeNames.join(', ')}`);
}
