// The standard's own cases: a selection that is committed, the smallest of every operator, as the oracle and as the plan is optimised.
// `npm run conformance` runs all of them.
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { allNodes } from '../../src/ir/graph.ts';
import { load } from '../../src/node/index.ts';
import { rows } from '../../src/ops/index.ts';
import { casesOfArchive, judge } from './cases.ts';
import { knownFailures } from './known-failures.ts';

const cases = await casesOfArchive(fileURLToPath(new URL('selection.zip', import.meta.url)));

describe.each(cases.map(c => [c.name, c] as const))('%s', (name, c) => {
  const why = knownFailures[name];
  test.each([
    ['oracle', false],
    ['optimised', true],
  ] as const)('%s', async (_, optimize) => {
    const outcome = await judge(c, { optimize }).catch((error: Error) => error.message);
    if (why === undefined) expect(outcome).toBeUndefined();
    else expect(outcome, `it passes now; remove it from the known failures (${why})`).toBeDefined();
  });
});

test('every operator that the host evaluates has a case, here or of our own', async () => {
  const covered = new Set<string>();
  for (const c of cases) for (const node of allNodes((await load(await c.file('model.onnx'))).graph)) covered.add(node.op);
  const missing = Object.entries(rows).flatMap(([op, row]) => ('host' in row && !covered.has(op) && !coveredElsewhere.has(op) ? [op] : []));
  expect(missing).toEqual([]);
});

/** Operators without a case small enough, and where they are tested. */
const coveredElsewhere: ReadonlySet<string> = new Set([
  // test/unit/random.test.ts
  'RandomNormal',
  'RandomNormalLike',
  'RandomUniform',
  'RandomUniformLike',
  'Multinomial',
]);
