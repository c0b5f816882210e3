// What is different between two models: facts, signature, nodes and weights. Weights are streamed, and measured only where bytes differ.
import { ModelError } from '../errors.ts';
import { type Attribute, constantsOf, type FunctionDefinition, type Graph, type Model, type Node, type Value } from '../ir/graph.ts';
import type { Tensor } from '../ir/tensor.ts';
import { quoted } from '../ir/text.ts';
import { formatType } from '../ir/types.ts';
import { upgrade } from '../opset/upgrade.ts';
import { kindOfType, type Matching, madeBy, matchGraphs, pairUp, saidAttributes } from './diff-match.ts';
import { type Distance, distance, sameTensor } from './diff-weights.ts';

/** Something that both have otherwise, or only one of them has. */
export interface Change {
  readonly what: string;
  readonly before?: string | undefined;
  readonly after?: string | undefined;
}

/** A node of one of the models. */
export interface NodeFacts {
  readonly op: string;
  readonly name: string;
  /** The names of what it makes. */
  readonly outputs: readonly string[];
  /** The nested graph or the function that it is in. */
  readonly path?: string | undefined;
}

export interface NodeChange extends NodeFacts {
  readonly changes: readonly Change[];
}

export interface WeightFacts {
  readonly name: string;
  readonly type: string;
  readonly path?: string | undefined;
}

export interface WeightChange extends WeightFacts {
  /** Name and type in the second model, where they are others. */
  readonly after?: { readonly name: string; readonly type: string } | undefined;
  /** Absent where bytes are equal, or shapes differ. */
  readonly distance?: Distance | undefined;
}

interface Difference<Fact, Changed> {
  readonly added: readonly Fact[];
  readonly removed: readonly Fact[];
  readonly changed: readonly Changed[];
  /** How many are the same, names included. */
  readonly same: number;
}

export interface ModelDiff {
  readonly same: boolean;
  /** Versions, imports, producer and metadata (of ONNX files), the graph's name, functions. */
  readonly facts: readonly Change[];
  readonly inputs: Difference<WeightFacts, Change>;
  readonly outputs: Difference<WeightFacts, Change>;
  readonly nodes: Difference<NodeFacts, NodeChange> & {
    /** Nodes that compute the same under other names: of themselves or of what they make. */
    readonly renamed: readonly NodeChange[];
  };
  readonly weights: Difference<WeightFacts, WeightChange> & { readonly renamed: readonly WeightChange[] };
  /** The opset in which nodes were compared, where the models are of different ones. */
  readonly comparedIn?: number | undefined;
}

/**
 * Compare two models, whatever they were read from. Nodes are matched by what they compute, then by the names of what they make, then
 * by the weights they read and by who reads them. An attribute that says its default is the same as none. Models of different opsets are compared in the newest, where both can be upgraded. Documentation, metadata of
 * nodes and declared types of values in between are not looked at.
 * @throws ModelError what reading weights throws
 */
export async function diff(a: Model, b: Model): Promise<ModelDiff> {
  const [x, y, comparedIn] = comparable(a, b);
  const found = new Found();
  found.matching(matchGraphs(x.graph, y.graph, { opsets: x.opsets }));
  for (const [f, g] of functionPairs(x, y))
    found.matching(matchGraphs(f.body, g.body, { byPlace: true, path: `function ${titleOf(f)}`, opsets: f.opsets }));
  const main = found.main!;
  const inputs = ports(main, 'inputs');
  const outputs = ports(main, 'outputs');
  const facts = [...factsOf(a, b), ...found.facts];
  const nodes = { added: found.added, removed: found.removed, changed: found.changed, renamed: found.renamed, same: found.same };
  const weights = await found.weights();
  const lists = [inputs, outputs, nodes, weights].flatMap(d => [d.added, d.removed, d.changed]);
  const same = [facts, nodes.renamed, weights.renamed, ...lists].every(list => list.length === 0);
  return { same, facts, inputs, outputs, nodes, weights, ...(comparedIn !== undefined && { comparedIn }) };
}

