// Runs in the page: plans on WebGPU and on the reference backend, with the results of both for the test to compare.

import { BlobSource } from '../../src/codec/source.ts';
import type { Backend } from '../../src/exec/backend.ts';
import { compilePlan, type Plan } from '../../src/exec/plan.ts';
import { referenceBackend } from '../../src/exec/reference.ts';
import { Session } from '../../src/exec/session.ts';
import { webgpuBackend } from '../../src/exec/webgpu/backend.ts';
import { apply, cast, type Expr, input, program } from '../../src/expr/expr.ts';
import { isDefined, type Primitive, primitives, type ScalarType, scalarTypes } from '../../src/expr/primitives.ts';
import { type Dim, symbol } from '../../src/ir/dims.ts';
import { Graph, type Output, Value } from '../../src/ir/graph.ts';
import { Tensor } from '../../src/ir/tensor.ts';
import { type DataType, tensorType } from '../../src/ir/types.ts';
import { wholeView } from '../../src/kernels/views.ts';
import { type Builder, newBuilder } from '../../src/ops/builder.ts';
import { lower } from '../../src/passes/lower.ts';
import { rewriteAll } from '../../src/passes/rewrite.ts';
import { compareTensors } from '../../src/validate/compare.ts';
import { casesOfZip, judge } from '../conformance/judge.ts';
import { knownFailures } from '../conformance/known-failures.ts';
import { modelOf, samples } from '../samples/samples.ts';

/** One output on both backends; numbers as text, so that -0, NaN and infinities survive the way out of the page. */
export interface Compared {
  readonly name: string;
  readonly type: DataType;
  readonly arguments?: readonly (readonly string[])[];
  readonly webgpu: readonly string[];
  readonly reference: readonly string[];
}

const texts = (t: Tensor): string[] => Array.from(t.data as ArrayLike<number>, x => (Object.is(x, -0) ? '-0' : String(x)));

async function runOn(
  backend: Backend,
  plan: Plan,
  inputs: readonly Tensor[],
  sizes: ReadonlyMap<string, number>,
): Promise<readonly Tensor[]> {
  const executable = await backend.compile(plan);
  try {
    return await (await executable.bind(sizes)).run(inputs);
  } finally {
    await executable.dispose();
  }
}

async function compare(
  name: string,
  plan: Plan,
  inputs: readonly Tensor[],
  sizes: ReadonlyMap<string, number> = new Map(),
): Promise<Compared[]> {
  const gpu = await runOn(webgpu, plan, inputs, sizes);
  const reference = await runOn(referenceBackend({ reuse: false }), plan, inputs, sizes);
  return gpu.map((y, i) => ({ name: `${name} ${plan.outputs[i]!.name}`, type: y.type, webgpu: texts(y), reference: texts(reference[i]!) }));
}

const webgpu = webgpuBackend();
const argument = (name: string, type: DataType, shape: readonly Dim[]): Value => new Value(name, tensorType(type, shape));
const ramp = (type: DataType, dims: readonly number[], scale = 1): Tensor =>
  new Tensor(
    type,
    Array.from({ length: dims.reduce((n, d) => n * d, 1) }, (_, i) => (((i * 7919) % 23) - 11) * scale),
    dims,
  );

function planOf(inputs: readonly Value[], build: (b: Builder, ...x: Value[]) => readonly Value[]): Plan {
  const b = newBuilder();
  const outputs = build(b, ...inputs).map((value, i): Output => ({ name: `y${i}`, value }));
  const graph = new Graph('g', { inputs: [...inputs], outputs, nodes: [...b.nodes] });
  rewriteAll(graph, [lower]);
  return compilePlan(graph);
}

/** Fused maps, reductions, matrix products and views, with a batch that two bindings of one executable give. */
async function plans(): Promise<Compared[]> {
  const floats = planOf([argument('x', 'float32', [symbol('batch'), 5, 33])], (b, x) => {
    const w = b.constant(ramp('float32', [33, 20], 0.125).data as Float32Array, 'float32', [33, 20], 'w');
    const y = b.Relu(b.Add(b.MatMul(x!, w), b.constant(0.5, 'float32')));
    const turned = b.Transpose(y, [2, 0, 1]);
    const every = { axes: [0], starts: [-1], ends: [-100], steps: [-2] };
    return [
      b.ReduceSum(y, { axes: [1] }),
      b.ReduceMax(b.Mul(x!, x!), { axes: [0, 2], keepdims: 0 }),
      b.Concat([turned, turned], 1),
      b.Slice(turned, every),
      b.Where(b.Less(x!, b.constant(0, 'float32')), b.Exp(x!), b.Sqrt(b.Abs(x!))),
      b.Greater(x!, b.constant(0, 'float32')),
    ];
  });
  const integers = planOf([argument('x', 'int32', [4, 6]), argument('y', 'uint32', [4, 6])], (b, x, y) => [
    b.ReduceSum(b.Mul(x!, x!), { axes: [1] }),
    b.ReduceMin(x!, { axes: [0] }),
    b.ReduceMax(y!, { axes: [0, 1] }),
    b.MatMul(x!, b.Transpose(x!, [1, 0])),
    b.Cast(b.Equal(x!, b.Cast(y!, 'int32')), 'float32'),
  ]);
  const results: Compared[] = [];
  for (const batch of [3, 7])
    results.push(
      ...(await compare(`floats, batch ${batch}`, floats, [ramp('float32', [batch, 5, 33], 0.25)], new Map([['batch', batch]]))),
    );
  results.push(...(await compare('integers', integers, [ramp('int32', [4, 6]), new Tensor('uint32', [...Array(24).keys()], [4, 6])])));
  return results;
}

