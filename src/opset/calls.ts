// Calls of one function that mean the same: which inputs and attributes decide what it makes.
import { type Dim, substitute, symbolsOf, unknownDim } from '../ir/dims.ts';
import type { Attribute, Attributes, FunctionDefinition, Value } from '../ir/graph.ts';
import type { ValueType } from '../ir/types.ts';
import { contentsOf } from '../ops/shapes.ts';

export interface Known {
  readonly type: ValueType | undefined;
  readonly contents: readonly Dim[] | undefined;
}

const functions = new WeakMap<FunctionDefinition, number>();
let count = 0;
function idOf(f: FunctionDefinition): number {
  let id = functions.get(f);
  if (id === undefined) functions.set(f, (id = count++));
  return id;
}

/** Text that two calls share only where they make the same; undefined where an attribute or constant has no short text. */
export function callKey(f: FunctionDefinition, inputs: readonly (Value | undefined)[], attributes: Attributes): string | undefined {
  const parts: (string | undefined)[] = [String(idOf(f))];
  for (const v of inputs) parts.push(v ? inputKey(v) : '-');
  for (const [name, a] of attributes) parts.push(attributeKey(name, a));
  return parts.includes(undefined) ? undefined : parts.join('\u0001');
}

function inputKey(v: Value): string | undefined {
  const contents = contentsOf(v);
  if (v.tensor && !contents && !v.parameter) return undefined;
  return `${typeKey(v.type)} ${contents?.map(dimKey).join(',') ?? ''}`;
}

const attributeKey = (name: string, a: Attribute): string | undefined =>
  ['int', 'ints', 'float', 'floats', 'string', 'strings'].includes(a.kind)
    ? `${name}=${String((a as { value: unknown }).value)}`
    : undefined;

const dimKey = (d: Dim): string => (typeof d === 'number' ? String(d) : d.key);

function typeKey(type: ValueType | undefined): string {
  if (!type) return '?';
  if ('element' in type) return `${type.kind} ${type.element} ${type.shape?.map(dimKey).join(',') ?? '*'}`;
  if (type.kind === 'opaque') return `${type.domain}.${type.name}`;
  return `${type.kind} ${type.kind === 'map' ? type.key : ''}(${typeKey(type.of)})`;
}

/** What another call of the same inputs makes: sizes that only its own run decides are its own. */
export function renamed(made: readonly (Known | undefined)[], inputs: readonly (Value | undefined)[]): (Known | undefined)[] {
  const given = new Set<string>();
  for (const v of inputs) for (const d of [...(v?.shape ?? []), ...(v?.contents ?? [])]) symbolsOf(d, given);
  const fresh = new Map<string, Dim>();
  const again = (d: Dim): Dim => {
    for (const name of symbolsOf(d)) if (/^\?\d+$/.test(name) && !given.has(name) && !fresh.has(name)) fresh.set(name, unknownDim());
    return fresh.size === 0 ? d : substitute(d, fresh);
  };
  return made.map(k => k && { type: mapSizes(k.type, again), contents: k.contents?.map(again) });
}

function mapSizes(type: ValueType | undefined, change: (d: Dim) => Dim): ValueType | undefined {
  if (!type || type.kind === 'opaque') return type;
  if ('element' in type) return type.shape ? { ...type, shape: type.shape.map(change) } : type;
  return { ...type, of: mapSizes(type.of, change) };
}
