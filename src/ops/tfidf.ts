// TfIdfVectorizer: counts of n-grams that a pool lists, in rows of words or numbers.
import { fail } from '../errors.ts';
import { Tensor } from '../ir/tensor.ts';
import { requireKeys } from './lookup.ts';
import { keyed } from './once.ts';
import type { At, HostContext } from './row.ts';

/** Integers beyond 2^53 stay bigints, which no pool has. */
type Word = string | number | bigint;
/** N-grams of the pool as a tree of words; `place` is that of the n-gram that ends here, among all n-grams of the pool. */
interface Branch {
  place: number | undefined;
  /** Absent at the ends, which are most of a large pool. */
  next: Map<Word, Branch> | undefined;
}

export function tfIdf(x: Tensor, at: Attributes, context: HostContext): Tensor {
  const { dims } = x;
  if (dims.length > 2 || dims.length === 0) throw fail('E3005', `TfIdfVectorizer: [${dims}] must have 1 or 2 axes`);
  const { root, count } = (x.type === 'string' ? poolOfTexts : poolOfNumbers)(at);
  if (at.ngram_indexes.length !== count || (at.weights && at.weights.length !== count))
    throw fail(
      'E1303',
      `TfIdfVectorizer: ${at.ngram_indexes.length} indexes and ${at.weights?.length ?? 'no'} weights for ${count} n-grams`,
    );
  const width = countedPlaces(at.ngram_indexes);
  const length = dims.at(-1)!;
  const rows = dims.length === 2 ? dims[0]! : 1;
  context.reserve((rows + 1) * width * 4);
  const counts = new Float32Array(rows * width);
  const data: readonly Word[] =
    x.type === 'string' ? (x.data as readonly string[]) : Array.from(x.data as Int32Array | BigInt64Array, numberOrBig);
  for (let row = 0; row < rows; row++) {
    const line = data.slice(row * length, (row + 1) * length);
    countGrams(line, root, at, context, place => counts[row * width + at.ngram_indexes[place]!]!++);
  }
  weigh(counts, width, at);
  return new Tensor('float32', counts, [...dims.slice(0, -1), width]);
}

/** How many places the counts have: the indexes say where in the output each n-gram of the pool is counted. */
export function countedPlaces(indexes: readonly number[]): number {
  if (indexes.length === 0 || indexes.some(i => i < 0))
    throw fail('E1303', `TfIdfVectorizer: ngram_indexes must be some, none below 0, found [${indexes.slice(0, 8)}]`);
  return indexes.reduce((a, b) => Math.max(a, b)) + 1;
}

const numberOrBig = (n: number | bigint): Word => (Number.isSafeInteger(Number(n)) ? Number(n) : n);

type Attributes = At<'TfIdfVectorizer'>;
const poolOfTexts = keyed((at: Attributes) => readPool(at.pool_strings, 'pool_strings', at.ngram_counts));
const poolOfNumbers = keyed((at: Attributes) => readPool(at.pool_int64s, 'pool_int64s', at.ngram_counts));

/** The pool lists all n-grams of one word, then those of two, …; `counts` says where each begins. */
function readPool(pool: readonly Word[] | undefined, name: string, counts: readonly number[]): { root: Branch; count: number } {
  if (!pool) throw fail('E1303', `TfIdfVectorizer: expected ${name}, found none`);
  requireKeys(pool.length);
  const root: Branch = { place: undefined, next: undefined };
  let count = 0;
  for (const [i, begin] of counts.entries()) {
    const end = counts[i + 1] ?? pool.length;
    const length = i + 1;
    if (begin < 0 || end < begin || end > pool.length || (end - begin) % length !== 0)
      throw fail('E1303', `TfIdfVectorizer: ${length}-grams from ${begin} to ${end} in a pool of ${pool.length}`);
    for (let from = begin; from < end; from += length) {
      let branch = root;
      for (let n = 0; n < length; n++) branch = grown(branch, pool[from + n]!);
      branch.place ??= count;
      count++;
    }
  }
  return { root, count };
}

/** The branch of a word, made where there was none. */
function grown(branch: Branch, word: Word): Branch {
  branch.next ??= new Map();
  const known = branch.next.get(word);
  if (known) return known;
  const made: Branch = { place: undefined, next: undefined };
  branch.next.set(word, made);
  return made;
}

/** Every n-gram of the row whose words lie `skip + 1` apart, for each skip; single words are counted once. */
function countGrams(
  row: readonly Word[],
  root: Branch,
  { min_gram_length: least, max_gram_length: most, max_skip_count: skips }: Attributes,
  context: HostContext,
  found: (place: number) => void,
): void {
  for (let apart = 1; apart <= skips + 1 && apart <= Math.max(1, row.length); apart++) {
    context.proceed();
    for (let start = 0; start < row.length; start++) {
      let branch: Branch | undefined = root;
      for (let n = 1; n <= most && branch; n++) {
        const word: Word | undefined = row[start + (n - 1) * apart];
        branch = word === undefined ? undefined : branch.next?.get(word);
        if (branch?.place !== undefined && n >= least && (n > 1 || apart === 1)) found(branch.place);
      }
    }
  }
}

function weigh(counts: Float32Array, width: number, { mode, weights, ngram_indexes }: Attributes): void {
  if (mode === 'TF') return;
  if (mode !== 'IDF' && mode !== 'TFIDF') throw fail('E1303', `TfIdfVectorizer: there is no mode ${mode}`);
  const weightOf = new Float32Array(width).fill(1);
  for (const [place, index] of ngram_indexes.entries()) weightOf[index] = weights?.[place] ?? 1;
  for (let i = 0; i < counts.length; i++) counts[i] = (mode === 'IDF' ? Math.min(counts[i]!, 1) : counts[i]!) * weightOf[i % width]!;
}
