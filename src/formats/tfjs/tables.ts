// Lookup tables of a graph: another graph, which runs once, makes and fills them. Both call a table by the same number.
import { type Body, graphBody, type Library } from '../tensorflow/body.ts';
import { type Handle, Table } from '../tensorflow/handles.ts';
import type { GraphDef } from '../tensorflow/proto.gen.ts';
import { behindIdentities, fillTables } from '../tensorflow/table-contents.ts';

export interface Initializer {
  readonly graph: GraphDef;
  readonly library: Library;
  /** Numbers of its outputs that are tables, by their nodes. */
  readonly ids: ReadonlyMap<string, number>;
  /** Numbers of the inputs of the model that are tables, by their nodes. */
  readonly wanted: ReadonlyMap<string, number>;
}

const tableOps: ReadonlySet<string> = new Set(['HashTable', 'HashTableV2', 'AnonymousHashTable']);

/** Tables by the nodes of the graph that give them; those that nothing fills have no content. */
export async function readTables(body: Body, library: Library, initializer: Initializer | undefined): Promise<Map<string, Handle>> {
  const tables = await tablesIn(body, library);
  if (!initializer) return tables;
  const maker = graphBody(initializer.graph, 'modelInitializer');
  const made = await tablesIn(maker, initializer.library);
  // Old graphs make a table of the same name in both.
  for (const [name, table] of made) if (tables.has(name) && table.content) tables.set(name, table);
  const byId = new Map([...initializer.ids].map(([node, id]) => [id, made.get(behindIdentities(maker, node)?.name ?? '')]));
  for (const [node, id] of initializer.wanted) tables.set(node, byId.get(id) ?? new Table(node));
  return tables;
}

async function tablesIn(body: Body, library: Library): Promise<Map<string, Table>> {
  const nodes = [...body.nodes.values()].filter(n => tableOps.has(n.op));
  const tables = new Map(nodes.map(({ name }) => [name, new Table(name)]));
  if (tables.size > 0) await fillTables(tables, { body, library, assets: [] });
  return tables;
}
