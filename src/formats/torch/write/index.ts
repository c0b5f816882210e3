// What writes PyTorch's formats, loaded as one.
export { programOf, tellNames } from './emit.ts';
export { moduleFiles } from './module/index.ts';
export { programEntries } from './pt2.ts';
export { scriptEntries, scriptNames } from './torchscript.ts';
