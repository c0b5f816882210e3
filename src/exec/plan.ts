// Plans: kernels over buffers as plain data, compiled once for a signature; sizes stay expressions in the input symbols.
import { fail } from '../errors.ts';
import { formatProgram, type Instruction, numbered, type Program, withoutDetours } from '../expr/expr.ts';
import { isScalarType } from '../expr/primitives.ts';
import { type Dim, formatDim, hasUnknown, productOf, sameDim, sameShape } from '../ir/dims.ts';
import type { Graph, Node, Value } from '../ir/graph.ts';
import type { Tensor } from '../ir/tensor.ts';
import { type DataType, formatShape, type Shape } from '../ir/types.ts';
import type { Kernel, View } from '../kernels/kernel.ts';
import { contiguous, type Emitter, isContiguous, sameView, wholeView } from '../kernels/views.ts';
import { rowOf } from '../ops/index.ts';
import type { OpName } from '../ops/names.gen.ts';
import { isKnownInput, planNode, requireEqual } from '../ops/plan-node.ts';
import type { CoreRow, MapRow } from '../ops/row.ts';
import { newestSchema, type OpSchema } from '../ops/schema.ts';
import { elementOf, shapeOf } from '../ops/shapes.ts';
import { piecesOf } from './cut.ts';
import { joinFollowing } from './joins.ts';
import type { RowGroup } from './rows.ts';
import { inlineScalars } from './scalars.ts';

export interface BufferFacts {
  readonly type: DataType;
  /** Elements. */
  readonly size: Dim;
  readonly role: 'input' | 'constant' | 'temporary' | 'output';
  readonly tensor?: Tensor;
}

export interface Step {
  readonly kernel: Kernel;
  readonly inputs: readonly (View | undefined)[];
  readonly outputs: readonly View[];
  /** The operator and name of the node it came from, for people. */
  readonly label: string;
  /** A map that reads the product of the step before, and alone does so, at the positions that it writes. */
  readonly joins?: true;
  /** Why no kernel takes a product's weights as they are stored. */
  readonly unclaimed?: string;
}

/** A named array at the border of a plan, row-major over the whole of its buffer, or of a part of it where there is room for more. */
export interface Port {
  readonly name: string;
  readonly view: View;
}

export interface Plan {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly buffers: readonly BufferFacts[];
  readonly steps: readonly Step[];
  /** Sizes that binding must find equal. */
  readonly guards: readonly Guard[];
}

/** Two sizes that must come to the same, and the step that needs it. */
export interface Guard {
  readonly sizes: readonly [Dim, Dim];
  readonly label: string;
}

export interface PlanOptions {
  /** Join maps that feed only one other map. Off for the oracle. */
  readonly fuse?: boolean;
  /** Inputs and outputs that lie in memory with room for more along an axis. */
  readonly roomy?: Roomy;
}

/** For each such value the axis, and how many positions there is room for. */
export type Roomy = ReadonlyMap<Value, { readonly axis: number; readonly capacity: Dim }>;

/**
 * Compile a graph of core operators whose types are all known.
 * @throws ModelError E3004 with the operator that has no meaning, E3009 where a type or rank is not known
 */
export function compilePlan(graph: Graph, { fuse = true, roomy = new Map() }: PlanOptions = {}): Plan {
  const plan = new Planner(graph, roomy).compile();
  return fuse ? fusePlan(plan) : plan;
}

/** The same plan with maps joined to each other and to products. */
export const fusePlan = (plan: Plan): Plan => joinFollowing(fuseMaps(inlineScalars(plan)));

/** The same plan without what its constants hold: a backend that compiled it has that. */
export const withoutContents = (plan: Plan): Plan => ({ ...plan, buffers: plan.buffers.map(({ tensor: _, ...facts }) => facts) });

/** The same plan without steps that make nothing that is read, and without the content of what is not. */
export function withoutUnread(plan: Plan): Plan {
  const read = new Set(plan.outputs.map(p => p.view.buffer));
  const steps: Step[] = [];
  for (const step of plan.steps.toReversed()) {
    if (!step.outputs.some(y => read.has(y.buffer))) continue;
    steps.push(step);
    for (const v of step.inputs) if (v) read.add(v.buffer);
  }
  // One output of a step may be read and the other not.
  const named = new Set(steps.flatMap(s => [...s.inputs, ...s.outputs].map(v => v?.buffer)));
  const isNamed = ({ role }: BufferFacts, i: number): boolean => role === 'input' || role === 'output' || named.has(i);
  return {
    ...plan,
    steps: steps.reverse(),
    buffers: plan.buffers.map((b, i) => (isNamed(b, i) ? b : { type: b.type, role: b.role, size: 0 })),
  };
}

