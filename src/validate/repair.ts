// Repairs that change nothing about what a model computes: order, names, versions that can be told, declarations that are wrong. Everything
// is done on a copy; what is not sure stays as it is.
import type { Source } from '../codec/source.ts';
import { Copy } from '../edit/copy.ts';
import { namesIn, nodeNamesIn } from '../edit/names.ts';
import { type Code, type Finding, fail, ModelError, warning } from '../errors.ts';
import { type Duplicates, duplicatesIn, type ReadOptions, readOnnx, withoutDuplicates } from '../formats/onnx/index.ts';
import { agreed } from '../ir/agree.ts';
import { allNodes, Graph, type Model, type Node, nestedPlaces, subgraphs, type Value } from '../ir/graph.ts';
import { sortedNodes } from '../ir/order.ts';
import { resident, type Tensor } from '../ir/tensor.ts';
import { quoted } from '../ir/text.ts';
import { formatType } from '../ir/types.ts';
import { circleText, verifyModel } from '../ir/verify.ts';
import { namedValues } from '../ops/index.ts';
import { irVersionFor, newestOpset, type OpSchema, releasedOpset, schemaOf } from '../ops/schema.ts';
import { onlyGrew, stepOf } from '../opset/form.ts';
import { inferTypes } from '../opset/infer.ts';
import { leastIrVersion } from '../opset/target.ts';
import { upgradeSteps } from '../opset/upgrade-steps.ts';

export interface Repaired {
  /** A copy; the model that was given is as it was. */
  readonly model: Model;
  /** What was done, each with the code of the finding that it ends. */
  readonly repairs: readonly Finding[];
}

/** Findings of reading that a repair may end. All others mean that the model could not be read whole. */
const repairable = ({ code, path = '' }: Finding): boolean =>
  code === 'E1103' ||
  code === 'E1111' ||
  code === 'E1110' ||
  (code === 'E1101' && path === 'ir_version') ||
  (code === 'E1106' && path === 'opset_import') ||
  (code === 'E1102' && /initializer\[\d+\]$/.test(path));

/**
 * Read a file and repair the model in it; bytes that follow the model are left out.
 * @throws ModelError with all errors of reading, where one of them is beyond repair
 */
export async function repairFile(source: Source, options: ReadOptions = {}): Promise<Repaired> {
  const { model, findings, dropped } = await readWithoutTail(source, options);
  const errors = findings.filter(f => f.severity === 'error');
  if (!errors.every(repairable)) throw new ModelError(errors);
  const { model: copy, repairs } = await repair(model);
  return { model: copy, repairs: [...dropped, ...repairs].map(f => ({ ...f, file: source.name })) };
}

async function readWithoutTail(source: Source, options: ReadOptions) {
  try {
    return { ...(await readOnnx(source, options)), dropped: [] };
  } catch (error) {
    const first = error instanceof ModelError && error.code === 'E1007' ? error.findings[0] : undefined;
    if (first?.offset === undefined) throw error;
    const size = first.offset;
    const whole: Source = { name: source.name, size, read: (offset, length) => source.read(offset, length) };
    const note = warning('E1007', `${source.size - size} bytes after the end of the model are left out`, { offset: size });
    return { ...(await readOnnx(whole, options)), dropped: [note] };
  }
}

/**
 * Repair a model: sort nodes, leave out initializers that are there twice, add the IR version and opsets that can be told, give nodes and
 * values of nested graphs names of their own, and declare the types that follow from the inputs where others were declared.
 * @throws ModelError E1105 where nodes depend on each other in a circle
 */
export async function repair(model: Model): Promise<Repaired> {
  const repairs: Finding[] = [];
  const ordered = new OrderedCopy(repairs);
  const copy = ordered.model(model);
  copy.functions = model.functions.map(f => ({ ...f, body: ordered.graph(f.body) }));
  const done = new Repairing(copy, repairs);
  await done.initializers(copy.graph, 'graph');
  done.versions();
  done.names();
  done.types();
  return { model: copy, repairs };
}

/** A copy with the nodes of every graph in order. */
class OrderedCopy extends Copy {
  readonly #repairs: Finding[];
  constructor(repairs: Finding[]) {
    super();
    this.#repairs = repairs;
  }

  override graph(graph: Graph): Graph {
    const { inputs, outputs, initializers, meta } = graph;
    const sorted = sortedNodes(graph, namedValues);
    if ('cycle' in sorted) throw fail('E1105', circleText(sorted.cycle));
    const moved = sorted.nodes.filter((node, i) => node !== graph.nodes[i]).length;
    if (moved > 0)
      this.#repairs.push(warning('E1103', `the nodes of the graph ${quoted(graph.name)} are sorted, ${moved} have another place`));
    return super.graph(new Graph(graph.name, { inputs, outputs, initializers, meta, nodes: sorted.nodes }));
  }
}

