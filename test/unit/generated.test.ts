// Files made from other files must be what their generators write now.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { knownFailures } from '../conformance/known-failures.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

test.each([
  ['scripts/gen-proto.mjs', 'field tables of proto/'],
  ['scripts/gen-flatbuffers.mjs', 'tables of proto/tflite.fbs'],
  ['dist/scripts/gen-scalars.js', 'loops of the scalar language'],
  ['dist/scripts/gen-docs.js', 'pages of docs/'],
])('%s: %s', script => {
  const { status, stderr } = spawnSync(process.execPath, [script, '--check'], { cwd: root, encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});

// The suites fail on any case that does not pass and is not known; so the pages are true as long as they say the same.
test('measured pages claim what the suites hold', () => {
  // The cast: measure.sh has these files written in this form.
  const read = <T>(name: string): T => JSON.parse(readFileSync(`${root}docs/data/${name}`, 'utf8')) as T;
  const kinds = Object.values(read<Record<string, { cases: number; passed: number }>>('conformance/cases.json'));
  const opsets = Object.values(read<{ opsets: Record<string, Record<string, number>> }>('conformance/opsets.json').opsets);
  const families = read<{ cases: number; failed: number }[]>('checking/hostile.json');
  const types = read<Record<string, number>>('checking/types.json');
  expect(kinds.reduce((sum, { cases, passed }) => sum + cases - passed, 0)).toBe(Object.keys(knownFailures).length);
  expect(opsets.filter(n => n['same here'] !== n['here'] || n['same in ORT'] !== n['in ORT'])).toEqual([]);
  expect(families.filter(({ failed }) => failed > 0)).toEqual([]);
  expect(types).toMatchObject({ less: 0, contradicting: 0, onlyWeRefuse: 0 });
});
