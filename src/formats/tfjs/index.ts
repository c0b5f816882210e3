// TensorFlow.js models as rows of the format table. What reads them is loaded when it is asked for.
import type { Format } from '../format.ts';

export const tfjsLayers: Format = {
  name: 'tfjs-layers',
  title: 'TensorFlow.js layers model',
  extensions: ['model.json'],
  isText: true,
  mainFile: 'model.json',
  detect(head) {
    const text = new TextDecoder('latin1').decode(head);
    if (!/^\s*\{/.test(text) || /"format"\s*:\s*"graph-model"/.test(text)) return false;
    return /"format"\s*:\s*"layers-model"/.test(text) || (/"modelTopology"\s*:/.test(text) && /"(class_name|model_config)"\s*:/.test(text));
  },
  async read(source, { open, inputShapes = {} }) {
    const { openLayers, translate } = await import('./layers.ts');
    return translate(await openLayers(source, open), { file: source.name, inputShapes });
  },
};