/** Whether the elements of a value can be written from the sizes of the inputs alone. */
const isBindable = (v: Value): boolean => v.contents !== undefined && !v.contents.some(hasUnknown) && v.tensor === undefined;

class Planner {
  readonly #graph: Graph;
  readonly #buffers: BufferFacts[] = [];
  readonly #steps: Step[] = [];
  readonly #guards: Guard[] = [];
  readonly #views = new Map<Value, View>();
  readonly #constants = new Map<Tensor, number>();
  readonly #roomy: Roomy;
  #label = '';
  /** Roomy outputs of the node that is planned, which take the place of what would be allocated for them. */
  #awaited: Value[] = [];

  constructor(graph: Graph, roomy: Roomy) {
    this.#graph = graph;
    this.#roomy = roomy;
  }

  compile(): Plan {
    const inputs = this.#graph.inputs.map((v): Port => {
      const view = this.#border(v, 'input');
      this.#views.set(v, view);
      return { name: v.name, view };
    });
    for (const node of neededNodes(this.#graph)) this.#plan(node);
    const outputs = this.#graph.outputs.map((o): Port => ({ name: o.name, view: this.#output(o.value) }));
    return { inputs, outputs, buffers: this.#buffers, steps: this.#steps, guards: this.#guards };
  }

  readonly #emitter: Emitter = {
    alloc: (type, shape) => {
      const at = this.#awaited.findIndex(v => elementOf(v) === type && sameShape(shapeOf(v), shape));
      const [v] = at < 0 ? [] : this.#awaited.splice(at, 1);
      return v ? this.#border(v, 'output') : wholeView(this.#buffer(type, shape, 'temporary'), type, shape);
    },
    equal: (a, b) => {
      requireEqual(a, b);
      if (!sameDim(a, b)) this.#guards.push({ sizes: [a, b], label: this.#label });
    },
    step: (kernel, inputs, outputs) => {
      if (kernel.kind === 'map') this.#map(kernel.program, inputs, outputs);
      else this.#steps.push({ kernel, inputs, outputs, label: this.#label });
    },
  };

  /** A map, or several where its program is long. */
  #map(program: Program, inputs: Step['inputs'], outputs: readonly View[]): void {
    const pieces = piecesOf(program);
    let carried: View | undefined;
    for (const [i, piece] of pieces.entries()) {
      const y = i === pieces.length - 1 ? outputs : [this.#emitter.alloc(piece.type, outputs[0]!.shape)];
      const reads = pieces.length === 1 ? inputs : piece.inputs.map(k => (k === 'carried' ? carried : inputs[k]));
      this.#steps.push({ kernel: { kind: 'map', program: piece.program }, inputs: reads, outputs: y, label: this.#label });
      carried = y[0];
    }
  }

  #buffer(type: DataType, shape: Shape, role: BufferFacts['role'], tensor?: Tensor): number {
    return this.#buffers.push({ type, size: productOf(shape), role, ...(tensor && { tensor }) }) - 1;
  }

  /** An input or output with the room that it may have. */
  #border(v: Value, role: 'input' | 'output'): View {
    const [type, shape, room] = [elementOf(v), shapeOf(v), this.#roomy.get(v)];
    const whole = room ? shape.with(room.axis, room.capacity) : shape;
    return { ...wholeView(this.#buffer(type, whole, role), type, whole), shape };
  }

  #plan(node: Node): void {
    const { row, schema } = meaningOf(node);
    this.#awaited = node.outputs.filter((v): v is Value => v !== undefined && this.#roomy.has(v));
    this.#label = node.name ? `${node.op} ${node.name}` : node.op;
    const views = node.inputs.map((v, i) => (v && !isKnownInput(row, schema, i) ? this.#view(v) : undefined));
    planNode(row, schema, node, views, this.#emitter).forEach((view, i) => {
      const v = node.outputs[i];
      if (v && view) this.#views.set(v, view);
    });
    this.#awaited = [];
  }

  #view(v: Value): View {
    let view = this.#views.get(v);
    if (!view) {
      view = v.tensor ? this.#constant(v.tensor) : this.#sizes(v);
      this.#views.set(v, view);
    }
    return view;
  }

  #constant(tensor: Tensor): View {
    let buffer = this.#constants.get(tensor);
    if (buffer === undefined) {
      buffer = this.#buffer(tensor.type, tensor.dims, 'constant', tensor);
      this.#constants.set(tensor, buffer);
    }
    return wholeView(buffer, tensor.type, tensor.dims);
  }

  #sizes(v: Value): View {
    if (!isBindable(v)) throw fail('E9001', `${v.name || 'a value'} is read before it is planned`);
    const y = this.#emitter.alloc(elementOf(v), shapeOf(v));
    this.#emitter.step({ kind: 'values', values: v.contents! }, [], [y]);
    return y;
  }

  /** Outputs are whole buffers of their own. */
  #output(v: Value): View {
    this.#label = 'output';
    if (this.#roomy.has(v)) return this.#roomyOutput(v);
    const view = contiguous(this.#emitter, this.#view(v));
    const facts = this.#buffers[view.buffer]!;
    const whole = view.offset === 0 && facts.role === 'temporary' && sameShape([productOf(view.shape)], [facts.size]);
    const own = whole ? view : this.#emitter.alloc(view.type, view.shape);
    if (!whole) this.#emitter.step({ kind: 'copy' }, [view], [own]);
    this.#buffers[own.buffer] = { ...this.#buffers[own.buffer]!, role: 'output' };
    return own;
  }

  #roomyOutput(v: Value): View {
    const view = this.#view(v);
    if (this.#buffers[view.buffer]!.role === 'output' && view.offset === 0) return view;
    const own = this.#border(v, 'output');
    this.#emitter.step({ kind: 'copy' }, [view], [own]);
    return own;
  }
}

