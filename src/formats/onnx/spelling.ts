// How files hold the message of a model: in protobuf's binary, text and JSON forms, and in ONNX's textual syntax. All give one message,
// of which the rest of the reader and the writer knows no more than that.
import { decode, type Encoded, encode } from '../../codec/protobuf.ts';
import type { Source } from '../../codec/source.ts';
import { longestText } from '../../codec/text-cursor.ts';
import { type Finding, fail } from '../../errors.ts';
import { type ModelProto, onnxSchema } from './proto.gen.ts';

export interface Spelling {
  /** The message in a file. `depth` is how deep messages may nest. Throws for what is no message. */
  decode(source: Source, depth: number): Promise<ModelProto>;
  /** The message as bytes, with warnings of what they leave out. Throws for what cannot be said. */
  encode(model: ModelProto): Promise<{ readonly encoded: Encoded; readonly findings: readonly Finding[] }>;
}

const name = 'ModelProto';

export const binary: Spelling = {
  decode: (source, depth) => decode<ModelProto>(onnxSchema, name, source, { limits: { depth }, wholeAfter: 'graph' }),
  encode: async model => ({ encoded: encode(onnxSchema, name, model), findings: [] }),
};

// Most models are binary: what reads and writes the others is loaded when one comes.
export const textual: Spelling = {
  async decode(source, depth) {
    const { parseModelText } = await import('./text/parse.ts');
    return parseModelText(await whole(source), source.name, depth);
  },
  encode: async model => (await import('./text/print.ts')).printModelText(model),
};

export const json: Spelling = {
  async decode(source, depth) {
    const { parseJsonMessage } = await import('../../codec/protobuf-json.ts');
    return parseJsonMessage<ModelProto>(onnxSchema, name, await whole(source), { file: source.name, depth });
  },
  async encode(model) {
    const { printJsonMessage } = await import('../../codec/protobuf-json-print.ts');
    return { encoded: await printJsonMessage(onnxSchema, name, model), findings: [] };
  },
};

export const protobufText: Spelling = {
  async decode(source, depth) {
    const { parseText } = await import('../../codec/protobuf-text.ts');
    return parseText<ModelProto>(onnxSchema, name, await whole(source), { file: source.name, depth });
  },
  async encode(model) {
    const { printText } = await import('../../codec/protobuf-text-print.ts');
    return { encoded: await printText(onnxSchema, name, model), findings: [] };
  },
};

/** A text as a whole: nothing in it says where its parts are. */
async function whole(source: Source): Promise<Uint8Array> {
  if (source.size <= longestText) return source.bytes ?? source.read(0, source.size);
  const limit = { name: 'text.bytes', value: longestText };
  throw fail('E1009', `a text of ${source.size} bytes, at most ${longestText} are read`, { file: source.name, limit });
}
