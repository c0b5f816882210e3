// Which outputs may lie in the memory of an input, as a cache that a run updates does.
import type { BoundPlan, BoundStep } from './bind.ts';

/**
 * Whether an output may be written where an input lies: nothing reads the input after the output is first written, and the step that
 * writes it first reads the input at the very positions that it writes.
 */
export function mayShare({ inputs, outputs, buffers, steps }: BoundPlan, input: number, output: number): boolean {
  const [from, to] = [inputs[input]!.view.buffer, outputs[output]!.view.buffer];
  if (buffers[from]!.type !== buffers[to]!.type || buffers[from]!.size !== buffers[to]!.size) return false;
  const reads = (s: BoundStep | undefined): boolean => s?.inputs.some(v => v?.buffer === from) ?? false;
  const first = steps.findIndex(s => s.outputs.some(v => v.buffer === to));
  if (first < 0 || steps.slice(first + 1).some(reads)) return false;
  if (!reads(steps[first])) return !(steps[first]!.joins && reads(steps[first - 1])) && !inGroup(steps, first);
  return !steps[first]!.joins && !inGroup(steps, first) && movesNothing(steps[first]!, from);
}

/** Whether what a map or a copy reads of a buffer lies where it writes. */
function movesNothing({ kernel, inputs, outputs }: BoundStep, from: number): boolean {
  const [y] = outputs;
  return (
    (kernel.kind === 'map' || kernel.kind === 'copy') &&
    outputs.length === 1 &&
    inputs.every(
      v =>
        v?.buffer !== from ||
        (v.offset === y!.offset && v.strides.every((stride, axis) => v.shape[axis] === 1 || stride === y!.strides[axis])),
    )
  );
}

/** Whether a step runs together with others, row by row. */
const inGroup = (steps: readonly BoundStep[], at: number): boolean =>
  steps.some(({ rows }, first) => rows && first <= at && at < first + rows.count);
