// node dist/test/interop/to_torch.js CASES OUT [--third 0|1|2|all]: every model of the conformance cases in every form in which PyTorch takes
// it, OUT/NAME.pt2, OUT/NAME.pt and the folder OUT/NAME, and OUT/written.json with the names, and why a form could not be written.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ModelError } from '../../src/errors.ts';
import { load, save } from '../../src/node/index.ts';
import { casesIn } from '../conformance/cases.ts';

/** What is put behind the name of a case. */
const forms = { pt2: '.pt2', torchscript: '.pt', 'torch-module': '' } as const;

const { values, positionals } = parseArgs({ allowPositionals: true, options: { third: { type: 'string', default: 'all' } } });
const [folder, out] = positionals as [string, string];
mkdirSync(out, { recursive: true });
const written: Record<string, Record<string, string | null>> = {};
const cases = casesIn(folder).filter((c, i) => c.kind !== 'light' && (values.third === 'all' || i % 3 === Number(values.third)));
for (const c of cases) {
  const model = await load(await c.file('model.onnx')).catch(error => error);
  const made: Record<string, string | null> = {};
  for (const [format, extension] of Object.entries(forms)) {
    try {
      if (model instanceof Error) throw model;
      await save(model, join(out, `${c.name}${extension}`), { format, overwrite: true });
      made[format] = null;
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      made[format] = `${error.code} ${error.message}`;
    }
  }
  written[c.name] = made;
}
writeFileSync(join(out, 'written.json'), JSON.stringify(written));
