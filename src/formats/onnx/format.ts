// ONNX as a row of the format table.
import { allNodes, constantsOf, type Model, subgraphs } from '../../ir/graph.ts';
import type { Format } from '../format.ts';
import { loadable, readOnnx } from './read.ts';
import { writeOnnx } from './write.ts';

/** Fields of `ModelProto` by number, with their wire types: what the first bytes of a model look like. */
const wireTypes: Readonly<Record<number, number>> = { 1: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2, 20: 2, 25: 2, 26: 2 };

export const onnx: Format = {
  name: 'onnx',
  title: 'ONNX',
  extensions: ['.onnx'],
  /** Protobuf has no signature: the first field must be one of a model, and a string must be one of its plausible length. */
  detect(head, source) {
    const [tag = 0, next = 0] = head;
    const [field, wire] = [tag >> 3, tag & 7];
    if (tag >= 0x80 || wireTypes[field] !== wire) return false;
    if (wire === 0) return (field === 1 && next > 0 && next < 0x80) || source.name.endsWith('.onnx');
    return field === 7 || field === 8 || source.name.endsWith('.onnx');
  },
  read: async (source, { open, limits }) => loadable(await readOnnx(source, { open, limits })),
  async write(model, { name, externalData = hasExternalData(model), dataName = `${name}.data` }) {
    const files = writeOnnx(model, externalData ? { external: { location: dataName } } : {});
    const main = { name, ...files.model };
    return files.data ? [{ name: dataName, ...files.data }, main] : [main];
  },
};

/** Whether the file that the model was read from kept weights beside it. */
function hasExternalData(model: Model): boolean {
  const graphs = [model.graph, ...[...allNodes(model.graph)].flatMap(node => [...subgraphs(node)].map(([, graph]) => graph))];
  return graphs.some(graph => constantsOf(graph).some(v => v.tensor?.origin?.field === 'external'));
}
