// The package in Node: what browsers get too, and the same verbs over paths.
export * from '../index.ts';
export { cpuBackend } from './addon.ts';
export { dataSetsIn } from './data-sets.ts';
export { FileSource, readStdin, removeTemporaries, writeFileAtomic } from './files.ts';
export * from './models.ts';
/** Verbs of the same names that take paths. */
export { load, read } from './models.ts';
/** WebGPU by the package `webgpu`, where it is installed. */
export { nodeWebgpuBackend as webgpuBackend } from './webgpu.ts';
