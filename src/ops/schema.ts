// The signature of every version of every standard operator and of ONNX Runtime's own: inputs, outputs, attributes, type constraints.
// Reads the generated tables one line at a time, when an operator is first asked for; says nothing of what operators mean.
import { fail } from '../errors.ts';
import { once } from './once.ts';
import { irVersions, operatorTables, typeLists, typeNames } from './schemas.gen.ts';
import * as runtime from './schemas-microsoft.gen.ts';

export { nearestName } from './nearest.ts';

/** The kinds of attribute of `AttributeProto.AttributeType` that the standard's operators use, and their lists. */
export type AttrType = (typeof attrTypes)[keyof typeof attrTypes];

/** An input or output of an operator. */
export interface Param {
  readonly name: string;
  /** The name of a type constraint, such as `T`, or a type, such as `tensor(int64)`. */
  readonly type: string;
  readonly option: 'single' | 'optional' | 'variadic';
  /** Whether all values of a variadic parameter have one type. */
  readonly homogeneous: boolean;
  /** The least number of values: 1 for single, 0 for optional. */
  readonly minArity: number;
}

/** An attribute of an operator. */
export interface AttrSchema {
  readonly name: string;
  readonly type: AttrType;
  readonly required: boolean;
  /** Absent where the standard gives no constant default. FLOAT values are exact float32 numbers. */
  readonly default?: number | string | readonly number[] | readonly string[];
}

/** One version of one operator. */
export interface OpSchema {
  /** Empty for ai.onnx. */
  readonly domain: string;
  readonly name: string;
  /** The first opset that has this version. */
  readonly since: number;
  readonly deprecated: boolean;
  readonly inputs: readonly Param[];
  readonly outputs: readonly Param[];
  readonly attributes: ReadonlyMap<string, AttrSchema>;
  /** Type constraint to allowed types, such as `tensor(float)`. */
  readonly constraints: ReadonlyMap<string, readonly string[]>;
  /** Counts of names in a node, empty names of omitted inputs included; the maxima are Infinity for variadic operators. */
  readonly minInputs: number;
  readonly maxInputs: number;
  readonly minOutputs: number;
  readonly maxOutputs: number;
  /** Whether the standard defines it by a body of other operators. */
  readonly isFunction: boolean;
}

interface Source {
  readonly domain: string;
  readonly lines: string;
  /** The allowed types of each row that the lines refer to. */
  readonly types: () => readonly (() => readonly string[])[];
}

const microsoft = 'com.microsoft';
const standardTypes = once(() => constraintTypes(typeNames, typeLists));
const runtimeTypes = once(() => constraintTypes(runtime.typeNames, runtime.typeLists));
const sources: readonly Source[] = [
  ...Object.entries(operatorTables).map(([domain, lines]) => ({ domain, lines, types: standardTypes })),
  { domain: microsoft, lines: runtime.table, types: runtimeTypes },
];

/** Domains that have operators here; ai.onnx is the empty string. */
export const knownDomains: readonly string[] = sources.map(source => source.domain);

/** The newest IR version that a release of the standard has. */
export const maxIrVersion: number = Math.max(...Object.values(irVersions).flat());

/** The domain as the tables have it: `ai.onnx` and the empty string are the same. */
export const normaliseDomain = (domain: string): string => (domain === 'ai.onnx' ? '' : domain);

/** The version of an operator that holds at `opset`: the newest that is not newer. Undefined where there is none. */
export function schemaOf(domain: string, name: string, opset: number): OpSchema | undefined {
  return versionsOf(domain, name)
    .findLast(version => version.since <= opset)
    ?.schema();
}

/** The version of an operator in the newest opset of its domain; undefined where there is none. */
export function newestSchema(domain: string, name: string): OpSchema | undefined {
  const newest = newestOpset(domain);
  return newest === undefined ? undefined : schemaOf(domain, name, newest);
}

/** The opsets that brought a version of the operator, oldest first; empty for an unknown operator. */
export const schemaVersions = (domain: string, name: string): readonly number[] => versionsOf(domain, name).map(version => version.since);

/** The newest opset of a domain; undefined for unknown domains. */
export const newestOpset = (domain: string): number | undefined => (domain === microsoft ? 1 : releasedOpset(domain));

/** The newest opset of a domain that the standard releases; undefined for other domains. */
export const releasedOpset = (domain: string): number | undefined => irVersionsOf(domain)?.length;

/** Every operator name that some opset of the domain has, in alphabetical order; empty for an unknown domain. */
export const operatorNames = (domain: string): readonly string[] => [...(operators(normaliseDomain(domain))?.keys() ?? [])];

/**
 * The lowest IR version that may carry these opsets, by ONNX's table of releases; domains outside the standard do not count.
 * Throws E1106 where the standard has no such opset.
 */
export function irVersionFor(opsets: ReadonlyMap<string, number>): number {
  let least = irVersions['']![0]!;
  for (const [domain, opset] of opsets) {
    const versions = irVersionsOf(domain);
    if (!versions) continue;
    const version = versions[opset - 1];
    if (version === undefined)
      throw fail('E1106', `domain '${domain || 'ai.onnx'}': expected an opset from 1 to ${versions.length}, found ${opset}`);
    least = Math.max(least, version);
  }
  return least;
}

function irVersionsOf(domain: string): readonly number[] | undefined {
  const key = normaliseDomain(domain);
  return Object.hasOwn(irVersions, key) ? irVersions[key] : undefined;
}

