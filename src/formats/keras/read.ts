// What reads Keras's formats, loaded as one.
export { openArchive, openWhole } from './file.ts';
export { translate } from './translate.ts';
