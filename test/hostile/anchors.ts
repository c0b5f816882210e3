// What other checkers say of the same files: `--write DIR` lays them out, anchors.py asks, `--anchors FILE` prints the answers beside ours.
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Case } from './case.ts';
import { cases } from './cases.ts';
import { judge, lay } from './judge.ts';

/** The cases that are about one model in ONNX. */
const models = cases.filter(c => c.command === 'check' && !c.large && !c.fault && c.row !== 'P45');
const idOf = (c: Case): string => `${c.row} ${c.variant}`;

/** A folder a case, and a list of the models in `cases.json`. */
export function writeCases(folder: string): void {
  const list = models.map((c, i) => {
    const path = `${i}-${c.row}`;
    mkdirSync(join(folder, path), { recursive: true });
    lay(c, join(folder, path));
    return { id: idOf(c), path: join(path, c.file) };
  });
  writeFileSync(join(folder, 'cases.json'), JSON.stringify(list, null, 1));
  console.log(`${list.length} models in ${folder}`);
}

/** What an anchor made of a file, and what it said. */
interface Answer {
  readonly verdict: 'accepts' | 'refuses' | 'crashes' | 'hangs';
  readonly message: string;
}
type Answers = Readonly<Record<string, Readonly<Record<'checker' | 'onnxruntime', Answer>>>>;

/** What an anchor made of a file: its verdict, but that it ran out of memory is none. */
const verdictOf = ({ verdict, message }: Answer): string =>
  verdict === 'refuses' && /MemoryError|bad.alloc|failed to allocate|out of memory/i.test(message) ? 'memory' : verdict;

/** A line a case: ours, the checker's and onnxruntime's verdict, and totals, for `json` too. `folder` is for the files of our own run. */
export async function printAnchors(file: string, folder: string, json?: string): Promise<void> {
  // The cast: anchors.py writes this form.
  const answers = JSON.parse(readFileSync(file, 'utf8')) as Answers;
  const totals = new Map<string, number>();
  mkdirSync(folder, { recursive: true });
  console.log(`${'case'.padEnd(64)} ours     checker  onnxruntime`);
  for (const c of models) {
    const theirs = answers[idOf(c)];
    if (!theirs) continue;
    const place = mkdtempSync(join(folder, 'case-'));
    lay(c, place);
    const ours = (await judge(c, place)).findings.some(f => f.severity === 'error') ? 'refuses' : 'accepts';
    const row = [ours, verdictOf(theirs.checker), verdictOf(theirs.onnxruntime)];
    console.log(`${idOf(c).slice(0, 63).padEnd(64)} ${row.map(word => word.padEnd(8)).join(' ')}`.trimEnd());
    const key = row.join(' / ');
    totals.set(key, (totals.get(key) ?? 0) + 1);
  }
  for (const [key, count] of [...totals].sort((a, b) => b[1] - a[1]))
    console.log(`${String(count).padStart(4)}  ours / checker / onnxruntime: ${key}`);
  if (json) {
    const counts = [...totals].map(([key, count]) => ({ verdicts: key.split(' / '), count }));
    writeFileSync(json, `${JSON.stringify(counts, null, 1)}\n`);
  }
}
