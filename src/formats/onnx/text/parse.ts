// Models out of ONNX's textual syntax, as messages: attributes, nodes, graphs, functions, headers.
// Syntax: https://github.com/onnx/onnx/blob/main/docs/Syntax.md
import { at } from '../../../codec/protobuf.ts';
import { ascii, ended } from '../../../codec/text-cursor.ts';
import { decodeUtf8 } from '../../../codec/utf8.ts';
import {
  type AttributeProto,
  type FunctionProto,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type OperatorSetIdProto,
  type TensorProto,
  AttributeProto_AttributeType as Type,
  type ValueInfoProto,
} from '../proto.gen.ts';
import { Lexer } from './lexer.ts';
import { atType, offset, parseEntries, parseTensor, parseType } from './parse-values.ts';
import { attributeWord, attributeWords, functionWords, isFloatWord, modelWords } from './words.ts';

/**
 * The message that a text says; it is as `onnx.parser` makes it.
 * Errors, with line and column: E1005 the text ends early, E1006 bad syntax and numbers beyond their type, E1008 too deep, E1009 too long,
 * E1010 a word of a header twice.
 */
export function parseModelText(text: Uint8Array, file: string | undefined, depth: number): ModelProto {
  const lexer = new Lexer(text, file, depth);
  const model: ModelProto = { [at]: 0, ...header(lexer, modelWords) };
  model.graph = lexer.nested(1, () => parseGraph(lexer, offset(lexer), lexer.name('a graph')));
  const functions: FunctionProto[] = [];
  while (lexer.next() !== ended) functions.push(lexer.nested(1, () => parseFunction(lexer)));
  if (functions.length > 0) model.functions = functions;
  return model;
}

/** `<word: value, …>`, where there is one. */
function header(lexer: Lexer, words: Readonly<Record<string, keyof typeof headerValues>>): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  if (!lexer.take(ascii.less)) return fields;
  do {
    const start = offset(lexer);
    const word = lexer.identifier(`one of ${Object.keys(words).join(', ')}`);
    const kind = Object.hasOwn(words, word) ? words[word] : undefined;
    if (!kind)
      throw lexer.error('E1006', `expected one of ${Object.keys(words).join(', ')}, found ${JSON.stringify(word.slice(0, 200))}`, start);
    if (word in fields) throw lexer.error('E1010', `${word} occurs twice`, start);
    lexer.expect(ascii.colon);
    fields[word] = headerValues[kind](lexer);
  } while (lexer.take(ascii.comma));
  lexer.expect(ascii.greater);
  return fields;
}

const headerValues = {
  int: (l: Lexer) => l.int(),
  string: (l: Lexer) => l.text(),
  entries: (l: Lexer) => {
    l.expect(ascii.openBracket);
    return parseEntries(l);
  },
  opsets: (l: Lexer): OperatorSetIdProto[] => {
    l.expect(ascii.openBracket);
    const opsets: OperatorSetIdProto[] = [];
    if (l.take(ascii.closeBracket)) return opsets;
    do {
      const start = offset(l);
      const domain = l.text();
      l.expect(ascii.colon);
      opsets.push({ domain, version: l.int(), [at]: start });
    } while (l.take(ascii.comma));
    l.expect(ascii.closeBracket);
    return opsets;
  },
} as const;

/** What follows the name of a graph. */
function parseGraph(lexer: Lexer, start: number, name: string): GraphProto {
  const initializer: TensorProto[] = [];
  const input = values(lexer, ascii.open, ascii.close, initializer).all;
  arrow(lexer);
  const output = values(lexer, ascii.open, ascii.close).all;
  const { plain } = lexer.next() === ascii.less ? values(lexer, ascii.less, ascii.greater, initializer) : { plain: [] };
  return { name, input, output, value_info: plain, initializer, node: nodes(lexer), [at]: start };
}

function arrow(lexer: Lexer): void {
  if (lexer.next() !== ascii.equals || lexer.bytes[lexer.pos + 1] !== ascii.greater) throw lexer.unexpected("'=>'");
  lexer.pos += 2;
}

/**
 * Names with their types, of which those with a content are initializers too where `initializer` is given to hold them. `plain` are
 * those without.
 */
function values(
  lexer: Lexer,
  open: number,
  close: number,
  initializer?: TensorProto[],
): { all: ValueInfoProto[]; plain: ValueInfoProto[] } {
  const [all, plain]: [ValueInfoProto[], ValueInfoProto[]] = [[], []];
  lexer.expect(open);
  if (lexer.take(close)) return { all, plain };
  do {
    const value = valueInfo(lexer);
    all.push(value);
    if (initializer && lexer.take(ascii.equals)) initializer.push(parseTensor(lexer, typed(lexer, value), value.name ?? ''));
    else plain.push(value);
  } while (lexer.take(ascii.comma));
  lexer.expect(close);
  return { all, plain };
}

