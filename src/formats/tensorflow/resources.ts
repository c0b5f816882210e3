// Variables of a SavedModel: which tensor of the checkpoint each node that gives one stands for.
// Source: TensorFlow, python/saved_model/load.py (objects and what functions captured) and core/protobuf/saver.proto (restore nodes).
import { decodeBytes } from '../../codec/protobuf.ts';
import type { Source } from '../../codec/source.ts';
import { fail } from '../../errors.ts';
import { Value } from '../../ir/graph.ts';
import type { Tensor } from '../../ir/tensor.ts';
import { ancestorsOf, type Body, type BodyNode, type Library } from './body.ts';
import { Bundle } from './bundle.ts';
import { bytesIn } from './call.ts';
import { type Handle, Table, Variable } from './handles.ts';
import { type MetaGraphDef, type TrackableObjectGraph, tensorflowSchema } from './proto.gen.ts';
import { fillTables } from './table-contents.ts';

const variableOps: ReadonlySet<string> = new Set(['VarHandleOp', 'Variable', 'VariableV2']);
const tableOps: ReadonlySet<string> = new Set(['HashTable', 'HashTableV2', 'AnonymousHashTable']);
const valueSuffix = '/.ATTRIBUTES/VARIABLE_VALUE';

export interface ResourceOptions {
  readonly meta: MetaGraphDef;
  readonly body: Body;
  readonly library: Library;
  /** Nodes whose ancestors are asked for. */
  readonly roots: readonly string[];
  readonly open?: ((location: string) => Promise<Source>) | undefined;
}

/** Handles of the nodes that give variables, as far as the roots need them. */
export async function readResources({ meta, body, library, roots, open }: ResourceOptions): Promise<Map<string, Handle>> {
  const needed = ancestorsOf(body, roots, { control: true });
  const variables = [...body.nodes.values()].filter(n => variableOps.has(n.op) && needed.has(n.name));
  const resources = new Map<string, Handle>();
  if (variables.length > 0) {
    const bundle = await openBundle(open);
    const keys = new Map([...restoredKeys(meta, body, library), ...(await objectKeys(meta, body, bundle))]);
    const shared = new Map<string, Variable>();
    for (const node of variables) {
      const key = keyOf(node, keys, bundle);
      const made =
        shared.get(key ?? node.name) ?? new Variable(nameOf(node), key === undefined ? undefined : weight(node, await bundle.tensor(key)));
      shared.set(key ?? node.name, made);
      resources.set(node.name, made);
    }
  }
  const tables = new Map<string, Table>();
  for (const node of body.nodes.values())
    if (tableOps.has(node.op) && needed.has(node.name)) tables.set(node.name, new Table(nameOf(node)));
  if (tables.size > 0) await fillTables(tables, { body, library, assets: meta.asset_file_def ?? [], open });
  for (const [name, table] of tables) resources.set(name, table);
  return resources;
}

function weight(node: BodyNode, tensor: Tensor): Value {
  return new Value(nameOf(node), undefined, { tensor, parameter: true });
}

/** The name that the program gave the variable. */
function nameOf(node: BodyNode): string {
  const shared = new TextDecoder().decode(bytesIn(node.attrs.get('shared_name')?.s));
  return shared || node.name;
}

async function openBundle(open: ResourceOptions['open']): Promise<Bundle> {
  if (!open) throw fail('E1402', 'the variables lie in files beside the model; give its folder');
  const index = await open('variables/variables.index');
  return Bundle.open(index, name => open(`variables/${name}`));
}

function keyOf(node: BodyNode, keys: ReadonlyMap<string, string>, bundle: Bundle): string | undefined {
  const name = nameOf(node);
  return [keys.get(node.name), name, `${name}${valueSuffix}`].find(key => key !== undefined && bundle.has(key));
}

/**
 * Keys by the objects of the program: a function says which objects it captured, in the order of its last arguments; the same object in
 * the checkpoint, found by the names that lead there, says the key.
 */
