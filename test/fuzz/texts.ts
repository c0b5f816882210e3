// Mutants of models in the spellings of ONNX that are text: of their tokens and characters.
import { load, MemorySource } from '../../src/index.ts';
import { spelledChanged } from './bytes.ts';
import type { Mutants, Seed } from './mutants.ts';
import { bytesOf } from './oracles.ts';
import { outcomeOf } from './pipeline.ts';
import { pick } from './random.ts';

const spellings = ['onnxtxt', 'onnxjson', 'textproto'];

export function textMutants(seeds: readonly Seed[]): Mutants {
  const texts = new Map<string, Promise<Uint8Array>>();
  const textOf = (seed: Seed, spelling: string): Promise<Uint8Array> => {
    const key = `${seed.name}.${spelling}`;
    let text = texts.get(key);
    if (!text) {
      text = load(new MemorySource(seed.bytes)).then(model => bytesOf(model, spelling));
      texts.set(key, text);
    }
    return text;
  };
  return async random => {
    const spelling = pick(random, spellings)!;
    const [seed, donor] = [pick(random, seeds)!, pick(random, seeds)!];
    const bytes = spelledChanged(await textOf(seed, spelling), random, await textOf(donor, spelling));
    const source = new MemorySource(bytes, `mutant.${spelling}`);
    return { name: `${seed.name}.${spelling}`, changes: ['text'], bytes, drive: how => outcomeOf(source, how) };
  };
}
