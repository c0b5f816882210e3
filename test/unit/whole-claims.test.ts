// Convolutions of integers, which the plan says in float64: claimed in int32, they give the same numbers.
import { describe, expect, test } from 'vitest';
import { claimProducts } from '../../src/exec/claims/index.ts';
import { wholes } from '../../src/exec/claims/whole.ts';
import { compilePlan, fusePlan, type Plan } from '../../src/exec/plan.ts';
import { referenceBackend } from '../../src/exec/reference.ts';
import { Graph, Value } from '../../src/ir/graph.ts';
import type { Tensor } from '../../src/ir/tensor.ts';
import { type DataType, tensorType } from '../../src/ir/types.ts';
import { type Builder, newBuilder } from '../../src/ops/builder.ts';
import { lower } from '../../src/passes/lower.ts';
import { rewriteAll } from '../../src/passes/rewrite.ts';
import { arrayOf } from '../samples/samples.ts';

type Given = readonly (readonly [DataType, ...number[]])[];
type Build = (b: Builder, ...x: Value[]) => Value;

function planOf(given: Given, build: Build): Plan {
  const b = newBuilder();
  const inputs = given.map(([type, ...dims], i) => new Value(`x${i}`, tensorType(type, dims)));
  const value = build(b, ...inputs);
  const graph = new Graph('g', { inputs, outputs: [{ name: 'y', value }], nodes: [...b.nodes] });
  rewriteAll(graph, [lower]);
  return compilePlan(graph, { fuse: false });
}

const backend = referenceBackend();
const claim = (plan: Plan): Promise<Plan> => claimProducts(plan, backend, [wholes]);

async function run(plan: Plan, feeds: readonly Tensor[]): Promise<readonly unknown[]> {
  const executable = await backend.compile(plan);
  const made = await (await executable.bind(new Map())).run(feeds);
  await executable.dispose();
  return made.map(t => [t.type, t.dims, Array.from(t.data as ArrayLike<number>)]);
}

async function expectClaimed(given: Given, build: Build): Promise<void> {
  const plan = planOf(given, build);
  const made = fusePlan(await claim(plan));
  expect(made.steps.flatMap(s => [...s.inputs, ...s.outputs].map(v => v?.type))).not.toContain('float64');
  expect(made.steps.flatMap(s => (s.kernel.kind === 'map' ? s.kernel.program.instructions.map(i => i.type) : []))).not.toContain('float64');
  const feeds = given.map(([type, ...dims], i) =>
    arrayOf({ dims, type, low: type === 'int8' ? -128 : 0, high: type === 'int8' ? 128 : 256 }, i),
  );
  expect(await run(made, feeds)).toEqual(await run(fusePlan(plan), feeds));
}

const why = async (plan: Plan): Promise<readonly (string | undefined)[]> =>
  (await claim(plan)).steps.filter(s => s.kernel.kind === 'conv').map(s => s.unclaimed);

describe('convolutions of integers', () => {
  test('without zero points', () =>
    expectClaimed(
      [
        ['uint8', 2, 3, 5, 6],
        ['int8', 4, 3, 3, 3],
      ],
      (b, x, w) => b.ConvInteger({ x: x!, w: w! }),
    ));

  test('with zero points of the image and of each channel, and groups', () =>
    expectClaimed([['uint8', 2, 4, 5, 6], ['int8', 6, 2, 3, 3], ['uint8'], ['int8', 6]], (b, x, w, x_zero_point, w_zero_point) =>
      b.ConvInteger({ x: x!, w: w!, x_zero_point, w_zero_point }, { group: 2, pads: [1, 1, 1, 1] }),
    ));

  test('as deep as int32 holds their sums', async () => {
    const deep = (channels: number): Given => [
      ['uint8', 1, channels, 2, 2],
      ['uint8', 1, channels, 2, 2],
    ];
    const build: Build = (b, x, w) => b.ConvInteger({ x: x!, w: w! });
    await expectClaimed(deep(2 ** 13), build);
    expect(await why(planOf(deep(2 ** 13 + 1), build))).toEqual(['sums of 32772 products may leave int32']);
  });

  test('floats of 64 bits stay', async () => {
    const plan = planOf(
      [
        ['float64', 1, 2, 4, 4],
        ['float64', 3, 2, 3, 3],
      ],
      (b, x, w) => b.emit('Conv', [x!, w!])[0]!,
    );
    expect(await why(plan)).toEqual(['the numbers are no differences of integers of 8 bits']);
  });

  test('differences that wrap in 8 bits count as the number that they wrap to', () =>
    expectClaimed([['uint8', 1, 2, 4, 4], ['uint8', 3, 2, 3, 3], ['uint8']], (b, x, w, zero) =>
      b.Cast(b.emit('Conv', [b.Cast(b.Sub(x!, zero!), 'float64'), b.Cast(w!, 'float64')])[0]!, 'int32'),
    ));
});
