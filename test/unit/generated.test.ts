// Files made from other files must be what their generators write now.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));

test.each([
  ['scripts/gen-proto.mjs', 'field tables of proto/'],
  ['dist/scripts/gen-scalars.js', 'loops of the scalar language'],
  ['dist/scripts/gen-docs.js', 'pages of docs/'],
])('%s: %s', script => {
  const { status, stderr } = spawnSync(process.execPath, [script, '--check'], { cwd: root, encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});