async function objectKeys(meta: MetaGraphDef, body: Body, bundle: Bundle): Promise<Map<string, string>> {
  const keys = new Map<string, string>();
  const objects = meta.object_graph_def;
  if (!objects?.nodes || !bundle.has(objectGraphKey)) return keys;
  const [bytes] = (await bundle.tensor(objectGraphKey)).strings();
  const saved = decodeBytes<TrackableObjectGraph>(tensorflowSchema, 'TrackableObjectGraph', bytes ?? new Uint8Array(0));
  const byId = keysById(objects.nodes, saved.nodes ?? []);
  const bound = new Map((objects.concrete_functions ?? []).map(({ key = '', value }) => [key, Array.from(value?.bound_inputs ?? [])]));
  for (const node of body.nodes.values()) {
    const captured = bound.get(node.attrs.get('f')?.func?.name ?? '');
    if (!captured) continue;
    for (const [i, id] of captured.entries()) {
      const ref = node.inputs[node.inputs.length - captured.length + i];
      const key = byId.get(id);
      if (ref && key !== undefined) keys.set(ref.node, key);
    }
  }
  return keys;
}

const objectGraphKey = '_CHECKPOINTABLE_OBJECT_GRAPH';

interface Named {
  readonly children?: readonly { readonly node_id?: number | undefined; readonly local_name?: string | undefined }[] | undefined;
}

/** Keys of variables by the numbers of their objects: both graphs are walked from their roots along the same names. */
function keysById(objects: readonly Named[], saved: NonNullable<TrackableObjectGraph['nodes']>): Map<number, string> {
  const keys = new Map<number, string>();
  const pairs: [number, number][] = [[0, 0]];
  const seen = new Set<number>([0]);
  for (let pair = pairs.pop(); pair; pair = pairs.pop()) {
    const [id, other] = pair;
    const key = saved[other]?.attributes?.find(a => a.name === 'VARIABLE_VALUE')?.checkpoint_key;
    if (key !== undefined) keys.set(id, key);
    const there = new Map((saved[other]?.children ?? []).map(c => [c.local_name ?? '', c.node_id ?? 0]));
    for (const { node_id: child = 0, local_name: name = '' } of objects[id]?.children ?? []) {
      const target = there.get(name);
      if (target === undefined || seen.has(child)) continue;
      seen.add(child);
      pairs.push([child, target]);
    }
  }
  return keys;
}

/** Keys by the nodes that restore the checkpoint: each stores an output of RestoreV2 into a variable. */
function restoredKeys(meta: MetaGraphDef, body: Body, library: Library): Map<string, string> {
  const keys = new Map<string, string>();
  const name = meta.saver_def?.restore_op_name?.replace(/:\d+$/, '');
  if (!name || !body.nodes.has(name)) return keys;
  for (const root of ancestorsOf(body, [name], { control: true })) {
    const node = body.nodes.get(root)!;
    const called = node.attrs.get('f')?.func?.name;
    if (called !== undefined && library.has(called)) {
      const inner = library.body(called);
      const outer = new Map(inner.args.map((arg, i) => [arg.name, node.inputs[i]?.node]));
      for (const [variable, key] of storedKeys(inner)) {
        const target = outer.get(variable);
        if (target !== undefined) keys.set(target, key);
      }
    }
  }
  for (const [variable, key] of storedKeys(body)) if (!keys.has(variable)) keys.set(variable, key);
  return keys;
}

function storedKeys(body: Body): [string, string][] {
  return [...body.nodes.values()].flatMap((node): [string, string][] => {
    if (node.op !== 'AssignVariableOp' && node.op !== 'Assign') return [];
    let ref = node.inputs[1]!;
    let source = body.nodes.get(ref.node);
    while (source && (source.op === 'Identity' || source.op === 'Reshape')) {
      ref = source.inputs[0]!;
      source = body.nodes.get(ref.node);
    }
    if (source?.op !== 'RestoreV2') return [];
    const names = body.nodes.get(source.inputs[1]!.node)?.attrs.get('value')?.tensor?.string_val;
    const key = names?.[ref.index];
    return key instanceof Uint8Array ? [[node.inputs[0]!.node, new TextDecoder().decode(key)]] : [];
  });
}
