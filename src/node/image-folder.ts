// A folder of images as data: each folder in it is a class. Images are decoded when their batch is asked for, by the package sharp.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fail } from '../errors.ts';
import { Tensor } from '../ir/tensor.ts';
import type { Dataset } from '../train/loop/data.ts';
import { system } from './system-error.ts';

export interface ImageOptions {
  readonly height: number;
  readonly width: number;
  /** 3 for colours, 1 for grey. */
  readonly channels: number;
  /** Taken from each channel, whose values are from 0 to 1, and what it is divided by then. */
  readonly mean?: readonly number[] | undefined;
  readonly std?: readonly number[] | undefined;
}

export interface ImageData {
  readonly data: Dataset;
  /** Names of the folders, which are the classes in order. */
  readonly classes: readonly string[];
}

const extensions = ['.jpg', '.jpeg', '.png', '.webp', '.gif', '.tif', '.tiff', '.avif'];

/** What of sharp is used. */
interface Sharp {
  resize(width: number, height: number, options: { readonly fit: 'fill' }): Sharp;
  removeAlpha(): Sharp;
  greyscale(): Sharp;
  toColourspace(space: 'srgb' | 'b-w'): Sharp;
  raw(): Sharp;
  toBuffer(): Promise<Uint8Array>;
}

/** @throws ModelError E3008 where sharp is not installed, E6015 for a folder without classes or images */
export async function imageFolder(folder: string, { height, width, channels, mean, std }: ImageOptions): Promise<ImageData> {
  const sharp = await loadSharp();
  const { classes, files } = await filesIn(folder);
  const size = height * width;
  const pixels = async (path: string): Promise<Uint8Array> => {
    const image = sharp(path).resize(width, height, { fit: 'fill' }).removeAlpha();
    try {
      const raw = await (channels === 1 ? image.greyscale().toColourspace('b-w') : image.toColourspace('srgb')).raw().toBuffer();
      if (raw.length !== size * channels) throw new Error(`it has ${raw.length / size} channels, expected ${channels}`);
      return raw;
    } catch (cause) {
      throw fail('E6015', `the image cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, { file: path }, { cause });
    }
  };
  const batch: Dataset['batch'] = async examples => {
    const x = new Float32Array(examples.length * channels * size);
    const all = await Promise.all(examples.map(i => pixels(files[i]!.path)));
    for (const [n, raw] of all.entries())
      for (let c = 0; c < channels; c++) {
        const [m, s] = [mean?.[c] ?? 0, std?.[c] ?? 1];
        for (let p = 0; p < size; p++) x[(n * channels + c) * size + p] = (raw[p * channels + c]! / 255 - m) / s;
      }
    const target = examples.map(i => files[i]!.klass);
    return {
      images: new Tensor('float32', x, [examples.length, channels, height, width]),
      target: new Tensor('int64', target, [examples.length]),
    };
  };
  return { data: { size: files.length, batch }, classes };
}

async function filesIn(folder: string) {
  const entries = await system(folder, 'read', () => readdir(folder, { withFileTypes: true }));
  const classes = entries
    .filter(e => e.isDirectory())
    .map(e => e.name)
    .sort();
  const files: { readonly path: string; readonly klass: number }[] = [];
  for (const [klass, name] of classes.entries()) {
    const inside = (await system(folder, 'read', () => readdir(join(folder, name)))).sort();
    const images = inside.filter(file => extensions.some(ending => file.toLowerCase().endsWith(ending)));
    files.push(...images.map(file => ({ path: join(folder, name, file), klass })));
  }
  if (files.length === 0)
    throw fail('E6015', 'a folder of images has a folder for each class; there are none with images', { file: folder });
  return { classes, files };
}

async function loadSharp(): Promise<(path: string) => Sharp> {
  // Not a literal, so that nothing looks for the package where it is not installed.
  const name: string = 'sharp';
  try {
    return ((await import(name)) as { readonly default: (path: string) => Sharp }).default;
  } catch (cause) {
    throw fail('E3008', 'images need the package sharp, which is not installed: npm install sharp', {}, { cause });
  }
}
