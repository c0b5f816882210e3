// quantize: a model of few bits, measured on data where the scheme asks for it, and how far each layer came from what it was.
import { type Prepared, prepare, type SchemeOptions } from './edit/quantize/index.ts';
import type { Kept } from './edit/quantize/layers.ts';
import { fail, ModelError } from './errors.ts';
import type { Backend } from './exec/backend.ts';
import { referenceBackend } from './exec/reference.ts';
import { constantsOf, type Model } from './ir/graph.ts';
import { calibrate, type MeasureOptions, noise, type Samples } from './validate/calibrate.ts';
import { type CalibrationMethod, calibrationMethods } from './validate/histogram.ts';
import { randomArrays } from './validate/random.ts';

export interface QuantizeOptions extends SchemeOptions, Pick<MeasureOptions, 'timeout' | 'memory' | 'seed'> {
  /** Arrays for the inputs, once for each sample; the scheme static measures ranges on them. */
  readonly samples?: Samples | undefined;
  /** How ranges follow from what was measured; minmax otherwise. */
  readonly calibration?: CalibrationMethod | undefined;
  /** With percentile: how many percent of the numbers lie in the range; 99.99 otherwise. */
  readonly percentile?: number | undefined;
  /** Run both models to say what each layer lost; on otherwise. */
  readonly check?: boolean | undefined;
  /** What runs the models; the reference backend otherwise. */
  readonly backend?: Backend | undefined;
  readonly onProgress?: ((progress: QuantizeProgress) => void) | undefined;
}

export interface QuantizeProgress {
  readonly stage: 'calibrate' | 'check';
  readonly sample: number;
}

/** A layer that computes with integers, or with weights that were. */
export interface QuantizedLayer {
  readonly name: string;
  readonly op: string;
  /** Signal to noise of what it makes, in dB, against the float model on the same data; infinite where nothing was lost. */
  readonly snr?: number | undefined;
}

export interface Quantized {
  readonly model: Model;
  readonly layers: readonly QuantizedLayer[];
  /** Signal to noise of each output, in dB. */
  readonly outputs: readonly { readonly name: string; readonly snr: number }[];
  /** What the loss was measured on, or why it was not. */
  readonly measuredOn: 'samples' | 'random inputs' | { readonly skipped: string };
  /** How many times the models ran for it. */
  readonly samples: number;
  /** Nodes that could have been quantised and were not. */
  readonly kept: readonly Kept[];
  /** How many nodes are quantised, by operator. */
  readonly nodes: ReadonlyMap<string, number>;
  /** Bytes of all constants. */
  readonly bytes: { readonly before: number; readonly after: number };
}

/**
 * A copy of the model with integers of few bits in the place of weights and, where the scheme says so, of activations. Functions become the
 * nodes of their bodies; the opset stays where it has the operators.
 * @throws ModelError what `prepare` and `calibrate` throw; E4004 where the scheme needs samples
 */
export async function quantize(model: Model, options: QuantizeOptions): Promise<Quantized> {
  const { samples, calibration = 'minmax', percentile, check = true, onProgress } = options;
  checkCalibration(options);
  const prepared = await prepare(model, options);
  let ran = 0;
  const measure = (stage: QuantizeProgress['stage']): MeasureOptions => ({
    backend: options.backend ?? referenceBackend(),
    timeout: options.timeout,
    memory: options.memory,
    seed: options.seed,
    onSample: sample => {
      ran = Math.max(ran, sample + 1);
      onProgress?.({ stage, sample });
    },
  });
  const { measured } = prepared;
  const ranges = await (options.scheme === 'static' && samples
    ? calibrate(prepared.model, measured, samples, { ...measure('calibrate'), method: calibration, percentile })
    : new Map());
  const made = prepared.apply(ranges);
  const loss = check ? await losses(prepared, made, samples, measure('check')) : { skipped: 'it was not asked for' };
  return {
    model: made.model,
    kept: prepared.kept,
    nodes: counts(prepared.nodes.map(node => node.op)),
    bytes: { before: bytesOf(model), after: bytesOf(made.model) },
    layers: prepared.layers.map(({ name, op }, i) => ({ name, op, ...('layers' in loss && { snr: loss.layers[i] }) })),
    outputs: 'layers' in loss ? loss.outputs : [],
    measuredOn: 'layers' in loss ? loss.on : loss,
    samples: ran,
  };
}

