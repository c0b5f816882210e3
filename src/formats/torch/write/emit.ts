// A model as a program of PyTorch calls: node by node, by rows where ATen has the operator, by its body or formula where it has not.
import { type Finding, ModelError } from '../../../errors.ts';
import type { Graph, Model, Node, Value } from '../../../ir/graph.ts';
import { readsOf } from '../../../ir/order.ts';
import { quoted } from '../../../ir/text.ts';
import { elementTypes, formatType } from '../../../ir/types.ts';
import { valuesOf } from '../../../ops/attributes.ts';
import { newBuilder } from '../../../ops/builder.ts';
import { rowOf } from '../../../ops/index.ts';
import type { OpName } from '../../../ops/names.gen.ts';
import { isKnownInput } from '../../../ops/plan-node.ts';
import { newestSchema } from '../../../ops/schema.ts';
import { typedBodies } from '../../../opset/bodies.ts';
import { upgrade } from '../../../opset/upgrade.ts';
import { constantValue } from '../../../passes/fold.ts';
import { bodyValues, rewriteAll, sequences, unroll } from '../../../passes/index.ts';
import { inline } from '../../../passes/inline.ts';
import { rebuild } from '../../../passes/rebuild.ts';
import type { TargetNames } from '../../format.ts';
import { controlRows, type GraphWriter, type Part } from './control.ts';
import { Emission, gap, isComputed, isTorchType, NodeEmission } from './emission.ts';
import { rows, type Said } from './ops.ts';
import { type Call, GraphArg, type ProgramBuilder, Ref, RefList, type State, type StateKind, type TorchProgram } from './program.ts';
import { sayMap } from './scalars.ts';

/**
 * The program of a model.
 * @throws ModelError E2001 with every node that no calls can say
 */
export function programOf(model: Model): TorchProgram {
  const newest = upgrade(model, { nest: typedBodies });
  const graph = inline(newest);
  const edits = rewriteAll(graph, [unroll, sequences]);
  // What stands for a sequence says more about its tensors than their type did.
  const isTold = (edits.get(sequences.name) ?? 0) > 0;
  return writeGraph(isTold ? rebuild(graph, undefined, undefined, undefined, { nest: typedBodies }) : graph);
}

/** Say what the tensors and calls of a program are called in its file. */
export function tellNames(program: TorchProgram, names: TargetNames | undefined, nameOf: (s: State) => string = s => s.name): void {
  if (!names) return;
  for (const s of program.state) names.weight(s.tensor, nameOf(s));
  for (const { meta, name } of callsIn(program.calls)) names.node(meta, name);
}

/** All calls, those of graphs in them too. */
function* callsIn(calls: readonly Call[]): Generator<Call> {
  for (const call of calls) {
    yield call;
    for (const arg of [...call.args, ...Object.values(call.kwargs)]) if (arg instanceof GraphArg) yield* callsIn(arg.calls);
  }
}

/** What all graphs of a model share. */
interface Shared {
  readonly findings: Finding[];
  /** Values of nodes that could not be written, and of those that read them. */
  readonly lost: Set<Value>;
}

function writeGraph(graph: Graph): TorchProgram {
  const named = new Set(graph.initializers);
  // What batch normalisation has seen of its inputs is no parameter: training does not change it by its gradient.
  const statistics = new Set(graph.nodes.flatMap(n => (n.op === 'BatchNormalization' ? n.inputs.slice(3) : [])));
  const isFloat = (v: Value): boolean => v.element !== undefined && elementTypes[v.element].class === 'float';
  const kindOf = (v: Value): StateKind =>
    !v.parameter && !named.has(v) ? 'constant' : isFloat(v) && !statistics.has(v) ? 'parameter' : 'buffer';
  const e = new Emission(kindOf);
  const shared: Shared = { findings: [], lost: new Set() };
  const writer = new Writer(e, shared);
  const inputs = graph.inputs.filter(v => !v.tensor).flatMap(v => writer.offered(v) ?? []);
  for (const { ref } of inputs) e.t.declare(ref);
  writer.nodes(graph);
  if (shared.findings.length > 0) throw new ModelError(shared.findings);
  const outputs = graph.outputs.map(({ name, value }) => ({ name, ref: writer.output(e.tensor(value)) }));
  const calls = neededCalls(
    e.t.calls,
    outputs.map(o => o.ref),
  );
  const read = new Set(calls.flatMap(c => refsOf(c)));
  return { state: e.state.filter(s => read.has(s.ref)), inputs, calls, outputs };
}

