// Regular expressions in the syntax of RE2, which the standard asks for, in time linear in the text whatever the pattern. The
// package that knows them is loaded when a model first needs it.
import { fail } from '../errors.ts';

/**
 * Whether a text as a whole matches the pattern.
 * @throws ModelError E1303 for a pattern that is none
 */
export async function fullMatcher(pattern: string): Promise<(text: string) => boolean> {
  const { RE2JS } = await import('re2js');
  try {
    const compiled = RE2JS.compile(pattern);
    return text => compiled.matches(text);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw fail('E1303', `RegexFullMatch: pattern ${JSON.stringify(pattern.slice(0, 100))}: ${why}`, {}, { cause });
  }
}