/** The models in one opset, where that is possible. */
function comparable(a: Model, b: Model): readonly [Model, Model, number?] {
  if ([...a.opsets].every(([domain, version]) => (b.opsets.get(domain) ?? version) === version)) return [a, b];
  try {
    const [x, y] = [upgrade(a), upgrade(b)];
    return [x, y, x.opsets.get('')!];
  } catch (error) {
    if (error instanceof ModelError) return [a, b];
    throw error;
  }
}

const titleOf = (f: FunctionDefinition): string => [f.domain, f.name, f.overload].filter(Boolean).join('.');

function functionPairs(a: Model, b: Model): [FunctionDefinition, FunctionDefinition][] {
  const others = new Map(b.functions.map(f => [titleOf(f), f]));
  return a.functions.flatMap((f): [FunctionDefinition, FunctionDefinition][] => {
    const other = others.get(titleOf(f));
    return other ? [[f, other]] : [];
  });
}

/** Only an ONNX file has versions and metadata of its own. */
function factsOf(a: Model, b: Model): Change[] {
  const changes: Change[] = [];
  const compare = (what: string, before: string | number | undefined, after: string | number | undefined): void => {
    if (before !== after) changes.push({ what, before: before?.toString(), after: after?.toString() });
  };
  const compareMaps = (what: string, x: ReadonlyMap<string, string | number> = new Map(), y: typeof x = new Map()): void => {
    for (const key of new Set([...x.keys(), ...y.keys()])) compare(`${what} ${key || 'ai.onnx'}`, x.get(key), y.get(key));
  };
  if (a.meta.at !== undefined && b.meta.at !== undefined) {
    compare('IR version', a.irVersion, b.irVersion);
    compareMaps('opset', a.opsets, b.opsets);
    compare('producer', producerOf(a), producerOf(b));
    compareMaps('metadata', a.meta.metadata, b.meta.metadata);
    compare('graph name', a.graph.name, b.graph.name);
  }
  const functions = (m: Model): Map<string, string> => new Map(m.functions.map(f => [titleOf(f), signatureOf(f)]));
  compareMaps('function', functions(a), functions(b));
  return changes;
}

const producerOf = ({ producer }: Model): string => [producer.name, producer.version].filter(Boolean).join(' ');

const signatureOf = (f: FunctionDefinition): string => {
  const attributes = [...f.attributes, ...[...f.defaults].map(([name, a]) => `${name}=${textOf(a)}`)];
  return `(${f.body.inputs.map(v => v.name)}) => (${f.body.outputs.map(o => o.name)})${attributes.length > 0 ? ` <${attributes.join(', ')}>` : ''}`;
};

interface Port {
  readonly name: string;
  readonly type: string;
  readonly value: Value;
}

const portsOf = (graph: Graph, side: 'inputs' | 'outputs'): Port[] =>
  side === 'inputs'
    ? graph.inputs.filter(v => !v.tensor).map(v => ({ name: v.name, type: formatType(v.type), value: v }))
    : graph.outputs.map(o => ({ name: o.name, type: formatType(o.type ?? o.value.type), value: o.value }));

function ports({ a, b, values }: Main, side: 'inputs' | 'outputs'): Difference<WeightFacts, Change> {
  const [x, y] = [portsOf(a, side), portsOf(b, side)];
  const pairs = pairUp(
    x,
    y,
    p => p.name,
    p => kindOfType(p.value.type),
  );
  const [usedX, usedY] = [new Set(pairs.map(p => p[0])), new Set(pairs.map(p => p[1]))];
  const fact = ({ name, type }: Port): WeightFacts => ({ name, type });
  const changed = pairs.flatMap(([p, q]): Change[] => {
    const word = (port: Port): string => `${port.name === p.name && port.name === q.name ? '' : `${port.name} `}${port.type}`;
    if (p.name !== q.name || p.type !== q.type) return [{ what: p.name, before: word(p), after: word(q) }];
    if (values.get(p.value) !== q.value)
      return [{ what: p.name, before: `made by ${makerOf(p.value)}`, after: `made by ${makerOf(q.value)}` }];
    return x.indexOf(p) === y.indexOf(q) || x.length !== y.length
      ? []
      : [{ what: p.name, before: `place ${x.indexOf(p)}`, after: `place ${y.indexOf(q)}` }];
  });
  return {
    added: y.filter(p => !usedY.has(p)).map(fact),
    removed: x.filter(p => !usedX.has(p)).map(fact),
    changed,
    same: pairs.length - changed.length,
  };
}

