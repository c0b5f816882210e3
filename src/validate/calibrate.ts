// What values inside a model are on data: their ranges, and how far those of a changed model are from them. Both look at one sample at a
// time and keep sums.
import { Copy } from '../edit/copy.ts';
import type { Range } from '../edit/quantize/numbers.ts';
import { fail, ModelError } from '../errors.ts';
import type { Backend, Progress } from '../exec/backend.ts';
import { type RunOptions, Session } from '../exec/session.ts';
import type { Graph, Model, Value } from '../ir/graph.ts';
import { resident, type Tensor } from '../ir/tensor.ts';
import { quoted } from '../ir/text.ts';
import { numbersOf } from './compare.ts';
import { type CalibrationMethod, Histogram, type RangeOptions } from './histogram.ts';

/** Arrays for the inputs of a model, once for each sample. It is gone through more than once. */
export type Samples = Iterable<Readonly<Record<string, Tensor>>> | AsyncIterable<Readonly<Record<string, Tensor>>>;

export interface MeasureOptions extends Pick<RunOptions, 'timeout' | 'memory' | 'seed'> {
  readonly backend: Backend;
  readonly onSample?: ((sample: number, step?: Progress) => void) | undefined;
}

export interface CalibrateOptions extends MeasureOptions, RangeOptions {
  readonly method: CalibrationMethod;
}

/**
 * The ranges of values of a model's graph on samples.
 * @throws ModelError E3013 for a value that is NaN or infinite, E4004 where there is no sample, and what running throws
 */
export async function calibrate(
  model: Model,
  values: readonly Value[],
  samples: Samples,
  { method, percentile, steps, ...options }: CalibrateOptions,
): Promise<Map<Value, Range>> {
  const histograms = values.map(() => new Histogram());
  const watched = await watch(model, values, options);
  let sample = 0;
  try {
    for await (const feeds of samples) {
      const made = await watched.run(feeds, sample);
      for (const [i, tensor] of made.entries())
        if (!histograms[i]!.add(numbersOf(tensor) as ArrayLike<number>))
          throw fail('E3013', `${quoted(values[i]!.name)} is NaN or infinite on sample ${sample}`, placeOf(values[i]!));
      sample++;
    }
  } finally {
    await watched.dispose();
  }
  if (sample === 0) throw fail('E4004', 'there is no sample to measure ranges on');
  return new Map(values.map((v, i) => [v, histograms[i]!.range(method, { percentile, steps: steps ?? 256 })]));
}

const placeOf = ({ producer }: Value) => (producer ? { node: { op: producer.qualifiedName, name: producer.name } } : {});

/** Values of one model, and what stands for them in another. */
export type Pairs = readonly (readonly [Value, Value])[];

/**
 * The ratio of signal to noise in dB of each pair on samples: 10 log10 of the squares of the first over those of the difference. Infinite
 * where there is none, NaN where a value is not finite.
 */
export async function noise(before: Model, after: Model, pairs: Pairs, samples: Samples, options: MeasureOptions): Promise<number[]> {
  const sums = pairs.map(() => ({ signal: 0, noise: 0 }));
  const first = await watch(
    before,
    pairs.map(([v]) => v),
    options,
  );
  const second = await watch(
    after,
    pairs.map(([, v]) => v),
    options,
  );
  try {
    let sample = 0;
    for await (const feeds of samples) {
      const [want, got] = [await first.run(feeds, sample), await second.run(feeds, sample)];
      for (const [i, sum] of sums.entries()) addNoise(sum, numbersOf(want[i]!), numbersOf(got[i]!));
      sample++;
    }
  } finally {
    await first.dispose();
    await second.dispose();
  }
  return sums.map(({ signal, noise: left }) => (left === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10(signal / left)));
}

function addNoise(sum: { signal: number; noise: number }, want: ArrayLike<number | bigint>, got: ArrayLike<number | bigint>): void {
  for (let i = 0; i < want.length; i++) {
    const x = Number(want[i]);
    sum.signal += x * x;
    sum.noise += (x - Number(got[i])) ** 2;
  }
}

interface Watched {
  /** What the values are on one sample, in their order. */
  run(feeds: Readonly<Record<string, Tensor>>, sample: number): Promise<Tensor[]>;
  dispose(): Promise<void>;
}

/** A session that gives values from inside of a graph. */
async function watch(model: Model, values: readonly Value[], { backend, onSample, ...limits }: MeasureOptions): Promise<Watched> {
  const session = await Session.create(new Watching(model.graph, values).model(model), { backend });
  return {
    async run(feeds, sample) {
      onSample?.(sample);
      try {
        const made = await session.run(feeds, { ...limits, onProgress: step => onSample?.(sample, step) });
        return Promise.all(values.map((_, i) => resident(made[nameOf(i)]!)));
      } catch (error) {
        throw error instanceof ModelError ? error.within({ path: `sample ${sample}` }) : error;
      }
    },
    dispose: () => session.dispose(),
  };
}

const nameOf = (i: number): string => `value_${i}`;

/** A copy whose outputs are values of its graph. */
class Watching extends Copy {
  readonly #graph: Graph;
  readonly #watched: readonly Value[];

  constructor(graph: Graph, watched: readonly Value[]) {
    super();
    this.#graph = graph;
    this.#watched = watched;
  }

  override graph(graph: Graph): Graph {
    const made = super.graph(graph);
    if (graph === this.#graph) made.outputs = this.#watched.map((v, i) => ({ name: nameOf(i), value: this.value(v)! }));
    return made;
  }
}
