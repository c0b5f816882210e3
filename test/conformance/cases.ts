// Cases of the standard's backend tests as write_cases.py leaves them: folders, or an archive.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MemorySource } from '../../src/codec/source.ts';
import { type Case, casesOfZip } from './judge.ts';

export { type Case, type CaseOptions, judge } from './judge.ts';

/** Every case in a folder. */
export const casesIn = (folder: string): Case[] =>
  readdirSync(folder)
    .sort()
    .filter(name => existsSync(join(folder, name, 'case.json')))
    .map(name => ({
      ...JSON.parse(readFileSync(join(folder, name, 'case.json'), 'utf8')),
      file: async (file: string) => readFileSync(join(folder, name, file)),
    }));

/** Every case in an archive that write_cases.py packed. */
export const casesOfArchive = (path: string): Promise<Case[]> => casesOfZip(new MemorySource(readFileSync(path), path));
