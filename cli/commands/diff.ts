// omnix diff: what is different between two models.
import { fail } from '../../src/errors.ts';
import {
  type Change,
  diff as diffModels,
  type ModelDiff,
  type NodeChange,
  type NodeFacts,
  type WeightChange,
} from '../../src/validate/diff.ts';
import type { Distance } from '../../src/validate/diff-weights.ts';
import { readModel } from '../files.ts';
import type { Outcome, Output } from '../output.ts';
import { columns, numberText, type Paint, plural, shown } from '../terminal.ts';
import { readWords } from '../writing.ts';

export interface DiffOptions {
  readonly names?: boolean;
}

export async function diff([first, second]: readonly string[], { names = false }: DiffOptions, out: Output): Promise<Outcome> {
  if (first === '-' && second === '-') throw fail('E4001', 'standard input can be read once');
  const a = await out.stage('read', () => readModel(first!), readWords);
  const b = await out.stage('read', () => readModel(second!), readWords);
  const found = await out.stage('compare', () => diffModels(a.model, b.model));
  return {
    results: found,
    text: linesOf(found, names, out.paint),
    findings: [...a.findings, ...b.findings],
    exit: found.same ? 'ok' : 'no',
  };
}

type Row = readonly [sign: string, what: string, name: string, text: string];

function linesOf(found: ModelDiff, names: boolean, paint: Paint): string[] {
  const { facts, inputs, outputs, nodes, weights } = found;
  const rows: Row[] = [
    ...facts.map((f): Row => [signOf(f), f.what, '', changeText(f)]),
    ...portRows('input', inputs),
    ...portRows('output', outputs),
    ...nodes.removed.map((n): Row => ['-', `node ${shown(n.op)}`, labelOf(n), placeOf(n)]),
    ...nodes.added.map((n): Row => ['+', `node ${shown(n.op)}`, labelOf(n), placeOf(n)]),
    ...nodes.changed.map(n => nodeRow(names ? n : { ...n, changes: n.changes.filter(c => !isName(c)) })),
    ...weights.removed.map((w): Row => ['-', 'weight', shown(w.name), `${shown(w.type)} ${placeOf(w)}`]),
    ...weights.added.map((w): Row => ['+', 'weight', shown(w.name), `${shown(w.type)} ${placeOf(w)}`]),
    ...weights.changed.map((w): Row => ['~', 'weight', shown(w.name), `${weightText(w)} ${placeOf(w)}`]),
    ...(names ? [...nodes.renamed.map(nodeRow), ...weights.renamed.map(renamedRow)] : []),
  ];
  const colours = { '+': 'green', '-': 'red', '~': 'yellow' } as const;
  const lines = columns(rows.map(([sign, ...cells]) => [sign, ...cells]));
  return [...lines.map((line, i) => paint(colours[rows[i]![0] as '+' | '-' | '~'], line)), ...summary(found, names)];
}

function summary({ same, nodes, weights, comparedIn }: ModelDiff, names: boolean): string[] {
  const renamed = [
    ...(nodes.renamed.length > 0 ? [plural(nodes.renamed.length, 'node')] : []),
    ...(weights.renamed.length > 0 ? [plural(weights.renamed.length, 'weight')] : []),
  ];
  return [
    ...(renamed.length > 0 ? [`${renamed.join(' and ')} the same under other names${names ? '' : ' (--names)'}`] : []),
    ...(comparedIn === undefined ? [] : [`nodes were compared in opset ${comparedIn}`]),
    `${same ? 'the same' : 'different'}: ${plural(nodes.same, 'node')} and ${plural(weights.same, 'weight')} equal`,
  ];
}

function portRows(what: string, { added, removed, changed }: ModelDiff['inputs']): Row[] {
  return [
    ...removed.map((p): Row => ['-', what, shown(p.name), shown(p.type, 120)]),
    ...added.map((p): Row => ['+', what, shown(p.name), shown(p.type, 120)]),
    ...changed.map((p): Row => ['~', what, shown(p.what), changeText(p)]),
  ];
}

const nodeRow = (n: NodeChange): Row => [
  '~',
  `node ${shown(n.op)}`,
  labelOf(n),
  `${n.changes.map(c => `${shown(c.what)}: ${changeText(c)}`).join('; ')} ${placeOf(n)}`,
];
const isName = ({ what }: Change): boolean => /^(name|output \d+)$/.test(what);
const renamedRow = (w: WeightChange): Row => ['~', 'weight', shown(w.name), `→ ${shown(w.after?.name ?? w.name)}`];

const labelOf = ({ name, outputs }: NodeFacts): string => shown(name || (outputs[0] ?? ''));
const placeOf = ({ path }: { readonly path?: string | undefined }): string => (path ? `in ${shown(path, 120)}` : '');
const signOf = ({ before, after }: Change): string => (before === undefined ? '+' : after === undefined ? '-' : '~');

function changeText({ before, after }: Change): string {
  const text = (value: string | undefined): string => (value === undefined ? 'none' : value === '' ? '""' : shown(value, 100));
  return `${text(before)} → ${text(after)}`;
}

function weightText({ type, after, distance }: WeightChange): string {
  const types = after ? `${shown(type)} → ${after.type === type ? shown(after.name) : shown(after.type)}` : shown(type);
  return distance ? `${types}  ${distanceText(distance)}` : types;
}

const distanceText = ({ maxAbs, relative, odd }: Distance): string =>
  [`max |Δ| ${numberText(maxAbs)}, ‖Δ‖/‖w‖ ${numberText(relative)}`, ...(odd > 0 ? [`${odd} NaN or infinite in one only`] : [])].join(', ');
