// Small models for the tests of training.
import { symbol } from '../../src/ir/dims.ts';
import { Graph, Model, Value } from '../../src/ir/graph.ts';
import { Tensor } from '../../src/ir/tensor.ts';
import { tensorType } from '../../src/ir/types.ts';
import { type Builder, newBuilder } from '../../src/ops/builder.ts';
import { irVersionFor, newestOpset } from '../../src/ops/schema.ts';
import { randomNumbers } from '../../src/validate/random.ts';

/** Numbers between -1 and 1, the same in each run. */
export function spread(dims: readonly number[], seed: number): Tensor {
  const next = randomNumbers(seed);
  return new Tensor(
    'float32',
    Float32Array.from({ length: dims.reduce((n, d) => n * d, 1) }, () => 2 * next() - 1),
    dims,
  );
}

export const weight = (name: string, dims: readonly number[], seed: number): Value =>
  new Value(name, undefined, { tensor: spread(dims, seed), parameter: true });

export function modelOf(inputs: readonly Value[], outputs: Readonly<Record<string, Value>>, b: Builder): Model {
  const opsets = new Map([['', newestOpset('')!]]);
  const graph = new Graph('net', {
    inputs: [...inputs],
    nodes: b.nodes,
    outputs: Object.entries(outputs).map(([name, value]) => ({ name, value })),
  });
  return new Model(graph, { irVersion: irVersionFor(opsets), opsets });
}

/** Linear 4 → 8, ReLU, what `between` puts there, Linear 8 → `classes`. */
export function mlp(classes = 3, between: (b: Builder, h: Value) => Value = (_b, h) => h): Model {
  const b = newBuilder();
  const x = new Value('x', tensorType('float32', [symbol('batch'), 4]));
  const hidden = b.Relu(b.Gemm({ A: x, B: weight('0.weight', [8, 4], 1), C: weight('0.bias', [8], 2) }, { transB: 1 }));
  const y = b.Gemm({ A: between(b, hidden), B: weight('2.weight', [classes, 8], 3), C: weight('2.bias', [classes], 4) }, { transB: 1 });
  return modelOf([x], { y }, b);
}

/** Examples whose class is the largest of the first three numbers. */
export function examples(count: number, seed = 7): { readonly x: Tensor; readonly target: Tensor } {
  const x = spread([count, 4], seed);
  const data = x.data as Float32Array;
  const largest = (row: number): number => [0, 1, 2].reduce((a, k) => (data[row * 4 + k]! > data[row * 4 + a]! ? k : a), 0);
  return {
    x,
    target: new Tensor(
      'int64',
      Array.from({ length: count }, (_, row) => largest(row)),
      [count],
    ),
  };
}
