// Functions of a SavedModel that no signature names: the graph gets a node that calls one, with its arguments and with the objects that it captured.
// Source: TensorFlow, core/protobuf/saved_object_graph.proto and python/saved_model/load.py.
import { fail } from '../../errors.ts';
import { quoted } from '../../ir/text.ts';
import type { Body, BodyNode, Library, Ref } from './body.ts';
import type { Port } from './ports.ts';
import type { AttrValue, MetaGraphDef, SavedObject, StructuredValue } from './proto.gen.ts';
import { sizesOf } from './types.ts';

/** Where a model begins and ends in a graph. */
export interface Entry {
  readonly name: string;
  readonly body: Body;
  readonly inputs: readonly (Port & { readonly ref: Ref })[];
  readonly outputs: readonly { readonly name: string; readonly ref: Ref }[];
}

/** A function by the names that lead to it from the root, with the names of what it was traced to. */
export interface NamedFunction {
  readonly path: string;
  readonly traces: readonly string[];
}

/** The functions of the program that were traced, nearest to the root first. */
export function functionsOf({ object_graph_def }: MetaGraphDef): NamedFunction[] {
  const objects = object_graph_def?.nodes ?? [];
  const found: NamedFunction[] = [];
  const seen = new Set([0]);
  let level: [id: number, path: string][] = [[0, '']];
  while (level.length > 0) {
    const next: [number, string][] = [];
    for (const [id, path] of level)
      for (const { node_id = 0, local_name = '' } of objects[id]?.children ?? []) {
        // What the runtime keeps for itself, among it the functions of signatures.
        if (seen.has(node_id) || local_name === 'signatures' || /^_/.test(local_name.replace(/^__call__$/, ''))) continue;
        seen.add(node_id);
        const inner = path === '' ? local_name : `${path}.${local_name}`;
        const traces = tracesOf(objects[node_id]);
        if (traces.length > 0) found.push({ path: inner, traces });
        else next.push([node_id, inner]);
      }
    level = next;
  }
  return found;
}

function tracesOf(object: SavedObject | undefined): readonly string[] {
  const bare = object?.bare_concrete_function?.concrete_function_name;
  return bare === undefined ? (object?.function?.concrete_functions ?? []) : [bare];
}

/** A call of a traced function as an entry. @throws ModelError E2001 for arguments and captured objects that are no tensors or variables */
export function entryOf(name: string, trace: string, meta: MetaGraphDef, body: Body, library: Library): Entry {
  const saved = meta.object_graph_def?.concrete_functions?.find(f => f.key === trace)?.value;
  if (!saved) throw fail('E1104', `nothing says what the function ${quoted(trace)} captured`, { path: 'object_graph_def' });
  const fn = library.body(trace);
  const bound = Array.from(saved.bound_inputs ?? []);
  const args = fn.args.slice(0, fn.args.length - bound.length);
  const specs = leavesOf(saved.canonicalized_input_signature);
  if (specs.length !== args.length)
    throw fail('E2001', `the function ${quoted(name)} takes ${args.length} tensors in ${specs.length} arguments`);
  const byName = new Map(specs.map(s => [s.spec?.name ?? '', s]));
  const inputs = args.map(({ name, type }, i) => {
    const { spec } = byName.get(name) ?? specs[i]!;
    return { name, type, sizes: sizesOf(spec?.shape ?? { unknown_rank: true }), ref: { node: `argument:${name}`, index: 0 } };
  });
  const made = new Map<string, BodyNode>();
  const add = (node: string, op: string, attrs: [string, AttrValue][], refs: readonly Ref[]): Ref => {
    made.set(node, { name: node, op, attrs: new Map(attrs), inputs: refs, control: [], place: { path: 'object_graph_def' } });
    return { node, index: 0 };
  };
  for (const { type, ref } of inputs) add(ref.node, 'Placeholder', [['dtype', { type }]], []);
  const captured = bound.map(id => capturedBy(id, meta, body, (node, op, attrs) => add(node, op, attrs, [])));
  const call = `function:${trace}`;
  add(call, 'StatefulPartitionedCall', [['f', { func: { name: trace } }]], [...inputs.map(i => i.ref), ...captured]);
  const names = outputNames(saved.output_signature, fn.outputs.length);
  return {
    name,
    body: { ...body, nodes: new Map([...body.nodes, ...made]) },
    inputs,
    outputs: names.map((n, index) => ({ name: n, ref: { node: call, index } })),
  };
}

type Add = (node: string, op: string, attrs: [string, AttrValue][]) => Ref;

/** What gives an object to a call: a node of the graph where another call gets it from there, a variable, a constant. */
function capturedBy(id: number, meta: MetaGraphDef, body: Body, add: Add): Ref {
  const object = meta.object_graph_def?.nodes?.[id];
  const { variable, constant } = object ?? {};
  if (variable) {
    const shared_name: AttrValue = { s: new TextEncoder().encode(variable.name ?? '') };
    return add(`variable:${id}`, 'VarHandleOp', [
      ['dtype', { type: variable.dtype ?? 0 }],
      ['shape', { shape: variable.shape }],
      ['shared_name', shared_name],
    ]);
  }
  const operation = constant?.operation ?? '';
  if (body.nodes.has(operation)) return { node: operation, index: 0 };
  const bound = new Map((meta.object_graph_def?.concrete_functions ?? []).map(f => [f.key, Array.from(f.value?.bound_inputs ?? [])]));
  for (const node of body.nodes.values()) {
    const captured = bound.get(node.attrs.get('f')?.func?.name ?? '') ?? [];
    const at = captured.indexOf(id);
    const ref = node.inputs[node.inputs.length - captured.length + at];
    if (at >= 0 && ref) return ref;
  }
  throw fail('E2001', `the function captured an object that is no variable, constant or table: object_graph_def.nodes[${id}]`);
}

interface Leaf {
  readonly path: readonly string[];
  readonly spec: StructuredValue['tensor_spec_value'];
}

/** The tensors of a structure, entries of dictionaries in the order of their keys. */
function leavesOf(value: StructuredValue | undefined, path: readonly string[] = []): Leaf[] {
  if (!value) return [];
  if (value.type_spec_value)
    throw fail('E2001', `${quoted(path.join('.'))} of the function stands for several tensors, which has no conversion`);
  const spec = value.tensor_spec_value ?? value.bounded_tensor_spec_value;
  if (spec) return [{ path, spec }];
  const list = value.list_value?.values ?? value.tuple_value?.values;
  if (list) return list.flatMap((v, i) => leavesOf(v, [...path, String(i)]));
  const pairs =
    value.named_tuple_value?.values ?? [...(value.dict_value?.fields ?? [])].sort((a, c) => ((a.key ?? '') < (c.key ?? '') ? -1 : 1));
  return pairs.flatMap(({ key = '', value }) => leavesOf(value, [...path, key]));
}

/** The names of keys that lead to each output; `output_0` and so on as TensorFlow has it where there are none. */
function outputNames(structure: StructuredValue | undefined, count: number): string[] {
  const leaves = leavesOf(structure);
  const named = leaves.map(({ path }) =>
    path.length === 0 ? 'output_0' : /^\d+$/.test(path[0]!) ? `output_${path.join('_')}` : path.join('_'),
  );
  if (named.length === count && new Set(named).size === count) return named;
  return Array.from({ length: count }, (_, i) => `output_${i}`);
}