class Repairing {
  readonly #model: Model;
  readonly #repairs: Finding[];

  constructor(model: Model, repairs: Finding[]) {
    this.#model = model;
    this.#repairs = repairs;
  }

  #did(code: Code, message: string, path?: string): void {
    this.#repairs.push(warning(code, message, path === undefined ? {} : { path }));
  }

  /** Messages that repeat the name of an initializer go where they repeat its content too; declarations where they contradict others. */
  async initializers(graph: Graph, path: string): Promise<void> {
    const values = new Map(graph.initializers.map(v => [v.name, v]));
    const found = duplicatesIn(graph);
    const same: Duplicates['tensors'][number][] = [];
    for (const duplicate of found.tensors) {
      const kept = values.get(duplicate.name)?.tensor;
      if (!kept || !duplicate.tensor || !(await isSame(kept, duplicate.tensor))) continue;
      same.push(duplicate);
      this.#did('E1102', `the second initializer ${quoted(duplicate.name)} is the same as the first and is left out`, path);
    }
    const wrong = found.declarations.filter(d => agreed(d.type, d.value.type) === 'contradiction');
    for (const { value, type } of wrong)
      this.#did('E1306', `a second declaration of ${quoted(value.name)} as ${formatType(type)} is left out`, path);
    withoutDuplicates(graph, { tensors: same, declarations: wrong });
    for (const [i, node] of graph.nodes.entries())
      for (const [step, inner] of nestedPlaces(node)) await this.initializers(inner, `${path}.node[${i}].${step}`);
  }

  versions(): void {
    const model = this.#model;
    const imports = (model.meta.rest as { opset_import?: readonly unknown[] } | undefined)?.opset_import;
    if (imports && imports.length > model.opsets.size) {
      const { opset_import: _, ...rest } = model.meta.rest as Record<string, unknown>;
      model.meta = { ...model.meta, rest };
      this.#did('E1106', 'domains that are imported twice are imported once', 'opset_import');
    }
    for (const [domain, nodes] of this.#unimported()) {
      const version = toldOpset(domain, nodes, model.irVersion);
      if (version === undefined) continue;
      model.opsets.set(domain, version);
      this.#did('E1106', `the domain ${quoted(domain || 'ai.onnx')} is imported with version ${version}`, 'opset_import');
    }
    if (model.irVersion !== 0 || model.opsets.size === 0) return;
    model.irVersion = Math.max(irVersionFor(model.opsets), leastIrVersion);
    this.#did('E1101', `the IR version is ${model.irVersion}, that of its opsets`, 'ir_version');
  }

  /** Nodes of the model's own graphs by domains that it does not import. */
  #unimported(): Map<string, Node[]> {
    const found = new Map<string, Node[]>();
    for (const node of allNodes(this.#model.graph)) {
      if (this.#model.opsets.has(node.domain)) continue;
      const list = found.get(node.domain);
      if (list) list.push(node);
      else found.set(node.domain, [node]);
    }
    return found;
  }

  names(): void {
    const { graph, functions } = this.#model;
    for (const g of [graph, ...functions.map(f => f.body)]) {
      this.#nodeNames(g, fresh(nodeNamesIn(g)));
      this.#hidden(g, [], fresh(namesIn(g)));
    }
  }

  #nodeNames(graph: Graph, unused: (name: string) => string): void {
    const seen = new Set<string>();
    for (const node of graph.nodes) {
      if (seen.has(node.name)) {
        const name = unused(node.name);
        this.#did('E1102', `the second node ${quoted(node.name)} is called ${quoted(name)}`);
        node.name = name;
      }
      if (node.name) seen.add(node.name);
      for (const [, inner] of subgraphs(node)) this.#nodeNames(inner, unused);
    }
  }

  /** Values of nested graphs that hide one of a graph around them get other names. */
  #hidden(graph: Graph, around: readonly ReadonlySet<string>[], unused: (name: string) => string): void {
    const own = [...graph.inputs, ...graph.initializers, ...graph.nodes.flatMap(node => node.outputs)].filter(v => v !== undefined);
    const renamed = new Map<Value, string>();
    // Annotations name the values that they are about.
    if (!(graph.meta.rest && 'quantization_annotation' in graph.meta.rest))
      for (const v of new Set(own)) if (v.name !== '' && around.some(names => names.has(v.name))) renamed.set(v, unused(v.name));
    for (const [v, name] of renamed) {
      this.#did('E1111', `${quoted(v.name)} of the graph ${quoted(graph.name)}, which hid another value, is called ${quoted(name)}`);
      graph.outputs = graph.outputs.map(o => (o.value === v && o.name === v.name ? { ...o, name } : o));
      v.name = name;
    }
    const visible = [...around, new Set(own.map(v => v.name))];
    for (const node of graph.nodes) for (const [, inner] of subgraphs(node)) this.#hidden(inner, visible, unused);
  }

  /** Declared types of what nodes make, where those that follow from the inputs contradict them and nothing else is wrong. */
  types(): void {
    const model = this.#model;
    if (verifyModel(model).length > 0) return;
    // In branches that are never taken nothing is found, and nothing is known.
    const wrong = new Set(inferTypes(model).findings.flatMap(f => (f.code === 'E1306' && f.path ? [f.path] : [])));
    if (wrong.size === 0) return;
    const isOurs = (v: Value): boolean => v.producer !== undefined && newestOpset(v.producer.domain) !== undefined;
    const undeclared = new Copy({ type: (type, v, output) => (output || isOurs(v) ? undefined : type) });
    const { types, findings } = inferTypes(undeclared.model(model));
    if (findings.length > 0) return;
    const typeOf = (v: Value) => types.get(undeclared.values.get(v)!);
    this.#mend(model.graph, 'graph', { wrong, typeOf });
  }

  #mend(graph: Graph, path: string, found: Inferred): void {
    const { wrong, typeOf } = found;
    for (const [i, node] of graph.nodes.entries()) {
      const own = `${path}.node[${i}]`;
      if (wrong.has(own)) for (const v of node.outputs) if (v && this.#isWrong(v.name, v.type, typeOf(v))) v.type = typeOf(v);
      for (const [step, inner] of nestedPlaces(node)) this.#mend(inner, `${own}.${step}`, found);
    }
    graph.outputs = graph.outputs.map((o, i) =>
      wrong.has(`${path}.output[${i}]`) && o.type && this.#isWrong(o.name, o.type, typeOf(o.value)) ? { ...o, type: typeOf(o.value) } : o,
    );
  }

  #isWrong(name: string, declared: Value['type'], found: Value['type']): boolean {
    if (!declared || !found || agreed(found, declared) !== 'contradiction') return false;
    this.#did('E1306', `${quoted(name)}, declared as ${formatType(declared)}, is declared as ${formatType(found)}`);
    return true;
  }
}

