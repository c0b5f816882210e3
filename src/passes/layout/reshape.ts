// Layouts through a change of shape: axes that stay what they are, are joined to one, or come of one, flow; others stay side by side.
import { type Dim, divideExactly, mulDims, sameDim } from '../../ir/dims.ts';
import type { Node } from '../../ir/graph.ts';
import { targetFor } from '../merges.ts';
import type { Flow } from './flow.ts';

export function reshape(node: Node): Flow | undefined {
  const from = node.inputs[0]?.shape;
  const to = node.outputs[0]?.shape;
  if (!from || !to || [...from, ...to].includes(0)) return undefined;
  const axes = { from: [] as number[][], to: [] as number[][] };
  const sizes = new Map<number, number>();
  const whole = new Set<number>();
  let atom = 0;
  const next = (size: Dim): number => {
    if (typeof size === 'number') sizes.set(atom, size);
    return atom++;
  };
  for (const block of blocks(from, to)) {
    const [before, after] = [from.slice(...block.from), to.slice(...block.to)];
    if (before.length > 1 && after.length > 1) {
      const only = atom++;
      axes.from.push(...before.map(() => [only]));
      axes.to.push(...after.map(() => [only]));
      continue;
    }
    const parts = (before.length > after.length ? before : after).map(next);
    if (before.length === 1 && after.length === 1) whole.add(parts[0]!);
    axes.from.push(...(before.length === 1 ? [parts] : before.map((_, i) => [parts[i]!])));
    axes.to.push(...(after.length === 1 ? [parts] : after.map((_, i) => [parts[i]!])));
  }
  return {
    inputs: [axes.from, undefined],
    outputs: [axes.to],
    mixable: whole,
    sizes,
    emit: ([x], { outputs: [layout] }, b) => {
      const target = targetFor(
        x!,
        layout!.perm.map(axis => to[axis]!),
      );
      return target && [b.Reshape(x!, target)];
    },
  };
}

/** Axes of both shapes, from and up to, that hold the same elements. */
interface Block {
  readonly from: readonly [number, number];
  readonly to: readonly [number, number];
}

function blocks(from: readonly Dim[], to: readonly Dim[]): Block[] {
  const found: Block[] = [];
  let [i, j] = [0, 0];
  while (i < from.length || j < to.length) {
    const [p, q] = alike(from.slice(i), to.slice(j));
    found.push({ from: [i, i + p], to: [j, j + q] });
    i += p;
    j += q;
  }
  return found;
}

/** How many axes of each, the fewest, have the same number of elements; all where that is not to be seen. An axis of one element may be alone. */
function alike(from: readonly Dim[], to: readonly Dim[]): readonly [number, number] {
  const [a, b] = [from[0], to[0]];
  if (b === undefined || (a === 1 && b !== 1)) return a === 1 ? [1, 0] : [from.length, 0];
  if (a === undefined || (b === 1 && a !== 1)) return b === 1 ? [0, 1] : [0, to.length];
  let [p, q, left, right] = [1, 1, a, b];
  while (!sameDim(left, right)) {
    const isLeftShort = typeof left === 'number' && typeof right === 'number' ? left < right : divideExactly(left, right) === undefined;
    const more = isLeftShort ? from[p] : to[q];
    if (more === undefined) return [from.length, to.length];
    if (isLeftShort) {
      left = mulDims(left, more);
      p++;
    } else {
      right = mulDims(right, more);
      q++;
    }
  }
  return [p, q];
}
