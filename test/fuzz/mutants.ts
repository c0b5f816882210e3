// What is mutated and what mutants go through, kind by kind. A mutant is the same for the same seed and number.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { casesOfArchive } from '../conformance/cases.ts';
import { archiveMutants } from './archives.ts';
import { arrayMutants } from './arrays.ts';
import { externalMutants } from './external.ts';
import { modelMutants } from './models.ts';
import type { Drive, Outcome } from './pipeline.ts';
import type { Random } from './random.ts';
import { textMutants } from './texts.ts';

export interface Seed {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface Mutant {
  /** The seed that it was made of. */
  readonly name: string;
  /** The changes that were made. */
  readonly changes: readonly string[];
  readonly bytes: Uint8Array;
  /** Everything that it goes through. @throws what is no answer */
  readonly drive: (how: Drive) => Promise<Pick<Outcome, 'ended'> & Partial<Outcome>>;
}

/** Makes the mutant that a random generator chooses. */
export type Mutants = (random: Random) => Mutant | Promise<Mutant>;

const root = fileURLToPath(new URL('../../../', import.meta.url));
/** Larger models tell nothing that smaller ones do not, slowly. */
const largest = 20_000;
const largestText = 3000;

/** The conformance models of the selection of at most so many bytes. */
async function models(bytes: number): Promise<Seed[]> {
  const seeds: Seed[] = [];
  for (const c of await casesOfArchive(join(root, 'test/conformance/selection.zip'))) {
    const seed = { name: c.name, bytes: await c.file('model.onnx') };
    if (seed.bytes.length <= bytes) seeds.push(seed);
  }
  return seeds;
}

const exported = ['torch-2.1.2', 'torch-2.3.1', 'torch-2.5.1', 'torch-2.7.1'].map(name => `test/fixtures/exported/${name}.pt2`);

export const kinds: Readonly<Record<string, () => Promise<Mutants>>> = {
  models: async () => modelMutants(await models(largest)),
  texts: async () => textMutants(await models(largestText)),
  arrays: arrayMutants,
  archives: () =>
    archiveMutants(['models/simple-nn/model.pt2', ...exported].map(name => ({ name, bytes: readFileSync(join(root, name)) }))),
  external: async () => externalMutants(await models(largest)),
};
