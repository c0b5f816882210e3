// A plan while its products are claimed: where its values come from, and the buffers that are added to it.
import type { Primitive } from '../../expr/primitives.ts';
import { productOf, sameDim, sameShape } from '../../ir/dims.ts';
import { resident, type Tensor } from '../../ir/tensor.ts';
import type { DataType, Shape } from '../../ir/types.ts';
import type { View } from '../../kernels/kernel.ts';
import { elementsOf, type Memory } from '../../kernels/memory.ts';
import { isContiguous, wholeView } from '../../kernels/views.ts';
import type { Backend } from '../backend.ts';
import type { BufferFacts, Plan, Step } from '../plan.ts';
import { constantSteps, runEarly } from '../precompute.ts';

/** The one operation of a map that has no other. A map that only changes the type is a `cast`. */
export interface Operation {
  readonly op: 'cast' | Primitive;
  readonly type: DataType;
  /** The map's own output and inputs. */
  readonly output: View;
  readonly inputs: readonly View[];
}

/** Elements of what is kept as long as claims are made. */
const few = 2 ** 16;

export class Draft {
  readonly plan: Plan;
  readonly buffers: BufferFacts[];
  readonly #backend: Backend;
  /** The one step that writes a buffer; nothing where several do. */
  readonly #writers = new Map<number, Step | undefined>();
  readonly #known: ReadonlySet<Step>;
  readonly #contents = new Map<number, Memory>();
  /** The last content that is too long to be kept beside others. */
  #latest: { readonly buffer: number; readonly content: Memory } | undefined;

  constructor(plan: Plan, backend: Backend) {
    this.plan = plan;
    this.buffers = [...plan.buffers];
    this.#backend = backend;
    for (const step of plan.steps)
      for (const y of step.outputs) this.#writers.set(y.buffer, this.#writers.has(y.buffer) ? undefined : step);
    this.#known = constantSteps(plan);
  }

  isConstant(v: View): boolean {
    return this.buffers[v.buffer]!.role === 'constant';
  }
  /** Whether constants alone decide what a view holds. */
  isKnown(v: View): boolean {
    const writer = this.#writers.get(v.buffer);
    return this.isConstant(v) || (writer !== undefined && this.#known.has(writer));
  }

  operationOf(v: View): Operation | undefined {
    const step = this.#writers.get(v.buffer);
    const [output] = step?.outputs ?? [];
    if (step?.kernel.kind !== 'map' || !output || step.outputs.length > 1 || output.offset !== 0 || !isContiguous(output)) return undefined;
    const { instructions, outputs } = step.kernel.program;
    const last = instructions[outputs[0]!]!;
    const inputs = step.inputs.filter(x => x !== undefined);
    if (last.op === 'const' || instructions.filter(i => i.op !== 'input').length > 1) return undefined;
    if (last.op === 'input') return { op: 'cast', type: last.type, output, inputs: [inputs[last.index]!] };
    const operands = last.args.map(a => instructions[a]!);
    return { op: last.op, type: last.type, output, inputs: operands.flatMap(i => (i.op === 'input' ? [inputs[i.index]!] : [])) };
  }

  /** What the elements of a buffer are, where these are known. */
  async contentOf(buffer: number): Promise<Memory> {
    const known = this.#contents.get(buffer) ?? (this.#latest?.buffer === buffer ? this.#latest.content : undefined);
    if (known) return known;
    // Weights are asked for by one claim after the other, and all of them as floats would take many times what they take as they are stored.
    this.#latest = undefined;
    const content = await this.#evaluate(buffer);
    if (content.length <= few) this.#contents.set(buffer, content);
    else this.#latest = { buffer, content };
    return content;
  }
  async #evaluate(buffer: number): Promise<Memory> {
    const { tensor } = this.buffers[buffer]!;
    if (tensor) return elementsOf(await resident(tensor));
    const [made] = await runEarly(this.plan, this.#stepsFor(buffer), [buffer], this.#backend);
    return elementsOf(made!);
  }
  #stepsFor(buffer: number): ReadonlySet<Step> {
    const needed = new Set([buffer]);
    const steps = new Set<Step>();
    for (const step of this.plan.steps.toReversed()) {
      if (!this.#known.has(step) || !step.outputs.some(y => needed.has(y.buffer))) continue;
      steps.add(step);
      for (const v of step.inputs) if (v) needed.add(v.buffer);
    }
    return steps;
  }

  constant(tensor: Tensor): View {
    return wholeView(this.buffers.push({ type: tensor.type, size: tensor.size, role: 'constant', tensor }) - 1, tensor.type, tensor.dims);
  }
  temporary(type: DataType, shape: Shape): View {
    return wholeView(this.buffers.push({ type, size: productOf(shape), role: 'temporary' }) - 1, type, shape);
  }
}

export const isScalarView = (v: View): boolean => v.shape.every((d, axis) => d === 1 || v.strides[axis] === 0);

/** What a view of a map's output reads of one of its inputs; nothing where that is no view. */
export function through(v: View, { output }: Operation, input: View): View | undefined {
  const own = { buffer: input.buffer, type: input.type };
  if (sameShape(input.shape, output.shape) && input.offset === 0 && isContiguous(input)) return { ...v, ...own };
  if (isScalarView(input)) return { ...v, ...own, offset: input.offset, strides: v.shape.map(() => 0) };
  return v.offset === 0 && sameShape(v.shape, output.shape) && v.strides.every((s, axis) => sameDim(s, output.strides[axis]!))
    ? input
    : undefined;
}
