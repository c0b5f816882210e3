// Our verdicts and numbers beside those of others. Where verdicts differ, ONNX Runtime is the third judge, and a class of known differences
// must say why; where numbers differ, two of three are right.
import { type KnownDifference, knownDifferences, type Side } from './known-differences.ts';
import type { Numbers } from './pipeline.ts';

export interface OurVerdict {
  readonly seed: string;
  readonly changes: readonly string[];
  readonly errors: readonly string[];
  readonly results?: readonly Numbers[];
}
type Theirs = readonly Numbers[] | { readonly error: string } | null;
/** `checker` is what onnx.checker says against it, `loads` what ONNX Runtime does; null for nothing. `crash`: the process died or hung. */
export interface TheirVerdict {
  readonly checker: string | null;
  readonly loads?: string | null;
  readonly crash?: boolean;
  readonly ort?: Theirs;
  readonly reference?: Theirs;
}

export interface Compared {
  readonly lines: readonly string[];
  readonly verdicts: Readonly<Record<'both' | 'neither' | 'ours' | 'theirs' | 'crash', number>>;
  /** How many differences each class explains, most first. */
  readonly classes: readonly (readonly [KnownDifference, number])[];
  readonly agreed: number;
  readonly failed: number;
  readonly total: number;
}

export function compareVerdicts(ours: Readonly<Record<string, OurVerdict>>, theirs: Readonly<Record<string, TheirVerdict>>): Compared {
  const byClass = new Map<KnownDifference, number>();
  const lines: string[] = [];
  const count = { both: 0, neither: 0, ours: 0, theirs: 0, crash: 0 };
  const numbers = { compared: 0, same: 0, outvoted: 0, alone: 0 };
  let [agreed, failed, total] = [0, 0, 0];
  const explain = (side: Side, text: string, label: string): void => {
    const known = knownDifferences.find(d => d.side === side && d.says.test(text));
    if (known) byClass.set(known, (byClass.get(known) ?? 0) + 1);
    else {
      failed++;
      lines.push(`${label}: ${side}: ${text.replaceAll('\n', ' ')}`);
    }
  };
  for (const [index, our] of Object.entries(ours)) {
    const other = theirs[index];
    if (!other) continue;
    total++;
    const label = `${index} ${our.seed} (${our.changes})`;
    const [weRefuse, theyRefuse] = [our.errors.length > 0, other.checker !== null || other.crash === true];
    count[other.crash ? 'crash' : weRefuse ? (theyRefuse ? 'both' : 'ours') : theyRefuse ? 'theirs' : 'neither']++;
    if (weRefuse === theyRefuse) agreed++;
    else if (weRefuse) explain(other.loads ? 'only checker accepts' : 'only we refuse', our.errors[0]!, label);
    else explain(other.loads ? 'only we accept' : 'only checker refuses', other.checker ?? 'crash', label);
    const vote = our.results && !weRefuse ? voteOf(our.results, other.ort, other.reference) : undefined;
    if (!vote) continue;
    numbers.compared++;
    numbers[vote]++;
    if (vote !== 'same')
      explain(vote === 'outvoted' ? 'outvoted' : 'numbers', our.seed, `${label} ${JSON.stringify(our.results).slice(0, 120)}`);
  }
  const classes = [...byClass].sort((a, b) => b[1] - a[1]);
  for (const [{ side, reason }, n] of classes) lines.push(`${String(n).padStart(6)}  ${side}: ${reason}`);
  lines.push(
    `verdicts: both refuse ${count.both}, both accept ${count.neither}, only we refuse ${count.ours}, only onnx.checker ${count.theirs}, it crashed ${count.crash}`,
    `numbers: ${numbers.compared} compared, ${numbers.same} as one of the others at least, ${numbers.alone} where all three differ or only one ran, ${numbers.outvoted} outvoted`,
  );
  return { lines, verdicts: count, classes, agreed, failed, total };
}

/** Whether ours are the numbers of one of the others; `outvoted` where those agree with each other and not with ours. */
function voteOf(
  ours: readonly Numbers[],
  ort: Theirs | undefined,
  reference: Theirs | undefined,
): 'same' | 'alone' | 'outvoted' | undefined {
  const others = [ort, reference].filter((r): r is readonly Numbers[] => Array.isArray(r));
  if (others.length === 0) return undefined;
  if (others.some(r => close(ours, r))) return 'same';
  return others.length === 2 && close(others[0]!, others[1]!) ? 'outvoted' : 'alone';
}

const close = (a: readonly Numbers[], b: readonly Numbers[]): boolean =>
  a.length === b.length && a.every((x, i) => String(x.dims) === String(b[i]!.dims) && x.data.every((v, k) => near(v, b[i]!.data[k]!)));

const near = (a: number | string, b: number | string): boolean =>
  a === b || (typeof a === 'number' && typeof b === 'number' && Math.abs(a - b) <= 1e-4 + 1e-3 * Math.abs(b));
