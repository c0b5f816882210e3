// omnix rename: other names for inputs, outputs, values, nodes and open sizes.
import { rename as renameModel } from '../../src/edit/rename.ts';
import { fail } from '../../src/errors.ts';
import { type EditOptions, edit, pairs } from '../edit.ts';
import type { Outcome, Output } from '../output.ts';

/** `--output` names outputs here, so the file is `--out`. */
export interface RenameOptions extends Omit<EditOptions, 'output'> {
  readonly out: string;
  readonly input?: readonly string[];
  readonly output?: readonly string[];
  readonly value?: readonly string[];
  readonly node?: readonly string[];
  readonly dim?: readonly string[];
}

export async function rename(paths: readonly string[], options: RenameOptions, out: Output): Promise<Outcome> {
  const { input, output, value, node, dim, ...rest } = options;
  if (![input, output, value, node, dim].some(Boolean))
    throw fail('E4001', 'nothing to rename; give --input, --output, --value, --node or --dim OLD=NEW');
  const renames = {
    inputs: pairs('--input', input),
    outputs: pairs('--output', output),
    values: pairs('--value', value),
    nodes: pairs('--node', node),
    dims: pairs('--dim', dim),
  };
  return edit(paths, { ...rest, output: options.out }, { name: 'rename', apply: model => renameModel(model!, renames) }, out);
}
