// Archives of torch.jit.save: the code, the objects it works on, constants, and the shapes of the inputs it was traced with.
import { Call, Persistent, type Pickle, type PickleValue, Tuple } from '../../../codec/pickle.ts';
import type { Source } from '../../../codec/source.ts';
import { openZip, type Zip } from '../../../codec/zip.ts';
import { type Finding, fail } from '../../../errors.ts';
import { type TensorType, tensorType } from '../../../ir/types.ts';
import { scriptRoot } from '../marks.ts';
import { Rebuilder, SavedObject, type SavedValue, storageId } from '../rebuild.ts';
import { oddPickles, readWholePickle, recordsOf, requireLittle, wordIn } from '../saved.ts';
import { parseSource, type SourceFile } from './parse.ts';

export interface ScriptArchive {
  /** The program itself. */
  readonly root: SavedObject;
  /** What the code calls `CONSTANTS.c0` and so on. */
  readonly constants: readonly SavedValue[];
  /** The tree of a source file by its dotted name, such as `__torch__.torch.nn.functional`; undefined where there is none. */
  source(name: string): SourceFile | undefined;
  /** Types of the tensors that the program was traced with, by method; undefined for inputs that were no tensors. */
  readonly traced: ReadonlyMap<string, readonly (TensorType | undefined)[]>;
  /** How long all of its code is. */
  readonly codeBytes: number;
  readonly findings: readonly Finding[];
}

const newestVersion = 10;
const scriptPickles = ['data.pkl', 'constants.pkl', 'traced_inputs.pkl', 'bytecode.pkl', 'mobile_debug_handles.pkl'];
/** Most bytes of code in one archive. */
const maxCode = 256 * 1024 * 1024;

/**
 * Read what an archive holds; weights stay ranges of it, code is parsed when it is asked for.
 * @throws ModelError E1013 for missing parts, E1015 for pickles that call anything but what makes tensors and containers, E2002 for
 * programs of the lite interpreter and versions from the future
 */
export async function openScript(source: Source): Promise<ScriptArchive> {
  const zip = await openZip(source);
  const root = scriptRoot(zip);
  if (root === undefined) throw fail('E1013', 'the archive has no data.pkl and constants.pkl of torch.jit.save');
  const codes = [...zip.entries.values()].filter(entry => entry.name.startsWith(`${root}code/`) && entry.name.endsWith('.py'));
  if (codes.length === 0 && zip.entries.has(`${root}bytecode.pkl`))
    throw fail('E2002', 'this is a program of the lite interpreter, bytecode without source; save it with torch.jit.save', {
      path: 'bytecode.pkl',
    });
  await requireVersion(zip, root);
  await requireLittle(zip, root, source.name);
  const total = codes.reduce((n, entry) => n + entry.size, 0);
  if (total > maxCode) throw fail('E1009', `${total} bytes of code`, { limit: { name: 'torchscript.code', value: maxCode } });
  const texts = new Map<string, { readonly path: string; readonly text: string }>();
  for (const entry of codes) {
    const path = entry.name.slice(root.length + 'code/'.length);
    texts.set(path.slice(0, -'.py'.length).replaceAll('/', '.'), {
      path: `code/${path}`,
      text: new TextDecoder().decode(await entry.bytes()),
    });
  }
  const value = await readObjects(zip, root, source.name, 'data');
  if (!(value instanceof SavedObject)) throw fail('E1006', 'data.pkl holds no instance of a class of the code', { path: 'data.pkl' });
  const constants = zip.entries.has(`${root}constants.pkl`) ? await readObjects(zip, root, source.name, 'constants') : [];
  if (!Array.isArray(constants)) throw fail('E1006', 'constants.pkl holds no tuple', { path: 'constants.pkl' });
  const trees = new Map<string, SourceFile>();
  return {
    root: value,
    constants: constants as readonly SavedValue[],
    codeBytes: total,
    source(name) {
      const text = texts.get(name);
      if (!text) return undefined;
      const tree = trees.get(name) ?? parseSource(text.text, text.path);
      trees.set(name, tree);
      return tree;
    },
    traced: await readTraced(zip, root, source.name),
    findings: [...zip.warnings, ...oddPickles(zip, root, scriptPickles, source.name)],
  };
}

