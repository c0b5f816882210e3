// Models as text for people, close to the textual syntax of the standard. Nothing reads it back.
import type { Attribute, Attributes, Graph, Model, Node, SparseTensor, Value } from './graph.ts';
import type { Tensor } from './tensor.ts';
import { formatType } from './types.ts';

/** The whole model: its opsets, its functions and its graph. Names are escaped; weights show only their type. */
export function printModel(model: Model): string {
  const header = [
    `ir_version: ${model.irVersion}`,
    `opset_import: ${printOpsets(model.opsets)}`,
    ...(model.producer.name ? [`producer_name: ${quoted(model.producer.name)}`] : []),
    ...(model.producer.version ? [`producer_version: ${quoted(model.producer.version)}`] : []),
  ];
  const functions = model.functions.map(f => {
    const parameters = [...f.attributes, ...f.defaults.keys()].map(identifier);
    const id = `domain: ${quoted(f.domain)}, opset_import: ${printOpsets(f.opsets)}${f.overload ? `, overload: ${quoted(f.overload)}` : ''}`;
    return `<${id}>\n${new Printer().graph(f.body, '', parameters)}\n`;
  });
  return [`<${header.join(', ')}>`, printGraph(model.graph), ...functions].join('\n');
}

/** One graph with those nested in it. */
export const printGraph = (graph: Graph): string => `${new Printer().graph(graph, '')}\n`;

const longest = 200;

/** A name in quotes, cut to 200 characters, with everything escaped that could move a cursor, reorder text or end the quotes. */
export const quoted = (name: string): string => `"${escaped(name)}"`;

/** Text on one line, cut to 200 characters; control, invisible and reordering characters and bytes that are no UTF-8 are escaped. */
export function escaped(text: string): string {
  const cut = text.length > longest ? `${text.slice(0, longest)}…` : text;
  return cut.replace(/["\\]|[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, c => {
    if (c === '"' || c === '\\') return `\\${c}`;
    if (c === '\n') return '\\n';
    const code = c.codePointAt(0)!;
    const byte = code >= 0xdc80 && code <= 0xdcff ? code - 0xdc00 : code;
    return byte < 256 ? `\\x${byte.toString(16).padStart(2, '0')}` : `\\u{${byte.toString(16)}}`;
  });
}

const plain = /^[\p{L}\p{N}_./:\-#]+$/u;
const identifier = (name: string): string => (name.length <= longest && plain.test(name) ? name : quoted(name));
const printOpsets = (opsets: ReadonlyMap<string, number>): string =>
  `[${[...opsets].map(([domain, version]) => `${quoted(domain)} : ${version}`).join(', ')}]`;

/** The most elements of a constant that are shown. */
const shown = 8;

/** Gives every value a name of its own in the text, whatever wishes are repeated. */
class Printer {
  readonly #names = new Map<Value, string>();
  readonly #taken = new Map<string, number>();

  graph(graph: Graph, indent: string, parameters: readonly string[] = []): string {
    const inputs = graph.inputs.map(v => this.typed(v)).join(', ');
    const constants = graph.initializers.map(v => `\n${indent}  ${this.typed(v)}${contents(v)}`);
    const lines = graph.nodes.map(node => `${indent}  ${this.node(node, `${indent}  `)}\n`);
    const outputs = graph.outputs.map(o => this.output(o.name, o.value, formatType(o.type ?? o.value.type))).join(', ');
    const name = identifier(graph.name || 'graph') + (parameters.length > 0 ? ` <${parameters.join(', ')}>` : '');
    const initializers = constants.length > 0 ? `\n${indent}<${constants.join(',')}\n${indent}>` : '';
    return `${name} (${inputs}) => (${outputs})${initializers} {\n${lines.join('')}${indent}}`;
  }

  private output(name: string, value: Value, type: string): string {
    const own = this.value(value);
    return `${type} ${identifier(name)}${own === identifier(name) ? '' : ` = ${own}`}`;
  }

  private typed(v: Value): string {
    return `${formatType(v.type)} ${this.name(v)}`;
  }

  private node(node: Node, indent: string): string {
    const label = node.name ? `[${quoted(node.name)}] ` : '';
    const op = `${identifier(node.qualifiedName)}${node.overload ? `:${identifier(node.overload)}` : ''}`;
    const inputs = node.inputs.map(v => (v ? this.value(v) : '""')).join(', ');
    const outputs = node.outputs.map(v => (v ? this.name(v) : '""')).join(', ');
    const attributes = node.attributes.size > 0 ? ` <${this.attributes(node.attributes, indent)}>` : '';
    return `${label}${outputs}${outputs && ' = '}${op}${attributes} (${inputs})`;
  }

  private attributes(attributes: Attributes, indent: string): string {
    return [...attributes].map(([name, a]) => `${identifier(name)} = ${this.attribute(a, indent)}`).join(', ');
  }

  private attribute(a: Attribute, indent: string): string {
    switch (a.kind) {
      case 'float':
      case 'int':
        return String(a.value);
      case 'string':
        return quoted(a.value);
      case 'floats':
      case 'ints':
        return list(a.value, String);
      case 'strings':
        return list(a.value, quoted);
      case 'tensor':
        return printTensor(a.value);
      case 'tensors':
        return list(a.value, printTensor);
      case 'sparse_tensor':
        return printSparse(a.value);
      case 'sparse_tensors':
        return list(a.value, printSparse);
      case 'type_proto':
        return formatType(a.value);
      case 'type_protos':
        return list(a.value, formatType);
      case 'graph':
        return this.graph(a.value, indent);
      case 'graphs':
        return `[${a.value.map(g => this.graph(g, indent)).join(', ')}]`;
      case 'reference':
        return `@${identifier(a.value)}`;
      default:
        return a satisfies never;
    }
  }

  /** A small constant that nothing lists is shown where it is read. */
  private value(v: Value): string {
    if (!this.#names.has(v) && v.tensor?.isResident && v.tensor.size <= shown) return printTensor(v.tensor);
    return this.name(v);
  }

  private name(v: Value): string {
    const known = this.#names.get(v);
    if (known !== undefined) return known;
    const wish = v.name || 'v';
    const count = this.#taken.get(wish) ?? 0;
    this.#taken.set(wish, count + 1);
    const name = identifier(count === 0 ? wish : `${wish}#${count}`);
    this.#names.set(v, name);
    return name;
  }
}

const list = <T>(items: readonly T[], print: (item: T) => string): string =>
  `[${items.slice(0, 64).map(print).join(', ')}${items.length > 64 ? `, … ${items.length} in all` : ''}]`;

const contents = (v: Value): string => (v.tensor?.isResident && v.tensor.size <= shown ? ` = ${elements(v.tensor)}` : '');
const elements = (t: Tensor): string =>
  `{${Array.from<unknown>(t.data)
    .map(x => (typeof x === 'string' ? quoted(x) : String(x)))
    .join(', ')}}`;
const printTensor = (t: Tensor): string => `${t.type}[${t.dims.join(',')}]${t.isResident && t.size <= shown ? elements(t) : ''}`;
const printSparse = (s: SparseTensor): string => `sparse(${s.values.type}[${s.dims.join(',')}], ${s.values.size} elements)`;
