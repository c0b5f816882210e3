// TensorFlow Lite's format as a row of the format table. What translates is loaded when it is asked for.
import type { Format } from '../format.ts';
import { isTflite, openTflite } from './container.ts';

/** The most operators that are read, those of a subgraph counted for each of its calls. */
const mostNodes = 200_000;

/** Models of the TensorFlow Lite converter and of LiteRT. */
export const tflite: Format = {
  name: 'tflite',
  title: 'TensorFlow Lite model',
  extensions: ['.tflite', '.lite'],
  detect: isTflite,
  async read(source, { allowCustom = false, signature, quantizedIo = false, limits = {} }) {
    const opened = await openTflite(source, limits);
    const { translate } = await import('./translate.ts');
    const stem = source.name
      .split(/[\\/]/)
      .at(-1)!
      .replace(/\.[^.]*$/, '');
    return translate(opened, stem, { allowCustom, signature, quantizedIo, nodes: limits.nodes ?? mostNodes });
  },
};
