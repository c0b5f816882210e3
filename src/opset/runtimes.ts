// What releases of ONNX Runtime read: the newest opset that each has CPU kernels for, and the IR version that goes with it.
// Older opsets down to 7 are read by all. Where a release knew an opset only in part, the one before is given.
import { fail } from '../errors.ts';

/** What a runtime reads at most. */
export interface Runtime {
  readonly opset: number;
  readonly irVersion: number;
}

const onnxRuntime: Readonly<Record<string, Runtime>> = {
  '1.12': { opset: 17, irVersion: 8 },
  '1.13': { opset: 17, irVersion: 8 },
  '1.14': { opset: 18, irVersion: 8 },
  '1.15': { opset: 19, irVersion: 9 },
  '1.16': { opset: 19, irVersion: 9 },
  '1.17': { opset: 20, irVersion: 9 },
  '1.18': { opset: 21, irVersion: 10 },
  '1.19': { opset: 21, irVersion: 10 },
  '1.20': { opset: 21, irVersion: 10 },
  '1.21': { opset: 21, irVersion: 10 },
  '1.22': { opset: 22, irVersion: 10 },
  '1.23': { opset: 23, irVersion: 11 },
  '1.24': { opset: 23, irVersion: 11 },
  '1.25': { opset: 23, irVersion: 11 },
  '1.26': { opset: 23, irVersion: 11 },
  '1.27': { opset: 23, irVersion: 11 },
  '1.28': { opset: 23, irVersion: 11 },
  '1.29': { opset: 23, irVersion: 11 },
  '1.30': { opset: 23, irVersion: 11 },
  '1.31': { opset: 23, irVersion: 11 },
  '1.32': { opset: 23, irVersion: 11 },
};

/** The names that `runtimeNamed` knows, such as `ort-1.20`. */
export const runtimeNames: readonly string[] = Object.keys(onnxRuntime).map(version => `ort-${version}`);

/**
 * A runtime by its name.
 * @throws ModelError E4001 for another name, with those that are known
 */
export function runtimeNamed(name: string): Runtime {
  const version = /^ort-(\d+\.\d+)(?:\.\d+)?$/.exec(name)?.[1];
  const found = version !== undefined && Object.hasOwn(onnxRuntime, version) ? onnxRuntime[version] : undefined;
  if (found) return found;
  throw fail('E4001', `there is no target ${name}; known are ${runtimeNames.join(', ')}`);
}
