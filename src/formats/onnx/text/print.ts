// Messages as ONNX's textual syntax, so that `onnx.parser` and our own read the same back.
// Syntax: https://github.com/onnx/onnx/blob/main/docs/Syntax.md
import type { Bytes, Encoded } from '../../../codec/protobuf.ts';
import { contentsOf, float32Text } from '../../../codec/protobuf-values.ts';
import { tableOf } from '../../../codec/protobuf-wire.ts';
import { TextSink } from '../../../codec/text-sink.ts';
import type { Finding } from '../../../errors.ts';
import {
  type AttributeProto,
  type FunctionProto,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type OperatorSetIdProto,
  onnxSchema,
  AttributeProto_AttributeType as Type,
  type ValueInfoProto,
} from '../proto.gen.ts';
import { Losses } from './losses.ts';
import { printBytes, printEntries, printLabel, printName, printTensor, printType, quote } from './print-values.ts';
import { attributeWord, functionWords, isIdentifier, modelWords, startsType } from './words.ts';

/**
 * The text of a model, and warnings (E2002) of what was left out. Contents that are not in memory are read.
 * Errors: E2002, all at once, for what computes and has no words: sparse tensors, training graphs, operators and attributes whose name is
 * no identifier, contents that are no UTF-8.
 */
export async function printModelText(model: ModelProto): Promise<{ encoded: Encoded; findings: Finding[] }> {
  const printer = new ModelPrinter(await contentsOf(model, tableOf(onnxSchema, 'ModelProto')));
  printer.model(model);
  return { findings: printer.losses.finish(), encoded: printer.sink.finish() };
}

class ModelPrinter {
  readonly sink = new TextSink();
  readonly losses = new Losses();
  readonly contents: (bytes: Bytes) => Uint8Array;

  constructor(contents: (bytes: Bytes) => Uint8Array) {
    this.contents = contents;
  }

  model(model: ModelProto): void {
    this.losses.fields(model);
    this.#header(model, modelWords);
    const graph = model.graph ?? {};
    this.sink.write(printName(graph.name));
    this.#graph(graph, 'graph', '');
    this.sink.write('\n');
    for (const [i, f] of (model.functions ?? []).entries()) this.#function(f, `functions[${i}]`);
  }

  #header(message: ModelProto | FunctionProto, words: Readonly<Record<string, keyof typeof headerValues>>): void {
    const lines = Object.entries(words).flatMap(([word, kind]) => {
      const value = (message as Record<string, unknown>)[word];
      const isEmpty = value === undefined || (Array.isArray(value) && value.length === 0);
      // The cast: the table says what each word holds.
      return isEmpty ? [] : [`  ${word}: ${headerValues[kind](value as never)}`];
    });
    if (lines.length > 0) this.sink.write('<\n', lines.join(',\n'), '\n>\n');
  }

  /** What follows the name of a graph. */
  #graph(graph: GraphProto, path: string, indent: string): void {
    const { sink } = this;
    sink.write(' ', this.#values(graph.input, `${path}.input`), ' => ', this.#values(graph.output, `${path}.output`));
    const inner = `${indent}  `;
    let separator = ` <\n${inner}`;
    const next = (): void => {
      sink.write(separator);
      separator = `,\n${inner}`;
    };
    for (const [i, tensor] of (graph.initializer ?? []).entries()) {
      next();
      printTensor(tensor, `${path}.initializer[${i}]`, true, this);
    }
    for (const [i, value] of (graph.value_info ?? []).entries()) {
      next();
      sink.write(this.#value(value, `${path}.value_info[${i}]`));
    }
    sink.write(separator.startsWith(',') ? `\n${indent}> ` : ' ');
    this.#nodes(graph.node, path, indent);
  }

  #values(values: readonly ValueInfoProto[] = [], path: string): string {
    return `(${values.map((value, i) => this.#value(value, `${path}[${i}]`)).join(', ')})`;
  }

  #value({ name = '', type }: ValueInfoProto, path: string): string {
    const text = printType(type, `${path}.type`, this.losses);
    return text === '' ? printUntyped(name) : `${text} ${printName(name)}`;
  }

  #nodes(nodes: readonly NodeProto[] = [], path: string, indent: string): void {
    this.sink.write('{\n');
    for (const [i, node] of nodes.entries()) this.#node(node, `${path}.node[${i}]`, `${indent}  `);
    this.sink.write(indent, '}');
  }

  #node(node: NodeProto, path: string, indent: string): void {
    const { sink } = this;
    const names = (list: readonly string[] = []): string => list.map(printName).join(', ');
    const outputs = names(node.output);
    if (node.name !== undefined) sink.write(indent, '[', printName(node.name), '] ');
    else sink.write(indent);
    sink.write(outputs, outputs && ' ', '= ', this.#operator(node, path));
    const attributes = node.attribute ?? [];
    // A reader finds the inputs before graphs of many lines.
    const areLast = attributes.some(a => a.g || a.graphs?.length);
    if (!areLast) this.#attributes(attributes, path, indent);
    sink.write(' (', names(node.input), ')');
    if (areLast) this.#attributes(attributes, path, indent);
    sink.write('\n');
  }

  #operator({ domain = '', op_type = '', overload = '' }: NodeProto, path: string): string {
    const words = [...(domain === '' ? [] : domain.split('.')), op_type, ...(overload === '' ? [] : [overload])];
    if (!words.every(isIdentifier)) {
      const name = [domain, op_type].filter(Boolean).join('.') + (overload && `:${overload}`);
      this.losses.refuse(`the textual syntax cannot say the operator ${quote(name.slice(0, 200))}, which is not made of identifiers`, path);
    }
    return `${domain === '' ? '' : `${domain}.`}${op_type}${overload === '' ? '' : `:${overload}`}`;
  }

  #attributes(attributes: readonly AttributeProto[], path: string, indent: string): void {
    let separator = ' <';
    for (const [i, attribute] of attributes.entries()) {
      const { name = '' } = attribute;
      const place = `${path}.attribute[${i}]`;
      if (!isIdentifier(name))
        this.losses.refuse(`the textual syntax cannot say the attribute ${quote(name.slice(0, 200))}, which is no identifier`, place);
      this.sink.write(separator, name);
      this.#attribute(attribute, place, indent);
      separator = ', ';
    }
    if (attributes.length > 0) this.sink.write('>');
  }

  /** What follows the name of an attribute. */
  #attribute(a: AttributeProto, path: string, indent: string): void {
    const { sink } = this;
    const word = attributeWord.get(a.type ?? 0);
    sink.write(word === undefined ? ' = ' : `: ${word} = `);
    if (a.ref_attr_name) {
      sink.write('@', printName(a.ref_attr_name));
      return;
    }
    const print = attributeValues[a.type ?? 0];
    if (!print) this.losses.refuse('the textual syntax cannot say an attribute of this type', path);
    else print(a, { printer: this, path, indent });
  }

  /** A graph as the value of an attribute. */
  nested(graph: GraphProto, path: string, indent: string): void {
    this.sink.write(printLabel(graph.name ?? '', 'graphs in attributes', path, this.losses));
    this.#graph(graph, path, indent);
  }

  #function(f: FunctionProto, path: string): void {
    const { sink } = this;
    sink.write('\n');
    this.#header(f, functionWords);
    sink.write(printName(f.name), ' ');
    this.#parameters(f, path);
    const names = (list: readonly string[] = []): string => list.map(printUntyped).join(', ');
    sink.write('(', names(f.input), ') => (', names(f.output), ') ');
    const known = (f.value_info ?? []).map((value, i) => this.#value(value, `${path}.value_info[${i}]`));
    if (known.length > 0) sink.write('<', known.join(', '), '> ');
    this.#nodes(f.node, path, '');
    sink.write('\n');
  }

  #parameters(f: FunctionProto, path: string): void {
    const { sink } = this;
    let separator = '<';
    for (const name of f.attribute ?? []) {
      sink.write(separator, printName(name));
      separator = ', ';
    }
    for (const [i, attribute] of (f.attribute_proto ?? []).entries()) {
      sink.write(separator, printName(attribute.name));
      this.#attribute(attribute, `${path}.attribute_proto[${i}]`, '');
      separator = ', ';
    }
    if (separator !== '<') sink.write('> ');
  }
}

