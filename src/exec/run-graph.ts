// Runs one graph on a backend: stage by stage, each compiled once for a signature of what it reads and bound once for its sizes.
// Graphs in attributes are run by runners of their own.
import { fail, ModelError } from '../errors.ts';
import type { Datum } from '../ir/datum.ts';
import { type Dim, hasUnknown, symbol } from '../ir/dims.ts';
import { Graph, Value } from '../ir/graph.ts';
import { resident, Tensor } from '../ir/tensor.ts';
import { formatType, tensorType, type ValueType } from '../ir/types.ts';
import { isLoop, takenBranch } from '../ops/control-types.ts';
import { rowOf } from '../ops/index.ts';
import { fold, lower, rewriteAll, simplify, unrollWith } from '../passes/index.ts';
import { type Bindings, rebuild } from '../passes/rebuild.ts';
import type { Backend, Bound, Executable, Places, Progress, Watch } from './backend.ts';
import type { BoundPlan } from './bind.ts';
import { type Room, RoomContent } from './cache.ts';
import { capturesOf, evaluateNode, hasKernels, readsOf } from './host.ts';
import { bindDim } from './numbers.ts';
import { writableBytes, writeInto } from './places.ts';
import { compilePlan, fusePlan, type Plan, type Roomy, withoutContents } from './plan.ts';
import { precompute } from './precompute.ts';
import { hostEvent, type ProfileEvent, stepEvent } from './profile.ts';
import { mayShare } from './sharing.ts';
import { type Split, splitAtUnknown } from './stages.ts';

/** What all graphs of a session share. */
export interface RunSettings {
  readonly backend: Backend;
  readonly optimize: boolean;
}

/** What one run carries into every graph. */
export interface RunControl {
  readonly seed: number;
  /** @throws ModelError where the run must end */
  proceed(step?: Progress): void;
  /** Aborted where `proceed` throws, for work that is done elsewhere. */
  readonly stop?: AbortSignal | undefined;
  /** Takes what each step and each node on the host took. */
  record?(event: ProfileEvent): void;
  /** @throws ModelError E3007 over the limit */
  reserve(bytes: number): void;
}

/** Where outputs of a graph go. */
export interface Destinations extends Places {
  /** Outputs that go where an input lies, in memory with room for more. */
  readonly grown?: readonly Grown[];
}
interface Grown {
  readonly input: Value;
  readonly output: number;
  readonly room: Room;
}

/** The capacity of all rooms of a run, which are of one cache. */
const capacity = symbol('capacity');

/** A compiled part of a graph. */
interface Stage extends Split {
  readonly plan: Plan;
  readonly executable: Executable;
  /** The graph, typed for the signature. */
  readonly typed: Graph;
  /** Inputs of the graph that the stage was made from and what stands for them in the typed one. */
  readonly inputs: readonly (readonly [Value, Value])[];
  readonly bound: Map<string, Promise<Bound>>;
  /** Whether what grows is read and written in place. */
  readonly isRoomy: boolean;
}

/** A stage with its plan bound, where it has one, and what that reads. */
interface Ready {
  readonly stage: Stage;
  readonly bound: Bound | undefined;
  readonly tensors: readonly Tensor[];
}

export class GraphRunner {
  readonly #graph: Graph;
  /** Of the outputs, as the caller knows them. */
  readonly #names: readonly string[];
  readonly #settings: RunSettings;
  /** Whether nodes that wait for a content are evaluated at once: in loops, where contents change every round. */
  readonly #nested: boolean;
  readonly #stages = new Map<string, Promise<Stage>>();
  readonly #graphIds = new Map<Graph, number>();
  /** Of stages with what grows, whether that is not copied. */
  readonly #inPlace = new WeakMap<Stage, boolean>();
  /** Sizes for which a graph with loops was compiled; none where that does not help. */
  readonly #unrolling = new Map<Graph, Set<string>>();
  readonly #inner = new Map<Graph, { runner: GraphRunner; captures: readonly Value[] }>();

