// What a run took, step by step, and what each step is worth: operations and bytes.
import type { Node } from '../ir/graph.ts';
import { elementTypes } from '../ir/types.ts';
import type { KernelKind, View } from '../kernels/kernel.ts';
import type { BoundStep } from './bind.ts';

/** One step of a run. */
export interface ProfileEvent {
  /** The kernel, or `host` for a node that is evaluated in TypeScript; with what it runs, such as a nested graph. */
  readonly kind: KernelKind | 'host';
  /** The operators and names of the nodes it came from. */
  readonly label: string;
  /** Milliseconds since the origin of `performance.now()`. */
  readonly start: number;
  readonly milliseconds: number;
  /** Additions, multiplications and functions. */
  readonly flops: number;
  /** Bytes of the arrays that it reads and writes, each counted once. */
  readonly bytes: number;
}

export const stepEvent = (step: BoundStep, start: number, milliseconds: number): ProfileEvent => ({
  kind: step.kernel.kind,
  label: step.label,
  start,
  milliseconds,
  flops: flopsOf(step),
  bytes: bytesOf(step),
});

export const hostEvent = (node: Node, start: number): ProfileEvent => ({
  kind: 'host',
  label: node.name ? `${node.op} ${node.name}` : node.op,
  start,
  milliseconds: performance.now() - start,
  flops: 0,
  bytes: 0,
});

const product = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1);

/** Elements of a view in memory: those that it repeats are counted once. */
const elementsIn = (v: View<number>): number => product(v.shape.filter((_, axis) => v.strides[axis] !== 0));

const bytesOf = ({ inputs, outputs }: BoundStep): number =>
  [...inputs, ...outputs].reduce((n, v) => n + (v ? (elementsIn(v) * elementTypes[v.type].bits) / 8 : 0), 0);

function flopsOf({ kernel, inputs, outputs }: BoundStep): number {
  const y = product(outputs[0]!.shape);
  switch (kernel.kind) {
    case 'map':
      return y * kernel.program.instructions.filter(i => i.op !== 'input' && i.op !== 'const').length;
    case 'reduce':
    case 'argreduce':
      return product(inputs[0]!.shape);
    case 'matmul':
      return 2 * y * inputs[0]!.shape.at(-1)!;
    case 'conv':
      return 2 * y * product(inputs[1]!.shape.slice(1));
    case 'pool':
      return y * product(kernel.kernel);
    default:
      return 0;
  }
}
