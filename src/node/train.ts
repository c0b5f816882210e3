// Training in Node: the same, with checkpoints in folders and data of files.
export * from '../train/index.ts';
export { FolderCheckpoints } from './checkpoints.ts';
export { type ImageOptions, imageFolder } from './image-folder.ts';
export { type FileData, type FileDataOptions, loadTrainingData } from './training-data.ts';