const edges: Partial<Record<ScalarType, readonly (number | bigint)[]>> = {
  float32: [
    0,
    -0,
    1,
    -1,
    0.5,
    -0.5,
    1.5,
    2.5,
    -2.5,
    3,
    7.25,
    -7.25,
    100,
    3e9,
    -3e9,
    3.4e38,
    -3.4e38,
    1e-30,
    Infinity,
    -Infinity,
    Number.NaN,
  ],
  int8: [0, 1, -1, 2, 3, 7, -7, 8, 31, 127, -128],
  int16: [0, 1, -1, 2, 3, 15, 16, -300, 32767, -32768],
  int32: [0, 1, -1, 2, -2, 3, 7, -7, 31, 32, 33, -33, 65536, 2147483647, -2147483648],
  int64: [0n, 1n, -1n, 2n, 3n, -7n, 31n, 33n, 64n, 2n ** 31n, -(2n ** 40n) - 5n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)],
  uint8: [0, 1, 2, 3, 7, 8, 200, 255],
  uint16: [0, 1, 2, 3, 16, 300, 65535],
  uint32: [0, 1, 2, 3, 7, 31, 32, 33, 65536, 2147483648, 4294967295],
  uint64: [0n, 1n, 2n, 3n, 33n, 64n, 2n ** 32n, 2n ** 40n + 12345n, 2n ** 63n, 2n ** 64n - 1n],
  bool: [0, 1],
};

/** A plan of one map over whole views. */
function mapPlan(e: Expr, types: readonly ScalarType[], count: number): Plan {
  const buffers = [...types, e.type].map((type, i) => ({ type, size: count, role: i < types.length ? 'input' : 'output' }) as const);
  const views = buffers.map((b, i) => wholeView(i, b.type, [count]));
  const kernel = { kind: 'map', program: program([e]) } as const;
  return {
    guards: [],
    buffers,
    inputs: types.map((_, i) => ({ name: `x${i}`, view: views[i]! })),
    outputs: [{ name: 'y', view: views.at(-1)! }],
    steps: [{ kernel, inputs: views.slice(0, -1), outputs: views.slice(-1), label: e.op }],
  };
}

/** Every primitive and conversion on every pair of edge values. */
async function primitivesOnEdges(): Promise<Compared[]> {
  const results: Compared[] = [];
  const check = async (name: string, e: Expr, types: readonly ScalarType[]): Promise<void> => {
    const columns = crossed(types.map(t => edges[t]!));
    const inputs = types.map((t, i) => new Tensor(t, columns[i]!, [columns[i]!.length]));
    const [both] = await compare(name, mapPlan(e, types, columns[0]!.length), inputs);
    results.push({ ...both!, name, arguments: inputs.map(texts) });
  };
  const types = Object.keys(edges) as ScalarType[];
  for (const type of types) {
    for (const op of Object.keys(primitives) as Primitive[]) {
      if (!isDefined(op, type) || !primitives[op].on[scalarTypes[type].class as never]) continue;
      const operands = op === 'select' ? (['bool', type, type] as const) : Array<ScalarType>(primitives[op].arity).fill(type);
      await check(`${op} ${type}`, apply(op, ...operands.map((t, i) => input(i, t))), operands);
    }
    for (const to of types) if (to !== type) await check(`${type} to ${to}`, cast(input(0, type), to), [type]);
  }
  return results;
}

/** Columns that together hold every combination. */
function crossed(lists: readonly (readonly (number | bigint)[])[]): (number | bigint)[][] {
  let rows: (number | bigint)[][] = [[]];
  for (const list of lists) rows = rows.flatMap(row => list.map(x => [...row, x]));
  return lists.map((_, i) => rows.map(row => row[i]!));
}

/** What no shader can do, which the host does. */
async function hosted(): Promise<Compared[]> {
  const plan = planOf([argument('x', 'float16', [2]), argument('y', 'float64', [2, 2])], (b, x, y) => [b.Neg(x!), b.MatMul(y!, y!)]);
  return compare('hosted', plan, [new Tensor('float16', new Uint16Array([0x3c00, 0xc000]), [2]), ramp('float64', [2, 2], 0.5)]);
}

/** Every operator sample in a session on each backend: names of those that differ, and how. */
async function operators(): Promise<{ readonly count: number; readonly wrong: readonly string[] }> {
  const wrong: string[] = [];
  for (const sample of samples) {
    const at = modelOf(sample);
    const want = await (await Session.create(at.model, { backend: referenceBackend({ reuse: false }), optimize: false })).run(at.feeds);
    const session = await Session.create(at.model, { backend: webgpu });
    const got = await session.run(at.feeds);
    await session.dispose();
    for (const [name, y] of Object.entries(want)) {
      const { ok, reason, worst } = compareTensors(name, got[name]!, y, { rtol: sample.tolerance, atol: sample.tolerance });
      if (!ok) wrong.push(`${sample.name} ${name}: ${reason ?? JSON.stringify(worst)}`);
    }
  }
  return { count: samples.length, wrong };
}

/** The standard's own cases that are packed beside the page: names of those that fail, and how. */
async function standardCases(): Promise<{ readonly count: number; readonly wrong: readonly string[] }> {
  const wrong: string[] = [];
  const cases = await casesOfZip(new BlobSource(await (await fetch('/selection.zip')).blob(), 'selection.zip'));
  for (const c of cases) {
    const outcome = await judge(c, { optimize: true, backend: webgpu }).catch((error: Error) => error.message);
    if ((outcome === undefined) === (knownFailures[c.name] !== undefined)) wrong.push(`${c.name}: ${outcome ?? 'passes now'}`);
  }
  return { count: cases.length, wrong };
}

Object.assign(globalThis, {
  omnixTest: { available: () => webgpu.available(), plans, primitivesOnEdges, hosted, operators, standardCases },
});
