// Scalar computation in WGSL: primitives, conversions and constants, with the functions they call. Names and strings of a model never
// enter this text, and numbers are given by their bits.

import { type Primitive, type PrimitiveRow, primitives, type ScalarType, scalarTypes } from './primitives.ts';
import { fillTemplate } from './render.ts';
import { wgslFunctions } from './wgsl-functions.ts';

/** How a scalar is held; undefined where the language has no such type. */
export const wgslType = (type: ScalarType): string | undefined => scalarTypes[type].wgsl;

/** A primitive on arguments of type `type`, of which the condition of `select` is none; undefined where it has no form. */
export function wgslCall(op: Primitive, type: ScalarType, args: readonly string[]): string | undefined {
  const row: PrimitiveRow = primitives[op];
  const template = row.on[scalarTypes[type].class]?.wgsl;
  const name = wgslType(type);
  if (!template || !name) return undefined;
  const text = fillTemplate(template, type, args, name);
  return row.result === 'bool' ? `select(0u, 1u, ${text})` : wrapped(text, type);
}

/** Integers below 32 bits lie in words, and whatever leaves their type wraps. */
function wrapped(text: string, type: ScalarType): string {
  const { bits, signed, class: kind } = scalarTypes[type];
  if (kind !== 'int' || bits === 32) return text;
  const left = 32 - bits;
  return signed ? `((${text}) << ${left}u) >> ${left}u` : `(${text}) & ${2 ** bits - 1}u`;
}

export function wgslCast(from: ScalarType, to: ScalarType, text: string): string | undefined {
  const [source, target] = [scalarTypes[from], scalarTypes[to]];
  if (!source.wgsl || !target.wgsl) return undefined;
  if (to === 'bool') return `select(0u, 1u, ${isNonZero(from, text)})`;
  if (source.class === 'float') return floatTo(to, text);
  if (target.class === 'float') return from === 'bool' ? `f32(${text})` : `${source.wgsl}_to_f32(${text})`;
  const isSigned = source.class === 'int' && source.signed;
  if (target.class === 'big') return source.class === 'big' ? text : isSigned ? `int_to_pair(${text})` : `vec2<u32>(${text}, 0u)`;
  return wrapped(`${target.wgsl}(${source.class === 'big' ? `${text}.x` : text})`, to);
}

const isNonZero = (type: ScalarType, text: string): string =>
  scalarTypes[type].class === 'big'
    ? `any(${text} != vec2<u32>(0u))`
    : type === 'float32'
      ? `!is_zero(${text})`
      : `${text} != ${wgslType(type)}(0)`;

function floatTo(to: ScalarType, text: string): string {
  const { bits, signed, class: kind, wgsl } = scalarTypes[to];
  if (kind === 'float') return text;
  if (bits >= 32) return `f32_to_${wgsl}(${text})`;
  const ends = signed ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
  return `${wgsl}(float_to_int(${text}, ${ends.map(n => `${n}.0`).join(', ')}))`;
}

/** A scalar of its words, which are texts of type i32. */
export function wgslOfWords(type: ScalarType, words: readonly string[]): string | undefined {
  const name = wgslType(type);
  if (!name) return undefined;
  if (scalarTypes[type].class === 'big') return `vec2<u32>(u32(${words[0]}), u32(${words[1]}))`;
  return name === 'i32' ? words[0]! : `bitcast<${name}>(${words[0]})`;
}

interface Declaration {
  readonly text: string;
  readonly calls: readonly string[];
}

const declarations: ReadonlyMap<string, Declaration> = new Map(
  wgslFunctions
    .split(/^(?=fn |var|const |alias )/m)
    .filter(text => text.trim() !== '')
    .map(text => {
      const name = /^(?:fn|const|alias|var<private>) (\w+)/.exec(text)![1]!;
      return [name, { text, calls: wordsIn(text).filter(word => word !== name) }] as const;
    }),
);

function wordsIn(text: string): string[] {
  return [...new Set(text.match(/[a-z_]\w*/g) ?? [])];
}

/** The declarations that some text needs, those they need among them. */
export function wgslDeclarations(text: string): string {
  const needed = new Set<string>();
  const open = wordsIn(text);
  for (let word = open.pop(); word !== undefined; word = open.pop()) {
    const found = declarations.get(word);
    if (!found || needed.has(word)) continue;
    needed.add(word);
    open.push(...found.calls);
  }
  return [...declarations].flatMap(([name, { text: own }]) => (needed.has(name) ? [own] : [])).join('');
}
