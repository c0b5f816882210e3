// Mutants of valid models: one to three changes each, of the message or, now and then, of its bytes.
import { decodeBytes, encodeBytes } from '../../src/codec/protobuf.ts';
import { type ModelProto, onnxSchema } from '../../src/formats/onnx/proto.gen.ts';
import { MemorySource } from '../../src/index.ts';
import { bytesChanged } from './bytes.ts';
import { crossovers } from './crossover.ts';
import type { Mutants, Seed } from './mutants.ts';
import { mutators } from './mutators.ts';
import { outcomeOf } from './pipeline.ts';
import { pick, type Random } from './random.ts';

const alone = Object.keys(mutators);
const crossed = Object.keys(crossovers);
const mostTries = 50;

export const messageOf = ({ bytes }: Seed): ModelProto => decodeBytes<ModelProto>(onnxSchema, 'ModelProto', Uint8Array.from(bytes));
export const bytesOfMessage = (model: ModelProto): Uint8Array => encodeBytes(onnxSchema, 'ModelProto', model);

/** One to three changes, the names of which go to `changes`. */
export function changeMessage(model: ModelProto, random: Random, seeds: readonly Seed[], changes: string[]): void {
  for (let wanted = 1 + (random(4) === 0 ? 1 + random(2) : 0), tries = 0; changes.length < wanted && tries < mostTries; tries++) {
    const [kind, done] = random(4) === 0 ? crossing(model, random, seeds) : changing(model, random);
    if (done) changes.push(kind);
  }
}

function changing(model: ModelProto, random: Random): [string, boolean] {
  const kind = pick(random, alone)!;
  return [kind, mutators[kind]!(model, random)];
}

function crossing(model: ModelProto, random: Random, seeds: readonly Seed[]): [string, boolean] {
  const kind = pick(random, crossed)!;
  const donor = pick(random, seeds)!;
  return [`${kind} of ${donor.name}`, crossovers[kind]!(model, random, messageOf(donor))];
}

export function modelMutants(seeds: readonly Seed[]): Mutants {
  return random => {
    const seed = pick(random, seeds)!;
    const model = messageOf(seed);
    const changes: string[] = [];
    // A few stay as they are, for the oracles.
    if (random(20) > 0) changeMessage(model, random, seeds, changes);
    let bytes = bytesOfMessage(model);
    if (random(20) === 0) {
      bytes = bytesChanged(bytes, random, pick(random, seeds)!.bytes);
      changes.push('bytes');
    }
    return { name: seed.name, changes, bytes, drive: how => outcomeOf(new MemorySource(bytes, 'mutant'), how) };
  };
}
