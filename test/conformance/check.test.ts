// The checker takes every model of the selection: what the standard's own tests hold is valid.
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { MemorySource } from '../../src/codec/source.ts';
import { checkModel } from '../../src/validate/check.ts';
import { casesOfArchive } from './cases.ts';

test('no case of the selection is refused', async () => {
  const cases = await casesOfArchive(fileURLToPath(new URL('./selection.zip', import.meta.url)));
  expect(cases.length).toBeGreaterThan(400);
  const refused: string[] = [];
  for (const c of cases) {
    const { findings } = await checkModel(new MemorySource(await c.file('model.onnx'), c.name));
    for (const f of findings) if (f.severity === 'error') refused.push(`${c.name}: ${f.code} ${f.message}`);
  }
  expect(refused).toEqual([]);
});