/** A graph in a node has results that could not be written; what stands in the way is noted. */
class Lost extends Error {}

class Writer implements GraphWriter {
  readonly e: Emission;
  readonly #isNested: boolean;
  readonly #findings: Finding[];
  readonly #lost: Set<Value>;
  readonly #shared: Shared;

  constructor(e: Emission, shared: Shared, isNested = false) {
    this.e = e;
    this.#isNested = isNested;
    this.#shared = shared;
    this.#findings = shared.findings;
    this.#lost = shared.lost;
  }

  nested(): Writer {
    return new Writer(this.e.nested(), this.#shared, true);
  }

  /** The same of an input of the model; one that PyTorch has not is noted. */
  offered(v: Value): { readonly name: string; readonly ref: Ref } | undefined {
    try {
      return { name: v.name, ref: this.input(v) };
    } catch (error) {
      if (!(error instanceof ModelError) || error.code !== 'E2001') throw error;
      this.#lost.add(v);
      this.#findings.push({ ...error.findings[0]!, path: 'graph.input' });
      return undefined;
    }
  }

  /** Bind an input of the graph. */
  input(v: Value): Ref {
    const type = v.type;
    if (type?.kind !== 'tensor' || !isTorchType(type.element))
      throw gap(`the input ${quoted(v.name)} is ${formatType(type)}, which PyTorch has not`);
    const ref = new Ref(this.e.t.unique(v.name), type);
    this.e.bind(v, ref);
    return ref;
  }

  /** What is given back must be made by the graph. */
  output(ref: Ref): Ref {
    const isMade = this.e.t.calls.some(c => c.outputs.includes(ref));
    return isMade ? ref : this.e.t.call('aten.clone.default', [ref], ref.type!);
  }

  /** Write the nodes on which the outputs of a graph depend. */
  nodes(graph: Part): void {
    for (const node of neededNodes(graph, this.e.t)) this.#node(node, node);
    if (this.#isNested && graph.outputs.some(o => this.#lost.has(o.value))) throw new Lost();
  }

  /** The calls that outputs depend on. */
  calls(outputs: readonly Ref[]): readonly Call[] {
    return neededCalls(this.e.t.calls, outputs);
  }

  /** `origin` is the node of the model that `node` says a part of. */
  #node(node: Node, origin: Node): void {
    const lose = (): void => {
      for (const v of node.outputs) if (v) this.#lost.add(v);
    };
    if (this.#lost.size > 0 && [...readsOf(node)].some(v => this.#lost.has(v))) {
      lose();
      return;
    }
    try {
      this.#emit(node, origin);
    } catch (error) {
      if (error instanceof Lost) {
        lose();
        return;
      }
      if (!(error instanceof ModelError) || (error.code !== 'E2001' && error.code !== 'E3009')) throw error;
      lose();
      const { op, name, domain } = origin;
      const message = `${origin.qualifiedName}: ${error.findings[0]!.message}`;
      this.#findings.push({
        code: 'E2001',
        severity: 'error',
        message,
        node: { op, name: name || (origin.outputs[0]?.name ?? ''), domain },
      });
    }
  }

  #emit(node: Node, origin: Node): void {
    this.e.t.meta = origin.meta;
    this.e.t.node = origin.name || (origin.outputs[0]?.name ?? '');
    if (node.op === 'Constant' && node.domain === '') {
      const [v] = node.outputs;
      if (v) this.e.bind(v, this.e.tensor(constantValue(v.name, node.attributes)));
      return;
    }
    const said = this.#said(node);
    if (said) {
      const refs = said instanceof Ref || said instanceof RefList ? [said] : said;
      node.outputs.forEach((v, i) => {
        const ref = refs[i];
        if (v && ref) this.e.bind(v, ref);
        else if (v) throw gap(`output ${i} is not made`);
      });
      return;
    }
    const b = newBuilder();
    const values = bodyValues(node, b);
    if (!values) throw gap('no calls of PyTorch say it');
    const outputs = values.filter(v => v !== undefined).map(value => ({ value }));
    for (const inner of neededNodes({ nodes: b.nodes, outputs }, this.e.t)) {
      this.#node(inner, origin);
      const lost = inner.outputs.find(v => v && this.#lost.has(v));
      if (lost) throw gap(this.#findings.pop()!.message.replace(`${origin.qualifiedName}: `, `its part ${inner.op}: `));
    }
    node.outputs.forEach((v, i) => v && values[i] && this.e.bind(v, this.e.tensor(values[i])));
  }

  #said(node: Node): Said {
    const row = rowOf(node.op, node.domain);
    const schema = newestSchema(node.domain, node.op);
    if (!row || !schema) throw gap('the operator is not known');
    const odd = [...node.inputs, ...node.outputs].find(v => v?.type?.kind === 'tensor' && !isComputed(v.type.element, node.op));
    if (odd) throw gap(`PyTorch does not compute in ${odd.element}`);
    const n = new NodeEmission<never>(this.e, node, valuesOf(node.attributes, schema) as never);
    const flow = node.domain === '' && Object.hasOwn(controlRows, node.op) ? controlRows[node.op] : undefined;
    if (flow) return flow(n, this);
    const say = node.domain === '' ? (rows[node.op as OpName] as ((n: NodeEmission<never>) => Said) | undefined) : undefined;
    const said = say?.(n);
    if (said) return said;
    return 'map' in row ? sayMap(row, n) : undefined;
  }
}

