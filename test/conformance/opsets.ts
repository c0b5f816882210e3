// node dist/test/conformance/opsets.js CASES OUT [--only 'test_add*'] [--opsets 12,9,7] [--third 0|1|2|all]: every case upgraded to the newest opset and written in older ones,
// as OUT/OPSET/CASE.onnx, and run by the reference backend where the original runs there. OUT/ours.json says what became of each;
// opsets.py runs the written models with ONNX Runtime and prints the table.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ModelError } from '../../src/errors.ts';
import { bytesOfFile } from '../../src/formats/format.ts';
import { load, write } from '../../src/node/index.ts';
import { newestOpset } from '../../src/ops/schema.ts';
import { target } from '../../src/opset/target.ts';
import { upgrade } from '../../src/opset/upgrade.ts';
import { type Case, casesIn, judge } from './cases.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: 'string' }, opsets: { type: 'string' }, third: { type: 'string', default: 'all' } },
});
const [folder, out] = positionals;
if (!folder || !out) {
  console.error('Give the folder that test/conformance/write_cases.py wrote, and one for the written models.');
  process.exit(2);
}
const pattern = values.only && new RegExp(`^${values.only.replaceAll('*', '.*')}$`);
const cases = casesIn(folder)
  .filter(c => c.kind !== 'light' && (!pattern || pattern.test(c.name)))
  .filter((_, i) => values.third === 'all' || i % 3 === Number(values.third));
const opsets = values.opsets?.split(',').map(Number) ?? [newestOpset('')!, 21, 18, 17, 13];

/** `refused` is why the opset cannot say the model; `ours` is `same`, or what differs, or why the reference backend does not run it. */
interface Outcome {
  readonly refused?: string;
  readonly ours?: string;
}

const said = (error: unknown): string =>
  error instanceof ModelError
    ? `${error.code} ${error.findings.map(f => f.message).join('; ')}`
    : `crashed: ${(error as Error).stack?.split('\n').slice(0, 3).join(' ')}`;

const runs = async (c: Case, bytes?: Uint8Array): Promise<string> => {
  try {
    return (await judge(c, bytes && { change: () => load(bytes) })) ?? 'same';
  } catch (error) {
    return said(error);
  }
};

async function bytesIn(c: Case, opset: number): Promise<Uint8Array> {
  const source = await load(await c.file('model.onnx'));
  const model = upgrade(source);
  target(model, opset, { had: source.opsets });
  const { files } = await write(model, { name: 'model.onnx' });
  const parts: Uint8Array[] = [];
  for await (const part of bytesOfFile(files[0]!)) parts.push(part);
  return new Uint8Array(Buffer.concat(parts));
}

async function outcome(c: Case, opset: number, isRun: boolean): Promise<Outcome> {
  try {
    const bytes = await bytesIn(c, opset);
    writeFileSync(join(out!, String(opset), `${c.name}.onnx`), bytes);
    return isRun ? { ours: await runs(c, bytes) } : {};
  } catch (error) {
    return { refused: said(error) };
  }
}

for (const opset of opsets) mkdirSync(join(out, String(opset)), { recursive: true });
const results: Record<string, Record<string, Outcome>> = {};
for (const c of cases) {
  const original = await runs(c);
  const row: Record<string, Outcome> = { original: { ours: original } };
  for (const opset of opsets) row[opset] = await outcome(c, opset, original === 'same');
  results[c.name] = row;
}
writeFileSync(join(out, 'ours.json'), JSON.stringify(results));
for (const opset of opsets) {
  const rows = Object.values(results).map(row => row[opset]!);
  const written = rows.filter(row => row.refused === undefined).length;
  const ran = rows.filter(row => row.ours !== undefined);
  const same = ran.filter(row => row.ours === 'same').length;
  console.log(`opset ${opset}: ${written} of ${rows.length} written; ${same} of ${ran.length} compute the same in the reference backend`);
}
