// SavedModel folders: one of their graphs by its tags, one of its signatures, and the variables of the checkpoint beside it.
import type { Source } from '../../codec/source.ts';
import { unsafeName } from '../../codec/zip-directory.ts';
import { type Finding, fail, warning } from '../../errors.ts';
import { quoted } from '../../ir/text.ts';
import { type Body, graphBody, Library, plainRef } from './body.ts';
import { fetchStrings } from './fetch.ts';
import { type Entry, entryOf, functionsOf } from './functions.ts';
import { kerasOutputs } from './keras-order.ts';
import { readMessage } from './message.ts';
import type { AssetFileDef, MetaGraphDef, SavedModel, SignatureDef, TensorInfo } from './proto.gen.ts';
import { readResources } from './resources.ts';
import type { Wanted } from './translate.ts';
import { sizesOf } from './types.ts';

export interface SavedModelOptions {
  readonly open?: ((location: string) => Promise<Source>) | undefined;
  /** The signature or function; `serving_default` otherwise, or the only one. */
  readonly signature?: string | undefined;
  /** Tags of the graph, separated by commas; `serve` otherwise, or those of the only one. */
  readonly tag?: string | undefined;
  readonly depth?: number | undefined;
  /** Whether the file is the text of its message. */
  readonly isText?: boolean | undefined;
}

/** Name of the signature that runs once after loading. */
const initSignature = '__saved_model_init_op';

/** @throws ModelError E4001 listing the tags or signatures there are, and what reading throws */
export async function openSavedModel(source: Source, name: string, options: SavedModelOptions): Promise<Wanted> {
  const saved = await readMessage<SavedModel>('SavedModel', source, options.isText ?? false, options.depth);
  if (saved.saved_model_schema_version !== 1)
    throw fail('E2002', `the SavedModel is of schema version ${saved.saved_model_schema_version ?? 0}, 1 is read here`);
  const meta = chooseGraph(saved.meta_graphs ?? [], options.tag);
  const graph = meta.graph_def;
  if (!graph) throw fail('E1101', 'the SavedModel has no graph', { path: 'meta_graphs.graph_def' });
  await fetchStrings(graph);
  const library = new Library(graph);
  const graphNodes = graphBody(graph, '');
  const entry = chooseEntry(meta, options.signature, graphNodes, library);
  const { body, inputs } = entry;
  const outputs = inOrder(entry.outputs, await kerasOutputs(options.open));
  const roots = outputs.map(o => o.ref.node);
  const resources = await readResources({ meta, body, library, roots, open: options.open });
  const findings = unsafeAssets(meta.asset_file_def ?? []);
  const version = meta.meta_info_def?.tensorflow_version;
  const metadata = new Map([
    ['source_format', 'saved_model'],
    ['signature', entry.name],
    ['tags', (meta.meta_info_def?.tags ?? []).join(',')],
  ]);
  return { name, body, library, inputs, outputs, resources, producer: version, metadata, findings };
}

/** Assets that the file puts outside of its folder: nobody should open them. */
const unsafeAssets = (assets: readonly AssetFileDef[]): Finding[] =>
  assets.flatMap(({ filename = '' }, i) => {
    const reason = unsafeName(filename);
    const path = `asset_file_def[${i}]`;
    return reason ? [warning('E1401', `${path}: the asset ${quoted(filename)} ${reason}`, { path })] : [];
  });

/** Outputs in the order of names, where that has all of them. */
function inOrder<T extends { readonly name: string }>(outputs: readonly T[], names: readonly string[]): readonly T[] {
  const places = outputs.map(o => names.indexOf(o.name));
  return places.includes(-1) ? outputs : [...outputs].sort((a, c) => names.indexOf(a.name) - names.indexOf(c.name));
}

function tensorName(info: TensorInfo, key: string): string {
  if (info.coo_sparse || info.composite_tensor)
    throw fail('E2001', `${quoted(key)} of the signature is sparse or composite, which has no conversion`);
  return info.name ?? '';
}