/** Nodes that outputs depend on other than through contents that are known. */
function neededNodes(graph: Part, t: ProgramBuilder): Node[] {
  const isKnown = (v: Value): boolean => v.contents?.every(d => t.isGiven(d)) ?? false;
  const isSaid = (v: Value): boolean => isKnown(v) && !v.tensor;
  const needed = new Set(graph.outputs.map(o => o.value).filter(v => !isSaid(v)));
  const kept: Node[] = [];
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some(v => v && needed.has(v))) continue;
    kept.push(node);
    const row = rowOf(node.op, node.domain);
    const schema = newestSchema(node.domain, node.op);
    const isRead = (v: Value, i: number): boolean => !isSaid(v) && !(row && schema && isKnownInput(row, schema, i) && isKnown(v));
    for (const [i, v] of node.inputs.entries()) if (v && isRead(v, i)) needed.add(v);
    // What graphs in it read of those around them.
    for (const v of readsOf(node)) if (!node.inputs.includes(v)) needed.add(v);
  }
  return kept.reverse();
}

function* refsIn(args: readonly unknown[]): Generator<Ref> {
  for (const arg of args) {
    if (arg instanceof Ref) yield arg;
    else if (Array.isArray(arg)) yield* refsIn(arg);
  }
}
const refsOf = (call: Call): Ref[] => [...refsIn([...call.args, ...Object.values(call.kwargs)])];

function neededCalls(calls: readonly Call[], outputs: readonly Ref[]): Call[] {
  const needed = new Set(outputs);
  const kept: Call[] = [];
  for (const call of calls.toReversed()) {
    if (!call.outputs.some(ref => needed.has(ref))) continue;
    kept.push(call);
    for (const ref of refsOf(call)) needed.add(ref);
  }
  return kept.reverse();
}