/** A name where a type may stand before it. */
const printUntyped = (name: string): string => (startsType(name) ? quote(name) : printName(name));

const headerValues = {
  int: (value: number | bigint) => String(value),
  string: quote,
  entries: printEntries,
  opsets: (opsets: readonly OperatorSetIdProto[]) =>
    `[${opsets.map(({ domain = '', version = 0 }) => `${quote(domain)} : ${version}`).join(', ')}]`,
} as const;

interface Context {
  readonly printer: ModelPrinter;
  readonly path: string;
  readonly indent: string;
}
type Print = (attribute: AttributeProto, context: Context) => void;

const one =
  (text: (attribute: AttributeProto, context: Context) => string): Print =>
  (attribute, context) =>
    context.printer.sink.write(text(attribute, context));

/** A list in brackets. */
const list =
  <T>(items: (attribute: AttributeProto) => readonly T[] | undefined, write: (item: T, context: Context) => void): Print =>
  (attribute, context) => {
    const { sink } = context.printer;
    sink.write('[');
    for (const [i, item] of (items(attribute) ?? []).entries()) {
      if (i > 0) sink.write(', ');
      write(item, context);
    }
    sink.write(']');
  };

const bytes = (content: Bytes, { printer, path }: Context): string => printBytes(printer.contents(content), path, printer.losses);
const absent = ({ printer, path }: Context): void =>
  printer.losses.refuse('the textual syntax cannot say an attribute without its value', path);

/** How the value of each type of attribute is written; sparse tensors have no words. */
const attributeValues: Readonly<Record<number, Print>> = {
  [Type.FLOAT]: one(a => float32Text(a.f ?? 0)),
  [Type.INT]: one(a => String(a.i ?? 0)),
  [Type.STRING]: one((a, c) => bytes(a.s ?? new Uint8Array(0), c)),
  [Type.TENSOR]: (a, c) => (a.t ? printTensor(a.t, `${c.path}.t`, false, c.printer) : absent(c)),
  [Type.GRAPH]: (a, c) => (a.g ? c.printer.nested(a.g, `${c.path}.g`, c.indent) : absent(c)),
  [Type.TYPE_PROTO]: one((a, c) => printType(a.tp, `${c.path}.tp`, c.printer.losses)),
  [Type.FLOATS]: list(
    a => a.floats,
    (f, { printer }) => printer.sink.write(float32Text(f)),
  ),
  [Type.INTS]: list(
    a => a.ints,
    (i, { printer }) => printer.sink.write(String(i)),
  ),
  [Type.STRINGS]: list(
    a => a.strings,
    (s, c) => c.printer.sink.write(bytes(s, c)),
  ),
  [Type.TENSORS]: list(
    a => a.tensors,
    (t, c) => printTensor(t, `${c.path}.tensors`, false, c.printer),
  ),
  [Type.GRAPHS]: list(
    a => a.graphs,
    (g, c) => c.printer.nested(g, `${c.path}.graphs`, c.indent),
  ),
  [Type.TYPE_PROTOS]: list(
    a => a.type_protos,
    (t, c) => c.printer.sink.write(printType(t, `${c.path}.type_protos`, c.printer.losses)),
  ),
};