const mostListed = 20;
const listed = (names: readonly string[]): string =>
  names.slice(0, mostListed).map(quoted).join(', ') + (names.length > mostListed ? `, … ${names.length - mostListed} more` : '');

const tagsOf = (meta: MetaGraphDef): readonly string[] => meta.meta_info_def?.tags ?? [];
const sameTags = (a: readonly string[], c: readonly string[]): boolean => [...a].sort().join('\0') === [...c].sort().join('\0');

function chooseGraph(graphs: readonly MetaGraphDef[], tag: string | undefined): MetaGraphDef {
  const wanted = tag?.split(',').map(t => t.trim());
  const found = wanted
    ? graphs.find(g => sameTags(tagsOf(g), wanted))
    : graphs.length === 1
      ? graphs[0]
      : graphs.find(g => sameTags(tagsOf(g), ['serve']));
  if (found) return found;
  if (graphs.length === 0) throw fail('E1101', 'the SavedModel has no graphs', { path: 'meta_graphs' });
  const have = listed(graphs.map(g => tagsOf(g).join(',')));
  throw fail(
    'E4001',
    wanted ? `no graph has the tags ${quoted(wanted.join(','))}; there are ${have}` : `several graphs; choose one by --tag: ${have}`,
  );
}

/** A signature, or a function of the program. @throws ModelError E4001 listing what there is */
function chooseEntry(meta: MetaGraphDef, wanted: string | undefined, body: Body, library: Library): Entry {
  const signatures = new Map((meta.signature_def ?? []).map(({ key = '', value = {} }) => [key, value]));
  const names = [...signatures.keys()].filter(n => n !== initSignature);
  const functions = functionsOf(meta);
  const only = names.length === 1 ? names : names.length === 0 && functions.length === 1 ? functions.map(f => f.path) : [];
  const defaults = signatures.has('serving_default') ? ['serving_default'] : only;
  const name = wanted ?? defaults[0];
  const signature = name === undefined ? undefined : signatures.get(name);
  if (signature && name !== undefined) return signatureEntry(name, signature, body);
  const traces = functions.find(f => f.path === name)?.traces ?? functions.flatMap(f => f.traces).filter(t => t === name);
  if (name !== undefined && traces.length === 1) return entryOf(name, traces[0]!, meta, body, library);
  if (traces.length > 1)
    throw fail('E4001', `the function ${quoted(name!)} was traced ${traces.length} times, choose one by --signature: ${listed(traces)}`);
  const all = [...names, ...functions.map(f => f.path)];
  const have = all.length === 0 ? 'there are none' : `there are ${listed(all)}`;
  throw fail(
    'E4001',
    wanted === undefined ? `no signature is the default, choose one by --signature; ${have}` : `no signature ${quoted(wanted)}; ${have}`,
  );
}

function signatureEntry(name: string, signature: SignatureDef, body: Body): Entry {
  const ends = (entries: readonly { key?: string | undefined; value?: TensorInfo | undefined }[] | undefined) =>
    (entries ?? [])
      .map(({ key = '', value = {} }) => ({ name: key, info: value, ref: plainRef(tensorName(value, key)) }))
      .sort((a, c) => a.name.localeCompare(c.name, 'en', { numeric: true }));
  const inputs = ends(signature.inputs).map(({ name, info, ref }) => {
    const shape = info.tensor_shape;
    return { name, type: info.dtype ?? 0, sizes: sizesOf(shape ?? { unknown_rank: true }), ref };
  });
  const outputs = ends(signature.outputs).map(({ name, ref }) => ({ name, ref }));
  for (const { name, ref } of [...inputs, ...outputs])
    if (!body.nodes.has(ref.node)) throw fail('E1104', `the signature's ${quoted(name)} is ${quoted(ref.node)}, which is no node`);
  return { name, body, inputs, outputs };
}
