// What is computed from sizes is computed once, and sizes that grow by whole factors are scales.
import { expect, test } from 'vitest';
import { symbol } from '../../src/ir/dims.ts';
import { Graph, Value } from '../../src/ir/graph.ts';
import { tensorType } from '../../src/ir/types.ts';
import { type Builder, newBuilder } from '../../src/ops/builder.ts';
import { rewriteAll } from '../../src/passes/rewrite.ts';
import { simplify } from '../../src/passes/simplify.ts';
import { sizes } from '../../src/passes/sizes.ts';

const image = (): Value => new Value('x', tensorType('float32', [symbol('n'), 3, symbol('h'), 4]));
function simplified(build: (b: Builder, x: Value) => readonly Value[]): string[] {
  const [b, x] = [newBuilder(), image()];
  const outputs = build(b, x).map((value, i) => ({ name: `y${i}`, value }));
  const graph = new Graph('g', { inputs: [x], outputs, nodes: b.nodes });
  rewriteAll(graph, [sizes, simplify]);
  return graph.nodes.map(n => n.op);
}

test('chains of their own that come to the same sizes are one', () => {
  const first = (b: Builder, x: Value): Value => b.Slice(b.Shape(x), { axes: [0], starts: [0], ends: [1] });
  const zeros = (b: Builder, size: Value): Value => b.Expand(b.constant(0, 'float32'), [size, 8]);
  expect(simplified((b, x) => [zeros(b, first(b, x)), zeros(b, b.dim(x, 0) as Value)])).toEqual([
    'Shape',
    'Slice',
    'Concat',
    'Expand',
    'Expand',
  ]);
});
test('other sizes, and other types of them, are not', () => {
  expect(simplified((b, x) => [b.dim(x, 0) as Value, b.dim(x, 2) as Value, b.Cast(b.dim(x, 0) as Value, 'int32')])).toEqual([
    'Shape',
    'Shape',
    'Cast',
  ]);
});
test('sizes that grow by whole factors are scales', () => {
  const resized = (b: Builder, x: Value, width: number): readonly Value[] => {
    const target = b.sizes([b.dim(x, 0), 3, b.Mul(b.dim(x, 2) as Value, b.ints([2])), width]);
    return [b.Resize({ X: x, sizes: target }, { mode: 'linear' })];
  };
  expect(simplified((b, x) => resized(b, x, 12))).toEqual(['Resize']);
  expect(simplified((b, x) => resized(b, x, 9))).toEqual(['Shape', 'Shape', 'Mul', 'Concat', 'Resize']);
});
