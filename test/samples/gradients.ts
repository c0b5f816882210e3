// Gradients of operators against central differences, in float64: the samples of operators, and forms that only gradients need.
import type { Backend } from '../../src/exec/backend.ts';
import { referenceBackend } from '../../src/exec/reference.ts';
import { Session } from '../../src/exec/session.ts';
import { symbol } from '../../src/ir/dims.ts';
import { Graph, Model, Value } from '../../src/ir/graph.ts';
import { numbersOf, Tensor } from '../../src/ir/tensor.ts';
import { elementTypes, tensorType } from '../../src/ir/types.ts';
import { newBuilder } from '../../src/ops/builder.ts';
import type { OpName } from '../../src/ops/names.gen.ts';
import { irVersionFor, newestOpset } from '../../src/ops/schema.ts';
import { modelGradients } from '../../src/train/gradient/index.ts';
import { withPaths } from '../../src/train/gradient/paths.ts';
import { gradientRows } from '../../src/train/gradient/rows/index.ts';
import { arrayOf, type Sample, samples } from './samples.ts';

const isReal = (t: Tensor): boolean => elementTypes[t.type].class === 'float';
const hasRow = (op: OpName): boolean => !['zero', 'none', 'gap'].includes(gradientRows[op].kind);

/** Operators that the standard has for float32 and shorter floats only. */
const single: ReadonlySet<OpName> = new Set(['CausalConvWithState', 'Celu', 'RotaryEmbedding']);

/** Casts to types of a few bits are steps, whose differences say nothing of the gradient that passes through them. */
const isStep = ({ op, name }: Sample): boolean => op === 'Cast' && !name.endsWith('float64');

/** Samples of operators with a gradient. */
export const gradientSamples: readonly Sample[] = samples.filter(
  s => hasRow(s.op) && !isStep(s) && s.inputs.some(i => (i.type ?? 'float32') === 'float32'),
);

/** A sample as a model in float64, where its operator takes that, with its arrays. `open` names the first axis of x0. */
export function doubleModelOf({ op, inputs, build, name }: Sample, { open = false } = {}): { model: Model; feeds: Record<string, Tensor> } {
  const isWide = !single.has(op);
  const specs = inputs.map(spec => ((spec.type ?? 'float32') === 'float32' && isWide ? { ...spec, type: 'float64' as const } : spec));
  const values = specs.map(({ dims, type = 'float32' }, i) => {
    const shape = open && i === 0 && dims.length > 0 ? [symbol('n'), ...dims.slice(1)] : dims;
    return new Value(`x${i}`, tensorType(type, shape));
  });
  const b = newBuilder();
  const made = build(b, ...values);
  const outputs = (made instanceof Value ? [made] : made).flatMap((v, i) => (v ? [{ name: `y${i}`, value: v }] : []));
  const opsets = new Map([['', newestOpset('')!]]);
  const graph = new Graph(name, { inputs: values, outputs, nodes: b.nodes });
  const feeds = Object.fromEntries(specs.map((spec, i) => [`x${i}`, arrayOf(spec, i)]));
  return { model: new Model(graph, { irVersion: irVersionFor(opsets), opsets }), feeds };
}

/** The first gradient of a model as its only outputs, with what it begins with as inputs. */
export function firstGradient(
  model: Model,
  feeds: Record<string, Tensor>,
  inline: boolean,
): { model: Model; feeds: Record<string, Tensor> } {
  const wrt = Object.keys(feeds).filter(name => isReal(feeds[name]!));
  const made = modelGradients(model, { wrt, seeds: 'inputs', inline, opset: 26 });
  const outputs = made.graph.outputs.filter(o => o.name.endsWith('.grad'));
  const graph = new Graph('first', { ...made.graph, outputs });
  const seeds = graph.inputs.filter(v => v.name.endsWith('.seed'));
  const noisy = seeds.map((v, i) => [v.name, arrayOf({ dims: v.shape as readonly number[], type: v.element ?? 'float64' }, 20 + i)]);
  return { model: new Model(graph, made), feeds: { ...feeds, ...Object.fromEntries(noisy) } };
}

