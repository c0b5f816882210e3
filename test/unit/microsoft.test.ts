// Operators of ONNX Runtime's own domain by numbers worked out by hand or by their formula.
import { describe, expect, it } from 'vitest';
import { Model, referenceBackend, Session, Tensor } from '../../src/index.ts';
import { Graph, Value } from '../../src/ir/graph.ts';
import { type TensorType, tensorType } from '../../src/ir/types.ts';
import type { AttributeInput } from '../../src/ops/attributes.ts';
import { newBuilder } from '../../src/ops/builder.ts';

const domain = 'com.microsoft';

interface One {
  readonly op: string;
  readonly inputs: readonly (Tensor | undefined)[];
  readonly at?: Readonly<Record<string, AttributeInput>>;
  readonly in?: string;
}

const float = (values: readonly number[], dims: readonly number[] = [values.length]): Tensor => new Tensor('float32', values, dims);

function modelOf({ op, inputs, at = {}, in: of = domain }: One): Model {
  const values = inputs.map((t, i) => t && new Value(`x${i}`, tensorType(t.type, t.dims) as TensorType));
  const b = newBuilder();
  const [y] = b.emit(op, values, at, { domain: of });
  const graph = new Graph('g', {
    inputs: values.filter(v => v !== undefined),
    nodes: b.nodes,
    outputs: [{ name: 'y', value: y! }],
  });
  return new Model(graph, {
    irVersion: 10,
    opsets: new Map([
      ['', 21],
      [domain, 1],
    ]),
  });
}

async function run(one: One): Promise<number[]> {
  const session = await Session.create(modelOf(one), { backend: referenceBackend() });
  const feeds = one.inputs.flatMap((t, i) => (t ? [[`x${i}`, t] as const] : []));
  const made = Object.values(await session.run(Object.fromEntries(feeds)))[0]!;
  return Array.from(made.data as ArrayLike<number>, Number);
}

describe('operators of com.microsoft', () => {
  it.each<[One, number[]]>([
    // A squared mean of 12.5 makes 3 and 4 into 3 / sqrt(12.5) and 4 / sqrt(12.5).
    [
      { op: 'SimplifiedLayerNormalization', in: '', inputs: [float([3, 4], [1, 2]), float([1, 2])], at: { epsilon: 0 } },
      [0.848528, 2.262742],
    ],
    [
      {
        op: 'SkipSimplifiedLayerNormalization',
        inputs: [float([1, 1], [1, 1, 2]), float([2, 3], [1, 1, 2]), float([1, 1])],
        at: { epsilon: 0 },
      },
      [0.848528, 1.131371],
    ],
    // [[1, 2], [3, 4]] transposed times [[1], [1]], halved.
    [{ op: 'FusedMatMul', inputs: [float([1, 2, 3, 4], [2, 2]), float([1, 1], [2, 1])], at: { transA: 1, alpha: 0.5 } }, [2, 3]],
    [{ op: 'QuickGelu', inputs: [float([0, 2])], at: { alpha: 1 } }, [0, 1.761594]],
  ])('%o', async (one, wanted) => {
    const made = await run(one);
    expect(made.length).toBe(wanted.length);
    for (const [i, y] of made.entries()) expect(y).toBeCloseTo(wanted[i]!, 5);
  });
});
