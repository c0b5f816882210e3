// Patterns of names, as --rename takes them.
import type { NameRule } from '../src/edit/weights.ts';
import { fail } from '../src/errors.ts';

/** Errors: E4001. */
export const nameRules = (given: readonly string[] = []): NameRule[] =>
  given.map(text => {
    const at = text.indexOf('=');
    if (at < 1 || at !== text.lastIndexOf('=')) throw fail('E4001', `--rename ${text}: expected OLD=NEW, such as module.*=*`);
    return { from: text.slice(0, at), to: text.slice(at + 1) };
  });
