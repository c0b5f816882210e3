// Sessions: a model made ready to run. A plan is compiled once for each signature of the inputs and bound once for their sizes.
import { type Finding, fail, ModelError } from '../errors.ts';
import { type Datum, isOfType, kindOfDatum } from '../ir/datum.ts';
import { type Dim, substitute } from '../ir/dims.ts';
import { allNodes, type Graph, type Model, type Node, Value } from '../ir/graph.ts';
import { resident, Tensor } from '../ir/tensor.ts';
import { formatShape, formatType, type TensorType, type ValueType } from '../ir/types.ts';
import { takenBranch } from '../ops/control-types.ts';
import { rowOf } from '../ops/index.ts';
import { nearestName } from '../ops/schema.ts';
import { isGradient } from '../ops/training.ts';
import { upgrade } from '../opset/upgrade.ts';
import { fold, rewriteAll } from '../passes/index.ts';
import { inline } from '../passes/inline.ts';
import { rebuild } from '../passes/rebuild.ts';
import type { Backend, Progress } from './backend.ts';
import type { Cache } from './cache.ts';
import type { Plan } from './plan.ts';
import type { ProfileEvent } from './profile.ts';
import { GraphRunner, type RunControl } from './run-graph.ts';

/** What graph inputs or outputs hold, by name. */
export type Data = Readonly<Record<string, Datum>>;

export interface RunOptions {
  /** Decides what random operators without a seed of their own draw; 0 otherwise. */
  readonly seed?: number | undefined;
  /** Milliseconds after which the run ends with E3010 at the next node; never otherwise. */
  readonly timeout?: number | undefined;
  /** Ends the run with E3011 at the next node. */
  readonly signal?: AbortSignal | undefined;
  /** Called before each step of a plan, with backends that can say where they are: the reference does. Steps of nested graphs are told too. */
  readonly onProgress?: ((step: Progress) => void) | undefined;
  /** Most bytes of one tensor that the host makes; 4 GiB otherwise. */
  readonly memory?: number | undefined;
  /**
   * Outputs that stay on the backend's device where it has one, such as a cache that is fed to the next run. Such a tensor is not resident:
   * `resident` fetches it.
   */
  readonly keep?: readonly string[] | undefined;
  /**
   * Tensors that outputs are written to, of the types and sizes that the outputs have. One may be an input too, as a cache that a run
   * updates. Their memory belongs to the run until it ends.
   */
  readonly outputs?: Readonly<Record<string, Tensor>> | undefined;
  /**
   * What inputs hold of the runs before, and where outputs go on. The first run is given those inputs; later ones that are given begin anew.
   * Outputs that a cache holds are not resident: `resident` copies them.
   */
  readonly cache?: Cache | undefined;
}

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

/** Derivatives are derived by code of its own, which few models ask for. */
async function withGradients(graph: Graph): Promise<Graph> {
  if (!graph.nodes.some(isGradient)) return graph;
  const { expandGradients } = await import('../train/gradient/expand.ts');
  return expandGradients(graph);
}

/** A model on a backend. */
export class Session {
  readonly backend: Backend;
  /** What inputs hold that callers may leave out, such as the state of a model. */
  readonly defaults: Data;
  readonly #graph: Graph;
  readonly #runner: GraphRunner;

  private constructor(graph: Graph, defaults: Data, backend: Backend, optimize: boolean) {
    this.#graph = graph;
    this.defaults = defaults;
    this.backend = backend;
    this.#runner = new GraphRunner(graph, { backend, optimize });
  }