/** Numbers without a pattern, from -1 to 1. */
const noise = (n: number, seed: number): Float64Array =>
  Float64Array.from({ length: n }, (_, i) => 2 * Math.abs((Math.sin((i + 1) * 91.17 + seed * 47.3) * 9173.11) % 1) - 1);
const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => Array.from(a).reduce((sum, x, i) => sum + x * b[i]!, 0);

/** Inputs up to so many elements are moved one by one; larger ones along a few directions. */
const mostElements = 48;
/** Of float64 and of float32. */
const steps = { float64: 1e-6, float32: 1e-2 };
export const tolerances = { float64: 1e-5, float32: 1e-2 };

export interface Checked {
  /** The worst difference, relative to the greatest of its input's or 1, over what the input's type allows. */
  readonly worst: number;
  readonly at: string;
}

/** Compare the derived gradients of all float inputs with central differences, for outputs weighed at random. */
export async function checkGradients(
  model: Model,
  feeds: Record<string, Tensor>,
  { backend = referenceBackend(), inline = true, opset = 26 }: { backend?: Backend; inline?: boolean; opset?: number } = {},
): Promise<Checked> {
  const open = model.graph.inputs.filter(v => feeds[v.name] && isReal(feeds[v.name]!));
  // Of others nothing is to be said: their gradient is refused.
  const reached = withPaths(
    model.graph.nodes,
    model.graph.outputs.map(o => o.value),
    open,
  );
  const wrt = reached.map(v => v.name);
  const derived = modelGradients(model, { wrt, seeds: 'inputs', inline, opset });
  const forward = await Session.create(model, { backend });
  const backward = await Session.create(derived, { backend });
  const plain = await forward.run(feeds);
  const real = Object.keys(plain).filter(name => isReal(plain[name]!));
  const seeds = Object.fromEntries(
    real.map((name, i) => {
      const { size, dims, type } = plain[name]!;
      return [name, new Tensor(type, [...noise(size, i + 1)], dims)];
    }),
  );
  const given = Object.fromEntries(Object.entries(seeds).map(([name, t]) => [`${name}.seed`, t]));
  const wanted = new Set(backward.inputNames);
  const made = await backward.run({ ...feeds, ...Object.fromEntries(Object.entries(given).filter(([name]) => wanted.has(name))) });
  const valueAt = async (at: Record<string, Tensor>): Promise<number> => {
    const y = await forward.run(at);
    return real.reduce((sum, name) => sum + dot(numbersOf(y[name]!), numbersOf(seeds[name]!)), 0);
  };
  let worst = { worst: 0, at: '' };
  for (const name of wrt) {
    const { size, dims, type } = feeds[name]!;
    // Only floats of these two types are moved.
    const step = steps[type as keyof typeof steps];
    const gradient = numbersOf(made[`${name}.grad`]!);
    const directions =
      size <= mostElements
        ? Array.from({ length: size }, (_, i) => Float64Array.from({ length: size }, (_, k) => (k === i ? 1 : 0)))
        : [1, 2, 3].map(seed => noise(size, seed * 7));
    const x = numbersOf(feeds[name]!);
    const differences: [number, number][] = [];
    for (const direction of directions) {
      const moved = (by: number): Promise<number> =>
        valueAt({
          ...feeds,
          [name]: new Tensor(
            type,
            Array.from(x, (v, i) => v + by * direction[i]!),
            dims,
          ),
        });
      differences.push([dot(gradient, direction), ((await moved(step)) - (await moved(-step))) / (2 * step)]);
    }
    const scale = Math.max(1, ...differences.map(([, d]) => Math.abs(d)));
    for (const [i, [ours, theirs]] of differences.entries()) {
      const difference = Math.abs(ours - theirs) / scale / tolerances[type as keyof typeof tolerances];
      if (!(difference <= worst.worst))
        worst = {
          worst: Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference,
          at: `${name}[${i}]: ${ours}, differences say ${theirs}`,
        };
    }
  }
  await forward.dispose();
  await backward.dispose();
  return worst;
}
