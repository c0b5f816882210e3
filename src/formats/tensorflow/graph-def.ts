// Graphs without signatures: a frozen GraphDef, as protobuf or as its text. Inputs and outputs are given, or found.
import type { Source } from '../../codec/source.ts';
import { fail } from '../../errors.ts';
import { quoted } from '../../ir/text.ts';
import { ancestorsOf, type Body, type BodyNode, graphBody, Library, outputCount, plainRef, type Ref } from './body.ts';
import { fetchStrings } from './fetch.ts';
import { readMessage } from './message.ts';
import type { Port } from './ports.ts';
import type { GraphDef } from './proto.gen.ts';
import type { Wanted } from './translate.ts';
import { sizesOf } from './types.ts';

/** What a caller may say of a graph. */
export interface GraphOptions {
  /** Nodes or tensors, such as `x` or `x:0`, with the names of the model's inputs; otherwise all placeholders. */
  readonly inputs?: readonly string[] | undefined;
  /** Otherwise whatever nothing reads. */
  readonly outputs?: readonly string[] | undefined;
  readonly depth?: number | undefined;
}

/** @throws ModelError what decoding throws, and what `wantedOf` does */
export async function openGraphDef(source: Source, name: string, isText: boolean, options: GraphOptions): Promise<Wanted> {
  const graph = await readMessage<GraphDef>('GraphDef', source, isText, options.depth);
  await fetchStrings(graph);
  const library = new Library(graph);
  const body = graphBody(graph, '');
  return {
    name,
    body,
    library,
    resources: new Map(),
    metadata: new Map([['source_format', 'graphdef']]),
    ...endsOf(body, library, options),
  };
}

const placeholders: ReadonlySet<string> = new Set(['Placeholder', 'PlaceholderV2']);
/** What nothing reads, and what is no result all the same. */
const noResults: ReadonlySet<string> = new Set(['NoOp', 'Assert', 'Const', 'PrintV2', 'SaveV2', 'Placeholder', 'PlaceholderWithDefault']);

/**
 * Inputs and outputs of a graph.
 * @throws ModelError E3001 for names that are not there, E1104 for a graph without results
 */
export function endsOf(body: Body, library: Library, { inputs, outputs }: GraphOptions): Pick<Wanted, 'inputs' | 'outputs'> {
  const nodes = [...body.nodes.values()];
  const outs = outputs?.map(text => given(body, text)) ?? resultsOf(nodes, library);
  const needed = ancestorsOf(
    body,
    outs.map(ref => ref.node),
  );
  const found = nodes.filter(n => placeholders.has(n.op) && needed.has(n.name)).map(n => ({ node: n.name, index: 0 }));
  const ins = inputs?.map(text => given(body, text)) ?? found;
  if (outs.length === 0) throw fail('E1104', 'every node of the graph is read by another; say with --outputs what its results are');
  return {
    inputs: ins.map((ref, i) => ({ ...portOf(body.nodes.get(ref.node)!, nameOf(ref, inputs?.[i])), ref })),
    outputs: outs.map((ref, i) => ({ name: nameOf(ref, outputs?.[i]), ref })),
  };
}

function given(body: Body, text: string): Ref {
  const ref = plainRef(text);
  if (!body.nodes.has(ref.node)) throw fail('E3001', `the graph has no node ${quoted(ref.node)}`);
  return ref;
}

const nameOf = ({ node, index }: Ref, text: string | undefined): string => text ?? (index === 0 ? node : `${node}:${index}`);

function resultsOf(nodes: readonly BodyNode[], library: Library): Ref[] {
  const read = new Set(nodes.flatMap(n => n.inputs.map(ref => ref.node)));
  // Frozen functions give their results these names, beside which other ends are left over from what was not needed.
  const isNamed = (n: BodyNode): boolean => n.op === 'Identity' && /^Identity(_\d+)?$/.test(n.name);
  const named = nodes.some(n => isNamed(n) && !read.has(n.name));
  return nodes
    .filter(n => !read.has(n.name) && !noResults.has(n.op) && (!named || isNamed(n)))
    .flatMap(n => {
      const def = library.find(n.op);
      const count = def ? outputCount(def, n.attrs) : 1;
      return Array.from({ length: count }, (_, index) => ({ node: n.name, index }));
    });
}

function portOf(node: BodyNode, name: string): Port {
  const type = node.attrs.get('dtype')?.type ?? node.attrs.get('T')?.type;
  if (type === undefined) throw fail('E1307', `the node ${quoted(node.name)} (${node.op}) does not say its type, so it cannot be an input`);
  // Old graphs say a shape of no axes where they mean that it is not known, new ones a scalar.
  return { name, type, sizes: sizesOf(node.attrs.get('shape')?.shape ?? { unknown_rank: true }) };
}