/** Errors: E4001, E4004. */
function checkCalibration({ scheme, samples, calibration, percentile }: QuantizeOptions): void {
  if (calibration !== undefined && !calibrationMethods.includes(calibration))
    throw fail('E4001', `there is no calibration ${calibration}; methods are ${calibrationMethods.join(', ')}`);
  if (calibration !== undefined && scheme !== 'static') throw fail('E4001', `scheme ${scheme} measures no ranges; static does`);
  if (percentile !== undefined && (calibration !== 'percentile' || !(percentile > 0 && percentile <= 100)))
    throw fail('E4001', 'a percentile is a number above 0 and up to 100, for the method percentile');
  if (scheme === 'static' && !samples) throw fail('E4004', 'scheme static measures the ranges of activations, and there is no data for it');
}

interface Losses {
  readonly layers: readonly (number | undefined)[];
  readonly outputs: Quantized['outputs'];
  readonly on: 'samples' | 'random inputs';
}

/** How many inputs at random stand for data, and the open sizes in them: what takes one may not take another. */
const openSizes = [1, 2, 8];

/** Errors: those of running on samples that were given; what random inputs do not fit is said. */
async function losses(
  { model, layers }: Prepared,
  made: ReturnType<Prepared['apply']>,
  samples: Samples | undefined,
  options: MeasureOptions,
): Promise<Losses | { readonly skipped: string }> {
  const outputs = model.graph.outputs.filter(o => o.value.element === undefined || o.value.element === 'float32');
  const makes = new Map(made.model.graph.outputs.map(o => [o.name, o.value]));
  const pairs = [
    ...layers.flatMap(({ output: v }) => (v ? [[v, made.valueOf(v)!] as const] : [])),
    ...outputs.map(({ name, value }) => [value, makes.get(name)!] as const),
  ];
  const found = await ratios(model, samples, data => noise(model, made.model, pairs, data, options));
  if ('skipped' in found) return found;
  const byValue = new Map(pairs.map(([v], i) => [v, found.ratios[i]!]));
  return {
    layers: layers.map(({ output }) => output && byValue.get(output)),
    outputs: outputs.map(({ name, value }) => ({ name, snr: byValue.get(value)! })),
    on: samples ? 'samples' : 'random inputs',
  };
}

/** Bytes of weights up to which a model is run without being asked to. */
const largestAtRandom = 2 ** 30;

type Ratios = { readonly ratios: readonly number[] } | { readonly skipped: string };

/** On the samples, or on inputs at random as far as they run. */
async function ratios({ graph }: Model, samples: Samples | undefined, measure: (samples: Samples) => Promise<number[]>): Promise<Ratios> {
  if (samples) return { ratios: await measure(samples) };
  if (bytesOf({ graph }) > largestAtRandom) return { skipped: 'its weights are too many to run it in reasonable time; give it data' };
  let skipped = '';
  try {
    const inputs = graph.inputs.filter(v => !v.tensor);
    const all = openSizes.map((size, seed) => randomArrays(inputs, { seed, size }));
    for (const some of [all, ...all.map(one => [one])]) {
      try {
        return { ratios: await measure(some) };
      } catch (error) {
        skipped ||= reasonOf(error);
      }
    }
  } catch (error) {
    skipped = reasonOf(error);
  }
  return { skipped };
}

/** What keeps a model from running on what it was not made for. Errors: all others. */
function reasonOf(error: unknown): string {
  if (error instanceof ModelError && error.code !== 'E9001') return error.findings[0]!.message;
  throw error;
}

function counts(names: readonly string[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const name of names) found.set(name, (found.get(name) ?? 0) + 1);
  return found;
}

const bytesOf = ({ graph }: Pick<Model, 'graph'>): number => constantsOf(graph).reduce((n, v) => n + (v.tensor?.byteLength ?? 0), 0);
