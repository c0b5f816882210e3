// omnix compare: the outputs of a model against references.
import { Session } from '../../src/api.ts';
import { compareArrays, defaultTolerance } from '../../src/validate/compare.ts';
import { loadArrays, paired } from '../arrays.ts';
import { backendFor } from '../backends.ts';
import { comparisonLines } from '../comparison.ts';
import { readModel } from '../files.ts';
import { type LimitOptions, runOptions } from '../limits.ts';
import type { Outcome, Output } from '../output.ts';

export interface CompareOptions extends LimitOptions {
  readonly inputs: string;
  readonly expect: string;
  readonly rtol?: number;
  readonly atol?: number;
  readonly backend: string;
}

export async function compare([path]: readonly string[], options: CompareOptions, out: Output): Promise<Outcome> {
  const tolerance = { rtol: options.rtol ?? defaultTolerance.rtol, atol: options.atol ?? defaultTolerance.atol };
  const backend = await backendFor(options, out);
  const { model, findings } = await out.stage('read', () => readModel(path!, options));
  const [given, expected] = await Promise.all([loadArrays(options.inputs), loadArrays(options.expect)]);
  const session = await out.stage('prepare', () => Session.create(model, { backend }));
  const got = await out.stage('run', report =>
    session.run(paired(given, session.inputsFor(Object.keys(given)), 'input', out), runOptions(options, report)),
  );
  await session.dispose();
  const outputs = compareArrays(got, paired(expected, Object.keys(got), 'output', out), tolerance);
  const ok = outputs.every(c => c.ok);
  return {
    results: { backend: backend.name, tolerance, outputs },
    text: comparisonLines(outputs, tolerance, out.paint),
    findings,
    exit: ok ? 'ok' : 'no',
  };
}
