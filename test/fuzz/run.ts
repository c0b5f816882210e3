// npm run fuzz -- --seconds N --seed S [--count N] [--from I] [--of KINDS]: mutants of models, of their texts, of arrays, of exported
// programs and of models with weights beside them through the whole pipeline, in turn. Ends with `N passed, N failed`; each failure is
// named by its kind, seed and number, which make it again.
//   --of models,texts  only mutants of these kinds
//   --backend cpu  what runs is run by this backend too, which must compute the same and refuse what the reference refuses
//   --write DIR    writes the mutants of models and what we say of them (DIR/ours.json), for anchors.py
//   --compare DIR  compares that with what anchors.py wrote (DIR/anchors.json); --json FILE for the counts
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { backendNamed } from '../../cli/backends.ts';
import { compareVerdicts, type OurVerdict, type TheirVerdict } from './compare.ts';
import { kinds, type Mutants } from './mutants.ts';
import { randomFrom } from './random.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string' },
    count: { type: 'string' },
    seed: { type: 'string', default: '1' },
    from: { type: 'string', default: '0' },
    of: { type: 'string' },
    backend: { type: 'string' },
    write: { type: 'string' },
    compare: { type: 'string' },
    json: { type: 'string' },
  },
});
/** The longest that one mutant may take, in milliseconds. */
const slowest = 2000;

/** The kinds that are wanted, by name; only those that are known. */
function wantedKinds(): string[] {
  const wanted = values.write ? ['models'] : (values.of?.split(',') ?? Object.keys(kinds));
  for (const name of wanted) if (!Object.hasOwn(kinds, name)) throw new Error(`there is no kind ${name}; there are ${Object.keys(kinds)}`);
  return wanted;
}

async function fuzz(): Promise<void> {
  const wanted = wantedKinds();
  const backend = values.backend === undefined ? undefined : await backendNamed(values.backend, { memory: 2 ** 26 });
  const mutants = new Map<string, Mutants>();
  for (const kind of wanted) mutants.set(kind, await kinds[kind]!());
  const run = Number(values.seed);
  const first = Number(values.from);
  const count = values.count ? Number(values.count) : values.seconds ? Number.POSITIVE_INFINITY : 1000;
  const end = performance.now() + Number(values.seconds ?? 1e9) * 1000;
  const tallies: Record<string, Record<string, number>> = {};
  const ours: Record<string, OurVerdict> = {};
  let failed = 0;
  let i = 0;
  if (values.write) mkdirSync(values.write, { recursive: true });
  for (; i < count && performance.now() < end; i++) {
    const index = first + i;
    const kind = wanted[index % wanted.length]!;
    const random = randomFrom(Math.imul(run + 1, 0x9e3779b1) ^ index);
    const { name, changes, bytes, drive } = await mutants.get(kind)!(random);
    const started = performance.now();
    const before = process.cpuUsage();
    try {
      const { errors = [], ended, results, oracle } = await drive({ random, backend });
      const tally = (tallies[kind] ??= {});
      for (const what of oracle === undefined ? [ended] : [ended, `oracle ${oracle}`]) tally[what] = (tally[what] ?? 0) + 1;
      const { user, system } = process.cpuUsage(before);
      // Where other work has the processor, what this one took of it counts.
      const ms = Math.min(performance.now() - started, (user + system) / 1000);
      if (ms > slowest) throw new Error(`took ${Math.round(ms)} ms`);
      if (values.write) {
        writeFileSync(join(values.write, `${index}.onnx`), bytes);
        ours[index] = { seed: name, changes, errors: errors.map(f => `${f.code} ${f.message}`), ...(results && { results }) };
      }
    } catch (error) {
      failed++;
      const said = error instanceof Error ? error.stack?.split('\n').slice(0, 5).join(' ') : error;
      console.log(`--of ${wanted} --seed ${run} --from ${index} --count 1 (${name}: ${changes}): ${said}`);
    }
  }
  if (values.write) writeFileSync(join(values.write, 'ours.json'), JSON.stringify(ours));
  for (const [kind, tally] of Object.entries(tallies)) {
    const counts = Object.entries(tally).sort(([a], [b]) => (a < b ? -1 : 1));
    console.log(`${kind}: ${counts.map(([what, n]) => `${what} ${n}`).join(', ')}`);
  }
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
