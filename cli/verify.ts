// What --verify does: run the written file as anyone would who got it, and compare.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Session } from '../src/api.ts';
import type { Half } from '../src/edit/narrow.ts';
import type { Model } from '../src/ir/graph.ts';
import { type Comparison, compareArrays, defaultTolerance, type Tolerance } from '../src/validate/compare.ts';
import { randomArrays } from '../src/validate/random.ts';
import { type Arrays, loadArrays, paired, typedAs } from './arrays.ts';
import { comparisonLines } from './comparison.ts';
import { readModel } from './files.ts';
import type { Output } from './output.ts';
import { shown } from './terminal.ts';

export interface Verification {
  readonly ok: boolean;
  /** On what and with what it was compared. */
  readonly how: string;
  readonly outputs: readonly Comparison[];
  readonly words: string;
  readonly lines: readonly string[];
}

export interface VerifyTask {
  readonly input: string;
  /** The file that was written; it is read again. */
  readonly output: string;
  readonly source: Model;
  /** Paths of inputs and of reference outputs, as far as given. */
  readonly arrays: readonly string[];
  /** The float type that was written in the place of float32. */
  readonly dtype?: Half | undefined;
  readonly out: Output;
}

/** What is left of numbers that were rounded to 11 or 8 binary digits after every operator. */
const toleranceOf = (dtype: Half | undefined): Tolerance =>
  dtype === 'float16' ? { rtol: 1e-2, atol: 5e-3 } : dtype === 'bfloat16' ? { rtol: 8e-2, atol: 4e-2 } : defaultTolerance;

/** Compare the written file with reference outputs, or with the source model where there are none. Errors: as reading and running. */
export async function verify({ input, output, source, arrays, dtype, out }: VerifyTask): Promise<Verification> {
  const written = await Session.create((await readModel(output)).model);
  const chosen = await chooseArrays(input, arrays);
  const given = chosen.inputs ? paired(chosen.inputs, written.inputNames, 'input', out) : randomArrays(written.inputs);
  const got = await written.run(typedAs(written.inputs, given));
  const want = chosen.outputs ? paired(chosen.outputs, Object.keys(got), 'output', out) : await runSource(source, given, out);
  const tolerance = toleranceOf(dtype);
  const outputs = compareArrays(got, want, tolerance);
  const ok = outputs.every(c => c.ok);
  const how = `${chosen.said}, against ${chosen.outputs ? 'the reference outputs' : 'the source graph, not optimised'}`;
  const lines = comparisonLines(outputs, tolerance, out.paintNote);
  return { ok, how, outputs, lines, words: `${ok ? 'ok' : 'FAILED'}: the written file on ${how}` };
}

interface Chosen {
  readonly inputs?: Arrays;
  readonly outputs?: Arrays;
  readonly said: string;
}

/** The arrays given, else inputs.npz and outputs.npz beside the model, else none. */
async function chooseArrays(input: string, [inputs, outputs]: readonly string[]): Promise<Chosen> {
  if (inputs !== undefined) {
    const said = shown(inputs, 200);
    return { inputs: await loadArrays(inputs), ...(outputs !== undefined && { outputs: await loadArrays(outputs) }), said };
  }
  const beside = ['inputs.npz', 'outputs.npz'].map(name => join(dirname(input), name));
  if (input !== '-' && beside.every(path => existsSync(path))) {
    const [given, references] = await Promise.all(beside.map(loadArrays));
    return { inputs: given!, outputs: references!, said: `inputs.npz found beside ${shown(input, 200)}` };
  }
  return { said: 'seeded random inputs' };
}

/** The oracle: the model as it was read, with nothing simplified or fused. */
async function runSource(source: Model, given: Arrays, out: Output): Promise<Arrays> {
  const session = await Session.create(source, { optimize: false });
  return session.run(typedAs(session.inputs, paired(given, session.inputsFor(Object.keys(given)), 'input', out)));
}
