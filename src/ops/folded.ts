// Tables that a body needs: arithmetic on sizes and numbers that becomes constants where these are known before execution.
import type { Value } from '../ir/graph.ts';
import { numbersOf } from '../ir/tensor.ts';
import { type Builder, newBuilder, type Size } from './builder.ts';

/** Most elements of a table that is made before execution. */
const largestTable = 2 ** 22;

/** Build with `f`, which folds whole vectors, floats too; what could not be folded is computed in every run. */
export function folded<T>(b: Builder, build: (f: Builder) => T): T {
  const f = newBuilder({ fold: { elements: largestTable, floats: true }, meta: b.meta });
  const result = build(f);
  b.nodes.push(...f.nodes);
  return result;
}

/** The one number in a value as a size; the value itself where only the run knows it. */
export function sizeIn(v: Value): Size {
  const { tensor } = v;
  return tensor?.isResident && tensor.size === 1 ? numbersOf(tensor)[0]! : v;
}
