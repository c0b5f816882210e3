// ONNX as rows of the format table: one for each way to write its message down.
import { jsonName } from '../../codec/protobuf-json.ts';
import { allNodes, constantsOf, type Model, subgraphs } from '../../ir/graph.ts';
import type { Format } from '../format.ts';
import { onnxSchema } from './proto.gen.ts';
import { loadable, readOnnx } from './read.ts';
import { binary, json, protobufText, type Spelling, textual } from './spelling.ts';
import { elementWords, modelWords, typeWords } from './text/words.ts';
import { writeSpelt } from './write.ts';

interface Row extends Pick<Format, 'name' | 'title' | 'extensions' | 'detect' | 'isText'> {
  readonly spelling: Spelling;
}

const format = (row: Row): Format => ({
  ...row,
  read: async (source, { open, limits }) => loadable(await readOnnx(source, { open, limits, spelling: row.spelling })),
  async write(model, { name, externalData = hasExternalData(model), dataName = `${name}.data`, warn, names }) {
    const files = await writeSpelt(model, row.spelling, { names, ...(externalData && { external: { location: dataName } }) });
    for (const finding of files.findings) warn?.(finding);
    const main = { name, ...files.model };
    return files.data ? [{ name: dataName, ...files.data }, main] : [main];
  },
});

/** Whether the file that the model was read from kept weights beside it. */
function hasExternalData(model: Model): boolean {
  const graphs = [model.graph, ...[...allNodes(model.graph)].flatMap(node => [...subgraphs(node)].map(([, graph]) => graph))];
  return graphs.some(graph => constantsOf(graph).some(v => v.tensor?.origin?.field === 'external'));
}

/** Fields of `ModelProto` by number, with their wire types: what the first bytes of a model look like. */
const wireTypes: Readonly<Record<number, number>> = { 1: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2, 20: 2, 25: 2, 26: 2 };

export const onnx: Format = format({
  name: 'onnx',
  title: 'ONNX',
  extensions: ['.onnx'],
  spelling: binary,
  /** Protobuf has no signature: the first field must be one of a model, and a string must be one of its plausible length. */
  detect(head, source) {
    const [tag = 0, next = 0] = head;
    const [field, wire] = [tag >> 3, tag & 7];
    if (tag >= 0x80 || wireTypes[field] !== wire) return false;
    if (wire === 0) return (field === 1 && next > 0 && next < 0x80) || source.name.endsWith('.onnx');
    return field === 7 || field === 8 || source.name.endsWith('.onnx');
  },
});

const space = '(?:\\s|#[^\\n]*\\n)*';
const oneOf = (words: Iterable<string>): string => `(?:${[...words].join('|')})`;
const graphName = '(?:[A-Za-z_]\\w*|"(?:[^"\\\\]|\\\\.)*")';

export const onnxText: Format = format({
  name: 'onnxtxt',
  title: 'ONNX text',
  extensions: ['.onnxtxt', '.onnxtext'],
  isText: true,
  spelling: textual,
  /** A header with its first word, or a graph with the type of its first input. */
  detect: startsWith(
    `${space}(?:<${space}${oneOf(Object.keys(modelWords))}${space}:|` +
      `${graphName}${space}\\(${space}(?:${oneOf([...elementWords.keys(), ...typeWords])}\\b|\\)${space}=>))`,
  ),
});

const fields = onnxSchema['ModelProto']!.map(([, name]) => name);

export const onnxJson: Format = format({
  name: 'onnxjson',
  title: 'ONNX JSON',
  extensions: ['.onnxjson'],
  isText: true,
  spelling: json,
  /** An object whose first key is a field of a model. */
  detect: startsWith(`\\s*\\{\\s*"${oneOf(fields.flatMap(name => [name, jsonName(name)]))}"\\s*:`),
});

export const textProto: Format = format({
  name: 'textproto',
  title: 'ONNX protobuf text',
  extensions: ['.textproto', '.txtpb', '.pbtxt', '.prototxt'],
  isText: true,
  spelling: protobufText,
  /** A field of a model with its value. */
  detect: startsWith(`${space}${oneOf(fields)}${space}[:{<[]`),
});

/** Texts whose start matches, after a byte order mark. */
function startsWith(pattern: string): (head: Uint8Array) => boolean {
  const start = new RegExp(`^(?:\u00ef\u00bb\u00bf)?${pattern}`);
  return head => {
    // Almost every binary model starts with a control character, which ends this at once.
    const [first = 0] = head;
    return (first >= 32 || (first >= 9 && first <= 13)) && start.test(String.fromCharCode(...head));
  };
}
