// simplify: what gives back what it is given, and what is said twice, in one sweep.
import { identities } from './identities.ts';
import { merges } from './merges.ts';
import { firstOf, type Pass, type Rule } from './rewrite.ts';

const tables: readonly Readonly<Record<string, Rule>>[] = [identities, merges];
const operators = new Set(tables.flatMap(table => Object.keys(table)));

export const simplify: Pass = {
  name: 'simplify',
  rules: Object.fromEntries([...operators].map(op => [op, firstOf(...tables.flatMap(table => table[op] ?? []))])),
};
