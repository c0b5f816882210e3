// TensorFlow's formats as rows of the format table. What translates is loaded when it is asked for.
import type { Source } from '../../codec/source.ts';
import type { Format, ReadOptions, ReadResult } from '../format.ts';
import { isGraphText, isSavedModel, isSavedModelText } from './detect.ts';

const mainFile = 'saved_model.pb';
const mainText = 'saved_model.pbtxt';

const readSaved =
  (isText: boolean) =>
  async (source: Source, options: ReadOptions): Promise<ReadResult> => {
    const { limits, allowCustom, inputShapes } = options;
    const name = source.name.split(/[\\/]/).at(-2) ?? 'saved_model';
    const { openSavedModel, translate } = await import('./read.ts');
    const wanted = await openSavedModel(source, name, { ...options, isText, depth: limits?.depth });
    return translate(wanted, { allowCustom, inputShapes, limits });
  };

/** Folders of `tf.saved_model.save` and `Model.export`, by their main file. */
export const savedModel: Format = {
  name: 'saved_model',
  title: 'TensorFlow SavedModel',
  extensions: [mainFile],
  mainFile,
  detect: (head, source) => isSavedModel(head) || lastPart(source) === mainFile,
  read: readSaved(false),
};

/** The same folders whose main file is the text of its message. */
export const savedModelText: Format = {
  name: 'saved_model-text',
  title: 'TensorFlow SavedModel text',
  extensions: [mainText],
  mainFile: mainText,
  isText: true,
  detect: (head, source) => isSavedModelText(head) || lastPart(source) === mainText,
  read: readSaved(true),
};

const readGraph =
  (isText: boolean) =>
  async (source: Source, { limits, inputs, outputs, allowCustom, inputShapes }: ReadOptions): Promise<ReadResult> => {
    const name = lastPart(source).replace(/\.[^.]*$/, '');
    const { openGraphDef, translate } = await import('./read.ts');
    const wanted = await openGraphDef(source, name, isText, { inputs, outputs, depth: limits?.depth });
    return translate(wanted, { allowCustom, inputShapes, limits });
  };

/** Frozen graphs. */
export const graphDef: Format = {
  name: 'graphdef',
  title: 'TensorFlow GraphDef',
  extensions: ['.pb'],
  /** A node, which starts with its name. */
  detect(head, source) {
    if (head[0] !== 0x0a) return false;
    let at = 1;
    while (at < 10 && (head[at] ?? 0) >= 0x80) at++;
    const length = head[at + 2] ?? 0;
    return head[at + 1] === 0x0a && (head[at + 3 + length] === 0x12 || source.name.endsWith('.pb'));
  },
  read: readGraph(false),
};

export const graphDefText: Format = {
  name: 'graphdef-text',
  title: 'TensorFlow GraphDef text',
  extensions: ['.pbtxt'],
  isText: true,
  detect: isGraphText,
  read: readGraph(true),
};

const lastPart = (source: Source): string => source.name.split(/[\\/]/).at(-1)!;
