// omnix check-data: a model against the data sets beside it, in the layout of the standard's backend tests.
import { join } from 'node:path';
import { checkData as checkModel, type DataSetResult } from '../../src/api.ts';
import { dataSetsIn } from '../../src/node/data-sets.ts';
import { type Comparison, defaultTolerance } from '../../src/validate/compare.ts';
import { backendFor } from '../backends.ts';
import { comparisonTable } from '../comparison.ts';
import { readModel } from '../files.ts';
import { type LimitOptions, runOptions } from '../limits.ts';
import type { Outcome, Output } from '../output.ts';
import { plural, shown } from '../terminal.ts';

export interface CheckDataOptions extends LimitOptions {
  readonly rtol?: number;
  readonly atol?: number;
  readonly backend: string;
}

export async function checkData([folder]: readonly string[], options: CheckDataOptions, out: Output): Promise<Outcome> {
  const tolerance = { rtol: options.rtol ?? defaultTolerance.rtol, atol: options.atol ?? defaultTolerance.atol };
  const backend = await backendFor(options, out);
  const { model, findings } = await out.stage('read', () => readModel(join(folder!, 'model.onnx')));
  const sets = await dataSetsIn(folder!);
  const results = await out.stage('run', report => checkModel(model, sets, { tolerance, backend, run: runOptions(options, report) }));
  const failed = results.filter(r => !r.ok).length;
  const table = comparisonTable(
    'data set',
    results.map(r => ({ ...worstOf(r), name: `${shown(r.name)} ${shown(worstOf(r).name)}` })),
    tolerance,
    out.paint,
  );
  return {
    results: { backend: backend.name, tolerance, dataSets: results },
    text: [...table, `${plural(results.length, 'data set')}, ${failed === 0 ? 'all within the tolerance' : `${failed} out of tolerance`}`],
    findings,
    exit: failed === 0 ? 'ok' : 'no',
  };
}

/** The output that fails, or the one that is farthest from its reference. */
const worstOf = ({ outputs }: DataSetResult): Comparison =>
  outputs.find(c => !c.ok) ?? outputs.reduce((worst, c) => (c.maxAbs > worst.maxAbs ? c : worst));
