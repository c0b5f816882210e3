// Our verdicts beside those of onnx.checker. Where they differ, a class of known differences must say why.
import { knownDifferences } from './known-differences.ts';

export interface OurVerdict {
  readonly seed: string;
  readonly changes: readonly string[];
  readonly errors: readonly string[];
}
/** `checker` is what onnx.checker.check_model(full_check=True) says against it, or null; `crash` that the process died or hung. */
export interface TheirVerdict {
  readonly checker: string | null;
  readonly crash?: boolean;
}

export interface Compared {
  readonly lines: readonly string[];
  readonly agreed: number;
  readonly failed: number;
  readonly total: number;
}

export function compareVerdicts(ours: Readonly<Record<string, OurVerdict>>, theirs: Readonly<Record<string, TheirVerdict>>): Compared {
  const classes = new Map<string, number>();
  const lines: string[] = [];
  let [agreed, failed, total] = [0, 0, 0];
  const count = { both: 0, neither: 0, ours: 0, theirs: 0, crash: 0 };
  for (const [index, { seed, changes, errors }] of Object.entries(ours)) {
    const other = theirs[index];
    if (!other) continue;
    total++;
    const [weRefuse, theyRefuse] = [errors.length > 0, other.checker !== null || other.crash === true];
    count[other.crash ? 'crash' : weRefuse ? (theyRefuse ? 'both' : 'ours') : theyRefuse ? 'theirs' : 'neither']++;
    if (weRefuse === theyRefuse) {
      agreed++;
      continue;
    }
    const only = weRefuse ? 'ours' : 'theirs';
    const known = knownDifferences.find(
      d =>
        d.only === only &&
        errors.concat(other.checker ?? '').every(text => (weRefuse ? text === '' || d.says.test(text) : d.says.test(text))),
    );
    if (known) classes.set(known.reason, (classes.get(known.reason) ?? 0) + 1);
    else {
      failed++;
      lines.push(`${index} ${seed} (${changes}): only ${only}: ${weRefuse ? errors.join(' | ') : other.checker?.replaceAll('\n', ' ')}`);
    }
  }
  for (const [reason, n] of [...classes].sort((a, b) => b[1] - a[1])) lines.push(`${String(n).padStart(6)}  ${reason}`);
  lines.push(
    `both refuse ${count.both}, both accept ${count.neither}, only we refuse ${count.ours}, only onnx.checker ${count.theirs}, it crashed ${count.crash}`,
  );
  return { lines, agreed, failed, total };
}
