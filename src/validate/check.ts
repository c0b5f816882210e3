// Whether a file is a valid ONNX model: what reading it found, every node against the standard's schemas, and the types that follow.
import type { Source } from '../codec/source.ts';
import { type Finding, ModelError, type Place } from '../errors.ts';
import { functionKey, type ReadOptions, readOnnx } from '../formats/onnx/index.ts';
import { type FunctionDefinition, type Graph, type Model, type Node, nestedPlaces } from '../ir/graph.ts';
import { escaped, quoted } from '../ir/text.ts';
import { nearestName } from '../ops/nearest.ts';
import { newestOpset, type OpSchema, operatorNames, releasedOpset, schemaOf, schemaVersions } from '../ops/schema.ts';
import type { Report } from '../ops/signature.ts';
import { inferTypes } from '../opset/infer.ts';
import { checkContents } from './check-contents.ts';
import { checkGraph } from './check-graph.ts';
import { checkCall, checkNode } from './check-node.ts';

/** The model as far as it could be read, and everything found. A model without findings of severity `error` is valid. */
export interface CheckResult {
  readonly model?: Model | undefined;
  readonly findings: Finding[];
}

/**
 * Check a file. Bad input never throws: E10xx to E12xx and E14xx come from reading (see `readOnnx`), E1106 undeclared domains, E1301
 * unknown operators (a warning where the domain is not the standard's), E1302 arity, E1303 attributes, E1304 and E1306 element
 * types, E1305 shapes that contradict each other, E1308 deprecated operators, E1110 and E1205 contents (warnings).
 */
export async function checkModel(source: Source, options: ReadOptions = {}): Promise<CheckResult> {
  try {
    const { model, findings } = await readOnnx(source, { checksums: true, ...options });
    const operators = checkOperators(model, source.name);
    const isSound = findings.every(f => f.severity !== 'error');
    const types = isSound ? checkTypes(model, operators, source.name) : [];
    // A shape that could not be read is a finding already.
    const unread = findings.filter(f => f.severity === 'error');
    const graph = checkGraph(model, source.name).filter(g => g.code !== 'E1307' || !unread.some(f => f.path?.startsWith(g.path!)));
    return { model, findings: [...findings, ...graph, ...operators, ...types, ...(await checkContents(model, source.name))] };
  } catch (error) {
    if (error instanceof ModelError) return { findings: error.within({ file: source.name }).findings.slice() };
    throw error;
  }
}

/** What contradicts itself when types are followed through the model, but for nodes that something was found wrong with before. */
export function checkTypes(model: Model, before: readonly Finding[] = [], file?: string): Finding[] {
  const wrong = new Set(before.filter(f => f.severity === 'error').map(f => nodePath(f.path)));
  return inferTypes(model)
    .findings.filter(f => !wrong.has(nodePath(f.path)))
    .map(f => ({ ...f, file }));
}

/** The path of the node in which a place lies. */
const nodePath = (path = ''): string => /^.*\.node\[\d+\]/.exec(path)?.[0] ?? path;

/** The findings of the schemas on every node, those of nested graphs and function bodies included; linear in nodes. */
export function checkOperators(model: Model, file?: string): Finding[] {
  const checker = new Checker(model, file);
  checker.graph(model.graph, 'graph', { opsets: model.opsets });
  model.functions.forEach((f, i) => {
    checker.graph(f.body, `functions[${i}]`, { opsets: f.opsets, inside: f });
  });
  return checker.findings;
}

/** What holds for the nodes of one body: the opsets it imports, and the function it belongs to. */
interface Body {
  readonly opsets: ReadonlyMap<string, number>;
  readonly inside?: FunctionDefinition;
}

/** How many findings look for the operator that was meant. */
const searches = 100;

class Checker {
  readonly findings: Finding[] = [];
  readonly #file: string | undefined;
  readonly #functions: ReadonlyMap<string, FunctionDefinition>;
  /** Domains and operators outside the standard, each reported once. */
  readonly #reported = new Set<string>();
  #searches = 0;

  constructor(model: Model, file?: string) {
    this.#file = file;
    this.#functions = new Map(model.functions.map(f => [functionKey(f.domain, f.name, f.overload), f]));
  }

  graph(graph: Graph, path: string, body: Body): void {
    graph.nodes.forEach((node, index) => {
      this.#node(node, index, `${path}.node[${index}]`, body);
      for (const [step, inner] of nestedPlaces(node)) this.graph(inner, `${path}.node[${index}].${step}`, body);
    });
  }

  #node(node: Node, index: number, path: string, body: Body): void {
    const place: Place = {
      file: this.#file,
      offset: node.meta.at,
      node: { index, op: node.op, name: node.name, domain: node.domain },
    };
    const report: Report = (code, message, step = '', more = {}) => {
      // Outside the standard there are no releases: another version of the runtime may have more operators and attributes.
      const { unknown = false, severity = unknown && releasedOpset(node.domain) === undefined ? 'warning' : 'error', ...rest } = more;
      this.findings.push({
        code,
        severity,
        message: `node #${index} ${escaped(node.qualifiedName)} ${message}`,
        ...place,
        path: `${path}${step}`,
        ...rest,
      });
    };
    this.#checkDomain(node, body, report);
    const called = this.#functions.get(functionKey(node.domain, node.op, node.overload));
    const schema = called ? undefined : this.#schemaOf(node, body, report);
    if (called) checkCall(node, called, report);
    else if (schema) checkNode(node, schema, report);
  }

  #checkDomain(node: Node, { opsets, inside }: Body, report: Report): void {
    const key = `domain ${node.domain} ${inside ? functionKey(inside.domain, inside.name, inside.overload) : ''}`;
    // That a model imports nothing at all is one finding of reading, not one for each domain.
    if (opsets.has(node.domain) || (opsets.size === 0 && !inside) || this.#reported.has(key)) return;
    this.#reported.add(key);
    report('E1106', `is of domain ${quoted(node.domain || 'ai.onnx')}, which the ${inside ? 'function' : 'model'} does not import`);
  }

  /** The version that holds, or a finding: E1301, E1308. */
  #schemaOf(node: Node, { opsets }: Body, report: Report): OpSchema | undefined {
    const newest = newestOpset(node.domain);
    if (newest === undefined) {
      const key = `operator ${node.domain} ${node.op}`;
      if (!this.#reported.has(key)) report('E1301', 'is not of the standard; it is not checked', '', { severity: 'warning' });
      this.#reported.add(key);
      return undefined;
    }
    const said = opsets.get(node.domain) ?? newest;
    const opset = said < 1 ? newest : Math.min(said, newest);
    const schema = schemaOf(node.domain, node.op, opset);
    if (!schema) this.#unknown(node, opset, report);
    else if (schema.deprecated) report('E1308', `is deprecated since opset ${schema.since}, the model imports ${opset}`);
    return schema;
  }

  #unknown(node: Node, opset: number, report: Report): void {
    const [since] = schemaVersions(node.domain, node.op);
    if (since !== undefined) {
      report('E1301', `is known since opset ${since}, the model imports ${opset}`);
      return;
    }
    const near = this.#searches++ < searches ? nearestName(node.op, operatorNames(node.domain)) : undefined;
    const hint = near === undefined ? {} : { hint: `nearest name: ${near}` };
    report('E1301', `is no operator of ${node.domain || 'ai.onnx'}`, '.op_type', { ...hint, unknown: true });
  }
}
