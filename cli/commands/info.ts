// omnix info: what a model is, on one screen. Reads no weights.
import { fail } from '../../src/errors.ts';
import { allNodes, constantsOf, type Model } from '../../src/ir/graph.ts';
import { formatType, type ValueType } from '../../src/ir/types.ts';
import { type Ends, readModel } from '../files.ts';
import type { ReadLimitOptions } from '../limits.ts';
import type { Outcome, Output } from '../output.ts';
import { bytesText, columns, countText, type Paint, plural, shown } from '../terminal.ts';

export interface InfoOptions extends ReadLimitOptions, Ends {
  readonly ops?: boolean;
}

interface Port {
  readonly name: string;
  readonly type: string;
}

interface Summary {
  readonly file: string;
  readonly format: string;
  /** Absent for other formats than ONNX, which have neither IR version nor opset. */
  readonly irVersion?: number;
  readonly opsets: readonly { readonly domain: string; readonly version: number }[];
  readonly producer: string;
  readonly fileBytes: number;
  readonly weightBytes: number;
  readonly external: boolean;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** Elements of all weights. */
  readonly parameters: number;
  readonly nodes: number;
  readonly functions: number;
  readonly operators: readonly { readonly name: string; readonly count: number }[];
}

export async function info(paths: readonly string[], { ops = false, ...reading }: InfoOptions, out: Output): Promise<Outcome> {
  if (paths.filter(p => p === '-').length > 1) throw fail('E4001', 'standard input can be read once');
  const summaries: Summary[] = [];
  const findings = [];
  for (const path of paths) {
    const { model, format, source, findings: found } = await readModel(path, reading, reading);
    summaries.push(
      summarize(model, {
        file: source.name,
        format: format.title,
        fileBytes: source.size,
        ...(format.spelling && versionsOf(model)),
      }),
    );
    findings.push(...found);
  }
  const text = summaries.length === 1 ? describe(summaries[0]!, ops, out.paint) : sideBySide(summaries, ops);
  return { results: { models: summaries }, text, findings };
}

const versionsOf = ({ irVersion, opsets }: Model): Pick<Summary, 'irVersion' | 'opsets'> => ({
  irVersion,
  opsets: [...opsets].map(([domain, version]) => ({ domain: domain || 'ai.onnx', version })),
});

function summarize(model: Model, file: Pick<Summary, 'file' | 'format' | 'fileBytes'> & Partial<Summary>): Summary {
  const tensors = constantsOf(model.graph).flatMap(v => v.tensor ?? v.sparse?.values ?? []);
  const nodes = [...allNodes(model.graph)];
  const counts = new Map<string, number>();
  for (const node of nodes) counts.set(node.qualifiedName, (counts.get(node.qualifiedName) ?? 0) + 1);
  const port = (name: string, type: ValueType | undefined): Port => ({ name, type: formatType(type) });
  return {
    opsets: [],
    ...file,
    producer: [model.producer.name, model.producer.version].filter(Boolean).join(' '),
    weightBytes: tensors.reduce((n, t) => n + t.byteLength, 0),
    external: tensors.some(t => t.origin?.field === 'external'),
    inputs: model.graph.inputs.filter(v => !v.tensor).map(v => port(v.name, v.type)),
    outputs: model.graph.outputs.map(o => port(o.name, o.type ?? o.value.type)),
    parameters: tensors.reduce((n, t) => n + t.size, 0),
    nodes: nodes.length,
    functions: model.functions.length,
    operators: [...counts].map(([name, count]) => ({ name, count })).sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1)),
  };
}

/** The most operators and inputs or outputs that one screen holds. */
const mostOperators = 12;
const mostPorts = 20;

function describe(s: Summary, allOperators: boolean, paint: Paint): string[] {
  const head = [
    formatText(s),
    ...(s.irVersion === undefined ? [] : [`opset ${opsetText(s)}`]),
    ...(s.producer ? [shown(s.producer)] : []),
    `${bytesText(s.fileBytes)} (weights ${bytesText(s.weightBytes)}, external ${s.external ? 'yes' : 'no'})`,
  ];
  const ports = columns([...portRows('in', s.inputs), ...portRows('out', s.outputs)]);
  return [
    `${paint('bold', shown(s.file, 200))}  ${head.join(', ')}`,
    ...ports.map(line => `  ${line}`),
    `  ${countText(s.parameters)} parameters   ${plural(s.nodes, 'node')}, ${plural(s.functions, 'function')}`,
    ...(allOperators ? operatorTable(s) : [`  ${operatorLine(s)}`]),
  ];
}

function portRows(label: string, ports: readonly Port[]): string[][] {
  const rows = ports.slice(0, mostPorts).map(p => [label, shown(p.name), shown(p.type, 120)]);
  return ports.length > mostPorts ? [...rows, [label, `… ${ports.length - mostPorts} more`, '']] : rows;
}

const formatText = (s: Summary): string => (s.irVersion === undefined ? s.format : `${s.format} IR ${s.irVersion}`);
const opsetText = (s: Summary): string =>
  s.opsets.map(o => `${shown(o.domain)} ${o.version}`).join(', ') || (s.irVersion === undefined ? '–' : 'none');

function operatorLine({ operators }: Summary): string {
  const parts = operators.slice(0, mostOperators).map(o => `${shown(o.name)} ${o.count}`);
  if (operators.length > mostOperators) parts.push(`… ${operators.length - mostOperators} more kinds (--ops)`);
  return parts.join('   ') || 'no operators';
}

const operatorTable = ({ operators }: Summary): string[] =>
  columns(
    operators.map(o => [shown(o.name), String(o.count)]),
    { right: [1] },
  ).map(line => `  ${line}`);

function sideBySide(summaries: readonly Summary[], allOperators: boolean): string[] {
  const row = (label: string, cell: (s: Summary) => string): string[] => [label, ...summaries.map(cell)];
  const ports = (list: readonly Port[], i: number): string => (list[i] ? `${shown(list[i].name, 40)} ${shown(list[i].type, 40)}` : '');
  const most = (count: (s: Summary) => number): number => Math.min(mostPorts, Math.max(...summaries.map(count)));
  const names = [...new Set(summaries.flatMap(s => s.operators.map(o => o.name)))];
  const listed = allOperators ? names : names.slice(0, mostOperators);
  const right = summaries.map((_, i) => i + 1);
  const facts = columns([
    row('', s => shown(s.file, 60)),
    row('format', formatText),
    row('opset', opsetText),
    row('producer', s => shown(s.producer, 40)),
    row('file', s => bytesText(s.fileBytes)),
    row('weights', s => bytesText(s.weightBytes)),
    row('parameters', s => countText(s.parameters)),
    ...Array.from({ length: most(s => s.inputs.length) }, (_, i) => row('in', s => ports(s.inputs, i))),
    ...Array.from({ length: most(s => s.outputs.length) }, (_, i) => row('out', s => ports(s.outputs, i))),
    row('nodes', s => String(s.nodes)),
  ]);
  const counts = listed.map(name => row(shown(name), s => String(s.operators.find(o => o.name === name)?.count ?? 0)));
  const rest = names.length - listed.length;
  return [...facts, ...columns(counts, { right }), ...(rest > 0 ? [`… ${plural(rest, 'more operator')} (--ops)`] : [])];
}
