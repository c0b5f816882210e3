// The native backend under the thread sanitizer: runs side by side, runs that are stopped, and sessions that share the threads. Ends with
// `N passed, N failed`; a race ends the process. Results are compared with those of runs one after the other.
//   --third 0|1|2|all   so many of the samples
import { parseArgs } from 'node:util';
import { referenceBackend } from '../../src/exec/reference.ts';
import { Session } from '../../src/exec/session.ts';
import { symbol } from '../../src/ir/dims.ts';
import { Graph, Model, Value } from '../../src/ir/graph.ts';
import { Tensor } from '../../src/ir/tensor.ts';
import { type DataType, tensorType } from '../../src/ir/types.ts';
import { cpuBackend } from '../../src/node/addon.ts';
import { type Builder, newBuilder } from '../../src/ops/builder.ts';
import { compareTensors } from '../../src/validate/compare.ts';
import { modelOf, samples } from '../samples/samples.ts';

const { values } = parseArgs({ options: { third: { type: 'string', default: 'all' } } });

/** Runs at a time. */
const together = 4;

type Feeds = Readonly<Record<string, Tensor>>;
interface Case {
  readonly name: string;
  readonly model: Model;
  /** Of each run. */
  readonly feeds: readonly Feeds[];
  readonly tolerance: number;
}

interface Large {
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  readonly types?: Readonly<Record<string, DataType>>;
  readonly build: (b: Builder, x: Readonly<Record<string, Value>>) => readonly Value[];
}

const weights = (b: Builder, ...dims: number[]): Value => {
  const count = dims.reduce((n, d) => n * d, 1);
  return b.constant(
    Float32Array.from({ length: count }, (_, i) => ((i * 7919) % 13) / 13 - 0.5),
    'float32',
    dims,
    'w',
  );
};

/** Large enough that every kernel divides its work among threads. */
const large: Readonly<Record<string, Large>> = {
  'products and maps that join them': {
    inputs: { x: [150, 192] },
    build: (b, { x }) => {
      const y = b.Relu(b.Add(b.MatMul(x!, weights(b, 192, 160)), weights(b, 160)));
      return [y, b.MatMul(b.Transpose(y, [1, 0]), y)];
    },
  },
  'attention, row by row': {
    inputs: { q: [1, 4, 96, 32], k: [1, 4, 96, 32], v: [1, 4, 96, 32] },
    build: (b, { q, k, v }) => [
      b.MatMul(b.Softmax({ input: b.Mul(b.MatMul(q!, b.Transpose(k!, [0, 1, 3, 2])), b.constant(0.2, 'float32')) }, { axis: -1 }), v!),
    ],
  },
  'convolutions of all kinds, and pools': {
    inputs: { x: [2, 16, 40, 40] },
    build: (b, { x }) => {
      const pads = { pads: [1, 1, 1, 1] };
      const y = b.Relu(b.Conv(x!, weights(b, 24, 16, 3, 3), undefined, pads));
      const deep = b.Conv(y, weights(b, 24, 1, 3, 3), undefined, { group: 24, ...pads });
      const pooled = b.MaxPool(b.Conv(deep, weights(b, 32, 24, 1, 1)), { kernel_shape: [2, 2], strides: [2, 2] });
      return [pooled, b.AveragePool(y, { kernel_shape: [3, 3] }), b.Conv(x!, weights(b, 8, 16, 3, 3), undefined, { strides: [2, 2] })];
    },
  },
  'reductions, sorting and copies': {
    inputs: { x: [64, 900] },
    build: (b, { x }) => [
      b.ReduceSum(x!, { axes: [0] }),
      b.ReduceMax(x!, { axes: [1] }),
      b.ArgMax({ data: x! }, { axis: 1 }),
      ...(Object.values(b.TopK({ X: x!, K: b.constant([5n], 'int64', [1]) })) as Value[]),
      b.Concat([b.Transpose(x!, [1, 0]), b.Transpose(b.Exp(x!), [1, 0])], 1),
    ],
  },
  'gather and scatter': {
    inputs: { x: [600, 64], i: [500] },
    types: { i: 'int64' },
    build: (b, { x, i }) => {
      const rows = b.Gather(x!, i!, 0);
      return [rows, b.ScatterND({ data: x!, indices: b.Unsqueeze(i!, [1]), updates: rows }, { reduction: 'add' })];
    },
  },
  'half floats': {
    inputs: { x: [300, 300] },
    build: (b, { x }) => [
      b.Cast(b.Tanh(b.Cast(b.Cast(x!, 'float16'), 'float32')), 'bfloat16'),
      b.LayerNormalization({ X: x!, Scale: weights(b, 300) }).Y,
    ],
  },
};