async function requireVersion(zip: Zip, root: string): Promise<void> {
  const version = await wordIn(zip, `${root}version`);
  if (version !== undefined && !(Number(version) >= 1 && Number(version) <= newestVersion))
    throw fail('E2002', `version: expected at most ${newestVersion}, found ${JSON.stringify(version.slice(0, 40))}`, { path: 'version' });
}

async function readPickleOf(zip: Zip, root: string, file: string, name: string): Promise<Pickle> {
  const entry = zip.entries.get(`${root}${name}.pkl`);
  if (!entry) throw fail('E1013', `the archive has no ${name}.pkl`);
  return readWholePickle(await entry.bytes(), file, `${name}.pkl`);
}

async function readObjects(zip: Zip, root: string, file: string, name: string): Promise<SavedValue> {
  return rebuilderOf(zip, root, file, name).value(await readPickleOf(zip, root, file, name));
}

const rebuilderOf = (zip: Zip, root: string, file: string, name: string): Rebuilder =>
  new Rebuilder(recordsOf(zip, root, file, name), file, `${name}.pkl`, { script: true });

/** The types alone: the tensors have no content. */
async function readTraced(zip: Zip, root: string, file: string): Promise<Map<string, (TensorType | undefined)[]>> {
  if (!zip.entries.has(`${root}traced_inputs.pkl`)) return new Map();
  const { value, calls } = await readPickleOf(zip, root, file, 'traced_inputs');
  rebuilderOf(zip, root, file, 'traced_inputs').refuseHidden(calls);
  const methods = untagged(value);
  if (!(methods instanceof Map)) return new Map();
  return new Map(
    [...methods].map(([name, inputs]) => {
      const list = untagged(inputs);
      return [String(name), Array.isArray(list) ? list.map(typeOfTraced) : []];
    }),
  );
}

const untagged = (value: PickleValue): PickleValue =>
  value instanceof Call && value.callee.name === 'torch.jit._pickle.restore_type_tag' ? (value.args[0] ?? null) : value;

function typeOfTraced(value: PickleValue): TensorType | undefined {
  const [storage, , size] = value instanceof Call ? value.args : [];
  const element = storage instanceof Persistent ? storageId(storage)?.element : undefined;
  if (!element || !(size instanceof Tuple)) return undefined;
  const isSize = (n: PickleValue): n is number => typeof n === 'number' && Number.isSafeInteger(n) && n >= 0;
  return size.items.every(isSize) ? tensorType(element, size.items as number[]) : undefined;
}

/**
 * The records of the tensors of an archive that was written here, by their names: those of the state dict, and `CONSTANTS.c0` and so on.
 * @throws ModelError as `openScript`
 */
export async function scriptRecords(source: Source): Promise<Map<string, string>> {
  const zip = await openZip(source);
  const root = scriptRoot(zip) ?? '';
  const records = new Map<string, string>();
  const collect = (value: PickleValue, name: string, folder: string): void => {
    if (!(value instanceof Call)) return;
    const [storage] = value.args;
    const id = storage instanceof Persistent ? storageId(storage) : undefined;
    if (id) records.set(name, `${root}${folder}/${id.key}`);
    if (value.state instanceof Map)
      for (const [key, inner] of value.state) collect(inner, name === '' ? String(key) : `${name}.${String(key)}`, folder);
  };
  const { value: object } = await readPickleOf(zip, root, source.name, 'data');
  collect(object, '', 'data');
  const { value: constants } = await readPickleOf(zip, root, source.name, 'constants');
  if (constants instanceof Tuple) for (const [i, constant] of constants.items.entries()) collect(constant, `CONSTANTS.c${i}`, 'constants');
  return records;
}
