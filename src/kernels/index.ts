// The kernel kinds in plain TypeScript: their definition, what folds constants, and the reference backend.
import { copy, fill, gather, values } from './move.ts';
import type { Kernel, Operand } from './kernel.ts';
import { map } from './map.ts';
import { matmul } from './matmul.ts';
import { argreduce, reduce } from './reduce.ts';
import { conv, pool } from './window.ts';

/** Run a kernel with its sizes bound. Inputs may overlap outputs only where they are the same view. */
export function runKernel(kernel: Kernel<number>, inputs: readonly (Operand | undefined)[], outputs: readonly Operand[]): void {
  const [x, w, bias] = inputs as readonly Operand[];
  const [y, second] = outputs as readonly [Operand, Operand | undefined];
  switch (kernel.kind) {
    case 'map':
      return map(kernel.program, inputs as readonly Operand[], outputs);
    case 'reduce':
      return reduce(kernel.by, x!, y);
    case 'argreduce':
      return argreduce(kernel.by, kernel.axis, kernel.last, x!, y);
    case 'matmul':
      return matmul(x!, w!, y);
    case 'conv':
      return conv(kernel, x!, w!, bias, y);
    case 'pool':
      return pool(kernel, x!, y, second);
    case 'copy':
      return copy(x!, y);
    case 'fill':
      return fill(kernel.value, y);
    case 'values':
      return values(kernel.values, y);
    case 'gather':
      return gather(kernel.axis, x!, w!, y);
    default:
      return kernel satisfies never;
  }
}