const makerOf = (v: Value): string => (v.producer ? `${v.producer.qualifiedName} ${quoted(v.producer.name || v.name)}` : quoted(v.name));

interface Main extends Pick<Matching, 'values'> {
  readonly a: Graph;
  readonly b: Graph;
}

/** Contents to compare. */
interface Pair {
  readonly before: Weight;
  readonly after: Weight;
  readonly path: string | undefined;
}
interface Weight {
  readonly name: string;
  readonly tensors: readonly Tensor[];
}

interface Place extends Pick<Matching, 'opsets'> {
  readonly path: string | undefined;
}

/** What has been found out about nodes, and the contents that are still to be compared. */
class Found {
  main: Main | undefined;
  readonly facts: Change[] = [];
  readonly added: NodeFacts[] = [];
  readonly removed: NodeFacts[] = [];
  readonly changed: NodeChange[] = [];
  readonly renamed: NodeChange[] = [];
  same = 0;
  readonly #pairs: Pair[] = [];
  readonly #addedWeights: WeightFacts[] = [];
  readonly #removedWeights: WeightFacts[] = [];

  matching(m: Matching): void {
    const { a, b, path: outermost } = m.graphs[0]!;
    this.main ??= { a, b, values: m.values };
    const made = new Set(m.nodes.values());
    for (const { a: x, b: y, path } of m.graphs) {
      const place = path || undefined;
      for (const node of x.nodes) {
        const other = m.nodes.get(node);
        if (other) this.#nodes(node, other, m, place);
        else this.removed.push(nodeFacts(node, place));
      }
      for (const node of y.nodes) if (!made.has(node)) this.added.push(nodeFacts(node, place));
      if (place) this.#innerOutputs(x, y, m, place);
    }
    this.#constants(a, b, m, outermost || undefined);
  }

  #nodes(node: Node, other: Node, m: Matching, path: string | undefined): void {
    const changes: Change[] = [];
    const compare = (what: string, before: string | undefined, after: string | undefined): void => {
      if (before !== after) changes.push({ what, before, after });
    };
    compare('operator', node.qualifiedName, other.qualifiedName);
    this.#attributes(node, other, { opsets: m.opsets, path }, compare);
    for (let k = 0; k < Math.max(node.inputs.length, other.inputs.length); k++) {
      const [v, w] = [node.inputs[k], other.inputs[k]];
      if ((v && m.values.get(v)) !== w) changes.push({ what: `input ${k}`, before: v && nameFor(v), after: w && nameFor(w) });
    }
    compare('outputs', presentOutputs(node), presentOutputs(other));
    const names: Change[] = [];
    if (node.name !== other.name) names.push({ what: 'name', before: node.name, after: other.name });
    node.outputs.forEach((v, i) => {
      const after = other.outputs[i]?.name;
      if (v && after !== undefined && v.name !== after) names.push({ what: `output ${i}`, before: v.name, after });
    });
    if (changes.length > 0) this.changed.push({ ...nodeFacts(node, path), changes: [...changes, ...names] });
    else if (names.length > 0) this.renamed.push({ ...nodeFacts(node, path), changes: names });
    else this.same++;
  }

  #attributes(node: Node, other: Node, { opsets, path }: Place, compare: (what: string, x?: string, y?: string) => void): void {
    const [said, saidOther] = [saidAttributes(node, opsets), saidAttributes(other, opsets)];
    for (const name of new Set([...said.keys(), ...saidOther.keys()])) {
      const [x, y] = [said.get(name), saidOther.get(name)];
      const isNested = (a: Attribute | undefined): boolean => a?.kind === 'graph' || a?.kind === 'graphs';
      if (x?.kind === 'tensor' && y?.kind === 'tensor') {
        const label = (n: Node): string => `${madeBy(n)}.${name}`;
        this.#pairs.push({
          before: { name: label(node), tensors: [x.value] },
          after: { name: label(other), tensors: [y.value] },
          path,
        });
      } else if (!(isNested(x) && isNested(y))) compare(name, x && textOf(x), y && textOf(y));
    }
  }

  #innerOutputs(a: Graph, b: Graph, { values }: Matching, path: string): void {
    for (let i = 0; i < Math.max(a.outputs.length, b.outputs.length); i++) {
      const [v, w] = [a.outputs[i]?.value, b.outputs[i]?.value];
      if ((v && values.get(v)) !== w) this.facts.push({ what: `${path}, output ${i}`, before: v && makerOf(v), after: w && makerOf(w) });
    }
  }

  #constants(a: Graph, b: Graph, { values }: Matching, path: string | undefined): void {
    const [before, after] = [constantsOf(a), constantsOf(b)];
    const matched = new Set(values.values());
    const facts = (v: Value): WeightFacts => ({ name: v.name, type: formatType(v.type), ...(path && { path }) });
    for (const v of before) {
      const w = values.get(v);
      if (w) this.#pairs.push({ before: weightOf(v), after: weightOf(w), path });
      else this.#removedWeights.push(facts(v));
    }
    for (const w of after) if (!matched.has(w)) this.#addedWeights.push(facts(w));
  }

  /** Compare contents, one pair after the other. */
  async weights(): Promise<ModelDiff['weights']> {
    const [changed, renamed]: [WeightChange[], WeightChange[]] = [[], []];
    let same = 0;
    for (const pair of this.#pairs) {
      const isSame = await sameContent(pair.before, pair.after);
      if (isSame && pair.before.name === pair.after.name) same++;
      else if (isSame) renamed.push(weightChange(pair));
      else changed.push(weightChange(pair, await distance(pair.before.tensors[0]!, pair.after.tensors[0]!)));
    }
    return { added: this.#addedWeights, removed: this.#removedWeights, changed, renamed, same };
  }
}

