// Sessions: a model made ready to run. A plan is compiled once for each signature of the inputs and bound once for their sizes.
import { type Finding, fail, ModelError } from '../errors.ts';
import { type Dim, substitute, symbol } from '../ir/dims.ts';
import { allNodes, type Graph, type Model, type Node, Value } from '../ir/graph.ts';
import { resident, type Tensor } from '../ir/tensor.ts';
import { formatShape, formatType, type TensorType, tensorType, type ValueType } from '../ir/types.ts';
import { rowOf } from '../ops/index.ts';
import { nearestName } from '../ops/schema.ts';
import { upgrade } from '../opset/upgrade.ts';
import { fold, lower, rewriteAll, simplify } from '../passes/index.ts';
import { inline } from '../passes/inline.ts';
import { type Bindings, rebuild } from '../passes/rebuild.ts';
import type { Backend, Bound, Executable } from './backend.ts';
import { compilePlan, type Plan } from './plan.ts';
import { splitAtUnknown } from './stages.ts';

/** Arrays by the names of graph inputs or outputs. */
export type Arrays = Readonly<Record<string, Tensor>>;

export interface SessionOptions {
  readonly backend: Backend;
  /** Join and simplify; off for the oracle. */
  readonly optimize?: boolean;
}

/** The first IR version in which an input's initializer is a default; before that, inputs had to list every constant. */
const firstWithDefaults = 4;

/** A graph input or output as users see it. */
export interface ValueInfo {
  readonly name: string;
  readonly type: ValueType | undefined;
}

/** A model on a backend. */
export class Session {
  readonly backend: Backend;
  /** What inputs hold that callers may leave out, such as the state of a model. */
  readonly defaults: Arrays;
  readonly #graph: Graph;
  readonly #optimize: boolean;
  readonly #stages = new Map<string, Promise<Stage>>();

  private constructor(graph: Graph, defaults: Arrays, backend: Backend, optimize: boolean) {
    this.#graph = graph;
    this.defaults = defaults;
    this.backend = backend;
    this.#optimize = optimize;
  }

  /** @throws ModelError E3008 where the backend is not available, E3004 for each operator without a meaning, and what `upgrade` throws */
  static async create(model: Model, { backend, optimize = true }: SessionOptions): Promise<Session> {
    const usable = await backend.available();
    if (usable !== true) throw fail('E3008', `backend ${backend.name}: ${usable}`);
    const newest = upgrade(model);
    newest.graph = inline(newest);
    const replaceable = model.irVersion >= firstWithDefaults ? newest.graph.inputs.filter(v => v.tensor) : [];
    const defaults = Object.fromEntries(replaceable.map(v => [v.name, v.tensor!]));
    if (replaceable.length > 0) newest.graph = rebuild(newest.graph, new Map(replaceable.map(v => [v, v.type!])));
    rewriteAll(newest.graph, [fold]);
    refuseGaps(newest.graph);
    return new Session(newest.graph, defaults, backend, optimize);
  }

  /** The inputs that callers must give. */
  get inputs(): readonly ValueInfo[] {
    return this.#graph.inputs.filter(v => !v.tensor && !Object.hasOwn(this.defaults, v.name)).map(({ name, type }) => ({ name, type }));
  }
  get outputs(): readonly ValueInfo[] {
    return this.#graph.outputs.map(o => ({ name: o.name, type: o.type ?? o.value.type }));
  }
  get inputNames(): readonly string[] {
    return this.inputs.map(v => v.name);
  }
  /** The inputs that arrays of these names are for: those that must be given, and those with a default that are. */
  inputsFor(given: Iterable<string>): readonly string[] {
    return [...this.inputNames, ...[...given].filter(name => Object.hasOwn(this.defaults, name))];
  }
  get outputNames(): readonly string[] {
    return this.outputs.map(v => v.name);
  }

