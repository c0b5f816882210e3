// Inputs at random and what a model computes of them, for formats that hold both.
import { ModelError } from '../errors.ts';
import { referenceBackend } from '../exec/reference.ts';
import { Session } from '../exec/session.ts';
import type { Reference } from '../formats/format.ts';
import type { Model } from '../ir/graph.ts';
import { randomArrays } from './random.ts';

/** What open sizes become, one after the other until the model runs. */
const openSizes = [2, 3, 8, 1];
/** Milliseconds after which nothing more is tried. */
const patience = 120_000;

/** @returns why there are none, where the model runs on no such inputs */
export async function referenceOf(model: Model): Promise<Reference | { readonly reason: string }> {
  const end = performance.now() + patience;
  let reason = '';
  for (const size of openSizes) {
    try {
      const session = await Session.create(model, { backend: referenceBackend() });
      const inputs = randomArrays(session.inputs, { size });
      return { inputs, outputs: await session.run(inputs, { timeout: Math.max(1, end - performance.now()) }) };
    } catch (error) {
      if (!(error instanceof ModelError)) throw error;
      reason ||= error.findings[0]!.message;
    }
  }
  return { reason };
}
