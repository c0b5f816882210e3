// Graphs and functions in one form: nodes by name, their inputs as references to outputs by place.
import { at } from '../../codec/protobuf.ts';
import { fail, type Place } from '../../errors.ts';
import { quoted } from '../../ir/text.ts';
import { type ArgDef, type OpDef, opDef } from './op-defs.ts';
import type { AttrValue, FunctionDef, GraphDef, NodeDef } from './proto.gen.ts';

/** An output of a node, or an argument of the body. */
export interface Ref {
  readonly node: string;
  readonly index: number;
}

export type AttrValues = ReadonlyMap<string, AttrValue>;

export interface BodyNode {
  readonly name: string;
  readonly op: string;
  readonly attrs: AttrValues;
  readonly inputs: readonly Ref[];
  /** Nodes that have to run before. */
  readonly control: readonly string[];
  /** Where its message lies in the file. */
  readonly place: Place;
  /** Bodies of a loop or branch that was made of other nodes, by the attributes that name functions elsewhere. */
  readonly bodies?: ReadonlyMap<string, Body>;
}

export interface BodyArg {
  readonly name: string;
  /** A `DataType` number. */
  readonly type: number;
}

/** What is run with arguments: a function, a branch, the body of a loop, or a whole graph without arguments. */
export interface Body {
  readonly name: string;
  readonly args: readonly BodyArg[];
  readonly nodes: ReadonlyMap<string, BodyNode>;
  readonly outputs: readonly Ref[];
  /** Nodes that have to run although nothing reads them. */
  readonly control: readonly string[];
  /** Where it sees what was computed around it: the nodes there that are bound to what they were given, arguments among them. */
  readonly inherits?: ReadonlySet<string>;
}

/** Finds the signature of what a node calls, which may be a function. */
export type FindDef = (op: string) => OpDef | undefined;

/** A graph; its outputs are asked for by name. @throws ModelError E1102, E1104, E1302 */
export function graphBody(graph: GraphDef, path: string): Body {
  const nodes = readNodes(graph.node ?? [], path, new Set(), text => plainRef(text));
  return { name: '', args: [], nodes, outputs: [], control: [] };
}

/** A function of a library. @throws ModelError E1101 to E1104, E2001 for one whose types its caller decides */
export function functionBody(fn: FunctionDef, path: string, find: FindDef): Body {
  const signature = fn.signature;
  if (!signature?.name) throw fail('E1101', `${path}: the function has no name`, { path, offset: fn[at] });
  const args = (signature.input_arg ?? []).map(({ name = '', type = 0, type_attr, number_attr, type_list_attr }) => {
    if (type_attr || number_attr || type_list_attr)
      throw fail('E2001', `the function ${quoted(signature.name!)} leaves types to its caller`);
    return { name, type };
  });
  const defs = new Map((fn.node_def ?? []).map(n => [n.name ?? '', n]));
  const names = new Set(args.map(a => a.name));
  const resolve = (text: string): Ref => functionRef(text, names, defs, find);
  const nodes = readNodes(fn.node_def ?? [], path, names, resolve);
  const ret = new Map((fn.ret ?? []).map(({ key = '', value = '' }) => [key, value]));
  const outputs = (signature.output_arg ?? []).map(({ name = '' }) => {
    const text = ret.get(name);
    if (text === undefined) throw fail('E1104', `${path}: the function does not say what its output ${quoted(name)} is`, { path });
    return located(() => resolve(text), { path });
  });
  const control = (fn.control_ret ?? []).map(({ value = '' }) => value);
  const body = { name: signature.name, args, nodes, outputs, control };
  for (const ref of outputs) requireNode(body, ref.node, path, {});
  return body;
}

function readNodes(
  defs: readonly NodeDef[],
  path: string,
  args: ReadonlySet<string>,
  resolve: (text: string) => Ref,
): Map<string, BodyNode> {
  const nodes = new Map<string, BodyNode>();
  const list = path.endsWith('library') || path === '' ? 'node' : `${path}.node`;
  for (const [i, def] of defs.entries()) {
    const { name = '', op = '' } = def;
    const place: Place = { path: `${list}[${i}]`, offset: def[at], node: { index: i, op, name } };
    if (name === '' || op === '') throw fail('E1101', `${place.path}: a node has no ${name === '' ? 'name' : 'operator'}`, place);
    if (nodes.has(name) || args.has(name)) throw fail('E1102', `${place.path}: there is another ${quoted(name)}`, place);
    const inputs = def.input ?? [];
    const control = inputs.filter(text => text.startsWith('^')).map(text => text.slice(1));
    const data = inputs.filter(text => !text.startsWith('^')).map(text => located(() => resolve(text), place));
    const attrs = new Map((def.attr ?? []).map(({ key = '', value = {} }) => [key, value]));
    nodes.set(name, { name, op, attrs, inputs: data, control, place });
  }
  for (const { op, inputs, control, place } of nodes.values()) {
    for (const ref of [...inputs.map(r => r.node), ...control]) if (!args.has(ref)) requireNode({ nodes }, ref, `${place.path}`, place);
    const fewest = fewestInputs(op);
    if (inputs.length < fewest) throw fail('E1302', `${op} has ${inputs.length} inputs, expected at least ${fewest}`, place);
  }
  return nodes;
}