function meaningOf(node: Node): { row: MapRow<OpName> | CoreRow<OpName>; schema: OpSchema } {
  const place = { node: { op: node.qualifiedName, name: node.name } };
  const row = rowOf(node.op, node.domain);
  const schema = newestSchema(node.domain, node.op);
  if (!row || !schema) throw fail('E3004', `${node.qualifiedName} has no meaning here`, place);
  if ('gap' in row) throw fail('E3004', `${node.op} ${row.gap}`, place);
  if ('host' in row) throw fail('E9001', `${node.op} is evaluated on the host, not planned`, place);
  if ('lower' in row) throw fail('E3009', `${node.op}: the rank of an input is not known`, place);
  return { row, schema };
}

/** Nodes that outputs depend on other than through contents that are known. */
function neededNodes(graph: Graph): Node[] {
  const needed = new Set(graph.outputs.map(o => o.value).filter(v => !isBindable(v)));
  const kept: Node[] = [];
  for (let i = graph.nodes.length - 1; i >= 0; i--) {
    const node = graph.nodes[i]!;
    if (!node.outputs.some(v => v && needed.has(v))) continue;
    kept.push(node);
    const { row, schema } = meaningOf(node);
    for (const [i, v] of node.inputs.entries()) if (v && !isKnownInput(row, schema, i) && !isBindable(v)) needed.add(v);
  }
  return kept.reverse();
}

/** Join each map into the one map that reads it, where that reads it whole and in order. */
export function fuseMaps(plan: Plan): Plan {
  const reads = new Map<number, number>();
  for (const step of plan.steps) for (const v of step.inputs) if (v) reads.set(v.buffer, (reads.get(v.buffer) ?? 0) + 1);
  /** By buffer, the position of the last step that writes it. */
  const writer = new Map<number, number>();
  /** Nothing where a step was joined: programs on the way to a long one would take many times what that takes. */
  const steps: (Step | undefined)[] = [];
  for (const original of plan.steps) {
    let step = original;
    for (let i = 0; i < step.inputs.length; i++) {
      const view = step.inputs[i]!;
      const at = view && writer.get(view.buffer);
      const before = at === undefined ? undefined : steps[at];
      if (!before || reads.get(view!.buffer) !== 1 || !canJoin(before, step, view!, plan)) continue;
      steps[at!] = undefined;
      const joined = join(before, step, i);
      step = readsTwice(joined) ? once(joined) : joined;
      for (const v of joined.inputs) if (v) reads.set(v.buffer, reads.get(v.buffer)! - 1);
      for (const v of step.inputs) if (v) reads.set(v.buffer, reads.get(v.buffer)! + 1);
      i = -1;
    }
    for (const v of step.outputs) writer.set(v.buffer, steps.length);
    steps.push(step);
  }
  return { ...plan, steps: steps.flatMap(step => (step ? [direct(step)] : [])) };
}