function valueInfo(lexer: Lexer): ValueInfoProto {
  const start = offset(lexer);
  const type = atType(lexer) ? parseType(lexer) : undefined;
  return { ...(type && { type }), name: lexer.name('a name'), [at]: start };
}

function typed(lexer: Lexer, { type, [at]: start }: ValueInfoProto): NonNullable<ValueInfoProto['type']> {
  if (!type) throw lexer.error('E1006', 'a tensor needs a type', start);
  return type;
}

function nodes(lexer: Lexer): NodeProto[] {
  const list: NodeProto[] = [];
  lexer.expect(ascii.openBrace);
  while (!lexer.take(ascii.closeBrace)) list.push(node(lexer));
  return list;
}

/** `[label] outputs = domain.Operator:overload <attributes> (inputs)`; the attributes may come last. */
function node(lexer: Lexer): NodeProto {
  const result: NodeProto = { [at]: offset(lexer) };
  if (lexer.take(ascii.openBracket)) {
    result.name = lexer.next() === ascii.closeBracket ? '' : lexer.name('the name of a node');
    lexer.expect(ascii.closeBracket);
  }
  result.output = lexer.names();
  lexer.expect(ascii.equals);
  const path = lexer.qualified('an operator');
  result.op_type = path.pop()!;
  result.domain = path.join('.');
  if (lexer.take(ascii.colon)) result.overload = lexer.identifier('an overload');
  const first = attributes(lexer);
  lexer.expect(ascii.open);
  result.input = lexer.names();
  lexer.expect(ascii.close);
  result.attribute = first.length > 0 ? first : attributes(lexer);
  return result;
}

function attributes(lexer: Lexer): AttributeProto[] {
  const list: AttributeProto[] = [];
  if (!lexer.take(ascii.less)) return list;
  do list.push(attribute(lexer, offset(lexer), lexer.identifier('an attribute')));
  while (lexer.take(ascii.comma));
  lexer.expect(ascii.greater);
  return list;
}

/** What follows the name of an attribute. */
function attribute(lexer: Lexer, start: number, name: string): AttributeProto {
  const type = lexer.take(ascii.colon) ? kindOfAttribute(lexer) : undefined;
  lexer.expect(ascii.equals);
  const value = lexer.take(ascii.openBracket) ? listValue(lexer, start, type) : singleValue(lexer, type);
  return { name, ...(type !== undefined && { type }), ...value, [at]: start };
}

function kindOfAttribute(lexer: Lexer): number {
  const start = offset(lexer);
  const word = lexer.identifier('the type of an attribute');
  const code = attributeWords.get(word);
  if (code === undefined)
    throw lexer.error('E1006', `expected the type of an attribute, found ${JSON.stringify(word.slice(0, 40))}`, start);
  return code;
}

/** The kind of a list by the kind of its items, and the fields that hold the one and the other. */
const lists = new Map<number, { type: number; one: keyof AttributeProto; all: keyof AttributeProto }>([
  [Type.FLOAT, { type: Type.FLOATS, one: 'f', all: 'floats' }],
  [Type.INT, { type: Type.INTS, one: 'i', all: 'ints' }],
  [Type.STRING, { type: Type.STRINGS, one: 's', all: 'strings' }],
  [Type.TENSOR, { type: Type.TENSORS, one: 't', all: 'tensors' }],
  [Type.GRAPH, { type: Type.GRAPHS, one: 'g', all: 'graphs' }],
  [Type.SPARSE_TENSOR, { type: Type.SPARSE_TENSORS, one: 'sparse_tensor', all: 'sparse_tensors' }],
  [Type.TYPE_PROTO, { type: Type.TYPE_PROTOS, one: 'tp', all: 'type_protos' }],
]);

