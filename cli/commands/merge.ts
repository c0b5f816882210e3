// omnix merge: two models as one.
import { merge as mergeModels } from '../../src/edit/merge.ts';
import { fail } from '../../src/errors.ts';
import { type EditOptions, edit, listOf } from '../edit.ts';
import type { Outcome, Output } from '../output.ts';

export interface MergeOptions extends EditOptions {
  readonly connect?: readonly string[];
  readonly prefixA?: string;
  readonly prefixB?: string;
}

export async function merge(paths: readonly string[], options: MergeOptions, out: Output): Promise<Outcome> {
  const { prefixA, prefixB } = options;
  const connect = listOf(options.connect).map((text): [string, string] => {
    const [output, input, ...more] = text.split('=');
    if (!output || !input || more.length > 0) throw fail('E4001', `--connect ${text}: expected OUTPUT=INPUT`);
    return [output, input];
  });
  return edit(paths, options, { name: 'merge', apply: (a, b) => mergeModels(a!, b!, { connect, prefixA, prefixB }) }, out);
}
