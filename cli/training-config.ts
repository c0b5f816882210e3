// What omnix train and omnix grad are told: a file of JSON that says all of it, and options on the command line that go before it.
import { dirname, resolve } from 'node:path';
import { isJsonObject, type Json, parseJson } from '../src/codec/json.ts';
import { fail } from '../src/errors.ts';
import { FileSource } from '../src/node/files.ts';
import { nearestName } from '../src/ops/nearest.ts';
import type { ClipOptions } from '../src/train/clip.ts';
import type { Chosen } from '../src/train/options.ts';
import type { GroupOptions } from '../src/train/update.ts';
import { listOf, pairs } from './edit.ts';

/** What both commands take. */
export interface GraphSettings {
  readonly loss?: Chosen;
  readonly optimizer?: Chosen;
  readonly lr?: number;
  readonly groups?: readonly GroupOptions[];
  readonly clipNorm?: number;
  readonly clipValue?: number;
  readonly trainable?: readonly string[];
  readonly freeze?: readonly string[];
  readonly batchNorm?: 'batch' | 'frozen';
  readonly dropout?: boolean;
  readonly teacher?: string;
}

export interface TrainSettings extends GraphSettings {
  readonly model?: string;
  readonly data?: string;
  /** A path, or a share of the data. */
  readonly validation?: string | number;
  readonly schedule?: Chosen;
  readonly epochs?: number;
  readonly steps?: number;
  readonly batch?: number;
  readonly shuffle?: boolean;
  readonly dropLast?: boolean;
  /** Batches as numbers of examples, or the array of the data with numbers of batches. */
  readonly order?: string | readonly (readonly number[])[];
  readonly batched?: boolean;
  readonly target?: readonly string[];
  readonly features?: readonly string[];
  /** The array of the data for each input of the model. */
  readonly inputs?: Readonly<Record<string, string>>;
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
  readonly normalize?: boolean;
  readonly imageSize?: readonly number[];
  readonly accumulate?: number;
  readonly metrics?: readonly Chosen[];
  readonly monitor?: string;
  readonly patience?: number;
  readonly checkpoint?: string;
  readonly checkpointEvery?: number;
  readonly resume?: boolean;
  readonly seed?: number;
  readonly weights?: string;
  readonly replaceHead?: number;
  readonly lora?: Chosen;
  readonly log?: string;
  readonly output?: string;
  readonly to?: string;
  readonly opset?: number;
  readonly best?: boolean;
  readonly overwrite?: boolean;
  readonly backend?: string;
  readonly threads?: number;
}

type Kind = 'text' | 'number' | 'flag' | 'texts' | 'numbers' | 'choice' | 'any';

/** What each setting is. `path` is a file beside the configuration. */
const kinds: { readonly [K in keyof TrainSettings]-?: Kind | 'path' } = {
  model: 'path',
  data: 'path',
  validation: 'any',
  loss: 'choice',
  optimizer: 'choice',
  lr: 'number',
  groups: 'any',
  clipNorm: 'number',
  clipValue: 'number',
  trainable: 'texts',
  freeze: 'texts',
  batchNorm: 'text',
  dropout: 'flag',
  teacher: 'path',
  schedule: 'choice',
  epochs: 'number',
  steps: 'number',
  batch: 'number',
  shuffle: 'flag',
  dropLast: 'flag',
  order: 'any',
  batched: 'flag',
  target: 'texts',
  features: 'texts',
  inputs: 'any',
  mean: 'numbers',
  std: 'numbers',
  normalize: 'flag',
  imageSize: 'numbers',
  accumulate: 'number',
  metrics: 'any',
  monitor: 'text',
  patience: 'number',
  checkpoint: 'path',
  checkpointEvery: 'number',
  resume: 'flag',
  seed: 'number',
  weights: 'path',
  replaceHead: 'number',
  lora: 'choice',
  log: 'path',
  output: 'path',
  to: 'text',
  opset: 'number',
  best: 'flag',
  overwrite: 'flag',
  backend: 'text',
  threads: 'number',
};

