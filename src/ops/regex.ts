// Regular expressions in the syntax of RE2, which the standard asks for, in time linear in the text whatever the pattern. The
// package that knows them is loaded when a model first needs it.
import type { RE2JS } from 're2js';
import { fail } from '../errors.ts';

/**
 * Whether a text as a whole matches the pattern.
 * @throws ModelError E1303 for a pattern that is none
 */
export async function fullMatcher(pattern: string): Promise<(text: string) => boolean> {
  const compiled = await compiledPattern(pattern);
  return text => compiled.matches(text);
}

/**
 * Where a text matches the pattern, from left to right: the start and end of each match that is not empty.
 * @throws ModelError E1303 for a pattern that is none
 */
export async function matchFinder(pattern: string): Promise<(text: string) => readonly (readonly [number, number])[]> {
  const compiled = await compiledPattern(pattern);
  return text => {
    const found: [number, number][] = [];
    const matcher = compiled.matcher(text);
    while (matcher.find()) if (matcher.end() > matcher.start()) found.push([matcher.start(), matcher.end()]);
    return found;
  };
}

async function compiledPattern(pattern: string): Promise<RE2JS> {
  const { RE2JS } = await import('re2js');
  try {
    return RE2JS.compile(pattern);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw fail('E1303', `the pattern ${JSON.stringify(pattern.slice(0, 100))}: ${why}`, {}, { cause });
  }
}
