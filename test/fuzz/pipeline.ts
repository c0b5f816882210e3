// One mutant through everything: read, check, infer, run, write. What may never happen is thrown: any error that is no ModelError,
// or a defect of our own (E9001).

import { load } from '../../src/api.ts';
import type { Finding } from '../../src/errors.ts';
import { MemorySource, ModelError, referenceBackend, Session, Tensor, write } from '../../src/index.ts';
import { arrayFor } from '../../src/ir/tensor.ts';
import { elementTypes, isDataType, type ValueType } from '../../src/ir/types.ts';
import { checkModel } from '../../src/validate/check.ts';

export interface Outcome {
  /** Findings of severity error; none says that the model is valid. */
  readonly errors: readonly Finding[];
  readonly ended: 'refused' | 'not run' | 'ran' | 'run refused';
}

/** What a run of a mutant may take. */
const limits = { memory: 2 ** 24, timeout: 1000 };

export async function outcomeOf(bytes: Uint8Array): Promise<Outcome> {
  const { findings } = await checkModel(new MemorySource(bytes, 'mutant'));
  const errors = findings.filter(f => f.severity === 'error');
  const own = errors.find(f => f.code === 'E9001');
  if (own) throw new Error(own.message);
  return { errors, ended: await driven(bytes) };
}

async function driven(bytes: Uint8Array): Promise<Outcome['ended']> {
  let stage: Outcome['ended'] = 'refused';
  try {
    const model = await load(new MemorySource(bytes, 'mutant'));
    stage = 'run refused';
    await write(model, { name: 'mutant.onnx' });
    const session = await Session.create(model, { backend: referenceBackend({ memory: limits.memory }) });
    const feeds = session.inputs.map(({ name, type }) => [name, zerosFor(type)] as const);
    if (feeds.some(([, tensor]) => tensor === undefined)) return 'not run';
    await session.evaluate(Object.fromEntries(feeds) as Record<string, Tensor>, limits);
    return 'ran';
  } catch (error) {
    if (error instanceof ModelError && error.code !== 'E9001') return stage;
    throw error;
  }
}

/** Zeros for an input, with 3 for open sizes; undefined where that is no tensor or too large. */
export function zerosFor(type: ValueType | undefined): Tensor | undefined {
  if (type?.kind !== 'tensor' || !isDataType(type.element) || elementTypes[type.element].bits < 8) return undefined;
  const dims = (type.shape ?? [2]).map(d => (typeof d === 'number' ? d : 3));
  const count = dims.reduce((n, d) => n * d, 1);
  if (count > 1e5 || type.element === 'string') return undefined;
  const scale = elementTypes[type.element].class === 'complex' ? 2 : 1;
  return new Tensor(type.element, new (arrayFor(type.element))(count * scale), dims);
}