const isListOf = (value: Json, type: 'string' | 'number'): boolean => Array.isArray(value) && value.every(x => typeof x === type);
const checks: Readonly<Record<Kind, (value: Json) => boolean>> = {
  text: value => typeof value === 'string',
  number: value => typeof value === 'number',
  flag: value => typeof value === 'boolean',
  texts: value => isListOf(value, 'string'),
  numbers: value => isListOf(value, 'number'),
  choice: value => typeof value === 'string' || isJsonObject(value),
  any: () => true,
};

/**
 * The settings of a file. Paths in it are relative to its folder.
 * @throws ModelError E4001 for a setting that does not exist or has another kind of value
 */
export async function readSettings(path: string): Promise<TrainSettings> {
  const source = await FileSource.open(path);
  const found = parseJson(await source.read(0, source.size), { file: path });
  if (!isJsonObject(found)) throw fail('E4001', 'the configuration is no JSON object', { file: path });
  const entries = Object.entries(found).map(([name, value]): [string, Json] => {
    const kind = Object.hasOwn(kinds, name) ? kinds[name as keyof TrainSettings] : undefined;
    if (kind === undefined) {
      const near = nearestName(name, Object.keys(kinds));
      throw fail('E4001', `there is no setting ${name}${near ? `; did you mean ${near}?` : ''}`, { file: path });
    }
    if (!checks[kind === 'path' ? 'text' : kind](value))
      throw fail('E4001', `the setting ${name} is ${JSON.stringify(value)?.slice(0, 80)}, expected ${kind}`, { file: path });
    const isPath = kind === 'path' || (name === 'validation' && typeof value === 'string');
    return [name, isPath && value !== '-' ? resolve(dirname(path), value as string) : value];
  });
  return Object.fromEntries(entries) as TrainSettings;
}

/** The same options on the command line, where lists are repeatable texts with commas. */
export type GivenSettings<T> = {
  readonly [K in keyof T]: K extends 'trainable' | 'freeze' | 'target' | 'features' | 'mean' | 'std' | 'imageSize' | 'metrics' | 'inputs'
    ? readonly string[]
    : T[K];
};

const textLists = ['trainable', 'freeze', 'target', 'features'] as const;
const numberLists = ['mean', 'std', 'imageSize'] as const;

/** Options of the command line in the form that settings have; those that nobody gave are left out. Errors: E4001. */
export function settingsFrom(given: GivenSettings<TrainSettings>): TrainSettings {
  const made: Record<string, unknown> = Object.fromEntries(Object.entries(given).filter(([name, v]) => v !== undefined && name in kinds));
  for (const name of textLists) if (given[name]) made[name] = listOf(given[name]);
  for (const name of numberLists) if (given[name]) made[name] = numbersIn(`--${name}`, given[name]);
  if (given.metrics) made['metrics'] = given.metrics;
  if (given.inputs) made['inputs'] = pairs('--input', given.inputs, 'INPUT=ARRAY');
  // Options that are on unless they are turned off are given only where they are off.
  for (const name of ['shuffle', 'dropout']) if (made[name] === true) delete made[name];
  if (typeof made['validation'] === 'string' && /^0?\.\d+$/.test(made['validation'])) made['validation'] = Number(made['validation']);
  return made as TrainSettings;
}

function numbersIn(option: string, texts: readonly string[]): number[] {
  return listOf(texts).map(text => {
    const value = Number(text);
    if (text.trim() === '' || Number.isNaN(value)) throw fail('E4001', `${option} ${text}: expected numbers`);
    return value;
  });
}

/** The bounds of gradients. */
export const clipOf = ({ clipNorm: norm, clipValue: value }: GraphSettings): ClipOptions => ({ norm, value });

/** @throws ModelError E4001 where the setting is missing */
export function required<K extends keyof TrainSettings>(settings: TrainSettings, name: K, option: string): NonNullable<TrainSettings[K]> {
  const value = settings[name];
  if (value === undefined) throw fail('E4001', `${option} is missing`);
  return value as NonNullable<TrainSettings[K]>;
}
