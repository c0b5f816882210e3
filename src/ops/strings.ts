// Operators over text, evaluated on the host.
import { fail } from '../errors.ts';
import { type Datum, tensorOf } from '../ir/datum.ts';
import { Tensor } from '../ir/tensor.ts';
import { nestedTypes } from './nested-types.ts';
import { fullMatcher } from './regex.ts';
import type { Family } from './row.ts';
import { mapElements } from './tensors.ts';
import { tfIdf } from './tfidf.ts';

export const strings = {
  StringConcat: {
    infer: nestedTypes.StringConcat,
    host: ({ X, Y }) => [mapElements([X, Y], 'string', (x, y) => joined(String(x), String(y)))],
  },
  StringNormalizer: {
    infer: nestedTypes.StringNormalizer,
    host({ X }, { case_change_action, is_case_sensitive, locale, stopwords = [] }) {
      const { dims } = tensorOf(X);
      if (dims.length > 2 || dims.length === 0 || (dims.length === 2 && dims[0] !== 1))
        throw fail('E3005', `StringNormalizer: [${dims}] must be [C] or [1,C]`);
      const fold = (s: string): string => (is_case_sensitive ? s : inCase('LOWER', s, locale));
      const left = new Set(stopwords.map(fold));
      const kept = textOf(X).filter(s => !left.has(fold(s)));
      // An empty result is one empty string.
      const words = kept.length === 0 ? [''] : kept.map(s => inCase(case_change_action, s, locale));
      return [new Tensor('string', words, [...dims.slice(0, -1), words.length])];
    },
  },
  StringSplit: {
    infer: nestedTypes.StringSplit,
    host({ X }, { delimiter = '', maxsplit = Number.POSITIVE_INFINITY }, context) {
      const x = tensorOf(X);
      const most = maxsplit < 0 ? Number.POSITIVE_INFINITY : maxsplit;
      const parts = textOf(x).map(s => (delimiter === '' ? words(s, most) : pieces(s, delimiter, most)));
      const width = parts.reduce((n, p) => Math.max(n, p.length), 0);
      context.reserve(width * x.size * 8);
      const padded = parts.flatMap(p => [...p, ...new Array<string>(width - p.length).fill('')]);
      const counts = BigInt64Array.from(parts, p => BigInt(p.length));
      return [new Tensor('string', padded, [...x.dims, width]), new Tensor('int64', counts, x.dims)];
    },
  },
  RegexFullMatch: {
    infer: nestedTypes.RegexFullMatch,
    async host({ X }, { pattern = '' }) {
      const matches = await fullMatcher(pattern);
      return [mapElements([X], 'bool', s => Number(matches(String(s))))];
    },
  },
  TfIdfVectorizer: {
    infer: nestedTypes.TfIdfVectorizer,
    host: ({ X }, at, context) => [tfIdf(tensorOf(X), at, context)],
  },
} satisfies Family;

/** Longest text that is made, in UTF-16 units; engines end at about twice as much. */
const longest = 2 ** 28;

function joined(x: string, y: string): string {
  if (x.length + y.length <= longest) return x + y;
  throw fail('E3007', `StringConcat: a text of ${x.length + y.length} characters exceeds the limit of ${longest}`);
}

// The cast: the schema lets nothing but text in.
const textOf = (datum: Datum): readonly string[] => tensorOf(datum).data as readonly string[];

/** `action` is that of StringNormalizer: LOWER, UPPER or NONE. The locale is POSIX's, such as `en_US.UTF-8`. */
function inCase(action: string, s: string, locale: string | undefined): string {
  if (action === 'NONE') return s;
  const tag = /^([a-z]{2,3}(_[a-z0-9]+)*)/i.exec(locale ?? '')?.[0].replaceAll('_', '-');
  try {
    return action === 'LOWER' ? s.toLocaleLowerCase(tag ?? []) : s.toLocaleUpperCase(tag ?? []);
  } catch (cause) {
    throw fail('E1303', `StringNormalizer: there is no locale ${JSON.stringify(locale)}`, {}, { cause });
  }
}

/** White space by Unicode, as the standard's reference splits at it. */
const space = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/g;

/** What white space parts, white space at the ends left out; after `most` splits the rest stays whole, up to its end. */
function words(s: string, most: number): string[] {
  const found: string[] = [];
  let at = 0;
  for (const gap of s.matchAll(space)) {
    if (found.length === most) break;
    if (gap.index > at) found.push(s.slice(at, gap.index));
    at = gap.index + gap[0].length;
  }
  if (at < s.length) found.push(s.slice(at));
  return found;
}

function pieces(s: string, delimiter: string, most: number): string[] {
  const all = s.split(delimiter);
  return all.length - 1 <= most ? all : [...all.slice(0, most), all.slice(most).join(delimiter)];
}