/** With the result as many as every WebGPU device binds. */
const maxFusedInputs = 7;
/** Longer programs gain nothing more, and joining would copy them once for every map of a chain. */
const maxFusedInstructions = 64;

function canJoin(before: Step, after: Step, view: View, plan: Plan): boolean {
  const y = before.outputs[0]!;
  return (
    before.kernel.kind === 'map' &&
    after.kernel.kind === 'map' &&
    before.outputs.length === 1 &&
    plan.buffers[view.buffer]!.role === 'temporary' &&
    isScalarType(y.type) &&
    sameShape(y.shape, view.shape) &&
    view.offset === 0 &&
    isContiguous(view) &&
    before.inputs.length + after.inputs.length - 1 <= maxFusedInputs &&
    before.kernel.program.instructions.length + after.kernel.program.instructions.length <= maxFusedInstructions
  );
}

/** One step for two: input `at` of `after` is what `before` computes. */
function join(before: Step, after: Step, at: number): Step {
  const inner = (before.kernel as { program: Program }).program;
  const outer = (after.kernel as { program: Program }).program;
  const kept = after.inputs.filter((_, i) => i !== at);
  const moved: Instruction[] = [...inner.instructions];
  const places: number[] = [];
  for (const i of outer.instructions) {
    if (i.op === 'input' && i.index === at) {
      places.push(inner.outputs[0]!);
      continue;
    }
    if (i.op === 'input') moved.push({ ...i, index: before.inputs.length + i.index - (i.index > at ? 1 : 0) });
    else if (i.op === 'const') {
      const same = moved.findIndex(m => m.op === 'const' && m.type === i.type && Object.is(m.value, i.value));
      places.push(same >= 0 ? same : moved.push(i) - 1);
      continue;
    } else moved.push({ ...i, args: i.args.map(a => places[a]!) });
    places.push(moved.length - 1);
  }
  return {
    kernel: { kind: 'map', program: { instructions: moved, outputs: outer.outputs.map(o => places[o]!) } },
    inputs: [...before.inputs, ...kept],
    outputs: after.outputs,
    label: `${before.label}; ${after.label}`,
  };
}

/** What is joined may cast there and back. */
function direct(step: Step): Step {
  if (step.kernel.kind !== 'map') return step;
  const program = withoutDetours(step.kernel.program);
  return program === step.kernel.program ? step : { ...step, kernel: { kind: 'map', program } };
}

/** Whether a map reads a buffer more than once, and so may compute the same twice. */
const readsTwice = ({ inputs }: Step): boolean => new Set(inputs.map(v => v?.buffer)).size < inputs.length;

/** The same map with no input or result twice. */
function once(step: Step): Step {
  const { inputs } = step;
  const isSame = (a: View | undefined, b: View | undefined): boolean => a === b || (a !== undefined && b !== undefined && sameView(a, b));
  const first = inputs.map(v => inputs.findIndex(other => isSame(v, other)));
  const kept = inputs.filter((_, i) => first[i] === i);
  const { program } = step.kernel as { program: Program };
  return { ...step, inputs: kept, kernel: { kind: 'map', program: numbered(program, i => kept.indexOf(inputs[first[i]!])) } };
}

/** A line a step, for people: after a + what joins the step before, before a | what runs together row by row. */
export function printPlan(plan: Plan, groups: readonly RowGroup[] = []): string {
  const view = (v: View | undefined): string =>
    v ? `#${v.buffer}${formatShape(v.shape)}${isContiguous(v) ? '' : `{${v.strides.map(formatDim)}}`}` : '-';
  const detail = (k: Kernel): string => {
    if (k.kind === 'map') return `map ${formatProgram(k.program)}`;
    const facts = Object.entries(k).filter(([name]) => name !== 'kind');
    return `${k.kind}${facts.map(([name, value]) => ` ${name}=${Array.isArray(value) ? `[${value.map(String)}]` : String(value)}`).join('')}`;
  };
  const grouped = new Set(groups.flatMap(g => Array.from({ length: g.count }, (_, k) => g.first + k)));
  const place = (s: Step, i: number): string => (grouped.has(i) ? `${i} |` : s.joins ? '+' : String(i));
  return plan.steps
    .map(
      (s, i) =>
        `${place(s, i)}  ${detail(s.kernel)}  (${s.inputs.map(view).join(', ')}) -> ${s.outputs.map(view).join(', ')}  ; ${s.label}${s.unclaimed ? `  ; weights as floats: ${s.unclaimed}` : ''}`,
    )
    .join('\n');
}
