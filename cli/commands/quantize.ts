// omnix quantize: integers of few bits in the place of floats, and what each layer loses by it.
import type { ActivationType, Scheme } from '../../src/edit/quantize/index.ts';
import { fail } from '../../src/errors.ts';
import { type Quantized, quantize as quantizeModel } from '../../src/quantize.ts';
import type { CalibrationMethod } from '../../src/validate/histogram.ts';
import { backendFor } from '../backends.ts';
import { type EditOptions, listOf } from '../edit.ts';
import { checkOutput, readModel } from '../files.ts';
import { type LimitOptions, runOptions } from '../limits.ts';
import type { Outcome, Output } from '../output.ts';
import { samplesIn } from '../samples.ts';
import { bytesText, columns, plural, shown } from '../terminal.ts';
import { checkFormat, readWords, writeModel } from '../writing.ts';

export interface QuantizeOptions extends EditOptions, LimitOptions {
  readonly scheme: Scheme;
  readonly calibrate?: string;
  readonly calibrationMethod?: CalibrationMethod;
  readonly percentile?: number;
  readonly ops?: readonly string[];
  readonly exclude?: readonly string[];
  readonly perTensor?: boolean;
  readonly block?: number;
  readonly symmetric?: boolean;
  readonly asymmetric?: boolean;
  readonly activationType?: ActivationType;
  readonly reduceRange?: boolean;
  readonly backend: string;
  /** False after `--no-check`. */
  readonly check?: boolean;
}

export async function quantize([input]: readonly string[], options: QuantizeOptions, out: Output): Promise<Outcome> {
  if (options.symmetric && options.asymmetric) throw fail('E4001', '--symmetric and --asymmetric contradict each other');
  checkOutput(options.output, options.overwrite ?? false, checkFormat(options));
  const { timeout, memory, seed } = runOptions(options);
  const backend = await backendFor(options, out);
  const loaded = await out.stage('read', () => readModel(input!, options), readWords);
  const { scheme, calibrate, calibrationMethod, percentile, ops, exclude, perTensor, block, activationType, reduceRange, check } = options;
  const made = await out.stage(
    'quantize',
    report =>
      quantizeModel(loaded.model, {
        ...{ scheme, percentile, perTensor, block, activationType, reduceRange, check, backend, timeout, memory, seed },
        samples: calibrate === undefined ? undefined : samplesIn(calibrate, loaded.model),
        calibration: calibrationMethod,
        ops: ops && listOf(ops),
        exclude: exclude && listOf(exclude),
        symmetric: options.asymmetric ? false : options.symmetric,
        opset: options.opset,
        onProgress: ({ stage, sample }) => report(`${stage}, sample ${sample + 1}`),
      }),
    ({ layers, kept }) => `${plural(layers.length, 'layer')} quantised, ${kept.length} kept`,
  );
  const { written, findings } = await writeModel(made.model, options, out);
  const bytes = { before: loaded.source.size, after: written.files.reduce((n, f) => n + f.bytes, 0) };
  const lines = [...sizeTable(made, bytes), '', ...lossTable(made), ...keptLines(made)];
  if (options.output === '-') for (const line of lines) out.note(line);
  const { layers, outputs, measuredOn, samples, kept, nodes } = made;
  return {
    results: {
      input,
      ...written,
      scheme,
      bytes,
      nodes: [...nodes].map(([name, count]) => ({ name, count })),
      measuredOn,
      samples,
      layers: layers.map(jsonLoss),
      outputs: outputs.map(jsonLoss),
      kept,
    },
    findings: [...loaded.findings, ...findings],
    ...(options.output !== '-' && { text: lines }),
  };
}

/** JSON has no infinity: `exact` says that nothing was lost. */
const jsonLoss = <T extends { readonly snr?: number | undefined }>({ snr, ...rest }: T) => ({
  ...rest,
  ...(snr === Number.POSITIVE_INFINITY ? { exact: true } : snr !== undefined && !Number.isNaN(snr) ? { snr } : {}),
});

function sizeTable({ nodes, bytes }: Quantized, files: Quantized['bytes']): string[] {
  const rows = [
    ['', 'before', 'after'],
    ['weights', bytesText(bytes.before), bytesText(bytes.after)],
    ['size', bytesText(files.before), bytesText(files.after)],
  ];
  const quantized = [...nodes].map(([name, count]) => `${shown(name, 40)} ${count}`);
  return [...columns(rows, { right: [1, 2] }), `quantised: ${quantized.join(', ')}`];
}

function lossTable({ layers, outputs, measuredOn }: Quantized): string[] {
  if (typeof measuredOn !== 'string') return [`loss not measured: ${shown(measuredOn.skipped, 200)}`];
  const rows = [...layers, ...outputs.map(({ name, snr }) => ({ name, op: 'output', snr }))].map(({ name, op, snr }) => [
    shown(name),
    op,
    lossText(snr),
  ]);
  return columns([['layer', 'operator', `dB on ${measuredOn}`], ...rows], { right: [2] });
}

const lossText = (snr: number | undefined): string =>
  snr === undefined || Number.isNaN(snr) ? '–' : snr === Number.POSITIVE_INFINITY ? 'exact' : snr.toFixed(1);

/** The most kept nodes that are listed; --json has them all. */
const listed = 20;

function keptLines({ kept }: Quantized): string[] {
  if (kept.length === 0) return [];
  const rows = kept.slice(0, listed).map(({ name, op, reason }) => [`  ${shown(name)}`, op, shown(reason, 200)]);
  const more = kept.length - rows.length;
  return ['', 'kept in float:', ...columns(rows), ...(more > 0 ? [`  … ${more} more`] : [])];
}