/** Values up to the bracket, all of one kind. An empty list has to say its type. */
function listValue(lexer: Lexer, start: number, type: number | undefined): AttributeProto {
  if (lexer.take(ascii.closeBracket)) {
    if (type === undefined) throw lexer.error('E1006', 'an empty list needs a type, such as `: ints`', start);
    if (lists.has(type)) throw lexer.error('E1006', `expected ${attributeWord.get(type)}, found a list`, start);
    return { type };
  }
  const [wanted] = [...lists].find(([, list]) => list.type === type) ?? [type];
  if (type !== undefined && wanted === type) throw lexer.error('E1006', `expected ${attributeWord.get(type)}, found a list`, start);
  const first = singleValue(lexer, wanted);
  const list = lists.get(first.type ?? 0);
  if (!list) throw lexer.error('E1006', 'a list cannot hold references to attributes', start);
  const items = [first[list.one]];
  while (lexer.take(ascii.comma)) items.push(singleValue(lexer, first.type)[list.one]);
  if (!lexer.take(ascii.closeBracket)) throw lexer.unexpected("',' or ']'");
  return { type: list.type, [list.all]: items };
}

/** One value, which has to be of the type `wanted` where one is given. An integer is a float where that is wanted. */
function singleValue(lexer: Lexer, wanted: number | undefined): AttributeProto {
  const start = offset(lexer);
  if (lexer.take(ascii.at)) return { ref_attr_name: lexer.name('an attribute of the function') };
  const value = lexer.startsNumber() ? numberValue(lexer, wanted) : otherValue(lexer, start);
  if (wanted !== undefined && value.type !== wanted)
    throw lexer.error('E1006', `expected ${attributeWord.get(wanted)}, found ${attributeWord.get(value.type!)}`, start);
  return value;
}

function numberValue(lexer: Lexer, wanted: number | undefined): AttributeProto {
  const start = offset(lexer);
  const word = lexer.peekWord();
  const numeral = lexer.number();
  // A graph may have the name of a number.
  if (isFloatWord(word) && lexer.next() === ascii.open) return graphValue(lexer, start, word);
  if (!numeral.isInteger || wanted === Type.FLOAT) return { type: Type.FLOAT, f: lexer.floatOf(numeral) };
  lexer.pos = start;
  return { type: Type.INT, i: lexer.int() };
}

/** A string, a tensor, a type or a graph. */
function otherValue(lexer: Lexer, start: number): AttributeProto {
  const next = lexer.next();
  if (next === ascii.quote) {
    const s = lexer.string();
    return lexer.next() === ascii.open ? graphValue(lexer, start, decodeUtf8(s)) : { type: Type.STRING, s };
  }
  if (!atType(lexer)) return graphValue(lexer, start, lexer.identifier('the value of an attribute'));
  const tp = lexer.nested(2, () => parseType(lexer));
  const named = lexer.next() === ascii.quote || lexer.peekWord() !== '';
  const name = named ? lexer.name('a name') : '';
  if (lexer.take(ascii.equals) || named || lexer.next() === ascii.openBrace) return { type: Type.TENSOR, t: parseTensor(lexer, tp, name) };
  return { type: Type.TYPE_PROTO, tp };
}

/** A graph in an attribute of a node lies three messages deeper than its own graph. */
const graphValue = (lexer: Lexer, start: number, name: string): AttributeProto => ({
  type: Type.GRAPH,
  g: lexer.nested(3, () => parseGraph(lexer, start, name)),
});

function parseFunction(lexer: Lexer): FunctionProto {
  const result: FunctionProto = { [at]: offset(lexer), ...header(lexer, functionWords) };
  result.name = lexer.name('a function');
  const { names, defaults } = parameters(lexer);
  const value_info: ValueInfoProto[] = [];
  const input = signature(lexer, value_info);
  arrow(lexer);
  const output = signature(lexer, value_info);
  if (lexer.next() === ascii.less) value_info.push(...values(lexer, ascii.less, ascii.greater).all);
  return { ...result, attribute: names, attribute_proto: defaults, input, output, value_info, node: nodes(lexer) };
}

/** `<name, name = default, …>`, where there is one. */
function parameters(lexer: Lexer): { names: string[]; defaults: AttributeProto[] } {
  const names: string[] = [];
  const defaults: AttributeProto[] = [];
  if (!lexer.take(ascii.less)) return { names, defaults };
  do {
    const start = offset(lexer);
    const name = lexer.name('an attribute of the function');
    const next = lexer.next();
    if (next === ascii.colon || next === ascii.equals) defaults.push(attribute(lexer, start, name));
    else names.push(name);
  } while (lexer.take(ascii.comma));
  lexer.expect(ascii.greater);
  return { names, defaults };
}

/** The names of inputs or outputs. Those with a type are values with a type of the function. */
function signature(lexer: Lexer, known: ValueInfoProto[]): string[] {
  const { all } = values(lexer, ascii.open, ascii.close);
  known.push(...all.filter(value => value.type));
  return all.map(value => value.name ?? '');
}