  /** The plan for inputs like these; of its first stage, where contents that only the run knows divide it. */
  async plan(feeds: Arrays): Promise<Plan> {
    return (await this.#stage(this.#graph, await checkFeeds(this.#graph, { ...this.defaults, ...feeds }))).plan;
  }

  /**
   * Run the model. Results are named as the graph's outputs, in their order.
   * @throws ModelError E3001, E3002 and E3003 for every input that does not fit; E3004 and E3009 for what has no meaning
   */
  async run(feeds: Arrays): Promise<Record<string, Tensor>> {
    const results = new Map<string, Tensor>();
    let graph = this.#graph;
    let inputs: ReadonlyMap<Value, Tensor> = await checkFeeds(graph, { ...this.defaults, ...feeds });
    let known: ReadonlySet<Value> = new Set();
    for (;;) {
      const stage: Stage = await this.#stage(graph, inputs, known);
      const made = await runStage(stage, inputs);
      for (const [name, tensor] of made.outputs) results.set(name, tensor);
      if (!stage.rest) break;
      [graph, inputs, known] = [stage.rest, made.handed, stage.known];
    }
    return Object.fromEntries(this.#graph.outputs.map(o => [o.name, results.get(o.name)!]));
  }

  async dispose(): Promise<void> {
    for (const stage of this.#stages.values()) await (await stage).executable.dispose();
    this.#stages.clear();
  }

  readonly #graphIds = new Map<Graph, number>();
  #stage(graph: Graph, inputs: ReadonlyMap<Value, Tensor>, known: ReadonlySet<Value> = new Set()): Promise<Stage> {
    const id = this.#graphIds.get(graph) ?? this.#graphIds.size;
    this.#graphIds.set(graph, id);
    const { key, bindings } = signatureOf(inputs, known);
    const full = `${id} ${key}`;
    let stage = this.#stages.get(full);
    if (!stage) {
      stage = compileStage(graph, bindings, this.backend, this.#optimize);
      this.#stages.set(full, stage);
    }
    return stage;
  }
}

/** Every operator without a meaning at once, with counts and the first node. */
function refuseGaps(graph: Graph): void {
  const found = new Map<string, { count: number; first: Node }>();
  for (const node of allNodes(graph)) {
    const row = node.domain === '' ? rowOf(node.op) : undefined;
    if (row && !('gap' in row)) continue;
    const before = found.get(node.qualifiedName);
    if (before) before.count++;
    else found.set(node.qualifiedName, { count: 1, first: node });
  }
  if (found.size === 0) return;
  const finding = ([op, { count, first }]: [string, { count: number; first: Node }]): Finding => {
    const row = first.domain === '' ? rowOf(first.op) : undefined;
    const why = row && 'gap' in row ? row.gap : 'no meaning here';
    return {
      code: 'E3004',
      severity: 'error',
      message: `${op}: ${why} (${count} node${count === 1 ? '' : 's'})`,
      node: { op, name: first.name },
    };
  };
  throw new ModelError([...found].map(finding));
}

/** A compiled part of a graph: all of it, or up to where a content that kernels must know is first known at run time. */
interface Stage {
  readonly plan: Plan;
  readonly executable: Executable;
  /** The inputs of the plan, in its order, as values of the graph it was compiled from. */
  readonly inputs: readonly Value[];
  readonly bound: Map<string, Promise<Bound>>;
  readonly rest: Graph | undefined;
  readonly known: ReadonlySet<Value>;
}

async function compileStage(graph: Graph, bindings: Bindings, backend: Backend, optimize: boolean): Promise<Stage> {
  const typed = rebuild(graph, bindings);
  rewriteAll(typed, optimize ? [fold, simplify, lower] : [lower]);
  const { ready, rest, known } = splitAtUnknown(typed);
  const plan = compilePlan(ready, { fuse: optimize });
  const inputs = graph.inputs.filter(v => !(bindings.get(v) instanceof Value) && !v.tensor);
  return { plan, inputs, rest, known, executable: await backend.compile(plan), bound: new Map() };
}

async function runStage(
  stage: Stage,
  inputs: ReadonlyMap<Value, Tensor>,
): Promise<{ outputs: Map<string, Tensor>; handed: Map<Value, Tensor> }> {
  const tensors = stage.inputs.map(v => inputs.get(v)!);
  const sizes = sizesOf(stage.plan, tensors);
  const key = [...sizes].join(';');
  let bound = stage.bound.get(key);
  if (!bound) {
    bound = stage.executable.bind(sizes);
    void bound.catch(() => stage.bound.delete(key));
  }
  // The latest used is the last in the map.
  stage.bound.delete(key);
  stage.bound.set(key, bound);
  await forgetOldest(stage.bound);
  const made = await (await bound).run(tensors);
  const outputs = new Map<string, Tensor>();
  const handed = new Map<Value, Tensor>();
  stage.plan.outputs.forEach((port, i) => {
    if (port.name.startsWith('\u0000')) handed.set(stage.rest!.inputs[Number(port.name.slice(1))]!, made[i]!);
    else outputs.set(port.name, made[i]!);
  });
  return { outputs, handed };
}

/** Most sizes that a session keeps memory for at a time. */
const maxBound = 16;

async function forgetOldest(bound: Map<string, Promise<Bound>>): Promise<void> {
  const [oldest] = bound;
  if (bound.size <= maxBound || !oldest) return;
  bound.delete(oldest[0]);
  await (await oldest[1]).dispose();
}

/** Values of the symbols in the plan's input shapes. */
function sizesOf(plan: Plan, tensors: readonly Tensor[]): Map<string, number> {
  const sizes = new Map<string, number>();
  plan.inputs.forEach((port, i) => {
    port.view.shape.forEach((d, axis) => {
      if (typeof d !== 'number') sizes.set(d.key, tensors[i]!.dims[axis]!);
    });
  });
  return sizes;
}

/**
 * What compiling depends on: element types, ranks, which sizes are fixed, 0, 1 or equal to each other, and known contents. Equal
 * open sizes share one symbol in the types.
 */
function signatureOf(inputs: ReadonlyMap<Value, Tensor>, known: ReadonlySet<Value>): { key: string; bindings: Bindings } {
  const names = new Map<number, Dim>();
  const parts: string[] = [];
  const bindings = new Map<Value, ValueType | Value>();
  for (const [v, tensor] of inputs) {
    if (known.has(v)) {
      bindings.set(v, new Value(v.name, undefined, { tensor }));
      parts.push(`${tensor.type}[${tensor.dims}]=${String(tensor.data)}`);
      continue;
    }
    const type = tensorType(
      tensor.type,
      tensor.dims.map((size, axis) => dimFor(size, v.shape?.[axis], names)),
    );
    bindings.set(v, type);
    parts.push(formatType(type));
  }
  return { key: parts.join(' '), bindings };
}

function dimFor(size: number, declared: Dim | undefined, names: Map<number, Dim>): Dim {
  if (typeof declared === 'number' || size < 2) return size;
  const open = names.get(size) ?? symbol(`s${names.size}`);
  names.set(size, open);
  return open;
}

/** Inputs that the caller must give, checked against the types the model declares. */
async function checkFeeds(graph: Graph, feeds: Arrays): Promise<Map<Value, Tensor>> {
  const wanted = graph.inputs.filter(v => !v.tensor);
  const findings: Finding[] = [];
  const report = (code: Finding['code'], message: string): void => void findings.push({ code, severity: 'error', message });
  for (const name of Object.keys(feeds))
    if (!wanted.some(v => v.name === name)) {
      const near = nearestName(
        name,
        wanted.map(v => v.name),
      );
      report('E3001', `the model has no input ${name}${near ? `; nearest name: ${near}` : ''}`);
    }
  const sizes = new Map<string, Dim>();
  const tensors = new Map<Value, Tensor>();
  for (const v of wanted) {
    const tensor = Object.hasOwn(feeds, v.name) ? feeds[v.name] : undefined;
    if (!tensor) report('E3001', `input ${v.name} ${formatType(v.type)} is missing`);
    else if (v.element && tensor.type !== v.element)
      report('E3002', `input ${v.name}: expected ${formatType(v.type)}, got ${tensor.type}[${tensor.dims}]`);
    else if (!fits(tensor, v.type as TensorType | undefined, sizes))
      report('E3003', `input ${v.name}: expected ${formatShape(v.shape?.map(d => substitute(d, sizes)))}, got [${tensor.dims}]`);
    else tensors.set(v, await resident(tensor));
  }
  if (findings.length > 0) throw new ModelError(findings);
  return tensors;
}

/** Whether sizes agree with the declared shape; a named size must be the same everywhere. */
function fits(tensor: Tensor, type: TensorType | undefined, sizes: Map<string, Dim>): boolean {
  if (!type?.shape) return true;
  if (type.shape.length !== tensor.dims.length) return false;
  return type.shape.every((d, axis) => {
    const size = tensor.dims[axis]!;
    if (typeof d === 'number') return d === size;
    const before = sizes.get(d.key);
    sizes.set(d.key, before ?? size);
    return before === undefined || before === size;
  });
}
