// From a graph with its resources to a model: inputs, outputs, and the nodes between them.
import { type Finding, warning } from '../../errors.ts';
import { allNodes, Graph, Model, type Output } from '../../ir/graph.ts';
import { quoted } from '../../ir/text.ts';
import { newBuilder } from '../../ops/builder.ts';
import { irVersionFor, newestOpset } from '../../ops/schema.ts';
import { states } from '../../passes/layers.ts';
import { recurrent } from '../../passes/recurrent.ts';
import { removeUnread, rewrite, rewriteAll } from '../../passes/rewrite.ts';
import { simplify } from '../../passes/simplify.ts';
import { sizes } from '../../passes/sizes.ts';
import type { ReadLimits } from '../format.ts';
import { Problems } from '../problems.ts';
import type { Body, Library, Ref } from './body.ts';
import { type Handle, tensorOf, Variable } from './handles.ts';
import { type InputShapes, inputValues, type Port } from './ports.ts';
import { Reader } from './reader.ts';

/** What of a graph becomes a model. */
export interface Wanted {
  readonly name: string;
  readonly body: Body;
  readonly library: Library;
  readonly inputs: readonly (Port & { readonly ref: Ref })[];
  readonly outputs: readonly { readonly name: string; readonly ref: Ref }[];
  /** Variables, tables and the like by the names of their nodes. */
  readonly resources: ReadonlyMap<string, Handle>;
  readonly producer?: string | undefined;
  readonly metadata: ReadonlyMap<string, string>;
  /** What was found while the file was read. */
  readonly findings?: readonly Finding[];
}

export interface TranslateOptions {
  readonly allowCustom?: boolean | undefined;
  readonly inputShapes?: InputShapes | undefined;
  readonly limits?: ReadLimits | undefined;
}

/** What functions may come to, unless a limit says it: nodes for each that is stored, and some for any file. */
const growth = 16;
const leastNodes = 4096;

/**
 * The model, in the newest opset.
 * @throws ModelError with one E2001 for each operator that has no conversion, with counts and places
 */
export function translate(
  wanted: Wanted,
  { allowCustom = false, inputShapes = {}, limits }: TranslateOptions,
): { model: Model; findings: Finding[] } {
  const problems = new Problems();
  const { library, resources } = wanted;
  const mostNodes = limits?.inlined ?? leastNodes + growth * (library.nodeCount + wanted.body.nodes.size);
  const reader = new Reader({ library, problems, resources, custom: allowCustom, mostNodes });
  const inputs = inputValues(wanted.inputs, inputShapes);
  const bound = new Map<string, Handle[]>();
  for (const [i, { ref }] of wanted.inputs.entries()) {
    const handles = bound.get(ref.node) ?? [];
    handles[ref.index] = inputs[i]!;
    bound.set(ref.node, handles);
  }
  const b = newBuilder();
  const body = { ...wanted.body, outputs: wanted.outputs.map(o => o.ref) };
  const results = reader.run(body, [], b, '', bound);
  problems.throwIfAny();
  const outputs: Output[] = wanted.outputs.map(({ name }, i) => ({ name, value: tensorOf(results[i]) }));
  const graph = new Graph(wanted.name, { inputs, outputs, nodes: b.nodes });
  removeUnread(graph);
  rewrite(graph, recurrent);
  rewriteAll(graph, [{ name: 'states', rules: states }, sizes, simplify]);
  const domains = new Set([...allNodes(graph)].map(n => n.domain).filter(domain => domain !== ''));
  const opsets = new Map([['', newestOpset('')!], ...[...domains].map(domain => [domain, newestOpset(domain) ?? 1] as const)]);
  const model = new Model(graph, {
    irVersion: irVersionFor(opsets),
    opsets,
    producer: { name: 'tensorflow', version: wanted.producer },
    meta: { metadata: wanted.metadata },
  });
  return { model, findings: [...(wanted.findings ?? []), ...stored(resources)] };
}

/** Variables that the program stores into: the model computes with what it stores, and forgets it after the run. */
const stored = (resources: ReadonlyMap<string, Handle>): Finding[] =>
  [...resources.values()]
    .filter(r => r instanceof Variable && r.isWritten)
    .map(r => warning('E2006', `the program stores into its variable ${quoted((r as Variable).name)}; the model leaves that as it is`));
