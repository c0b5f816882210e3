// TensorFlow.js models as rows of the format table. What reads them is loaded when it is asked for.
import type { Format } from '../format.ts';

const mainFile = 'model.json';

/** Which of both kinds a text is: by its format, or by what its topology starts with, where models were saved by TensorFlow.js. */
function kindOf(head: Uint8Array): 'graph' | 'layers' | undefined {
  const text = new TextDecoder('latin1').decode(head);
  if (!/^\s*\{/.test(text)) return undefined;
  const [, said] = /"format"\s*:\s*"(graph|layers)-model"/.exec(text) ?? [];
  if (said === 'graph' || said === 'layers') return said;
  const [, first] = /"modelTopology"\s*:\s*\{\s*"(\w+)"/.exec(text) ?? [];
  if (first === 'node' || first === 'library' || first === 'versions') return 'graph';
  return first !== undefined && /"(class_name|model_config)"\s*:/.test(text) ? 'layers' : undefined;
}

export const tfjsLayers: Format = {
  name: 'tfjs-layers',
  title: 'TensorFlow.js layers model',
  extensions: [mainFile],
  isText: true,
  mainFile,
  detect: head => kindOf(head) === 'layers',
  async read(source, { open, inputShapes = {} }) {
    const { openLayers, translate } = await import('./layers.ts');
    return translate(await openLayers(source, open), { file: source.name, inputShapes });
  },
};

export const tfjsGraph: Format = {
  name: 'tfjs-graph',
  title: 'TensorFlow.js graph model',
  extensions: [mainFile],
  isText: true,
  mainFile,
  detect: head => kindOf(head) === 'graph',
  async read(source, { open, limits, inputs, outputs, allowCustom, inputShapes }) {
    const { openGraph, translate } = await import('./graph.ts');
    const wanted = await openGraph(source, { open, inputs, outputs, depth: limits?.depth });
    return translate(wanted, { allowCustom, inputShapes });
  },
};
