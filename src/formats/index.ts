// The formats, and how a file's format is told: by content, then by name.
import type { Source } from '../codec/source.ts';
import { type Finding, fail, warning } from '../errors.ts';
import type { Format } from './format.ts';
import { keras, kerasHdf5 } from './keras/index.ts';
import { onnx, onnxJson, onnxText, textProto } from './onnx/format.ts';
import { graphDef, graphDefText, savedModel, savedModelText } from './tensorflow/index.ts';
import { tfjsGraph, tfjsLayers } from './tfjs/index.ts';
import { tflite } from './tflite/index.ts';
import { pt2, torchModule, torchscript } from './torch/index.ts';

/** In the order in which contents are tried; the first that fits wins. Texts come before bytes: they tell themselves by more of them. */
export const formats: readonly Format[] = [
  keras,
  pt2,
  torchscript,
  tflite,
  kerasHdf5,
  tfjsLayers,
  tfjsGraph,
  savedModel,
  graphDef,
  onnxText,
  onnxJson,
  textProto,
  savedModelText,
  graphDefText,
  onnx,
  torchModule,
];

export const formatNamed = (name: string): Format | undefined => formats.find(f => f.name === name);

/** The format that a file name asks for. */
export const formatOfName = (name: string): Format | undefined => formats.find(f => f.extensions.some(e => name.toLowerCase().endsWith(e)));

/** Files that stand for the folder that they lie in. */
export const mainFiles = (): readonly string[] => [...new Set(formats.flatMap(f => f.mainFile ?? []))];

const headLength = 4096;

/**
 * The format of a file by its content.
 * @throws ModelError E1001 to E1004 saying what the file is instead
 */
export async function detect(source: Source): Promise<{ format: Format; findings: Finding[] }> {
  const place = { file: source.name };
  if (source.size === 0) throw fail('E1001', 'the file is empty', place);
  const head = await source.read(0, Math.min(headLength, source.size));
  refuseImpostor(head, source);
  const byName = formatOfName(source.name);
  for (const format of formats) {
    if (!(await format.detect(head, source))) continue;
    const fits = format.extensions.some(e => source.name.toLowerCase().endsWith(e));
    const said = byName
      ? !fits && byName !== format && byName.title
      : others.find(o => o.extension && source.name.endsWith(o.extension))?.is;
    return { format, findings: said ? [warning('E1014', `the name says ${said}, the content is ${format.title}`, place)] : [] };
  }
  // A text of which the start is unusual, such as a long comment: its reader says what is wrong, with the line.
  if (byName?.isText && isText(head)) return { format: byName, findings: [] };
  const other = others.find(o => o.test(head));
  throw fail('E1002', other ? `this is ${other.is}, which is not read here` : `not a known model format; read are ${readable()}`, {
    ...place,
    offset: 0,
  });
}

export const readable = (): string => titles(formats.filter(f => f.read));
export const writable = (): string => titles(formats.filter(f => f.write));
const titles = (of: readonly Format[]): string => of.map(f => `${f.title} (${f.extensions[0] ?? 'a folder'})`).join(', ');

const textOf = (head: Uint8Array): string => String.fromCharCode(...head.subarray(0, 512));
const startsWith = (head: Uint8Array, text: string, at = 0): boolean => textOf(head).startsWith(text, at);

/** Files that are not models at all, often saved under a model's name by mistake. */
function refuseImpostor(head: Uint8Array, source: Source): void {
  const text = textOf(head).trimStart();
  if (text.startsWith('version https://git-lfs')) {
    const oid = /oid (\S{1,80})/.exec(text)?.[1] ?? '?';
    const size = /size (\d{1,20})/.exec(text)?.[1] ?? '?';
    throw fail('E1003', `this is a Git LFS pointer (oid ${oid}, size ${size}); fetch the real file`, { file: source.name });
  }
  if (/^<(!doctype html|html|head|body)/i.test(text)) throw fail('E1004', 'this is an HTML page', { file: source.name });
  if (/^<\?xml/i.test(text)) throw fail('E1004', 'this is an XML document', { file: source.name });
  if (/^\{\s*"(error|message|detail|status)"/i.test(text)) throw fail('E1004', 'this is a JSON error page', { file: source.name });
}

/** What is told by its first bytes, so that errors can name it, and the extension of its files. */
const others: readonly { is: string; extension?: string; test(head: Uint8Array): boolean }[] = [
  { is: 'a ZIP archive without a model that is known', test: h => startsWith(h, 'PK\u0003\u0004') || startsWith(h, 'PK\u0005\u0006') },
  { is: 'a NumPy array', extension: '.npy', test: h => startsWith(h, '\u0093NUMPY') },
  { is: 'a Python pickle', extension: '.pkl', test: h => h[0] === 0x80 && (h[1] ?? 9) <= 5 },
  { is: 'a safetensors file', extension: '.safetensors', test: h => h[8] === 0x7b && h[4] === 0 && h[5] === 0 && h[6] === 0 && h[7] === 0 },
  { is: 'a tar archive', test: h => startsWith(h, 'ustar', 257) },
  { is: 'a gzip file', test: h => h[0] === 0x1f && h[1] === 0x8b },
  { is: 'a GGUF model', extension: '.gguf', test: h => startsWith(h, 'GGUF') },
  { is: 'a JSON document', test: h => /^\s*[[{]/.test(textOf(h)) },
  { is: 'a text file', test: h => h.length > 0 && isText(h) && h.every(b => b < 128) },
];

/** No control characters but those that lay lines out. */
const isText = (head: Uint8Array): boolean => head.every(b => (b >= 9 && b <= 13) || (b >= 32 && b !== 127));
