// npm run conformance -- FOLDER [--only 'test_add*'] [--kind node,simple] [--quick] [--backend cpu] [--third 0] [--json FILE]: every case of a folder through
// the reference backend, as the oracle, and but for --quick optimised, simplified, and with its layouts turned; through another backend only
// optimised, and where it divides plans with the kernels that the host has counted apart; with a table by kind, for FILE too. Ends with `N passed, N failed`.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { backendNamed } from '../../cli/backends.ts';
import { simplify } from '../../src/edit/simplify.ts';
import { ModelError } from '../../src/errors.ts';
import { placing } from '../placed.ts';
import { type Case, type CaseOptions, casesIn, judge } from './cases.ts';
import { knownFailures } from './known-failures.ts';

import { turned } from './turned.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string' },
    quick: { type: 'boolean' },
    kind: { type: 'string' },
    backend: { type: 'string' },
    third: { type: 'string' },
    json: { type: 'string' },
  },
});
const folder = positionals[0] ?? process.env['OMNIX_CONFORMANCE'];
if (!folder) {
  console.error('Give the folder that test/conformance/write_cases.py wrote.');
  process.exit(2);
}
const pattern =
  values.only &&
  new RegExp(
    `^${values.only
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.')}$`,
  );
const third = values.third === undefined || values.third === 'all' ? undefined : Number(values.third);
const cases = casesIn(folder)
  .filter(c => (!pattern || pattern.test(c.name)) && (!values.kind || values.kind.split(',').includes(c.kind)))
  .filter((_, i) => third === undefined || i % 3 === third);

/** Kernels by why the host has them, those of the device by nothing; of all cases, and of the one that runs. */
const kernels = new Map<string | undefined, number>();
let placed = { device: 0, host: 0 };
const named = values.backend === undefined ? undefined : await backendNamed(values.backend);
const backend =
  named &&
  placing(named, (_, reason) => {
    kernels.set(reason, (kernels.get(reason) ?? 0) + 1);
    placed[reason === undefined ? 'device' : 'host']++;
  });
const all: Readonly<Record<string, CaseOptions>> = {
  oracle: {},
  optimised: { optimize: true },
  simplified: { optimize: true, change: model => simplify(model) },
  turned: { optimize: true, change: turned },
};
const ways = backend ? { [backend.name]: { optimize: true, backend } } : values.quick ? { oracle: all['oracle']! } : all;

/** The first way in which a case fails, and how. */
async function failure(c: Case): Promise<string | undefined> {
  for (const [name, options] of Object.entries(ways)) {
    const wrong = await outcome(c, options);
    if (wrong !== undefined) return name === 'oracle' ? wrong : `${name}: ${wrong}`;
  }
  return undefined;
}

async function outcome(c: Case, options: CaseOptions): Promise<string | undefined> {
  try {
    return await judge(c, options);
  } catch (error) {
    return error instanceof ModelError
      ? `${error.code} ${error.message}`
      : `crashed: ${(error as Error).stack?.split('\n').slice(0, 3).join(' ')}`;
  }
}

interface Count {
  passed: number;
  failed: number;
  known: number;
}
const kinds = new Map<string, Count>();
/** Cases whose kernels a device runs all, in part, or not at all. */
const onDevice = { whole: 0, part: 0, none: 0 };
const failures: string[] = [];
const expected: string[] = [];
for (const [i, c] of cases.entries()) {
  if (process.stderr.isTTY) process.stderr.write(`\r${i + 1}/${cases.length}`);
  placed = { device: 0, host: 0 };
  const wrong = await failure(c);
  const count = kinds.get(c.kind) ?? { passed: 0, failed: 0, known: 0 };
  kinds.set(c.kind, count);
  const why = knownFailures[c.name];
  onDevice[placed.device === 0 ? 'none' : placed.host === 0 ? 'whole' : 'part']++;
  if (wrong === undefined && why === undefined) count.passed++;
  else if (wrong !== undefined && why !== undefined) {
    count.known++;
    expected.push(`${c.name}: ${why}`);
  } else {
    count.failed++;
    failures.push(`${c.name}: ${wrong?.slice(0, 300) ?? `passes now; remove it from the known failures (${why})`}`);
  }
}
if (process.stderr.isTTY) process.stderr.write('\r');
if (expected.length > 0) console.log(`known failures:\n  ${expected.join('\n  ')}`);
for (const line of failures) console.log(line);
for (const [kind, { passed, failed, known }] of kinds) console.log(`${kind.padEnd(20)} ${passed} of ${passed + failed + known}`);
if (backend && kernels.size > 0) {
  const { whole, part, none } = onDevice;
  console.log(
    `${backend.name} runs all kernels of ${whole} cases, some of ${part}, none of ${none}, which are of a few integers or of what the host evaluates`,
  );
  for (const [reason = 'on the device', n] of [...kernels].sort(([, a], [, b]) => b - a))
    console.log(`${String(n).padStart(6)}  ${reason}`);
}
if (values.json) {
  const counts = [...kinds].map(([kind, { passed, failed, known }]) => [kind, { cases: passed + failed + known, passed }]);
  writeFileSync(values.json, `${JSON.stringify(Object.fromEntries(counts), null, 1)}\n`);
}
const failed = failures.length;
console.log(`${cases.length - failed - expected.length} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
