// `.pt2` archives of torch.export.save: what they hold, and the program inside as JSON.
import { type Json, parseJson, writeJson } from '../../codec/json.ts';
import type { Source } from '../../codec/source.ts';
import { openZip, type Zip } from '../../codec/zip.ts';
import { type Finding, fail, ModelError } from '../../errors.ts';
import type { Tensor } from '../../ir/tensor.ts';
import { Cursor } from './json.ts';
import { flatTensors, readSavedTensors, upgradeProgram } from './legacy.ts';
import { exportRoot, flatProgram, isFlat } from './marks.ts';
import { requireLittle, wordIn } from './saved.ts';
import { readPayload } from './weights.ts';

/** An exported program, in the schema of today, and its tensors. */
export interface Archive {
  readonly program: Cursor;
  /** Parameters and buffers by their name in the state dict, constants by the name in the signature. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly findings: readonly Finding[];
}

/** The newest schema that is read; older ones are upgraded. */
const schemaMajor = 8;

/**
 * Read what an archive holds; weights stay ranges of it.
 * @throws ModelError E1013 for missing parts, E1006 for malformed ones, E2002 for a schema from the future
 */
export async function openArchive(source: Source): Promise<Archive> {
  const zip = await openZip(source);
  const found: Found = { tensors: new Map(), findings: [...zip.warnings] };
  if (isFlat(zip)) {
    const program = await readProgram(zip, flatProgram);
    for (const name of flatTensors) await readPickled(zip, name, source.name, found);
    return { program, ...found };
  }
  const root = exportRoot(zip);
  if (root === undefined) throw fail('E1013', 'the archive has no models/*.json of torch.export');
  const kind = (await wordIn(zip, `${root}/archive_format`)) ?? '';
  if (kind !== 'pt2')
    throw fail('E1006', `archive_format: expected pt2, found ${JSON.stringify(kind.slice(0, 40))}`, { path: 'archive_format' });
  const name = nameOfProgram(zip, root);
  const program = await readProgram(zip, name);
  await requireLittle(zip, `${root}/`, source.name);
  const stem = /([^/]+)\.json$/.exec(name)![1]!;
  for (const kind of ['weights', 'constants']) {
    await readTensors(zip, root, `data/${kind}`, `${stem}_${kind}_config.json`, found);
    await readPickled(zip, `${root}/data/${kind}/${stem}.pt`, source.name, found);
  }
  return { program, ...found };
}

interface Found {
  readonly tensors: Map<string, Tensor>;
  readonly findings: Finding[];
}

/** The one program of the archive; with several, the one named `model`. */
function nameOfProgram(zip: Zip, root: string): string {
  const names = [...zip.entries.keys()].filter(n => n.startsWith(`${root}/models/`) && n.endsWith('.json'));
  return names.find(n => n === `${root}/models/model.json`) ?? names[0]!;
}

async function readProgram(zip: Zip, name: string): Promise<Cursor> {
  const program = new Cursor(await readJson(zip, name), '');
  const version = program.get('schema_version');
  const major = typeof version.value === 'number' ? version.value : version.get('major').number;
  if (!Number.isInteger(major) || major < 1 || major > schemaMajor)
    throw fail('E2002', `schema_version.major: expected at most ${schemaMajor}, found ${major}`, { path: 'schema_version.major' });
  return new Cursor(upgradeProgram(program.object, major), '');
}

/** Tensors that torch.save wrote, as PyTorch stored all of them before 2.8. */
async function readPickled(zip: Zip, name: string, file: string, into: Found): Promise<void> {
  const entry = zip.entries.get(name);
  if (!entry) return;
  const { tensors, findings } = await readSavedTensors(entry, file);
  for (const [key, tensor] of tensors) into.tensors.set(key, tensor);
  into.findings.push(...findings);
}

/** A JSON entry; errors name it as their place in the archive. */
async function readJson(zip: Zip, name: string): Promise<Json> {
  try {
    return parseJson(await zip.entries.get(name)!.bytes(), { pythonFloats: true });
  } catch (error) {
    if (error instanceof ModelError) throw error.within({ path: name });
    throw error;
  }
}

/** Payloads one by one; a bad one is a finding, so that all are listed. */
async function readTensors(zip: Zip, root: string, folder: string, config: string, { tensors, findings }: Found): Promise<void> {
  const entry = zip.entries.get(`${root}/${folder}/${config}`);
  if (!entry) return;
  const file = `${folder}/${config}`;
  const payloads = new Cursor(await readJson(zip, entry.name), file).get('config');
  const shared = new Map<string, Tensor>();
  for (const name of payloads.keys) {
    const payload = payloads.get(name);
    if (/^(?:custom|opaque)_obj/.test(payload.find('path_name')?.text ?? '')) continue;
    try {
      const key = sharingKey(payload);
      const tensor = shared.get(key) ?? (await readPayload(zip, root, folder, name, payload));
      shared.set(key, tensor);
      tensors.set(name, tensor);
    } catch (error) {
      findings.push(...findingsOf(error));
    }
  }
}

/** The entry of each tensor that a configuration of the archive names. */
export async function recordNames(zip: Zip): Promise<Map<string, string>> {
  const root = exportRoot(zip);
  const records = new Map<string, string>();
  if (root === undefined) return records;
  const stem = /([^/]+)\.json$/.exec(nameOfProgram(zip, root))![1]!;
  for (const kind of ['weights', 'constants']) {
    const folder = `${root}/data/${kind}`;
    const config = `${folder}/${stem}_${kind}_config.json`;
    if (!zip.entries.has(config)) continue;
    const payloads = new Cursor(await readJson(zip, config), config).get('config');
    for (const name of payloads.keys) records.set(name, `${folder}/${payloads.get(name).get('path_name').text}`);
  }
  return records;
}

/** Equal for payloads that are the same elements of the same record. */
function sharingKey(payload: Cursor): string {
  const meta = payload.find('tensor_meta');
  const parts = ['dtype', 'sizes', 'strides', 'storage_offset'].map(key => meta?.find(key)?.value ?? null);
  return writeJson([payload.find('path_name')?.value ?? null, ...parts]);
}

const findingsOf = (error: unknown): readonly Finding[] => {
  if (error instanceof ModelError) return error.findings;
  throw error;
};
