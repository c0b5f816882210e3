// Whether two models of one signature compute the same: both run on the reference backend on the same seeded inputs.
import { Session } from '../src/api.ts';
import { ModelError } from '../src/errors.ts';
import type { Session as CoreSession } from '../src/exec/session.ts';
import type { Datum } from '../src/ir/datum.ts';
import { constantsOf, type Model } from '../src/ir/graph.ts';
import type { Comparison } from '../src/validate/compare.ts';
import { compareData } from '../src/validate/compare-data.ts';
import { randomArrays } from '../src/validate/random.ts';
import { bytesText } from './terminal.ts';

export interface Agreement {
  readonly ok: boolean;
  /** How many inputs both ran on. */
  readonly runs: number;
  readonly maxAbs: number;
  /** Of the run in which the outputs were furthest apart. */
  readonly outputs: readonly Comparison[];
}

/** Why two models were not compared. */
export interface Skipped {
  readonly skipped: string;
}

/** Open sizes of the three inputs: what takes one may not take another. */
const openSizes = [2, 3, 5];
/** Milliseconds after which no further run is begun, and the one that runs ends. */
const patience = 60_000;
const largestWeights = 1 << 30;

/** Compare the outputs of both. @throws ModelError what the second throws where the first runs */
export async function agreement(before: Model, after: Model): Promise<Agreement | Skipped> {
  const bytes = constantsOf(before.graph).reduce((n, v) => n + (v.tensor?.byteLength ?? 0), 0);
  if (bytes > largestWeights) return { skipped: `its weights are ${bytesText(bytes)}, too many to run it in reasonable time` };
  const end = performance.now() + patience;
  let first: CoreSession;
  try {
    first = await Session.create(before, { optimize: false });
  } catch (error) {
    return { skipped: reasonOf(error) };
  }
  const second = await Session.create(after);
  return compared(first, second, end);
}

async function compared(first: CoreSession, second: CoreSession, end: number): Promise<Agreement | Skipped> {
  const results: Omit<Agreement, 'runs'>[] = [];
  let skipped = '';
  for (const [seed, size] of openSizes.entries()) {
    const timeout = end - performance.now();
    if (timeout <= 0) break;
    try {
      const feeds = randomArrays(first.inputs, { seed, size });
      const want = await first.evaluate(feeds, { seed, timeout });
      results.push(verdict(await runSecond(second, feeds, seed), want));
    } catch (error) {
      skipped ||= reasonOf(error);
    }
  }
  const [worst] = results.sort((a, b) => Number(a.ok) - Number(b.ok) || b.maxAbs - a.maxAbs);
  return worst ? { ...worst, runs: results.length } : { skipped: skipped || `one run takes longer than ${patience / 1000} s` };
}

class Failed extends Error {}

/** What the first model computes the second has to. */
async function runSecond(
  session: CoreSession,
  feeds: Parameters<CoreSession['evaluate']>[0],
  seed: number,
): Promise<Record<string, Datum>> {
  try {
    return await session.evaluate(feeds, { seed });
  } catch (error) {
    throw new Failed('the result does not run', { cause: error });
  }
}

function verdict(got: Readonly<Record<string, Datum>>, want: Readonly<Record<string, Datum>>): Omit<Agreement, 'runs'> {
  const outputs = Object.entries(want).flatMap(([name, datum]) => compareData(name, got[name], datum, undefined));
  return { ok: outputs.every(c => c.ok), maxAbs: Math.max(0, ...outputs.map(c => c.maxAbs)), outputs };
}

/** What keeps the first model from running. Errors: all that are not about the model, and those of the second. */
function reasonOf(error: unknown): string {
  if (error instanceof Failed) throw error.cause;
  if (error instanceof ModelError) return error.findings[0]!.message;
  throw error;
}
