// The catalogue of hostile inputs, in this process: what each command says, to the letter. `npm run hostile` runs the same cases in
// processes of their own and measures them.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { cases } from './cases.ts';
import { judge, lay, meant, said } from './judge.ts';

const root = mkdtempSync(join(tmpdir(), 'omnix-hostile-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let count = 0;

const rows = [...new Set(cases.map(c => c.row))];

describe.each(rows)('%s', row => {
  test.each(cases.filter(c => c.row === row).map(c => [c.variant, c] as const))('%s', async (_, c) => {
    const folder = join(root, `${count++}`);
    mkdirSync(folder);
    const piece = lay(c, folder);
    const verdict = await judge(c, folder);
    expect(said(verdict.findings)).toEqual(meant(c.findings, piece));
    expect(verdict.exit).toBe(c.exit);
    for (const text of c.prints) expect(verdict.text.join('\n')).toContain(text);
    rmSync(folder, { recursive: true, force: true });
  });
});