function tensorOf(type: DataType, dims: readonly number[], seed: number): Tensor {
  const count = dims.reduce((n, d) => n * d, 1);
  const of = (i: number): number => (i * (2 * seed + 7919)) % 599;
  if (type === 'int64')
    return new Tensor(
      type,
      Array.from({ length: count }, (_, i) => BigInt(of(i))),
      dims,
    );
  return new Tensor(
    type,
    Float32Array.from({ length: count }, (_, i) => of(i) / 300 - 1),
    dims,
  );
}

function caseOf(name: string, { inputs, types = {}, build }: Large): Case {
  const b = newBuilder();
  const given = Object.entries(inputs).map(([input, dims]) => {
    const type = types[input] ?? 'float32';
    return { dims, type, value: new Value(input, tensorType(type, [symbol(`${input}0`), ...dims.slice(1)])) };
  });
  const made = build(b, Object.fromEntries(given.map(({ value }) => [value.name, value])));
  const graph = new Graph('g', {
    inputs: given.map(g => g.value),
    nodes: [...b.nodes],
    outputs: made.map((value, i) => ({ name: `y${i}`, value })),
  });
  const feeds = Array.from({ length: together }, (_, run) =>
    Object.fromEntries(given.map(({ dims, type, value }) => [value.name, tensorOf(type, dims, run)])),
  );
  return { name, feeds, tolerance: 1e-4, model: new Model(graph, { irVersion: 10, opsets: new Map([['', 22]]) }) };
}

const cases = (): Case[] => [
  ...Object.entries(large).map(([name, one]) => caseOf(name, one)),
  ...samples.flatMap((s, i) => {
    if (values.third !== 'all' && i % 3 !== Number(values.third)) return [];
    const { model, feeds } = modelOf(s);
    return [{ name: s.name, model, feeds: Array(together).fill(feeds), tolerance: s.tolerance }];
  }),
];

/** How the results differ; undefined where they do not. */
function difference(got: Feeds, want: Feeds, tolerance: number): string | undefined {
  for (const [name, t] of Object.entries(want)) {
    const compared = compareTensors(name, got[name]!, t, { rtol: tolerance, atol: tolerance });
    if (!compared.ok) return `output ${name}: ${compared.reason ?? JSON.stringify(compared.worst)}`;
  }
  return undefined;
}

async function judge({ name, model, feeds, tolerance }: Case): Promise<string | undefined> {
  const plain = await Session.create(model, { backend: referenceBackend() });
  const want = await Promise.all(feeds.map(f => plain.run(f)));
  const sessions = [
    await Session.create(model, { backend: cpuBackend() }),
    await Session.create(model, { backend: cpuBackend({ threads: 1 }) }),
  ];
  // Sizes are bound by whichever run comes first.
  const got = await Promise.all(sessions.flatMap(session => feeds.map(f => session.run(f))));
  const wrong = got.map((one, i) => difference(one, want[i % feeds.length]!, tolerance)).find(d => d !== undefined);
  if (wrong !== undefined) return wrong;
  if (Object.hasOwn(large, name)) {
    const ended = await Promise.all(Array.from({ length: 3 }, (_, ms) => stopped(sessions[0]!, feeds, ms)));
    const odd = ended.flat().find(code => code !== 'E3011' && code !== 'ran');
    if (odd !== undefined) return `a run that is stopped ends with ${odd}`;
    const after = difference(await sessions[0]!.run(feeds[0]!), want[0]!, tolerance);
    if (after !== undefined) return `after a run that was stopped, ${after}`;
  }
  for (const session of sessions) await session.dispose();
  return undefined;
}

/** Runs side by side that one signal stops after so many milliseconds. */
async function stopped(session: Session, feeds: readonly Feeds[], ms: number): Promise<string[]> {
  const stop = new AbortController();
  const runs = feeds.map(f =>
    session.run(f, { signal: stop.signal }).then(
      () => 'ran',
      error => (error as { code?: string }).code ?? String(error),
    ),
  );
  setTimeout(() => stop.abort(), ms);
  return Promise.all(runs);
}

const usable = await cpuBackend().available();
if (usable !== true) throw new Error(usable);
let passed = 0;
let failed = 0;
for (const one of cases()) {
  const wrong = await judge(one).catch(error => (error as Error).stack ?? String(error));
  if (wrong === undefined) passed++;
  else {
    failed++;
    console.log(`FAIL ${one.name}: ${wrong}`);
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
