// What a graph of many nodes costs before it runs: planning it, compiling it for the native backend, and binding new sizes.
//   node bench/plans.mjs [--nodes 10000] [--sizes 40]
// Needs a build with the addon. Each binding is disposed of before the next one, as a session does with the sizes it used least.
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: { nodes: { type: 'string', default: '10000' }, sizes: { type: 'string', default: '40' } },
});
const library = path => import(new URL(`../dist/src/${path}`, import.meta.url));
const { newBuilder } = await library('ops/builder.js');
const { Graph, Value } = await library('ir/graph.js');
const { symbol } = await library('ir/dims.js');
const { tensorType } = await library('ir/types.js');
const { lower } = await library('passes/lower.js');
const { rewriteAll } = await library('passes/rewrite.js');
const { compilePlan } = await library('exec/plan.js');
const { cpuBackend } = await library('node/addon.js');

/** Blocks of Conv, Relu, Add and MaxPool over an image. */
function graphOf(nodes, shape) {
  const x = new Value('x', tensorType('float32', shape));
  const b = newBuilder();
  const w = b.constant(new Float32Array(16 * 16 * 9).fill(0.01), 'float32', [16, 16, 3, 3], 'w');
  let y = x;
  for (let k = 0; k < nodes / 4; k++) {
    const sum = b.Add(b.Relu(b.emit('Conv', [y, w], { pads: [1, 1, 1, 1] })[0]), x);
    y = b.emit('MaxPool', [sum], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] })[0];
  }
  const graph = new Graph('g', { inputs: [x], outputs: [{ name: 'y', value: y }], nodes: [...b.nodes] });
  rewriteAll(graph, [lower]);
  return graph;
}

async function timed(make) {
  const start = performance.now();
  const made = await make();
  return [made, performance.now() - start];
}

const rows = [];
for (const [name, shape] of [
  ['fixed sizes', [1, 16, 8, 8]],
  ['open sizes', [symbol('n'), 16, symbol('h'), symbol('w')]],
]) {
  const graph = graphOf(Number(options.nodes), shape);
  const [plan, planning] = await timed(() => compilePlan(graph));
  const [executable, compiling] = await timed(() => cpuBackend().compile(plan));
  const times = [];
  for (let i = 0; i < Number(options.sizes); i++) {
    const sizes = new Map(Object.entries({ n: 1 + (i % 3), h: 8 + (i % 7), w: 9 }));
    const [bound, binding] = await timed(() => executable.bind(sizes));
    times.push(binding);
    await bound.dispose();
  }
  const [first, ...later] = times;
  later.sort((a, b) => a - b);
  const each = ms => `${((1000 * ms) / plan.steps.length).toFixed(2)} us`;
  rows.push({
    graph: `${graph.nodes.length} nodes, ${name}`,
    steps: plan.steps.length,
    'plan ms': Math.round(planning),
    'compile ms': Math.round(compiling),
    'first bind, a step': each(first),
    least: each(later[0]),
    median: each(later[later.length >> 1]),
  });
}
console.table(rows);