  /** @throws ModelError E3008 where the backend is not available, E3004 for each operator without a meaning, and what `upgrade` throws */
  static async create(model: Model, { backend, optimize = true }: SessionOptions): Promise<Session> {
    const usable = await backend.available();
    if (usable !== true) throw fail('E3008', `backend ${backend.name}: ${usable}`);
    // Branches that are never taken may contradict themselves.
    const newest = upgrade(model, { choose: takenBranch });
    newest.graph = await withGradients(inline(newest));
    const withContent = newest.graph.inputs.filter(v => v.tensor);
    const replaceable = model.irVersion >= firstWithDefaults ? withContent : [];
    // What is constant is of the type of its content, whatever the signature says of it.
    const bound = withContent.map(
      v => [v, replaceable.includes(v) ? v.type! : new Value(v.name, undefined, { tensor: v.tensor })] as const,
    );
    const defaults = Object.fromEntries(replaceable.map(v => [v.name, v.tensor!]));
    if (bound.length > 0) newest.graph = rebuild(newest.graph, new Map(bound));
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

  /** The plan for inputs like these; of its first stage, where what only the run knows divides it. */
  async plan(feeds: Data): Promise<Plan> {
    return this.#runner.firstPlan(await checkFeeds(this.#graph, { ...this.defaults, ...feeds }, this.backend));
  }

  /**
   * Run a model whose outputs are tensors. Results are named as the graph's outputs, in their order.
   * @throws ModelError E3001, E3002 and E3003 for every input that does not fit; E3004 and E3009 for what has no meaning; E3002 for an
   * output that is no tensor
   */
  async run(feeds: Data, options: RunOptions = {}): Promise<Record<string, Tensor>> {
    const made = await this.evaluate(feeds, options);
    for (const [name, datum] of Object.entries(made))
      if (!(datum instanceof Tensor)) throw fail('E3002', `output ${name} is ${kindOfDatum(datum)}, not a tensor; evaluate() gives it`);
    return made as Record<string, Tensor>;
  }

  /** The same for any model: sequences are arrays, maps are Maps, an optional without an element is null. */
  async evaluate(feeds: Data, options: RunOptions = {}): Promise<Record<string, Datum>> {
    const made = await this.#evaluate(feeds, options);
    return Object.fromEntries(this.#graph.outputs.map((o, i) => [o.name, made[i]!]));
  }

  async #evaluate(feeds: Data, options: RunOptions, record?: RunControl['record']): Promise<readonly Datum[]> {
    const { cache } = options;
    if (!cache) return this.#started(feeds, options, record);
    for (const input of cache.pairs.keys()) this.#inputOf(input);
    const held = await cache.begin(feeds, this.backend.takesRoom === true);
    let made: readonly Datum[] = [];
    try {
      made = await this.#started({ ...feeds, ...held }, options, record);
    } finally {
      cache.end(Object.fromEntries(this.outputNames.map((name, i) => [name, made[i]])));
    }
    return made;
  }

  async #started(feeds: Data, options: RunOptions, record?: RunControl['record']): Promise<readonly Datum[]> {
    const inputs = await checkFeeds(this.#graph, { ...this.defaults, ...feeds }, this.backend);
    const kept = new Set([...(options.keep ?? []), ...(options.cache?.pairs.values() ?? [])].map(name => this.#indexOf(name)));
    const into = new Map(Object.entries(options.outputs ?? {}).map(([name, target]) => [this.#indexOf(name), target]));
    const grown = [...(options.cache?.pairs ?? [])].flatMap(([input, output]) => {
      const room = options.cache!.roomOf(input);
      return room ? [{ input: this.#inputOf(input), output: this.#indexOf(output), room }] : [];
    });
    return this.#runner.run(inputs, { seed: options.seed ?? 0, ...limits(options), ...(record && { record }) }, { kept, into, grown });
  }

  #inputOf(name: string): Value {
    const found = this.#graph.inputs.find(v => v.name === name);
    if (found) return found;
    const near = nearestName(name, this.inputNames);
    throw fail('E3001', `the model has no input ${name}${near ? `; nearest name: ${near}` : ''}`);
  }

  #indexOf(output: string): number {
    const at = this.outputNames.indexOf(output);
    if (at >= 0) return at;
    const near = nearestName(output, this.outputNames);
    throw fail('E3001', `the model has no output ${output}${near ? `; nearest name: ${near}` : ''}`);
  }

  /**
   * Make ready for inputs like these, of whatever content (`randomArrays(session.inputs)` makes some): compile, bind, and run once, so that
   * the next run pays for none of it.
   * @throws ModelError what `run` throws
   */
  async warmUp(feeds: Data, options: RunOptions = {}): Promise<void> {
    await this.evaluate(feeds, options);
  }

  /**
   * Run once and say what each step took, in the order in which they ran. Steps of nested graphs are told with each round.
   * @throws ModelError what `run` throws
   */
  async profile(feeds: Data, options: RunOptions = {}): Promise<readonly ProfileEvent[]> {
    const events: ProfileEvent[] = [];
    await this.#evaluate(feeds, options, event => events.push(event));
    return events;
  }

  async dispose(): Promise<void> {
    await this.#runner.dispose();
  }
}

/** Milliseconds; platforms count them in 31 bits. */
const longestTimer = 2 ** 31 - 1;

function limits({ timeout, signal, onProgress, memory = 2 ** 32 }: RunOptions): Pick<RunControl, 'proceed' | 'reserve' | 'stop'> {
  const end = timeout === undefined ? Number.POSITIVE_INFINITY : performance.now() + timeout;
  const timer = timeout === undefined ? undefined : AbortSignal.timeout(Math.ceil(Math.min(Math.max(timeout, 0), longestTimer)));
  const signals = [signal, timer].filter(s => s !== undefined);
  return {
    stop: signals.length > 0 ? AbortSignal.any(signals) : undefined,
    proceed(step) {
      if (step) onProgress?.(step);
      if (signal?.aborted) throw fail('E3011', 'the run was cancelled');
      // While a run is on this thread, no timer goes off.
      if (timer?.aborted || performance.now() > end)
        throw fail('E3010', `the run took longer than ${timeout} ms`, { limit: { name: 'timeout', value: timeout! } });
    },
    reserve(bytes) {
      if (bytes > memory)
        throw fail('E3007', `a tensor of ${bytes} bytes exceeds the limit of ${memory}`, { limit: { name: 'memory', value: memory } });
    },
  };
}

/** Every operator without a meaning at once, with counts and the first node. */
function refuseGaps(graph: Graph): void {
  const found = new Map<string, { count: number; first: Node }>();
  for (const node of allNodes(graph)) {
    const row = rowOf(node.op, node.domain);
    if (row && !('gap' in row)) continue;
    const before = found.get(node.qualifiedName);
    if (before) before.count++;
    else found.set(node.qualifiedName, { count: 1, first: node });
  }
  if (found.size === 0) return;
  const finding = ([op, { count, first }]: [string, { count: number; first: Node }]): Finding => {
    const row = rowOf(first.op, first.domain);
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

/** Inputs that the caller must give, checked against the types the model declares. */
async function checkFeeds(graph: Graph, feeds: Data, backend: Backend): Promise<Map<Value, Datum>> {
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
  const data = new Map<Value, Datum>();
  for (const v of wanted) {
    const datum = Object.hasOwn(feeds, v.name) ? feeds[v.name] : undefined;
    if (datum === undefined && v.type?.kind === 'optional') data.set(v, null);
    else if (datum === undefined) report('E3001', `input ${v.name} ${formatType(v.type)} is missing`);
    else if (!isOfType(datum, v.type)) report('E3002', `input ${v.name}: expected ${formatType(v.type)}, got ${kindOfDatum(datum)}`);
    else if (!(datum instanceof Tensor)) data.set(v, datum);
    else if (!fits(datum, v.type as TensorType | undefined, sizes))
      report('E3003', `input ${v.name}: expected ${formatShape(v.shape?.map(d => substitute(d, sizes)))}, got [${datum.dims}]`);
    else data.set(v, backend.holds?.(datum) ? datum : await resident(datum));
  }
  if (findings.length > 0) throw new ModelError(findings);
  return data;
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
