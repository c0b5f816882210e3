// node dist/test/interop/to_torch.js CASES OUT [--third 0|1|2|all]: every model of the conformance cases as a program of PyTorch, OUT/NAME.pt2,
// and OUT/written.json with the names, or why there is no program.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ModelError } from '../../src/errors.ts';
import { load, save } from '../../src/node/index.ts';
import { casesIn } from '../conformance/cases.ts';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { third: { type: 'string', default: 'all' } } });
const [folder, out] = positionals as [string, string];
mkdirSync(out, { recursive: true });
const written: Record<string, string | null> = {};
const cases = casesIn(folder).filter((c, i) => c.kind !== 'light' && (values.third === 'all' || i % 3 === Number(values.third)));
for (const c of cases) {
  try {
    await save(await load(await c.file('model.onnx')), join(out, `${c.name}.pt2`), { overwrite: true });
    written[c.name] = null;
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    written[c.name] = `${error.code} ${error.message}`;
  }
}
writeFileSync(join(out, 'written.json'), JSON.stringify(written));