const nodeFacts = (node: Node, path: string | undefined): NodeFacts => ({
  op: node.qualifiedName,
  name: node.name,
  outputs: node.outputs.flatMap(v => v?.name ?? []),
  ...(path && { path }),
});

const presentOutputs = (node: Node): string =>
  node.outputs
    .map(v => (v ? '1' : '0'))
    .join('')
    .replace(/0+$/, '');

/** What reads like a name even where there is none. */
const nameFor = (v: Value): string => (v.tensor ? `${v.name} ${formatType(v.type)}` : v.name);

const weightOf = (v: Value): Weight => ({ name: v.name, tensors: v.tensor ? [v.tensor] : [v.sparse!.values, v.sparse!.indices] });

async function sameContent(a: Weight, b: Weight): Promise<boolean> {
  if (a.tensors.length !== b.tensors.length) return false;
  for (const [i, t] of a.tensors.entries()) if (!(await sameTensor(t, b.tensors[i]!))) return false;
  return true;
}

const typeText = ({ tensors: [t] }: Weight): string => `${t!.type}[${t!.dims}]`;

function weightChange({ before, after, path }: Pair, apart?: Distance): WeightChange {
  const isOther = before.name !== after.name || typeText(before) !== typeText(after);
  return {
    name: before.name,
    type: typeText(before),
    ...(isOther && { after: { name: after.name, type: typeText(after) } }),
    ...(apart && { distance: apart }),
    ...(path && { path }),
  };
}

/** The most letters of an attribute that are shown. */
const longestAttribute = 200;

function textOf(a: Attribute): string {
  const text = attributeText(a);
  return text.length > longestAttribute ? `${text.slice(0, longestAttribute)}… (${text.length} letters)` : text;
}

function attributeText(a: Attribute): string {
  switch (a.kind) {
    case 'string':
      return quoted(a.value);
    case 'strings':
      return `[${a.value.map(quoted).join(', ')}]`;
    case 'floats':
    case 'ints':
      return `[${a.value.join(', ')}]`;
    case 'float':
    case 'int':
      return String(a.value);
    case 'reference':
      return `@${a.value}`;
    case 'tensor':
      return `${a.value.type}[${a.value.dims}]`;
    case 'type_proto':
      return formatType(a.value);
    case 'graph':
      return `a graph of ${a.value.nodes.length} nodes`;
    case 'sparse_tensor':
      return `sparse ${a.value.values.type}[${a.value.dims}]`;
    default:
      return `${a.value.length} ${a.kind}`;
  }
}
