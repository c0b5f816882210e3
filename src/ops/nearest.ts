// What a misspelt name was probably meant to be. Knows nothing of models.

const longestName = 64;

/**
 * The candidate with the fewest edits (insert, delete, replace, swap of neighbours) from `name`, case aside, where that is at
 * most a third of its letters (one at least); the first of several. Undefined where none is near or `name` exceeds 64 letters.
 */
export function nearestName(name: string, candidates: Iterable<string>): string | undefined {
  if (name.length === 0 || name.length > longestName) return undefined;
  let best: string | undefined;
  let least = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - name.length) >= least) continue;
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < least) [best, least] = [candidate, distance];
  }
  return best;
}

/** Optimal string alignment: Levenshtein's distance with swaps of neighbours, over UTF-16 units. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? before[j - 2]! + 1 : replaced;
      current.push(Math.min(previous[j]! + 1, current[j - 1]! + 1, replaced, swapped));
    }
    [before, previous] = [previous, current];
  }
  return previous[b.length]!;
}
