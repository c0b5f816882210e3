// omnix simplify: fewer nodes for the same numbers, what became of them, and a comparison of both models.
import { simplify as simplifyModel } from '../../src/edit/simplify.ts';
import { type PassName, passNames, passTable } from '../../src/edit/simplify-passes.ts';
import { fail } from '../../src/errors.ts';
import { allNodes, constantsOf, type Model } from '../../src/ir/graph.ts';
import { defaultTolerance } from '../../src/validate/compare.ts';
import { type Agreement, agreement, type Skipped } from '../agreement.ts';
import { comparisonLines } from '../comparison.ts';
import { type EditOptions, listOf } from '../edit.ts';
import { checkOutput, readModel } from '../files.ts';
import type { Outcome, Output } from '../output.ts';
import { bytesText, columns, plural, shown } from '../terminal.ts';
import { checkFormat, checkMap, readWords, writeModel } from '../writing.ts';

export interface SimplifyOptions extends Omit<EditOptions, 'output'> {
  readonly output?: string;
  readonly passes?: readonly string[];
  readonly skip?: readonly string[];
  readonly listPasses?: boolean;
  readonly foldLimit?: number;
  /** False after `--no-check`. */
  readonly check?: boolean;
}

export async function simplify([input]: readonly string[], options: SimplifyOptions, out: Output): Promise<Outcome> {
  if (options.listPasses) return list();
  const { output, passes, skip, foldLimit, check = true, ...rest } = options;
  if (input === undefined) throw fail('E4001', "missing required argument 'model'");
  if (output === undefined) throw fail('E4001', "required option '-o, --output <path>' not specified");
  checkOutput(output, options.overwrite ?? false, checkFormat({ ...rest, output }));
  checkMap({ ...rest, output });
  const loaded = await out.stage('read', () => readModel(input, options), readWords);
  // The casts: names that are none are refused by the library.
  const names = { passes: passes && (listOf(passes) as PassName[]), skip: listOf(skip) as PassName[] };
  const model = await out.stage(
    'simplify',
    () => simplifyModel(loaded.model, { ...names, foldLimit }),
    m => `${plural(countOf(loaded.model), 'node')} → ${countOf(m)}`,
  );
  const { written, findings: left } = await writeModel(model, { ...rest, output }, out, { model: loaded.model, loaded });
  const sizes = { before: loaded.source.size, after: written.files.reduce((n, f) => n + f.bytes, 0) };
  const operators = changes(loaded.model, model);
  const compared = check ? await out.stage('check', () => agreement(loaded.model, model)) : undefined;
  const lines = [...table(operators, loaded.model, model, sizes), ...(compared ? verdictLines(compared, out) : [])];
  if (output === '-') for (const line of lines) out.note(line);
  const ok = !compared || 'skipped' in compared || compared.ok;
  return {
    results: {
      input,
      ...written,
      nodes: { before: countOf(loaded.model), after: countOf(model) },
      operators,
      sizes,
      check: compared ?? null,
    },
    findings: [...loaded.findings, ...left],
    ...(output !== '-' && { text: lines }),
    exit: ok ? 'ok' : 'no',
  };
}

const list = (): Outcome => ({
  results: { passes: passNames.map(name => ({ name, title: passTable[name].title })) },
  text: columns(passNames.map(name => [name, passTable[name].title])),
});

/** How often an operator occurs, nested graphs and functions included. */
export interface OperatorChange {
  readonly name: string;
  readonly before: number;
  readonly after: number;
}

function* nodesOf({ graph, functions }: Model) {
  yield* allNodes(graph);
  for (const f of functions) yield* allNodes(f.body);
}
const countOf = (model: Model): number => [...nodesOf(model)].length;

function operatorsOf(model: Model): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { qualifiedName } of nodesOf(model)) counts.set(qualifiedName, (counts.get(qualifiedName) ?? 0) + 1);
  return counts;
}

/** Operators whose number changed, by name. */
function changes(before: Model, after: Model): OperatorChange[] {
  const [was, is] = [operatorsOf(before), operatorsOf(after)];
  return [...new Set([...was.keys(), ...is.keys()])]
    .map(name => ({ name, before: was.get(name) ?? 0, after: is.get(name) ?? 0 }))
    .filter(c => c.before !== c.after)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function table(operators: readonly OperatorChange[], before: Model, after: Model, sizes: { before: number; after: number }): string[] {
  const weights = (model: Model): string => String(constantsOf(model.graph).length);
  const rows = [
    ['', 'before', 'after'],
    ...operators.map(c => [shown(c.name, 40), String(c.before), String(c.after)]),
    ['all nodes', String(countOf(before)), String(countOf(after))],
    ['weights', weights(before), weights(after)],
    ['size', bytesText(sizes.before), bytesText(sizes.after)],
  ];
  return columns(rows, { right: [1, 2] });
}

function verdictLines(compared: Agreement | Skipped, out: Output): string[] {
  if ('skipped' in compared) return [`numbers not compared: ${shown(compared.skipped, 200)}`];
  const { rtol, atol } = defaultTolerance;
  const difference = compared.maxAbs === 0 ? '0' : compared.maxAbs.toExponential(1);
  const verdict = compared.ok ? out.paint('green', 'ok') : out.paint('red', 'FAILED');
  const line = `max |Δ| ${difference} over ${plural(compared.runs, 'seeded input')} (tolerance rtol ${rtol}, atol ${atol})  ${verdict}`;
  return compared.ok ? [line] : [line, ...comparisonLines(compared.outputs, defaultTolerance, out.paint)];
}
