// What reads TensorFlow's formats, loaded as one.
export { openGraphDef } from './graph-def.ts';
export { openSavedModel } from './saved-model.ts';
export { translate } from './translate.ts';
