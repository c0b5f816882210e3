// Where numbers stopped being finite: from the outputs of a graph back through what is not finite, to the tensor made of what is.
import type { Backend } from '../../exec/backend.ts';
import { Session } from '../../exec/session.ts';
import { Graph, Model, type Value } from '../../ir/graph.ts';
import type { Tensor } from '../../ir/tensor.ts';
import { quoted } from '../../ir/text.ts';
import { isFloat } from '../../ir/types.ts';
import { asNumbers } from '../../kernels/memory.ts';
import type { Batch } from './data.ts';

interface Odd {
  readonly index: number;
  readonly value: number;
}

/** The first element that is no finite number; undefined where all are. */
export function firstNonFinite(tensor: Tensor): Odd | undefined {
  if (!isFloat(tensor.type) || tensor.size === 0) return undefined;
  const data = asNumbers(tensor);
  const index = data.findIndex(x => !Number.isFinite(x));
  return index < 0 ? undefined : { index, value: data[index]! };
}

/** What a graph is given or makes that is not finite and leads to outputs that are not; undefined where all outputs are finite. */
export async function whereItBegan(model: Model, feeds: Batch, backend: Backend): Promise<string | undefined> {
  const odd = await nonFinite(model, feeds, backend);
  const { graph } = model;
  const order = new Map(graph.nodes.map((node, i) => [node, i]));
  const begins: Value[] = [];
  const seen = new Set<Value>();
  const walk = (start: Value): void => {
    const open = [start];
    for (let v = open.pop(); v; v = open.pop()) {
      if (seen.has(v) || !odd.has(v)) continue;
      seen.add(v);
      const before = v.producer?.inputs.filter((x): x is Value => x !== undefined && odd.has(x)) ?? [];
      if (before.length === 0) begins.push(v);
      open.push(...before);
    }
  };
  for (const { value } of graph.outputs) walk(value);
  const at = (v: Value): number => (v.producer ? (order.get(v.producer) ?? 0) : -1);
  const [first] = begins.sort((a, b) => at(a) - at(b));
  if (!first) return undefined;
  const { value, index } = odd.get(first)!;
  return `${quoted(first.name)}${first.producer ? `, made by ${first.producer.qualifiedName},` : ''} holds ${value} at ${index}`;
}

/** Everything in the run of a graph that is not finite. */
async function nonFinite(model: Model, feeds: Batch, backend: Backend): Promise<ReadonlyMap<Value, Odd>> {
  const { graph, irVersion, opsets, functions } = model;
  const isReal = (v: Value | undefined): v is Value => v?.element !== undefined && isFloat(v.element);
  const made = graph.nodes.flatMap(node => node.outputs.filter(isReal));
  const outputs = made.map((value, i) => ({ name: String(i), value }));
  const whole = new Model(new Graph(graph.name, { inputs: graph.inputs, nodes: graph.nodes, outputs }), { irVersion, opsets, functions });
  const session = await Session.create(whole, { backend, optimize: false });
  try {
    const results = await session.run(Object.fromEntries(session.inputNames.map(name => [name, feeds[name]!])));
    const given = graph.inputs.map((v): [Value, Tensor | undefined] => [v, feeds[v.name]]);
    const all = [...given, ...made.map((v, i): [Value, Tensor | undefined] => [v, results[String(i)]])];
    return new Map(
      all.flatMap(([v, tensor]) => {
        const odd = tensor && firstNonFinite(tensor);
        return odd ? [[v, odd] as const] : [];
      }),
    );
  } finally {
    await session.dispose();
  }
}
