// `.pt2` archives of torch.export.save: what they hold, and the program inside as JSON.
import { type Json, parseJson, writeJson } from '../../codec/json.ts';
import type { Source } from '../../codec/source.ts';
import { openZip, type Zip } from '../../codec/zip.ts';
import { type Finding, fail, ModelError } from '../../errors.ts';
import type { Tensor } from '../../ir/tensor.ts';
import { Cursor } from './json.ts';
import { readPayload } from './weights.ts';

/** An exported program and its tensors. Layout: archive version 0, schema 8. */
export interface Archive {
  readonly program: Cursor;
  /** Parameters and buffers by their name in the state dict, constants by the name in the signature. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly findings: readonly Finding[];
}

const schemaMajor = 8;

/** Whether an archive has the marks of torch.export. */
export const isPt2 = (zip: Zip): boolean => rootOf(zip) !== undefined;

function rootOf(zip: Zip): string | undefined {
  for (const name of zip.entries.keys()) {
    const found = /^([^/]+)\/models\/[^/]+\.json$/.exec(name);
    if (found && zip.entries.has(`${found[1]}/archive_format`)) return found[1];
  }
  return undefined;
}

export async function openArchive(source: Source): Promise<Archive> {
  const zip = await openZip(source);
  const root = rootOf(zip);
  if (root === undefined) throw fail('E1013', 'the archive has no models/*.json of torch.export');
  const text = async (name: string): Promise<string> => {
    const entry = zip.entries.get(`${root}/${name}`);
    if (!entry) throw fail('E1013', `the archive has no ${name}`);
    return new TextDecoder().decode(await entry.bytes());
  };
  const format = (await text('archive_format')).trim();
  if (format !== 'pt2') throw fail('E1006', `archive_format: expected pt2, found ${JSON.stringify(format.slice(0, 40))}`);
  const program = await readProgram(zip, root);
  checkVersion(program);
  if (zip.entries.has(`${root}/byteorder`)) {
    const order = (await text('byteorder')).trim();
    if (order !== 'little') throw fail('E2002', `byteorder: expected little, found ${JSON.stringify(order.slice(0, 40))}`);
  }
  const tensors = new Map<string, Tensor>();
  const findings: Finding[] = [];
  for (const [folder, config] of [
    ['data/weights', 'model_weights_config.json'],
    ['data/constants', 'model_constants_config.json'],
  ] as const)
    await readTensors(zip, root, folder, config, tensors, findings);
  return { program, tensors, findings: [...zip.warnings, ...findings] };
}

/** The one model of the archive; with several, the one named `model`. */
async function readProgram(zip: Zip, root: string): Promise<Cursor> {
  const names = [...zip.entries.keys()].filter(n => n.startsWith(`${root}/models/`) && n.endsWith('.json'));
  const chosen = names.find(n => n === `${root}/models/model.json`) ?? names[0]!;
  return new Cursor(await readJson(zip, chosen), '');
}

/** A JSON entry; errors name it as their place in the archive. */
async function readJson(zip: Zip, name: string): Promise<Json> {
  try {
    return parseJson(await zip.entries.get(name)!.bytes());
  } catch (error) {
    if (error instanceof ModelError) throw error.within({ path: name });
    throw error;
  }
}

function checkVersion(program: Cursor): void {
  const major = program.get('schema_version').get('major').number;
  if (major !== schemaMajor)
    throw fail('E2002', `schema_version.major: expected ${schemaMajor}, found ${major}`, { path: 'schema_version.major' });
}

/** Payloads one by one; a bad one is a finding, so that all are listed. */
async function readTensors(
  zip: Zip,
  root: string,
  folder: string,
  config: string,
  into: Map<string, Tensor>,
  findings: Finding[],
): Promise<void> {
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
      into.set(name, tensor);
    } catch (error) {
      findings.push(...findingsOf(error));
    }
  }
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
