// What the two directions of opset conversion share: a node free of its place, attributes as plain values, and what is derived from
// two signatures alone.
import type { Attribute, Attributes, Node, Value } from '../ir/graph.ts';
import type { Builder } from '../ops/builder.ts';
import { type OpSchema, schemaVersions } from '../ops/schema.ts';

/** A node of some version, free of its place in a graph. */
export interface Form {
  /** Where the operator has another name in the version that the step leads to. */
  readonly op?: string;
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes: Attributes;
}

/** From one version of an operator to its neighbour; values where that cannot say it in one node. */
export type Step = (form: Form, b: Builder, node: Node) => Form | readonly (Value | undefined)[];
/** Rows by operator, then by the version that brought the change. */
export type StepTable = Readonly<Record<string, Readonly<Record<number, Step>>>>;

export const isForm = (result: ReturnType<Step>): result is Form => !Array.isArray(result);

/** The row of an operator at the version that brought the change. */
export const stepOf = (table: StepTable, { domain, op }: { domain: string; op: string }, version: number): Step | undefined => {
  const name = domain ? `${domain}.${op}` : op;
  return Object.hasOwn(table, name) ? table[name]![version] : undefined;
};

/** Rows that say the same of several operators. */
export const each = <S>(ops: readonly string[], row: Readonly<Record<number, S>>): Record<string, Readonly<Record<number, S>>> =>
  Object.fromEntries(ops.map(op => [op, row]));

export const reductions: readonly string[] = ['L1', 'L2', 'LogSum', 'LogSumExp', 'Max', 'Mean', 'Min', 'Prod', 'SumSquare'].map(
  name => `Reduce${name}`,
);

export const without = (attributes: Attributes, ...names: readonly string[]): Attributes =>
  new Map([...attributes].filter(([name]) => !names.includes(name)));
export const withAttribute = (attributes: Attributes, name: string, value: Attribute): Attributes =>
  new Map([...without(attributes, name), [name, value]]);

export const intsOf = (attribute: Attribute | undefined): readonly number[] | undefined =>
  attribute?.kind === 'ints' ? attribute.value.map(Number) : undefined;
export const numberOf = (attribute: Attribute | undefined): number | undefined =>
  attribute?.kind === 'int' || attribute?.kind === 'float' ? Number(attribute.value) : undefined;
export const textOf = (attribute: Attribute | undefined): string | undefined =>
  attribute?.kind === 'string' ? attribute.value : undefined;
export const int = (value: number): Attribute => ({ kind: 'int', value });
export const ints = (value: readonly number[]): Attribute => ({ kind: 'ints', value });
export const float = (value: number): Attribute => ({ kind: 'float', value });
export const text = (value: string): Attribute => ({ kind: 'string', value });
export const floats = (value: readonly number[]): Attribute => ({ kind: 'floats', value });

/** Inputs with another value at a place. */
export function place(inputs: readonly (Value | undefined)[], at: number, v: Value | undefined): (Value | undefined)[] {
  const all = [...inputs];
  while (all.length <= at) all.push(undefined);
  all[at] = v;
  return all;
}

/** Attributes of old versions that never meant anything. */
export const leftovers = ['consumed_inputs'] as const;

/** Whether a node written for `before` means the same under `after`, as far as signatures tell: they only grew. */
export const onlyGrew = (before: OpSchema, after: OpSchema): boolean =>
  signatureGrew(before, after) && before.inputs.every((_, i) => typesGrew(before, after, i));
/** The same where element types are looked at elsewhere. */
export const signatureGrew = (before: OpSchema, after: OpSchema): boolean => inputsGrew(before, after) && attributesGrew(before, after);

function inputsGrew(before: OpSchema, after: OpSchema): boolean {
  return (
    !after.deprecated &&
    before.maxOutputs <= after.maxOutputs &&
    before.minOutputs >= after.minOutputs &&
    before.inputs.every((param, i) => {
      const now = after.inputs[i];
      return now?.option === param.option || (param.option === 'single' && now !== undefined);
    }) &&
    after.inputs.slice(before.inputs.length).every(param => param.option !== 'single')
  );
}

function typesGrew(before: OpSchema, after: OpSchema, i: number): boolean {
  const allowed = (schema: OpSchema): readonly string[] => {
    const type = schema.inputs[i]!.type;
    return schema.constraints.get(type) ?? [type];
  };
  const now = new Set(allowed(after));
  return allowed(before).every(type => now.has(type));
}

function attributesGrew(before: OpSchema, after: OpSchema): boolean {
  const kept = [...before.attributes.values()].filter(a => !(leftovers as readonly string[]).includes(a.name));
  return (
    kept.every(a => sameAttribute(a, after.attributes.get(a.name))) &&
    [...after.attributes.values()].every(a => !a.required || before.attributes.get(a.name)?.required)
  );
}

type AttributeFacts = OpSchema['attributes'] extends ReadonlyMap<string, infer A> ? A : never;
const sameAttribute = (a: AttributeFacts, b: AttributeFacts | undefined): boolean =>
  b !== undefined && a.type === b.type && String(a.default) === String(b.default);

/** The version before one of an operator's versions. */
export const versionBefore = (domain: string, op: string, version: number): number | undefined =>
  schemaVersions(domain, op).findLast(v => v < version);
