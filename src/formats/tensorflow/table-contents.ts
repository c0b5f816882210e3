// What lookup tables hold: nodes that run once after loading put constants or the lines of an asset into them.
import type { Source } from '../../codec/source.ts';
import { unsafeName } from '../../codec/zip-directory.ts';
import { fail } from '../../errors.ts';
import { Tensor } from '../../ir/tensor.ts';
import { quoted } from '../../ir/text.ts';
import { ancestorsOf, type Body, type BodyNode, type Library } from './body.ts';
import type { Table } from './handles.ts';
import type { AssetFileDef } from './proto.gen.ts';
import { readTensor } from './tensors.ts';

/** A node that fills a table, with its inputs as nodes of the graph around it. */
interface Filling {
  readonly node: BodyNode;
  readonly inputs: readonly (BodyNode | undefined)[];
}

const fills: ReadonlySet<string> = new Set([
  'LookupTableImport',
  'LookupTableImportV2',
  'InitializeTable',
  'InitializeTableV2',
  'InitializeTableFromTextFile',
  'InitializeTableFromTextFileV2',
]);

/** Most bytes of a file of lines that are read. */
const longestAsset = 256 << 20;

export interface ContentOptions {
  readonly body: Body;
  readonly library: Library;
  readonly assets: readonly AssetFileDef[];
  readonly open?: ((location: string) => Promise<Source>) | undefined;
}

/** Put into the tables what the graph says that they hold. */
export async function fillTables(tables: ReadonlyMap<string, Table>, options: ContentOptions): Promise<void> {
  for (const { node, inputs } of fillingsOf(options)) {
    const table = tables.get(inputs[0]?.name ?? '');
    if (table) table.content = node.op.includes('TextFile') ? await linesFor(node, inputs, options) : constantsIn(inputs);
  }
}

/** The nodes that fill tables, in the graph and in the functions that it calls. */
function fillingsOf({ body, library }: ContentOptions): Filling[] {
  return [...body.nodes.values()].flatMap((outer): Filling[] => {
    if (fills.has(outer.op)) return [{ node: outer, inputs: outer.inputs.map(ref => behindIdentities(body, ref.node)) }];
    const name = outer.attrs.get('f')?.func?.name;
    if (name === undefined || !library.has(name)) return [];
    const inner = library.body(name);
    const place = new Map(inner.args.map((arg, i) => [arg.name, i]));
    const outside = (ref: { readonly node: string }): BodyNode | undefined => {
      const at = place.get(ref.node);
      return at === undefined ? inner.nodes.get(ref.node) : body.nodes.get(outer.inputs[at]?.node ?? '');
    };
    return [...inner.nodes.values()].filter(n => fills.has(n.op)).map(node => ({ node, inputs: node.inputs.map(outside) }));
  });
}

/** The node whose output a node passes on. */
export function behindIdentities(body: Body, name: string): BodyNode | undefined {
  let node = body.nodes.get(name);
  for (let steps = body.nodes.size; node?.op === 'Identity' && steps > 0; steps--) node = body.nodes.get(node.inputs[0]?.node ?? '');
  return node;
}

function constantsIn([, keys, values]: readonly (BodyNode | undefined)[]): Table['content'] {
  const [k, v] = [keys, values].map(n => n?.attrs.get('value')?.tensor);
  return k && v ? { keys: readTensor(k), values: readTensor(v) } : undefined;
}

/** Lines of a file as keys and values: a column, the whole line (-2) or its number (-1). */
async function linesFor(node: BodyNode, inputs: readonly (BodyNode | undefined)[], options: ContentOptions): Promise<Table['content']> {
  const file = assetOf(inputs[1], options);
  if (file === undefined)
    throw fail('E1401', `the table is filled from ${namedFile(inputs[1])}, which is no asset of the model`, node.place);
  if (!options.open) throw fail('E1402', 'the table is filled from a file beside the model; give its folder', node.place);
  const reason = unsafeName(file);
  if (reason) throw fail('E1401', `the asset ${quoted(file)} ${reason}`, node.place);
  const source = await options.open(`assets/${file}`);
  if (source.size > longestAsset)
    throw fail('E1009', `${source.size} bytes of a table, at most ${longestAsset} are read`, {
      limit: { name: 'asset.bytes', value: longestAsset },
    });
  const lines = new TextDecoder().decode(await source.read(0, source.size)).split('\n');
  if (lines.at(-1) === '') lines.pop();
  const delimiter = node.attrs.get('delimiter')?.s;
  const separator = delimiter instanceof Uint8Array ? new TextDecoder().decode(delimiter) : '\t';
  const column = (name: string): Tensor => {
    const index = Number(node.attrs.get(name)?.i ?? 0);
    if (index === -1)
      return new Tensor(
        'int64',
        lines.map((_, i) => BigInt(i)),
      );
    const cells = index === -2 ? lines : lines.map(line => line.split(separator)[index] ?? '');
    return new Tensor('string', cells);
  };
  return { keys: column('key_index'), values: column('value_index') };
}

/** A path that the graph itself says. */
function namedFile(node: BodyNode | undefined): string {
  const [path] = node?.attrs.get('value')?.tensor?.string_val ?? [];
  return path instanceof Uint8Array ? quoted(new TextDecoder().decode(path)) : 'a file';
}

/** The asset whose path a node gets: directly, or through the variable that it is kept in. */
function assetOf(node: BodyNode | undefined, { body, assets }: ContentOptions): string | undefined {
  if (!node) return undefined;
  const behind = ancestorsOf(body, [node.name]);
  for (const other of body.nodes.values())
    if (other.op === 'AssignVariableOp' && behind.has(other.inputs[0]!.node))
      for (const name of ancestorsOf(body, [other.inputs[1]!.node])) behind.add(name);
  return assets.find(a => behind.has(a.tensor_info?.name?.replace(/:\d+$/, '') ?? ''))?.filename;
}
