// Whether a runtime can run a model, by what its releases were found to read and to have kernels for.
import type { Finding } from '../errors.ts';
import { functionKey } from '../formats/onnx/index.ts';
import { type Graph, type Model, type Node, nestedPlaces, type Value } from '../ir/graph.ts';
import { escaped, quoted } from '../ir/text.ts';
import type { DataType, ValueType } from '../ir/types.ts';
import { inferTypes } from '../opset/infer.ts';
import { type Runtime, runtimeNamed } from '../opset/runtimes.ts';

/**
 * E2007 for everything in a model that a runtime such as `ort-1.20` refuses: an IR version or an opset that is newer than it reads, each
 * node whose operator it has no kernel for in the version that the opset names, each node of a domain that it does not know, and each
 * value of an element type that it does not have, where the file says the type or it follows from the inputs.
 * @throws ModelError E4001 where there is no such runtime
 */
export function checkTarget(model: Model, target: string, file?: string): Finding[] {
  const targeted = new Targeted(model, target);
  targeted.versions();
  targeted.graph(model.graph, 'graph', model.opsets);
  targeted.types(model.graph, 'graph', inferTypes(model).types);
  model.functions.forEach((f, i) => {
    targeted.graph(f.body, `functions[${i}]`, f.opsets);
  });
  return targeted.findings.map(f => ({ ...f, file }));
}

/** Classical models, and the domains of the runtime's own. Those that the standard calls a preview it has nothing of. */
const domains = /^(ai\.onnx\.ml|com\.(microsoft|ms)(\..*)?)$/;

/** The element type of tensors, of sequences of them and the like. */
function elementIn(type: ValueType | undefined): DataType | undefined {
  if (type?.kind === 'tensor') return type.element;
  return type && 'of' in type ? elementIn(type.of) : undefined;
}

class Targeted {
  readonly findings: Finding[] = [];
  readonly #model: Model;
  readonly #name: string;
  readonly #runtime: Runtime;
  readonly #functions: ReadonlySet<string>;

  constructor(model: Model, name: string) {
    this.#model = model;
    this.#name = name;
    this.#runtime = runtimeNamed(name);
    this.#functions = new Set(model.functions.map(f => functionKey(f.domain, f.name, f.overload)));
  }

  versions(): void {
    const { irVersion, opsets, functions } = this.#model;
    const most = this.#runtime;
    const refuse = (what: string, found: number, newest: number, path: string): void => {
      if (found > newest) this.#add(`${this.#name} reads ${what} up to ${newest}, the model has ${found}`, { path });
    };
    refuse('IR versions', irVersion, most.irVersion, 'ir_version');
    refuse('opsets', opsets.get('') ?? 0, most.opset, 'opset_import');
    functions.forEach((f, i) => {
      refuse('opsets', f.opsets.get('') ?? 0, most.opset, `functions[${i}].opset_import`);
    });
  }

  graph(graph: Graph, path: string, opsets: ReadonlyMap<string, number>): void {
    graph.nodes.forEach((node, index) => {
      const own = `${path}.node[${index}]`;
      const reason = this.#functions.has(functionKey(node.domain, node.op, node.overload)) ? undefined : this.#reason(node, opsets);
      const { op, name, domain } = node;
      if (reason)
        this.#add(`node #${index} ${escaped(node.qualifiedName)} ${reason}`, {
          path: own,
          offset: node.meta.at,
          node: { index, op, name, domain },
        });
      for (const [step, inner] of nestedPlaces(node)) this.graph(inner, `${own}.${step}`, opsets);
    });
  }

  /** Inputs, constants and what nodes make, each once, with what nodes are nested in them. */
  types(graph: Graph, path: string, inferred: ReadonlyMap<Value, ValueType>): void {
    const seen = new Set<Value>();
    const look = (v: Value | undefined, at: string, place: Partial<Finding> = {}): void => {
      const missing = v && !seen.has(v) && this.#missing(v.tensor?.type ?? elementIn(v.type ?? inferred.get(v)));
      if (v) seen.add(v);
      if (missing) this.#add(`${at} ${quoted(v.name)} is of ${missing}, which ${this.#name} does not have`, { tensor: v.name, ...place });
    };
    for (const [i, v] of graph.inputs.entries()) look(v, 'the input', { path: `${path}.input[${i}]` });
    for (const v of graph.initializers) look(v, 'the constant', { path: `${path}.initializer` });
    graph.nodes.forEach((node, index) => {
      const own = `${path}.node[${index}]`;
      const { op, name, domain } = node;
      const place = { path: own, offset: node.meta.at, node: { index, op, name, domain } };
      for (const v of node.outputs) look(v, `node #${index} ${escaped(node.qualifiedName)}: the output`, place);
      for (const [step, inner] of nestedPlaces(node)) this.types(inner, `${own}.${step}`, inferred);
    });
  }
  #missing(element: DataType | undefined): DataType | undefined {
    return element && this.#runtime.without.has(element) ? element : undefined;
  }

  /** Why the runtime cannot run a node. */
  #reason({ op, domain }: Node, opsets: ReadonlyMap<string, number>): string | undefined {
    if (domain !== '') return domains.test(domain) ? undefined : `is of domain ${quoted(domain)}, which ${this.#name} has no operators of`;
    const opset = opsets.get('') ?? 1;
    const since = Object.hasOwn(this.#runtime.lacks, op) ? this.#runtime.lacks[op]! : Number.POSITIVE_INFINITY;
    return opset >= since ? `has no kernel in ${this.#name} from opset ${since} on, the model imports ${opset}` : undefined;
  }

  #add(message: string, place: Partial<Finding>): void {
    this.findings.push({ code: 'E2007', severity: 'error', message, ...place });
  }
}
