// What a file says of itself beside its graphs, as text.
import { encodeBase64 } from '../../codec/base64.ts';
import { decodeUtf8, hasEscapedBytes } from '../../codec/utf8.ts';
import type { Opened } from './container.ts';

/** Larger entries are left out. */
const mostBytes = 1 << 20;

/** Metadata of the model: texts as they are, padding aside, and other bytes as base64. */
export async function metadataOf({ model, buffers }: Opened): Promise<ReadonlyMap<string, string>> {
  const found = new Map([['source_format', 'tflite']]);
  if (model.description) found.set('tflite.description', model.description);
  for (const { name, buffer } of model.metadata) {
    const range = buffers[buffer];
    if (name && range && range.length <= mostBytes) found.set(`tflite.${name}`, textOf(await range.read()));
  }
  return found;
}

function textOf(bytes: Uint8Array): string {
  const end = bytes.findLastIndex(byte => byte !== 0) + 1;
  const text = decodeUtf8(bytes, 0, end);
  const isText = !hasEscapedBytes(text) && !/[\0-\x08\x0e-\x1f\x7f]/.test(text);
  return isText ? text : `base64:${[...encodeBase64(bytes)].join('')}`;
}
