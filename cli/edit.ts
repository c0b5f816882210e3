// What every command that edits a model does around the edit: reads, writes, says what became of it.
import type { Loaded } from '../src/api.ts';
import { fail } from '../src/errors.ts';
import type { Model } from '../src/ir/graph.ts';
import { formatType } from '../src/ir/types.ts';
import { checkOutput, readModel } from './files.ts';
import type { Outcome, Output } from './output.ts';
import { plural, shown } from './terminal.ts';
import { checkFormat, readWords, type WriteOptions, writeModel } from './writing.ts';

export interface EditOptions extends WriteOptions {
  readonly allowCustom?: boolean;
}

export interface Edit {
  /** Of the stage. */
  readonly name: string;
  readonly apply: (...models: readonly Model[]) => Model;
  /** Lines about the result, for standard error. */
  readonly notes?: (model: Model) => readonly string[];
}

/** Read the models of some paths, make one of them, write it. */
export async function edit(paths: readonly string[], options: EditOptions, { name, apply, notes }: Edit, out: Output): Promise<Outcome> {
  checkOutput(options.output, options.overwrite ?? false, checkFormat(options));
  if (paths.filter(path => path === '-').length > 1) throw fail('E4001', 'standard input can be read once');
  const loaded: Loaded[] = [];
  for (const path of paths) loaded.push(await out.stage('read', () => readModel(path, options), readWords));
  const model = await out.stage(name, async () => apply(...loaded.map(l => l.model)), edited);
  for (const line of notes?.(model) ?? []) out.note(line);
  const { written, findings } = await writeModel(model, options, out);
  const { graph } = model;
  return {
    results: {
      ...(paths.length === 1 ? { input: paths[0] } : { inputModels: paths }),
      ...written,
      inputs: graph.inputs.filter(v => !v.tensor).map(v => ({ name: v.name, type: formatType(v.type) })),
      outputs: graph.outputs.map(o => ({ name: o.name, type: formatType(o.type ?? o.value.type) })),
      nodes: graph.nodes.length,
    },
    findings: [...loaded.flatMap(l => l.findings), ...findings],
  };
}

const edited = ({ graph }: Model): string =>
  `${plural(graph.nodes.length, 'node')}, ${graph.inputs
    .filter(v => !v.tensor)
    .slice(0, 4)
    .map(v => shown(v.name, 30))
    .join(', ')} → ${graph.outputs
    .slice(0, 4)
    .map(o => shown(o.name, 30))
    .join(', ')}`;

/** `old=new` pairs of a repeatable option. Errors: E4001. */
export function pairs(option: string, texts: readonly string[] = [], form = 'OLD=NEW'): Readonly<Record<string, string>> {
  const entries = texts.map((text): [string, string] => {
    const [from, to, ...more] = text.split('=');
    if (!from || !to || more.length > 0) throw fail('E4001', `${option} ${text}: expected ${form}`);
    return [from, to];
  });
  const twice = entries.find(([from], i) => entries.findIndex(([other]) => other === from) < i);
  if (twice) throw fail('E4001', `${option} names ${twice[0]} twice`);
  return Object.fromEntries(entries);
}

/** Names of a repeatable option that takes several with commas between. Brackets hold commas of their own. */
export const listOf = (texts: readonly string[] = []): string[] =>
  texts.flatMap(text => text.split(/,(?![^[\]]*\])/)).filter(name => name !== '');
