// The kernel kinds in plain TypeScript: their definition, what folds constants, and the reference backend.

import { fail } from '../errors.ts';
import type { Kernel, Operand } from './kernel.ts';
import { map } from './map.ts';
import { matmul } from './matmul.ts';
import { copy, fill, gather, values } from './move.ts';
import { argreduce, reduce } from './reduce.ts';
import { scatterElements, scatterSlices } from './scatter.ts';
import { computeType } from './storage.ts';
import { topk } from './topk.ts';
import { conv, pool } from './window.ts';

const computing: ReadonlySet<Kernel['kind']> = new Set(['reduce', 'argreduce', 'matmul', 'conv', 'pool']);

/** Run a kernel with its sizes bound. Inputs may overlap outputs only where they are the same view. */
export function runKernel(kernel: Kernel<number>, inputs: readonly (Operand | undefined)[], outputs: readonly Operand[]): void {
  const [x, w, bias] = inputs as readonly Operand[];
  const [y, second] = outputs as readonly [Operand, Operand | undefined];
  if (computing.has(kernel.kind) && !computeType(x!.type)) throw fail('E1304', `${kernel.kind} has no meaning for ${x!.type}`);
  switch (kernel.kind) {
    case 'map':
      map(kernel.program, inputs as readonly Operand[], outputs);
      break;
    case 'reduce':
      reduce(kernel.by, x!, y);
      break;
    case 'argreduce':
      argreduce(kernel.by, kernel.axis, kernel.last, x!, y);
      break;
    case 'matmul':
      matmul(x!, w!, y);
      break;
    case 'conv':
      conv(kernel, x!, w!, bias, y);
      break;
    case 'pool':
      pool(kernel, x!, y, second);
      break;
    case 'copy':
      copy(x!, y);
      break;
    case 'fill':
      fill(kernel.value, y);
      break;
    case 'values':
      values(kernel.values, y);
      break;
    case 'gather':
      gather(kernel.axis, x!, w!, y);
      break;
    case 'scatter':
      if (kernel.axis === undefined) scatterSlices(kernel.by, x!, w!, y);
      else scatterElements(kernel.by, kernel.axis, x!, w!, y);
      break;
    case 'topk':
      topk(kernel.axis, kernel.largest, x!, y, second!);
      break;
    default:
      kernel satisfies never;
  }
}
