// The reference backend: the kernels in TypeScript. It defines results, runs everywhere, and is the oracle that others are
// compared with.

import { ModelError } from '../errors.ts';
import { arrayFor, resident, type Tensor, type TypedArray } from '../ir/tensor.ts';
import { runKernel } from '../kernels/index.ts';
import type { Operand, View } from '../kernels/kernel.ts';
import { elementsOf, fromElements } from '../kernels/memory.ts';
import type { Backend, Bound, Watch } from './backend.ts';
import { Binding, type BindOptions, type BoundBuffer, type BoundPlan } from './bind.ts';
import type { Plan } from './plan.ts';

/** Most bytes a run may take unless told: what one typed array can hold. */
const defaultMemory = 2 ** 32;

/** @param options `reuse: false` gives every intermediate memory of its own, as the oracle does */
export function referenceBackend(options: BindOptions = {}): Backend {
  return {
    name: 'reference',
    available: async () => true,
    async compile(plan) {
      const constants = await loadConstants(plan);
      const binding = new Binding(plan, { memory: defaultMemory, ...options });
      return {
        bind: async sizes => {
          const bound = binding.bind(sizes);
          return {
            plan: bound,
            run: async (inputs, watch) => execute(bound, constants, inputs, watch),
            dispose: async () => {},
          } satisfies Bound;
        },
        dispose: async () => {},
      };
    },
  };
}

async function loadConstants(plan: Plan): Promise<ReadonlyMap<number, TypedArray>> {
  const loaded = new Map<number, TypedArray>();
  for (const [i, b] of plan.buffers.entries()) if (b.tensor) loaded.set(i, elementsOf(await resident(b.tensor)) as TypedArray);
  return loaded;
}

function execute(plan: BoundPlan, constants: ReadonlyMap<number, TypedArray>, inputs: readonly Tensor[], watch: Watch = {}): Tensor[] {
  const arena = new ArrayBuffer(plan.arena);
  const memory = plan.buffers.map((b, i) => constants.get(i) ?? (b.role === 'input' ? undefined : newMemory(b, arena)));
  plan.inputs.forEach((p, i) => {
    memory[p.view.buffer] = elementsOf(inputs[i]!) as TypedArray;
  });
  const operand = (v: View<number>): Operand => ({ ...v, data: memory[v.buffer]! });
  for (const [i, step] of plan.steps.entries()) {
    watch.proceed?.({ step: i, steps: plan.steps.length, label: step.label });
    const started = performance.now();
    try {
      runKernel(
        step.kernel,
        step.inputs.map(v => v && operand(v)),
        step.outputs.map(operand),
      );
    } catch (error) {
      if (error instanceof ModelError) throw error.within({ node: { op: step.label } });
      throw error;
    }
    watch.record?.(step, performance.now() - started);
  }
  return plan.outputs.map(p => fromElements(p.view.type, memory[p.view.buffer]!, p.view.shape));
}

function newMemory(b: BoundBuffer, arena: ArrayBuffer): TypedArray {
  const array = arrayFor(b.type);
  if (b.offset === undefined) return new array(b.size);
  return new array(arena, b.offset, b.size) as TypedArray;
}