/** How many inputs an operator has beside those that attributes count. */
const fewestInputs = (op: string): number => opDef(op)?.inputs.filter(arg => arg.count === undefined && arg.list === undefined).length ?? 0;

function requireNode({ nodes, args = [] }: Pick<Body, 'nodes'> & Partial<Body>, name: string, path: string, place: Place): void {
  if (!nodes.has(name) && !args.some(a => a.name === name)) throw fail('E1104', `${path}: nothing is named ${quoted(name)}`, place);
}

function located<T>(read: () => T, place: Place): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof Error && 'within' in error ? (error as ReturnType<typeof fail>).within(place) : error;
  }
}

/** `node` or `node:output`. */
export function plainRef(text: string): Ref {
  const [, node = '', index = '0'] = /^([^:]*)(?::(\d{1,6}))?$/.exec(text) ?? [];
  if (node === '') throw fail('E1104', `${quoted(text)} is not a name of a node with the number of an output`);
  return { node, index: Number(index) };
}

/** `argument`, `node:name:index`, or `node` where that has one output. */
function functionRef(text: string, args: ReadonlySet<string>, defs: ReadonlyMap<string, NodeDef>, find: FindDef): Ref {
  if (args.has(text)) return { node: text, index: 0 };
  const [, node = '', output, index = '0'] = /^([^:]*)(?::([^:]+)(?::(\d{1,6}))?)?$/.exec(text) ?? [];
  const def = defs.get(node);
  if (!def) throw fail('E1104', `nothing is named ${quoted(text)}`);
  if (output === undefined) return { node, index: 0 };
  if (/^\d+$/.test(output)) return { node, index: Number(output) };
  const signature = find(def.op ?? '');
  // What calls an unknown operator is reported when it is run; that its first output is meant is as good as any guess until then.
  if (!signature) return { node, index: Number(index) };
  const attrs = new Map((def.attr ?? []).map(({ key = '', value = {} }) => [key, value]));
  let before = 0;
  for (const out of signature.outputs) {
    if (out.name === output) return { node, index: before + Number(index) };
    before += lengthOf(out, attrs);
  }
  throw fail('E1104', `${quoted(node)} (${def.op}) has no output ${quoted(output)}`);
}

/** How many tensors an argument stands for. */
export function lengthOf(arg: ArgDef, attrs: AttrValues): number {
  if (arg.list !== undefined) return attrs.get(arg.list)?.list?.type?.length ?? 0;
  return arg.count === undefined ? 1 : Number(attrs.get(arg.count)?.i ?? 0);
}

export const outputCount = (def: OpDef, attrs: AttrValues): number => def.outputs.reduce((n, out) => n + lengthOf(out, attrs), 0);

/** Nodes that others are computed from, and these; with `control` those too that have to run before. */
export function ancestorsOf(body: Body, roots: readonly string[], { control = false } = {}): Set<string> {
  const found = new Set<string>();
  const queue = [...roots];
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    if (found.has(name)) continue;
    found.add(name);
    const node = body.nodes.get(name);
    if (node) queue.push(...node.inputs.map(ref => ref.node), ...(control ? node.control : []));
  }
  return found;
}

/** The functions of a library by name, each read when it is first called. */
export class Library {
  readonly #functions: ReadonlyMap<string, { readonly fn: FunctionDef; readonly path: string }>;
  readonly #bodies = new Map<string, Body>();

  /** @throws ModelError E1102 for two functions of one name */
  constructor(graph: GraphDef) {
    const functions = new Map<string, { fn: FunctionDef; path: string }>();
    for (const [i, fn] of (graph.library?.function ?? []).entries()) {
      const name = fn.signature?.name ?? '';
      const path = `library.function[${i}]`;
      if (functions.has(name)) throw fail('E1102', `${path}: there is another function ${quoted(name)}`, { path, offset: fn[at] });
      functions.set(name, { fn, path });
    }
    this.#functions = functions;
  }

  /** Nodes of all functions. */
  get nodeCount(): number {
    return [...this.#functions.values()].reduce((n, { fn }) => n + (fn.node_def?.length ?? 0), 0);
  }

  has(name: string): boolean {
    return this.#functions.has(name);
  }

  /** @throws ModelError E1104 for a function that is not there */
  body(name: string): Body {
    const before = this.#bodies.get(name);
    if (before) return before;
    const found = this.#functions.get(name);
    if (!found) throw fail('E1104', `the library has no function ${quoted(name)}`);
    const body = functionBody(found.fn, found.path, this.find);
    this.#bodies.set(name, body);
    return body;
  }

  /** Signatures of operators, and of functions, which nodes may call by name. */
  readonly find: FindDef = op => {
    const fn = this.#functions.get(op)?.fn.signature;
    if (!fn) return opDef(op);
    const args = (list: NonNullable<typeof fn.input_arg>): ArgDef[] => list.map(a => ({ name: a.name ?? '', type: a.type ?? 0 }));
    return { name: op, inputs: args(fn.input_arg ?? []), outputs: args(fn.output_arg ?? []), attributes: new Map() };
  };
}
