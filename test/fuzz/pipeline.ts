// One mutant through everything: read, check, infer, write, run, say it anew and run that. What may never happen is thrown: any error that
// is no ModelError, a defect of our own (E9001), and an oracle's difference.
import { read } from '../../src/api.ts';
import type { Finding } from '../../src/errors.ts';
import type { Backend } from '../../src/exec/backend.ts';
import type { ReadOptions } from '../../src/formats/format.ts';
import { detect } from '../../src/formats/index.ts';
import { type Model, ModelError, referenceBackend, Session, type Source, Tensor, write } from '../../src/index.ts';
import { allNodes } from '../../src/ir/graph.ts';
import { arrayFor } from '../../src/ir/tensor.ts';
import { elementTypes, isDataType, type ValueType } from '../../src/ir/types.ts';
import { randomOperators } from '../../src/ops/random.ts';
import { checkModel } from '../../src/validate/check.ts';
import { judge, judgeBackend, judgeRefusal } from './oracles.ts';
import type { Random } from './random.ts';

export interface Outcome {
  /** Findings of severity error; none says that the model is valid. */
  readonly errors: readonly Finding[];
  readonly ended: 'refused' | 'not run' | 'ran' | 'run refused';
  /** What the model computes of `patterned` inputs, where that is a few numbers that do not depend on chance. */
  readonly results?: readonly Numbers[] | undefined;
  /** The oracle that it went through. */
  readonly oracle?: string | undefined;
}

/** A tensor as numbers; NaN and infinities are text. */
export interface Numbers {
  readonly dims: readonly number[];
  readonly data: readonly (number | string)[];
}

/** What a run of a mutant may take. */
const limits = { memory: 2 ** 24, timeout: 1000 };
/** Most elements of an output that is compared. */
const most = 256;

/** What is asked of a mutant. */
export interface Drive {
  /** Chooses an oracle; none without it. */
  readonly random?: Random | undefined;
  /** Runs what the reference runs. */
  readonly backend?: Backend | undefined;
}

export interface OutcomeOptions extends Drive {
  readonly open?: ReadOptions['open'];
}

export async function outcomeOf(source: Source, { open, random, backend }: OutcomeOptions = {}): Promise<Outcome> {
  const errors = await errorsOf(source, { open });
  const own = errors.find(f => f.code === 'E9001');
  if (own) throw new Error(own.message);
  return { errors, ...(await driven(source, { open, random, backend }, errors.length === 0)) };
}

/** What `check` finds in a model of any format. */
async function errorsOf(source: Source, options: ReadOptions): Promise<readonly Finding[]> {
  try {
    const { spelling } = (await detect(source)).format;
    const { findings } = spelling ? await checkModel(source, { ...options, spelling }) : await read(source, options);
    return findings.filter(f => f.severity === 'error');
  } catch (error) {
    if (error instanceof ModelError) return error.findings;
    throw error;
  }
}

async function driven(source: Source, { open, random, backend }: OutcomeOptions, isValid: boolean): Promise<Omit<Outcome, 'errors'>> {
  let stage: Outcome['ended'] = 'refused';
  try {
    const load = async (): Promise<Model> => (await read(source, { open })).model;
    const model = await load();
    stage = 'run refused';
    await write(model, { name: 'mutant.onnx' });
    const session = await Session.create(model, { backend: referenceBackend({ memory: limits.memory }) });
    const named = session.inputs.map(({ name, type }) => [name, patterned(type)] as const);
    if (named.some(([, tensor]) => tensor === undefined)) return { ended: 'not run' };
    const given = { read: load, feeds: named.map(([, tensor]) => tensor!), isValid };
    const made = await session.evaluate(Object.fromEntries(named) as Record<string, Tensor>, limits).catch(async error => {
      if (backend && error instanceof ModelError) await judgeRefusal(given, backend, error);
      throw error;
    });
    const ran = { ...given, made: Object.values(made) };
    if (isRandom(model)) return { ended: 'ran' };
    if (backend) await judgeBackend(ran, backend);
    return { ended: 'ran', results: numbersOf(ran.made), oracle: random && (await judge(ran, random)) };
  } catch (error) {
    if (error instanceof ModelError && error.code !== 'E9001') return { ended: stage };
    throw error;
  }
}

const isRandom = (model: Model): boolean =>
  [model.graph, ...model.functions.map(f => f.body)].some(graph => [...allNodes(graph)].some(n => randomOperators.has(n.op)));

/** Undefined where one is no tensor of numbers as JavaScript has them, or a large one. */
function numbersOf(data: readonly unknown[]): Numbers[] | undefined {
  const results: Numbers[] = [];
  for (const datum of data) {
    if (!(datum instanceof Tensor) || datum.size > most) return undefined;
    const { class: kind, bits } = elementTypes[datum.type];
    if (bits < 8 || (kind === 'float' && bits < 32) || !['float', 'int', 'uint', 'bool'].includes(kind)) return undefined;
    const numbers = Array.from(datum.data as ArrayLike<number | bigint>, Number);
    results.push({ dims: datum.dims, data: numbers.map(x => (Number.isFinite(x) ? x : Number.isNaN(x) ? 'nan' : x > 0 ? 'inf' : '-inf')) });
  }
  return results;
}

/**
 * Numbers for an input: floats from -1.5 to 1.5, integers 0 to 2, booleans; with 3 for open sizes. Undefined where that is no tensor, or
 * too large.
 */
export function patterned(type: ValueType | undefined): Tensor | undefined {
  if (type?.kind !== 'tensor' || !isDataType(type.element) || elementTypes[type.element].bits < 8) return undefined;
  const dims = (type.shape ?? [2]).map(d => (typeof d === 'number' ? d : 3));
  const count = dims.reduce((n, d) => n * d, 1);
  if (count > 1e5 || type.element === 'string') return undefined;
  const { class: kind, bits } = elementTypes[type.element];
  const array = arrayFor(type.element);
  // Halves and complex numbers have no array of numbers; zeros are the same in all of them.
  if (kind === 'complex' || (kind === 'float' && bits < 32))
    return new Tensor(type.element, new array(count * (kind === 'complex' ? 2 : 1)), dims);
  const value = (i: number): number => (kind === 'bool' ? i % 2 : kind === 'float' ? ((i % 7) - 3) / 2 : i % 3);
  return new Tensor(
    type.element,
    Array.from({ length: count }, (_, i) => value(i)),
    dims,
  );
}
