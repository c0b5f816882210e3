// The main message of a file: as protobuf, or as its text.
import { decode, type Message } from '../../codec/protobuf.ts';
import { parseText } from '../../codec/protobuf-text.ts';
import type { Source } from '../../codec/source.ts';
import { longestText } from '../../codec/text-cursor.ts';
import { fail } from '../../errors.ts';
import { tensorflowSchema } from './proto.gen.ts';

/** @throws ModelError E1009 for a text that is too long, and what decoding throws */
export async function readMessage<T extends Message>(name: string, source: Source, isText: boolean, depth: number | undefined): Promise<T> {
  if (!isText) return decode<T>(tensorflowSchema, name, source, { limits: { depth } });
  if (source.size > longestText)
    throw fail('E1009', `a text of ${source.size} bytes, at most ${longestText} are read`, {
      file: source.name,
      limit: { name: 'text.bytes', value: longestText },
    });
  const text = source.bytes ?? (await source.read(0, source.size));
  return parseText<T>(tensorflowSchema, name, text, { file: source.name, depth: depth ?? 100, skipUnknown: true });
}
