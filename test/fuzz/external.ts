// Mutants of models with weights beside them: of the entries that say where a weight lies, and of the files.

import { bytesOfFile } from '../../src/formats/format.ts';
import type { ModelProto, TensorProto } from '../../src/formats/onnx/proto.gen.ts';
import { load, MemorySource, ModelError, type Source, write } from '../../src/index.ts';
import { bytesChanged, joined } from './bytes.ts';
import { type Mutable, tensorsOf } from './messages.ts';
import { bytesOfMessage, changeMessage, messageOf } from './models.ts';
import type { Mutants, Seed } from './mutants.ts';
import { outcomeOf } from './pipeline.ts';
import { pick, type Random } from './random.ts';

const dataName = 'weights.data';
const locations = [
  '',
  '.',
  '..',
  '../w',
  '/etc/passwd',
  'C:\\w',
  'a//b',
  'a/../b',
  `./${dataName}`,
  'http://h/w',
  'w\0',
  'nul',
  'mutant',
  'é',
];
const numbers = ['0', '-1', '1', '4', '4096', ' 8', '1e3', '08', '9007199254740993', '9223372036854775807', '99999999999999999999', ''];
const keys = ['location', 'offset', 'length', 'checksum', '__proto__', 'x', ''];

type Entries = { key: string; value: string }[];

/** An entry with another value, gone, twice or of another name. */
function entriesChanged(tensor: Mutable<TensorProto>, random: Random): void {
  const entries: Entries = (tensor.external_data ?? []).map(({ key = '', value = '' }) => ({ key, value }));
  const entry = pick(random, entries);
  const kind = random(6);
  if (!entry || kind === 0) entries.push({ key: pick(random, keys)!, value: pick(random, numbers)! });
  else if (kind === 1) entries.splice(entries.indexOf(entry), 1);
  else if (kind === 2) entry.key = pick(random, keys)!;
  else entry.value = pick(random, entry.key === 'location' ? locations : numbers)!;
  tensor.external_data = entries;
}

/** Every constant of the model in the data file, small ones too. */
function moved(model: ModelProto): Uint8Array {
  const parts: Uint8Array[] = [];
  let offset = 0;
  for (const tensor of tensorsOf(model) as Mutable<TensorProto>[]) {
    const raw = tensor.raw_data;
    if (!(raw instanceof Uint8Array)) continue;
    tensor.external_data = [
      { key: 'location', value: dataName },
      { key: 'offset', value: String(offset) },
      { key: 'length', value: String(raw.length) },
    ];
    tensor.data_location = 1;
    delete tensor.raw_data;
    parts.push(raw.slice());
    offset += raw.length;
  }
  return joined(...parts);
}

/** What a reader may be asked to open: nothing that leaves the folder. */
const isInside = (location: string): boolean => !/[\\:\0]|^\/|(^|\/)\.\.(\/|$)/.test(location);

/** Seeds as they are written with raw bytes for every weight that has any. */
async function rewritten(seed: Seed): Promise<Seed | undefined> {
  try {
    const { files } = await write(await load(new MemorySource(seed.bytes)), { name: 'm.onnx', externalData: false });
    const parts: Uint8Array[] = [];
    for await (const part of bytesOfFile(files[0]!)) parts.push(part);
    const again = { name: seed.name, bytes: joined(...parts) };
    return tensorsOf(messageOf(again)).some(t => t.raw_data instanceof Uint8Array) ? again : undefined;
  } catch (error) {
    if (error instanceof ModelError) return undefined;
    throw error;
  }
}

export async function externalMutants(given: readonly Seed[]): Promise<Mutants> {
  const seeds: Seed[] = [];
  for (const seed of given) {
    const again = await rewritten(seed);
    if (again) seeds.push(again);
  }
  return random => {
    const seed = pick(random, seeds)!;
    const model = messageOf(seed);
    let data = moved(model);
    const changes = ['external'];
    for (let n = random(3); n > 0; n--) entriesChanged(pick(random, tensorsOf(model))!, random);
    if (random(3) === 0) changeMessage(model, random, seeds, changes);
    if (random(3) === 0 && data.length > 0) data = bytesChanged(data, random);
    const bytes = bytesOfMessage(model);
    const open = async (location: string): Promise<Source> => {
      if (!isInside(location)) throw new Error(`the location ${JSON.stringify(location)} came to be opened`);
      return new MemorySource(data, location);
    };
    return { name: seed.name, changes, bytes, drive: how => outcomeOf(new MemorySource(bytes, 'mutant'), { open, ...how }) };
  };
}
