// ImageDecoder: the bytes of an image file to its pixels. BMP and PNM are read here; for the other formats the package sharp is
// loaded where it is installed.
import { fail, ModelError } from '../errors.ts';
import { tensorOf } from '../ir/datum.ts';
import { Tensor } from '../ir/tensor.ts';
import { gapTypes } from './gap-types.ts';
import { type Pixels, readBmp, readPnm } from './image-files.ts';
import type { Family, HostContext } from './row.ts';

export const images = {
  ImageDecoder: {
    infer: gapTypes.ImageDecoder,
    async host({ encoded_stream }, { pixel_format }, context) {
      if (!Object.hasOwn(layouts, pixel_format)) throw fail('E1303', `ImageDecoder: there is no pixel format ${pixel_format}`);
      const bytes = tensorOf(encoded_stream).bytes();
      const { width, height, rgb } = await readPixels(bytes, context);
      return [arranged(rgb, [height, width], layouts[pixel_format as keyof typeof layouts], context)];
    },
  },
} satisfies Family;

type Layout = (red: number, green: number, blue: number) => readonly number[];
/** Channels of a pixel from its red, green and blue; grey is the luma of ITU-R BT.601. */
const layouts = {
  RGB: (red, green, blue) => [red, green, blue],
  BGR: (red, green, blue) => [blue, green, red],
  Grayscale: (red, green, blue) => [Math.round(0.299 * red + 0.587 * green + 0.114 * blue)],
} as const satisfies Record<string, Layout>;

function arranged(rgb: Uint8Array, size: readonly number[], layout: Layout, context: HostContext): Tensor {
  const channels = layout(0, 0, 0).length;
  const count = rgb.length / 3;
  context.reserve(count * channels);
  const data = new Uint8Array(count * channels);
  for (let i = 0; i < count; i++) data.set(layout(rgb[3 * i]!, rgb[3 * i + 1]!, rgb[3 * i + 2]!), i * channels);
  return new Tensor('uint8', data, [...size, channels]);
}

async function readPixels(bytes: Uint8Array, { reserve }: HostContext): Promise<Pixels> {
  const starts = (...magic: readonly number[]): boolean => magic.every((byte, i) => bytes[i] === byte);
  if (starts(0x42, 0x4d)) return readBmp(bytes, reserve);
  if (starts(0x50) && /[1-6]/.test(String.fromCharCode(bytes[1] ?? 0))) return readPnm(bytes, reserve);
  if (starts(0, 0, 0, 12, 0x6a, 0x50) || starts(0xff, 0x4f, 0xff, 0x51)) throw fail('E3004', 'ImageDecoder: JPEG 2000 is not decoded here');
  return readBySharp(bytes, reserve);
}

/** What is used of the package. */
interface Sharp {
  metadata(): Promise<{ readonly width: number; readonly height: number }>;
  toColourspace(space: 'srgb'): Sharp;
  removeAlpha(): Sharp;
  raw(): Sharp;
  toBuffer(options: { readonly resolveWithObject: true }): Promise<{
    readonly data: Uint8Array;
    readonly info: { readonly width: number; readonly height: number; readonly channels: number };
  }>;
}
type OpenSharp = (bytes: Uint8Array, options: { readonly failOn: 'error' }) => Sharp;

async function readBySharp(bytes: Uint8Array, reserve: (bytes: number) => void): Promise<Pixels> {
  const open = await loadSharp();
  try {
    const image = open(bytes, { failOn: 'error' });
    const head = await image.metadata();
    reserve(head.width * head.height * 3);
    const { data, info } = await image.toColourspace('srgb').removeAlpha().raw().toBuffer({ resolveWithObject: true });
    const { width, height, channels } = info;
    const rgb = channels === 3 ? data : Uint8Array.from({ length: width * height * 3 }, (_, i) => data[Math.floor(i / 3) * channels]!);
    return { width, height, rgb };
  } catch (cause) {
    if (cause instanceof ModelError) throw cause;
    throw fail('E3012', `ImageDecoder: ${cause instanceof Error ? cause.message : String(cause)}`, {}, { cause });
  }
}

async function loadSharp(): Promise<OpenSharp> {
  // Not a literal, so that bundlers leave the optional package alone.
  const name: string = 'sharp';
  try {
    return ((await import(name)) as { readonly default: OpenSharp }).default;
  } catch (cause) {
    throw fail('E3008', 'ImageDecoder needs the package sharp for this format, which is not installed: npm install sharp', {}, { cause });
  }
}