interface Inferred {
  /** Paths of the nodes and outputs whose declarations contradict what is inferred. */
  readonly wrong: ReadonlySet<string>;
  readonly typeOf: (v: Value) => Value['type'];
}

/** Names with a number after them that nothing has yet. */
function fresh(taken: Set<string>): (name: string) => string {
  const next = new Map<string, number>();
  return name => {
    for (let i = next.get(name) ?? 1; ; i++) {
      const candidate = `${name}_${i}`;
      if (taken.has(candidate)) continue;
      taken.add(candidate);
      next.set(name, i + 1);
      return candidate;
    }
  };
}

/** The versions of older opsets are different operators for the most part, and no tool writes them any more. */
const firstOfToday = 7;

/**
 * The opset that nodes of a domain were written in, where that is sure: outside the standard the first; in it the newest that the IR version
 * may have, provided that their operators mean the same in all of them.
 */
function toldOpset(domain: string, nodes: readonly Node[], irVersion: number): number | undefined {
  const newest = releasedOpset(domain);
  if (newest === undefined) return 1;
  const first = domain === '' ? firstOfToday : 1;
  const possible = Array.from({ length: newest }, (_, i) => i + 1).filter(
    v => v >= first && irVersionFor(new Map([[domain, v]])) <= irVersion,
  );
  const isSure = [...new Set(nodes.map(node => node.op))].every(op => {
    const schemas = [...new Set(possible.map(v => schemaOf(domain, op, v)))].filter(s => s !== undefined);
    const grew = (after: OpSchema, i: number): boolean =>
      i === 0 || (onlyGrew(schemas[i - 1]!, after) && !stepOf(upgradeSteps, { domain, op }, after.since));
    return schemas.length > 0 && schemas.every(grew);
  });
  return isSure ? possible.at(-1) : undefined;
}

async function isSame(a: Tensor, b: Tensor): Promise<boolean> {
  if (a.type !== b.type || a.dims.join() !== b.dims.join()) return false;
  const [x, y] = [await resident(a), await resident(b)];
  const equal = (p: Uint8Array, q: Uint8Array): boolean => p.length === q.length && p.every((byte, i) => byte === q[i]);
  if (a.type !== 'string') return equal(x.bytes(), y.bytes());
  return x.strings().every((s, i) => equal(s, y.strings()[i]!));
}
