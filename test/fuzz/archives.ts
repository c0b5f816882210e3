// Mutants of exported programs: their archives entry by entry and record by record, JSON by tokens, pickles by bytes.
import { load, MemorySource, ModelError } from '../../src/index.ts';
import { checkModel } from '../../src/validate/check.ts';
import { bytesChanged, textChanged } from './bytes.ts';
import type { Mutant, Mutants, Seed } from './mutants.ts';
import { bytesOf } from './oracles.ts';
import { type Drive, outcomeOf } from './pipeline.ts';
import { pick, type Random } from './random.ts';
import { type Entry, entriesChanged, entriesOf, packed, recordsChanged } from './zips.ts';

const isArchive = (data: Uint8Array): boolean => data[0] === 0x50 && data[1] === 0x4b;
const isJson = (data: Uint8Array): boolean => data[0] === 0x7b || data[0] === 0x5b;

/** An entry with its content changed for what it is; the entries of an archive in it are changed in their turn. */
async function contentChanged(data: Uint8Array, random: Random): Promise<Uint8Array> {
  if (isArchive(data)) return archiveChanged(await entriesOf(data), random);
  if (!isJson(data) || random(8) === 0) return bytesChanged(data, random);
  return new TextEncoder().encode(textChanged(new TextDecoder().decode(data), random));
}

async function archiveChanged(entries: readonly Entry[], random: Random): Promise<Uint8Array> {
  const chosen: Entry[] = [];
  const changed = entriesChanged(entries, random, entry => {
    chosen.push(entry);
    return entry.data;
  });
  // Programs are where most is said.
  const program = changed.find(entry => isJson(entry.data) && entry.data.length > 1000);
  for (const entry of new Set(random(3) && program ? [program] : chosen)) entry.data = await contentChanged(entry.data, random);
  return packed(changed);
}

/** What is read must be a model without errors once it is written as ONNX. */
async function drive(bytes: Uint8Array, how: Drive): ReturnType<Mutant['drive']> {
  const source = new MemorySource(bytes, 'mutant.pt2');
  const outcome = await outcomeOf(source, how);
  if (outcome.ended === 'refused') return outcome;
  const written = await bytesOf(await load(source)).catch(error => {
    if (error instanceof ModelError) return undefined;
    throw error;
  });
  const finding = written && (await checkModel(new MemorySource(written, 'written'))).findings.find(f => f.severity === 'error');
  if (finding) throw new Error(`what was written is not valid: ${finding.code} ${finding.message}`);
  return outcome;
}

export async function archiveMutants(seeds: readonly Seed[]): Promise<Mutants> {
  const all = new Map<Seed, readonly Entry[]>();
  for (const seed of seeds) all.set(seed, await entriesOf(seed.bytes));
  return async random => {
    const seed = pick(random, seeds)!;
    const isWhole = random(4) > 0;
    const bytes = isWhole ? await archiveChanged(all.get(seed)!, random) : recordsChanged(seed.bytes, random);
    return { name: seed.name, changes: [isWhole ? 'entries' : 'records'], bytes, drive: how => drive(bytes, how) };
  };
}