  constructor(graph: Graph, settings: RunSettings, nested = false) {
    this.#settings = settings;
    this.#nested = nested;
    this.#names = graph.outputs.map(o => o.name);
    this.#graph = new Graph(graph.name, {
      inputs: graph.inputs,
      nodes: graph.nodes,
      outputs: graph.outputs.map((o, i) => ({ name: String(i), value: o.value })),
    });
  }

  /** The plan of the first stage. */
  async firstPlan(inputs: ReadonlyMap<Value, Datum>): Promise<Plan> {
    return (await this.#stage(this.#graph, inputs, new Set(), { sizes: 'open', grown: [] })).plan;
  }

  /** Run the graph on what its inputs hold; what its outputs hold, in their order, which `places` count. */
  async run(inputs: ReadonlyMap<Value, Datum>, control: RunControl, places: Destinations = {}): Promise<Datum[]> {
    const results: Datum[] = [];
    let graph = this.#graph;
    let given = inputs;
    let known: ReadonlySet<Value> = new Set();
    for (;;) {
      const ready: Ready = await this.#ready(graph, given, known, (graph === this.#graph && places.grown) || []);
      const { stage } = ready;
      const scope = await this.#runStage(ready, given, { control, results, places });
      const hold = (v: Value): Datum => {
        const datum = v.tensor ?? scope.get(v);
        if (datum === undefined) throw fail('E9001', `${v.name || 'a value'} is read before it is made`);
        return datum;
      };
      for (const o of stage.typed.outputs)
        if (results[Number(o.name)] === undefined && (scope.has(o.value) || o.value.tensor)) results[Number(o.name)] = hold(o.value);
      if (!stage.rest) return Promise.all(results.map((datum, i) => this.#placed(i, datum, places)));
      given = new Map(
        await Promise.all(stage.rest.inputs.map(async v => [v, stage.known.has(v) ? await loaded(hold(v)) : hold(v)] as const)),
      );
      [graph, known] = [stage.rest, stage.known];
    }
  }

  async #placed(output: number, datum: Datum, { kept, into, grown }: Destinations): Promise<Datum> {
    const room = grown?.find(g => g.output === output)?.room;
    if (room && datum instanceof Tensor) return room.holding(datum);
    const target = into?.get(output);
    if (target) return writeInto(this.#names[output]!, target, await loaded(datum));
    return kept?.has(output) ? datum : loaded(datum);
  }

  async dispose(): Promise<void> {
    // A stage that has no plan holds nothing.
    for (const made of await Promise.allSettled(this.#stages.values()))
      if (made.status === 'fulfilled') await made.value.executable.dispose();
    for (const { runner } of this.#inner.values()) await runner.dispose();
    this.#stages.clear();
    this.#inner.clear();
  }

  /** Run the plan and the host's nodes; what each value holds. Results that the plan made go to `results`. */
  async #runStage(
    { stage, bound, tensors }: Ready,
    given: ReadonlyMap<Value, Datum>,
    { control, results, places }: { readonly control: RunControl; readonly results: Datum[]; readonly places: Destinations },
  ): Promise<Map<Value, Datum>> {
    const scope = new Map<Value, Datum>();
    for (const [before, now] of stage.inputs) scope.set(now, given.get(before)!);
    if (bound) {
      const here = placesIn(stage, bound.plan, places);
      for (const [i, target] of here.into) {
        const { name, view } = bound.plan.outputs[i]!;
        writableBytes(this.#names[Number(name)]!, target, view.type, view.shape);
      }
      const made = await bound.run(tensors, watchOf(control), here);
      stage.plan.outputs.forEach((port, i) => {
        if (port.name.startsWith('\u0000')) scope.set(stage.handed[Number(port.name.slice(1))]!, made[i]!);
        else results[Number(port.name)] = made[i]!;
      });
    }
    for (const [k, node] of stage.hosts.entries()) {
      control.proceed();
      const data: (Datum | undefined)[] = [];
      for (const v of node.inputs) data.push(v && (await loaded(v.tensor ?? scope.get(v)!)));
      const context = {
        ...control,
        seed: control.seed * 1000003 + k,
        run: (inner: Graph, inputs: readonly Datum[]) => this.#runInner(inner, inputs, scope, control),
      };
      const start = performance.now();
      const made = await evaluateNode(node, data, context);
      control.record?.(hostEvent(node, start));
      node.outputs.forEach((v, i) => {
        if (v) scope.set(v, made[i] as Datum);
      });
    }
    return scope;
  }

  async #runInner(graph: Graph, inputs: readonly Datum[], scope: ReadonlyMap<Value, Datum>, control: RunControl): Promise<Datum[]> {
    let inner = this.#inner.get(graph);
    if (!inner) {
      const captures = capturesOf(graph);
      const closed = new Graph(graph.name, { inputs: [...graph.inputs, ...captures], nodes: graph.nodes, outputs: graph.outputs });
      inner = { captures, runner: new GraphRunner(closed, this.#settings, true) };
      this.#inner.set(graph, inner);
    }
    if (inputs.length !== graph.inputs.length)
      throw fail('E1305', `the graph ${graph.name} takes ${graph.inputs.length} inputs, ${inputs.length} are given`);
    const data = new Map<Value, Datum>(graph.inputs.map((v, i) => [v, inputs[i]!]));
    for (const v of inner.captures) data.set(v, scope.get(v)!);
    return inner.runner.run(data, control);
  }

  /**
   * The stage for inputs like these; for these very sizes where a plan for open ones takes sizes for equal that are not, such as one that
   * comes to 1 and is broadcast, or must know a number, such as the step of a slice.
   */
  async #ready(graph: Graph, given: ReadonlyMap<Value, Datum>, known: ReadonlySet<Value>, grown: readonly Grown[]): Promise<Ready> {
    const fitting = async (sizes: 'open' | 'exact', grows = grown): Promise<Ready> => {
      const stage = await this.#stage(graph, given, known, { sizes, grown: grows });
      const here = new Map(stage.inputs.map(([before, now]) => [now, given.get(before)]));
      const inputs = stage.ready.inputs.map(v => here.get(v) as Tensor);
      const tensors = stage.isRoomy ? inputs : await Promise.all(inputs.map(t => (t.content instanceof RoomContent ? resident(t) : t)));
      const bound = stage.plan.outputs.length > 0 ? await boundFor(stage, tensors, grows) : undefined;
      // Memory with gaps that is copied in every run costs more than what is row-major.
      if (stage.isRoomy && !this.#grows(stage, bound!.plan, grows)) return fitting(sizes, []);
      return { stage, tensors, bound };
    };
    try {
      const open = await fitting('open');
      if (!this.#settings.optimize || this.#nested || !open.stage.hosts.some(isLoop) || !this.#unrolls(graph, given)) return open;
      // With the very sizes, loops of known length become their rounds.
      const exact = await fitting('exact');
      if (exact.stage.hosts.some(isLoop)) this.#unrolling.set(graph, new Set());
      return exact.stage.hosts.length < open.stage.hosts.length ? exact : open;
    } catch (error) {
      if (!(error instanceof ModelError && (error.code === 'E3005' || error.code === 'E3009'))) throw error;
      // Where these do not fit either, sizes contradict each other, which the first error says of the model as it is.
      return fitting('exact').catch(() => {
        throw error;
      });
    }
  }

  /** Whether nothing of what grows is copied: other sizes change nothing about that. */
  #grows(stage: Stage, plan: BoundPlan, grown: readonly Grown[]): boolean {
    const known = this.#inPlace.get(stage) ?? growsInPlace(stage, plan, grown);
    this.#inPlace.set(stage, known);
    return known;
  }

  /** Whether a graph is compiled for these very sizes: for the first few, and as long as that leaves loops out. */
  #unrolls(graph: Graph, given: ReadonlyMap<Value, Datum>): boolean {
    const seen = this.#unrolling.get(graph) ?? new Set(['']);
    this.#unrolling.set(graph, seen);
    if (seen.size === 0) return false;
    const sizes = [...given.values()].map(datum => (datum instanceof Tensor ? datum.dims.join() : '-')).join(';');
    if (seen.size <= mostLengths) seen.add(sizes);
    return seen.has(sizes);
  }

  #stage(
    graph: Graph,
    inputs: ReadonlyMap<Value, Datum>,
    known: ReadonlySet<Value>,
    { sizes, grown }: { readonly sizes: 'open' | 'exact'; readonly grown: readonly Grown[] },
  ): Promise<Stage> {
    const id = this.#graphIds.get(graph) ?? this.#graphIds.size;
    this.#graphIds.set(graph, id);
    const { key, bindings } = signatureOf(inputs, known, sizes);
    const places = grown.map(g => `${graph.inputs.indexOf(g.input)}>${g.output}:${g.room.axis}`);
    const full = `${id} ${key} ${places}`;
    let stage = this.#stages.get(full);
    if (!stage) {
      stage = compileStage(graph, bindings, this.#settings, { nested: this.#nested, grown });
      this.#stages.set(full, stage);
      // What has no plan for types and open sizes like these has none the next time either.
      const isFinal = (error: unknown): boolean => error instanceof ModelError && error.code === 'E3009';
      void stage.catch(error => isFinal(error) || this.#stages.delete(full));
    }
    return stage;
  }
}

/** Where outputs of a stage's plan go. What nobody on the host reads stays where it is made. */
function placesIn(
  { plan, handed, hosts, known, isRoomy }: Stage,
  bound: BoundPlan,
  { kept, into, grown = [] }: Destinations,
): Required<Places> {
  const read = new Set(hosts.flatMap(readsOf));
  const stays = (name: string): boolean => {
    if (!name.startsWith('\u0000')) return kept?.has(Number(name)) ?? false;
    const v = handed[Number(name.slice(1))]!;
    return !read.has(v) && !known.has(v);
  };
  const rooms = new Map(isRoomy ? grown.map(g => [g.output, g.room]) : []);
  const targets = bound.outputs.map(p => {
    if (p.name.startsWith('\u0000')) return undefined;
    return rooms.get(Number(p.name))?.tensor(p.view.shape) ?? into?.get(Number(p.name));
  });
  return {
    kept: new Set(plan.outputs.flatMap((p, i) => (stays(p.name) ? [i] : []))),
    into: new Map(targets.flatMap((t, i) => (t ? [[i, t] as const] : []))),
  };
}

/** Steps of a plan follow each other without a gap. */
function watchOf({ proceed, stop, record }: RunControl): Watch {
  let start = performance.now();
  return {
    proceed,
    stop,
    ...(record && {
      record(step, milliseconds) {
        record(stepEvent(step, start, milliseconds));
        start += milliseconds;
      },
    }),
  };
}

const loaded = async (datum: Datum): Promise<Datum> => (datum instanceof Tensor ? resident(datum) : datum);

/** So many lengths of a loop have plans of their own. */
const mostLengths = 8;

/** On the host a round costs more than most kernels, and finds its weights anew. */
const shortLoops = unrollWith({
  mostNodes: 4096,
  takes(node) {
    const row = rowOf(node.op, node.domain);
    return row !== undefined && !('host' in row) && !('gap' in row);
  },
});

interface StageOptions {
  readonly nested: boolean;
  readonly grown: readonly Grown[];
}

async function compileStage(graph: Graph, bindings: Bindings, settings: RunSettings, options: StageOptions): Promise<Stage> {
  const compiled = (unrolled: boolean): Promise<Stage> => stageOf(graph, bindings, settings, { ...options, unrolled });
  if (!settings.optimize) return compiled(false);
  try {
    return await compiled(true);
  } catch (error) {
    // The host knows the types of what loops make; of their rounds nothing may say them before.
    if (error instanceof ModelError && error.code === 'E3009') return compiled(false);
    throw error;
  }
}

async function stageOf(
  graph: Graph,
  bindings: Bindings,
  { backend, optimize }: RunSettings,
  { nested, grown, unrolled }: StageOptions & { readonly unrolled: boolean },
): Promise<Stage> {
  const typed = rebuild(graph, bindings, undefined, undefined, { choose: takenBranch });
  const open = graph.inputs.filter(v => !v.tensor);
  const kept = open.filter(v => !(bindings.get(v) instanceof Value));
  const inputs = [
    ...kept.map((v, i) => [v, typed.inputs.filter(t => !t.tensor)[i]!] as const),
    ...open.flatMap(v => {
      const bound = bindings.get(v);
      return bound instanceof Value ? [[v, bound] as const] : [];
    }),
  ];
  rewriteAll(typed, optimize ? [fold, simplify, lower] : [lower]);
  if (unrolled && typed.nodes.some(isLoop)) rewriteAll(typed, [shortLoops, fold, simplify, lower]);
  const split = splitAtUnknown(typed, { evaluateLate: nested });
  const roomy = backend.takesRoom ? roomyOf(split, typed, inputs, grown) : new Map();
  const planned = compilePlan(split.ready, { fuse: false, roomy });
  const whole = optimize ? fusePlan((await backend.claim?.(planned)) ?? planned) : planned;
  // Rounds whose sizes the run decides are better left to the host, which knows them one by one.
  if (unrolled && (split.rest || isOpen(whole))) throw fail('E3009', 'sizes of rounds are not known before the run');
  // Such as of a Range whose step is a size: planned for the very sizes, it has a length.
  if (isOpen(whole)) throw fail('E3009', 'sizes are not decided by those of the inputs');
  const plan = optimize ? await precompute(whole, backend) : whole;
  const executable = await backend.compile(plan);
  return { ...split, plan: withoutContents(plan), typed, inputs, executable, bound: new Map(), isRoomy: roomy.size > 0 };
}

/** What grows in place, where all of it is planned; nothing otherwise. */
function roomyOf({ ready }: Split, typed: Graph, inputs: Stage['inputs'], grown: readonly Grown[]): Roomy {
  const roomy = new Map<Value, { readonly axis: number; readonly capacity: Dim }>();
  for (const { input, output, room } of grown) {
    const past = inputs.find(([before]) => before === input)?.[1];
    const present = typed.outputs.find(o => Number(o.name) === output)?.value;
    // A result that is given back as a whole as well is no part of a room.
    const isAlone = typed.outputs.filter(o => o.value === present).length === 1;
    if (!past || !present || !isAlone || !ready.inputs.includes(past) || !ready.outputs.some(o => o.value === present)) return new Map();
    if (past.element !== present.element || past.shape?.length !== present.shape?.length) return new Map();
    for (const v of [past, present]) roomy.set(v, { axis: room.axis, capacity });
  }
  return roomy;
}

/** Whether sizes that the inputs do not decide occur in a plan. */
const isOpen = ({ buffers, guards }: Plan): boolean => buffers.some(b => hasUnknown(b.size)) || guards.some(g => g.sizes.some(hasUnknown));

/** Whether nothing of what grows is copied. */
function growsInPlace({ inputs, ready }: Stage, plan: BoundPlan, grown: readonly Grown[]): boolean {
  return grown.every(({ input, output }) => {
    const past = ready.inputs.indexOf(inputs.find(([before]) => before === input)![1]);
    return mayShare(
      plan,
      past,
      plan.outputs.findIndex(p => p.name === String(output)),
    );
  });
}

/** The stage's plan with its memory laid out for inputs of these sizes. */
async function boundFor(stage: Stage, tensors: readonly Tensor[], grown: readonly Grown[]): Promise<Bound> {
  const sizes = sizesOf(stage.plan, tensors);
  if (stage.isRoomy) {
    sizes.set(String(capacity), grown[0]!.room.capacity);
    for (const { output, room } of grown) {
      const made = stage.plan.outputs.find(p => p.name === String(output))!;
      // Refuses what there is no room for.
      room.tensor(made.view.shape.map(d => bindDim(d, sizes)));
    }
  }
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
  return bound;
}

/** Most sizes that a session keeps memory for at a time. */
const maxBound = 16;

async function forgetOldest(bound: Map<string, Promise<Bound>>): Promise<void> {
  const [oldest] = bound;
  if (bound.size <= maxBound || !oldest) return;
  bound.delete(oldest[0]);
  // One that could not be made failed in the run that asked for it.
  const [old] = await Promise.allSettled([oldest[1]]);
  if (old.status === 'fulfilled') await old.value.dispose();
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
 * What compiling depends on: kinds and element types, ranks, which sizes are fixed, 0, 1 or equal to each other, and known contents.
 * Equal open sizes share one symbol in the types; exact ones are all fixed.
 */
function signatureOf(
  inputs: ReadonlyMap<Value, Datum>,
  known: ReadonlySet<Value>,
  sizes: 'open' | 'exact',
): { key: string; bindings: Bindings } {
  const names = new Map<number, Dim>();
  const parts: string[] = [];
  const bindings = new Map<Value, ValueType | Value>();
  for (const [v, datum] of inputs) {
    if (!(datum instanceof Tensor)) {
      const kind = datum === null || datum === undefined ? 'optional' : datum instanceof Map ? 'map' : 'sequence';
      // A value whose type nothing says must not be taken for a tensor.
      if (!v.type || v.type.kind === 'tensor')
        bindings.set(v, kind === 'map' ? { kind, key: 'undefined', of: undefined } : { kind, of: undefined });
      parts.push(kind);
      continue;
    }
    if (known.has(v)) {
      bindings.set(v, new Value(v.name, undefined, { tensor: datum }));
      parts.push(`${datum.type}[${datum.dims}]=${String(datum.data)}`);
      continue;
    }
    const type = hasKernels(datum.type)
      ? tensorType(datum.type, sizes === 'exact' ? datum.dims : datum.dims.map((size, axis) => dimFor(size, v.shape?.[axis], names)))
      : tensorType(datum.type, datum.dims);
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
