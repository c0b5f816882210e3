// Mutants of valid models: one to three changes each, the same for the same seed and number.
import { decodeBytes, encodeBytes } from '../../src/codec/protobuf.ts';
import { type ModelProto, onnxSchema } from '../../src/formats/onnx/proto.gen.ts';
import { mutators } from './mutators.ts';
import { type Random, randomFrom } from './random.ts';

export interface Seed {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface Mutant {
  readonly name: string;
  /** The changes that were made. */
  readonly changes: readonly string[];
  readonly bytes: Uint8Array;
}

const kinds = Object.keys(mutators);
const mostTries = 50;

/** Mutant number `index` of a run. */
export function mutantOf(seeds: readonly Seed[], run: number, index: number): Mutant {
  const random = randomFrom(Math.imul(run + 1, 0x9e3779b1) ^ index);
  const seed = seeds[random(seeds.length)]!;
  const model = decodeBytes<ModelProto>(onnxSchema, 'ModelProto', Uint8Array.from(seed.bytes));
  const changes: string[] = [];
  for (let wanted = 1 + (random(4) === 0 ? 1 + random(2) : 0), tries = 0; changes.length < wanted && tries < mostTries; tries++) {
    const kind = kinds[random(kinds.length)]!;
    if (mutators[kind]!(model, random)) changes.push(kind);
  }
  const bytes = encodeBytes(onnxSchema, 'ModelProto', model);
  return { name: seed.name, changes, bytes: random(20) === 0 ? bitesOf(bytes, random, changes) : bytes };
}

/** The same with a few bytes changed, cut off or added. */
function bitesOf(bytes: Uint8Array, random: Random, changes: string[]): Uint8Array {
  changes.push('bytes');
  const copy = Uint8Array.from(bytes);
  for (let n = random(3); n >= 0; n--) copy[random(copy.length)] = random(256);
  return random(3) === 0 ? copy.subarray(0, random(copy.length)) : copy;
}
