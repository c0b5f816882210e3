// TfIdfVectorizer: counts of n-grams that a pool lists, in rows of words or numbers.
import { fail } from '../errors.ts';
import { Tensor } from '../ir/tensor.ts';
import type { At, HostContext } from './row.ts';

type Word = string | bigint;
/** N-grams of the pool as a tree of words; `place` is that of the n-gram that ends here, among all n-grams of the pool. */
interface Branch {
  place?: number;
  readonly next: Map<Word, Branch>;
}

export function tfIdf(x: Tensor, at: At<'TfIdfVectorizer'>, context: HostContext): Tensor {
  const { dims } = x;
  if (dims.length > 2 || dims.length === 0) throw fail('E3005', `TfIdfVectorizer: [${dims}] must have 1 or 2 axes`);
  const { root, count } = readPool(x.type === 'string', at);
  if (at.ngram_indexes.length !== count || (at.weights && at.weights.length !== count))
    throw fail(
      'E1303',
      `TfIdfVectorizer: ${at.ngram_indexes.length} indexes and ${at.weights?.length ?? 'no'} weights for ${count} n-grams`,
    );
  const width = at.ngram_indexes.reduce((a, b) => Math.max(a, b), -1) + 1;
  if (at.ngram_indexes.some(i => i < 0)) throw fail('E1303', 'TfIdfVectorizer: an index is below 0');
  const length = dims.at(-1)!;
  const rows = dims.length === 2 ? dims[0]! : 1;
  context.reserve(rows * width * 4);
  const counts = new Float32Array(rows * width);
  const data: readonly Word[] = x.type === 'string' ? (x.data as readonly string[]) : Array.from(x.data as Int32Array, BigInt);
  for (let row = 0; row < rows; row++) {
    context.proceed();
    const line = data.slice(row * length, (row + 1) * length);
    countGrams(line, root, at, place => counts[row * width + at.ngram_indexes[place]!]!++);
  }
  weigh(counts, width, at);
  return new Tensor('float32', counts, [...dims.slice(0, -1), width]);
}

/** The pool lists all n-grams of one word, then those of two, …; `ngram_counts` says where each begins. */
function readPool(isText: boolean, at: At<'TfIdfVectorizer'>): { root: Branch; count: number } {
  const pool: readonly Word[] | undefined = isText ? at.pool_strings : at.pool_int64s?.map(BigInt);
  if (!pool) throw fail('E1303', `TfIdfVectorizer: expected ${isText ? 'pool_strings' : 'pool_int64s'}, found none`);
  const root: Branch = { next: new Map() };
  let count = 0;
  for (const [i, begin] of at.ngram_counts.entries()) {
    const end = at.ngram_counts[i + 1] ?? pool.length;
    const length = i + 1;
    if (begin < 0 || end < begin || end > pool.length || (end - begin) % length !== 0)
      throw fail('E1303', `TfIdfVectorizer: ${length}-grams from ${begin} to ${end} in a pool of ${pool.length}`);
    for (let from = begin; from < end; from += length) {
      let branch = root;
      for (const word of pool.slice(from, from + length)) {
        const next = branch.next.get(word) ?? { next: new Map() };
        branch.next.set(word, next);
        branch = next;
      }
      branch.place ??= count;
      count++;
    }
  }
  return { root, count };
}

/** Every n-gram of the row whose words lie `skip + 1` apart, for each skip; single words are counted once. */
function countGrams(row: readonly Word[], root: Branch, at: At<'TfIdfVectorizer'>, found: (place: number) => void): void {
  const { min_gram_length: least, max_gram_length: most } = at;
  for (let apart = 1; apart <= at.max_skip_count + 1 && apart <= Math.max(1, row.length); apart++)
    for (let start = 0; start < row.length; start++) {
      let branch: Branch | undefined = root;
      for (let n = 1; n <= most && branch; n++) {
        const word: Word | undefined = row[start + (n - 1) * apart];
        branch = word === undefined ? undefined : branch.next.get(word);
        if (branch?.place !== undefined && n >= least && (n > 1 || apart === 1)) found(branch.place);
      }
    }
}

function weigh(counts: Float32Array, width: number, { mode, weights, ngram_indexes }: At<'TfIdfVectorizer'>): void {
  if (mode === 'TF') return;
  if (mode !== 'IDF' && mode !== 'TFIDF') throw fail('E1303', `TfIdfVectorizer: there is no mode ${mode}`);
  const weightOf = new Float32Array(width).fill(1);
  for (const [place, index] of ngram_indexes.entries()) weightOf[index] = weights?.[place] ?? 1;
  for (let i = 0; i < counts.length; i++) counts[i] = (mode === 'IDF' ? Math.min(counts[i]!, 1) : counts[i]!) * weightOf[i % width]!;
}
