// What a device can do in several ways, and the ways it takes: said by the caller, measured on the device (`probe.ts`), or likely from
// what its adapter is. Names of adapters decide nothing.

export interface Ways {
  /** Products are tiles in the memory of a workgroup, or blocks in registers. */
  readonly products: 'tiles' | 'blocks';
  /**
   * Elements of float16 become float32 by arithmetic on their bits, by the function that unpacks words, or they are loaded as f16. Where not by
   * arithmetic, products read weights of float16 as they are stored. Sums are of float32 in any case.
   */
  readonly halves: 'bits' | 'unpacked' | 'f16';
  /** Invocations that share a result join what they have in the memory of a workgroup, or those of a subgroup among themselves first. */
  readonly sums: 'memory' | 'subgroups';
}

export type Question = keyof Ways;

/** What measuring found: the way that is taken, and milliseconds of each. */
export interface Measured {
  readonly way: string;
  readonly times: ReadonlyMap<string, number>;
}

/** The ways that a device has, the likely one first, which is taken where nothing is measured. */
export const possible: { readonly [Q in Question]: (gpu: GPUDevice) => readonly Ways[Q][] } = {
  // An adapter that computes in software keeps the memory of a workgroup where it keeps everything, and its barriers cost most.
  products: gpu => (gpu.adapterInfo?.isFallbackAdapter === true ? ['blocks', 'tiles'] : ['tiles', 'blocks']),
  // Devices may take small numbers for zeros in the others; measuring looks at that too.
  halves: gpu => ['bits', 'unpacked', ...(gpu.features.has('shader-f16') ? (['f16'] as const) : [])],
  sums: gpu => ['memory', ...(gpu.features.has('subgroups') ? (['subgroups'] as const) : [])],
};

export const likelyWays = (gpu: GPUDevice): Ways => ({
  products: possible.products(gpu)[0]!,
  halves: possible.halves(gpu)[0]!,
  sums: possible.sums(gpu)[0]!,
});

/** The same with another answer to one question, which is one of `possible`. */
export const answered = (ways: Ways, question: Question, way: string): Ways => ({ ...ways, ...({ [question]: way } as Partial<Ways>) });

/** Another way must take at most this part of the likely one's time, so that noise decides nothing. */
const clearly = 0.9;

/** The way to take by what each took; those without a time did not run. */
export function fastestOf(ways: readonly string[], times: ReadonlyMap<string, number>): string {
  const timeOf = (way: string): number => times.get(way) ?? Number.POSITIVE_INFINITY;
  const [likely] = ways as readonly [string];
  const best = ways.reduce((a, b) => (timeOf(b) < timeOf(a) ? b : a));
  return timeOf(best) <= clearly * timeOf(likely) ? best : likely;
}
