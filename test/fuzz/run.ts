// npm run fuzz -- --seconds N --seed S [--count N] [--from I]: mutants of the conformance models of the selection through the whole
// pipeline. Ends with `N passed, N failed`; each failure is named by its seed and number, which make it again.
//   --write DIR    writes the mutants and what we say of them (DIR/ours.json), for anchors.py
//   --compare DIR  compares that with what anchors.py wrote (DIR/anchors.json); --json FILE for the counts
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { casesOfArchive } from '../conformance/cases.ts';
import { compareVerdicts, type OurVerdict, type TheirVerdict } from './compare.ts';
import { mutantOf, type Seed } from './mutants.ts';
import { outcomeOf } from './pipeline.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string' },
    count: { type: 'string' },
    seed: { type: 'string', default: '1' },
    from: { type: 'string', default: '0' },
    write: { type: 'string' },
    compare: { type: 'string' },
    json: { type: 'string' },
  },
});
const root = fileURLToPath(new URL('../../../', import.meta.url));
/** The longest that one mutant may take, in milliseconds. */
const slowest = 2000;
/** Larger models tell nothing that smaller ones do not, slowly. */
const largest = 20_000;

async function seedsOf(): Promise<Seed[]> {
  const seeds: Seed[] = [];
  for (const c of await casesOfArchive(join(root, 'test/conformance/selection.zip'))) {
    const bytes = await c.file('model.onnx');
    if (bytes.length <= largest) seeds.push({ name: c.name, bytes });
  }
  return seeds;
}

async function fuzz(): Promise<void> {
  const seeds = await seedsOf();
  const run = Number(values.seed);
  const first = Number(values.from);
  const count = values.count ? Number(values.count) : values.seconds ? Number.POSITIVE_INFINITY : 1000;
  const end = performance.now() + Number(values.seconds ?? 1e9) * 1000;
  const tally: Record<string, number> = {};
  const ours: Record<string, OurVerdict> = {};
  let failed = 0;
  let i = 0;
  if (values.write) mkdirSync(values.write, { recursive: true });
  for (; i < count && performance.now() < end; i++) {
    const index = first + i;
    const { name, changes, bytes } = mutantOf(seeds, run, index);
    const started = performance.now();
    try {
      const { errors, ended, results } = await outcomeOf(bytes);
      tally[ended] = (tally[ended] ?? 0) + 1;
      const ms = performance.now() - started;
      if (ms > slowest) throw new Error(`took ${Math.round(ms)} ms`);
      if (values.write) {
        writeFileSync(join(values.write, `${index}.onnx`), bytes);
        ours[index] = { seed: name, changes, errors: errors.map(f => `${f.code} ${f.message}`), ...(results && { results }) };
      }
    } catch (error) {
      failed++;
      console.log(
        `seed ${run} number ${index} (${name}: ${changes}): ${error instanceof Error ? error.stack?.split('\n').slice(0, 4).join(' ') : error}`,
      );
    }
  }
  if (values.write) writeFileSync(join(values.write, 'ours.json'), JSON.stringify(ours));
  console.log(
    Object.entries(tally)
      .map(([name, n]) => `${name} ${n}`)
      .join(', '),
  );
  console.log(`${i - failed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}

function compare(folder: string): void {
  const read = <T>(name: string): T => JSON.parse(readFileSync(join(folder, name), 'utf8')) as T;
  const { lines, failed, agreed, total, verdicts, classes } = compareVerdicts(
    read<Record<string, OurVerdict>>('ours.json'),
    read<Record<string, TheirVerdict>>('anchors.json'),
  );
  for (const line of lines) console.log(line);
  console.log(`agreement ${((100 * agreed) / total).toFixed(2)} % of ${total}`);
  if (values.json) {
    const counts = { total, agreed, verdicts, classes: classes.map(([{ side, reason }, count]) => ({ side, reason, count })) };
    writeFileSync(values.json, `${JSON.stringify(counts, null, 1)}\n`);
  }
  console.log(`${total - failed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
}

if (values.compare) compare(values.compare);
else await fuzz();