interface Version {
  readonly since: number;
  readonly schema: () => OpSchema;
}

function versionsOf(domain: string, name: string): readonly Version[] {
  const key = normaliseDomain(domain);
  return operators(key)?.get(name) ?? (key === '' ? strays().get(name) : undefined) ?? [];
}

const tables = new Map(sources.map(source => [source.domain, once(() => indexLines(source))]));
const operators = (domain: string): ReadonlyMap<string, readonly Version[]> | undefined => tables.get(domain)?.();
/** What ONNX Runtime adds to the standard's own domain: found where it is met, but not among the operators of the domain. */
const strays = once(() => indexLines({ domain: '', lines: runtime.strays, types: runtimeTypes }));

/** Names to versions, oldest first, as the lines are sorted. Only the first two fields of a line are looked at. */
function indexLines(source: Source): ReadonlyMap<string, readonly Version[]> {
  const index = new Map<string, Version[]>();
  for (const line of source.lines.trim().split('\n')) {
    const [name, since] = line.split('|', 2) as [string, string];
    const versions = index.get(name) ?? [];
    versions.push({ since: Number(since), schema: once(() => parseLine(source, line)) });
    index.set(name, versions);
  }
  return index;
}

const words = (text: string): string[] => text.split(' ').filter(word => word !== '');

// The cast: every line of the generated table has seven fields, which its generator asserts.
function parseLine({ domain, types }: Source, line: string): OpSchema {
  type Fields = [string, string, string, string, string, string, string];
  const [name, since, flags, inputText, outputText, attributeText, constraintText] = line.split('|') as Fields;
  const inputs = words(inputText).map(parseParam);
  const outputs = words(outputText).map(parseParam);
  return {
    domain,
    name,
    since: Number(since),
    deprecated: flags.includes('d'),
    inputs,
    outputs,
    attributes: new Map(
      words(attributeText)
        .map(word => parseAttribute(word))
        .map(attribute => [attribute.name, attribute]),
    ),
    constraints: new Map(words(constraintText).map(word => parseConstraint(word, types()))),
    minInputs: leastCount(inputs),
    maxInputs: mostCount(inputs),
    minOutputs: leastCount(outputs),
    maxOutputs: mostCount(outputs),
    isFunction: flags.includes('f'),
  };
}

/** `X:T`, `B?:T`, `inputs*1:T`, `outputs*1~:V`. */
function parseParam(word: string): Param {
  const [, name = '', mark = '', arity = '', heterogeneous = '', type = ''] = /^([\w.]+)([?*]?)(\d*)(~?):(.+)$/.exec(word) ?? [];
  const option = mark === '?' ? 'optional' : mark === '*' ? 'variadic' : 'single';
  const minArity = option === 'variadic' ? Number(arity) : option === 'single' ? 1 : 0;
  return { name, type, option, homogeneous: heterogeneous === '', minArity };
}

/** Optional parameters before a required one count: their places are held by empty names. */
function leastCount(params: readonly Param[]): number {
  const last = params.findLastIndex(param => param.option !== 'optional');
  return last < 0 ? 0 : last + params[last]!.minArity;
}

const mostCount = (params: readonly Param[]): number =>
  params.some(param => param.option === 'variadic') ? Number.POSITIVE_INFINITY : params.length;

const attrTypes = {
  f: 'FLOAT',
  i: 'INT',
  s: 'STRING',
  t: 'TENSOR',
  p: 'SPARSE_TENSOR',
  g: 'GRAPH',
  y: 'TYPE_PROTO',
  ff: 'FLOATS',
  ii: 'INTS',
  ss: 'STRINGS',
  tt: 'TENSORS',
  pp: 'SPARSE_TENSORS',
  gg: 'GRAPHS',
  yy: 'TYPE_PROTOS',
} as const;

/** `axis:i`, `axis:i!`, `axis:i=0`, `activations:ss=Tanh,Tanh`. */
function parseAttribute(word: string): AttrSchema {
  const [, name = '', code = '', mark, text = ''] = /^(\w+):(\w+)([!=]?)(.*)$/.exec(word) ?? [];
  const attribute = { name, type: attrTypes[code as keyof typeof attrTypes], required: mark === '!' };
  return mark === '=' ? { ...attribute, default: parseDefault(code, text) } : attribute;
}

function parseDefault(code: string, text: string): NonNullable<AttrSchema['default']> {
  const items = code.length > 1 ? text.split(',') : [text];
  if (code.startsWith('s')) return code.length > 1 ? items : text;
  const numbers = items.map(item => (code.startsWith('f') ? Math.fround(Number(item)) : Number(item)));
  return code.length > 1 ? numbers : numbers[0]!;
}

function parseConstraint(word: string, types: readonly (() => readonly string[])[]): [string, readonly string[]] {
  const [name, row] = word.split('=') as [string, string];
  return [name, types[Number(row)]!()];
}

/** Each set of types is made once and shared by the operators that allow it. */
function constraintTypes(nameList: string, rows: string): readonly (() => readonly string[])[] {
  const names = nameList.trim().split('\n');
  return rows
    .trim()
    .split('\n')
    .map(ranges => once(() => words(ranges).flatMap(range => namesInRange(names, range))));
}

function namesInRange(names: readonly string[], range: string): readonly string[] {
  const [first, last = first] = range.split('-').map(Number);
  return names.slice(first, last! + 1);
}
