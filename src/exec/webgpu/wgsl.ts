// WGSL as a language of device code. All the text of shaders is made here, in expr/wgsl.ts and by the kernels of exec/gpu, from fixed
// words and positions: nothing that a model names reaches a shader. Sizes, strides, offsets and constants are data.
import { scalarTypes } from '../../expr/primitives.ts';
import { wgslCall, wgslCast, wgslDeclarations, wgslOfWords, wgslType } from '../../expr/wgsl.ts';
import type { DataType } from '../../ir/types.ts';
import { elementTypes } from '../../ir/types.ts';
import { type SmallFloat, smallFloats } from '../../kernels/small-types.ts';
import { computeType } from '../../kernels/storage.ts';
import { type Fours, type Language, type Slot as Memory, type Module, workgroupSize } from '../gpu/language.ts';
import type { Ways } from './ways.ts';

/** A slot, and whether it is bound as an array of f16. */
type Slot = Memory & { readonly isHalf?: boolean };

const typeName = (type: Parameters<typeof wgslType>[0] | 'index'): string => (type === 'index' ? 'i32' : wgslType(type)!);

const fours: Fours = {
  make: (type, scalars) => `vec4<${typeName(type)}>(${scalars.join(', ')})`,
  declare: (name, type, text) => `let ${name}: vec4<${typeName(type)}> = ${text};`,
  part: (text, at) => (typeof at === 'number' ? `${text}.${'xyzw'[at]}` : `${text}[${at}]`),
};

const words: Omit<Language, 'print' | 'subgroup'> = {
  name: 'WGSL',
  has: type => wgslType(type) !== undefined,
  parameter: at => `p${at}`,
  constant: (type, words) => wgslOfWords(type, words)!,
  call: (op, type, args) => {
    const text = wgslCall(op, type, args);
    return text === undefined ? undefined : `(${text})`;
  },
  cast: wgslCast,
  isTrue: text => `${text} != 0u`,
  choose: (condition, yes, no) => `select(${no}, ${yes}, ${condition})`,
  toIndex(type, text) {
    if (scalarTypes[type].class === 'big') return `${type}_to_index(${text})`;
    return typeName(type) === 'u32' ? `uint32_to_index(${text})` : text;
  },
  fromIndex: text => `vec2<u32>(u32(${text}), 0u)`,
  declare: (name, type, text, isVariable) => `${isVariable ? 'var' : 'let'} ${name}: ${typeName(type)} = ${text};`,
  declareArray: (name, type, length) => `var ${name}: array<${typeName(type)}, ${length}>;`,
  load(slot, type, index) {
    slot.isRead = true;
    return `load_${slot.name}_${type}(${index})`;
  },
  store(slot, type, index, value) {
    slot.isWritten = true;
    return `store_${slot.name}_${type}(${index}, ${value});`;
  },
  exchange: (slot, index, value) => `bitcast<i32>(atomicExchange(&${slot.name}[${index}], bitcast<u32>(${value})))`,
  report(slot, step, type, value, size, axis) {
    slot.isAtomic = true;
    return `report(${step}, ${wgslCast(type, 'int64', value)!}, ${size}, ${axis});`;
  },
  barrier: 'workgroupBarrier();',
  loop: (name, from, to, step) => `for (var ${name}: i32 = ${from}; ${name} < ${to}; ${name} += ${step}) {`,
  fours: type => (wgslType(type) !== undefined && scalarTypes[type].bits <= 32 ? fours : undefined),
  halving: (name, from, least) => `for (var ${name}: i32 = ${from}; ${name} >= ${least}; ${name} = ${name} / 2) {`,
};

/** What of a device's ways its text says. */
type Dialect = Pick<Ways, 'halves' | 'sums'>;

export const wgslOf = (dialect: Dialect): Language => ({
  ...words,
  print: module => print(module, dialect),
  subgroup:
    dialect.sums === 'subgroups'
      ? { size: `i32(${laneCount})`, other: (text, xor) => `subgroupShuffleXor(${text}, u32(${xor}))` }
      : undefined,
});

const laneCount = 'lanes';

function print({ slots: all, shared, parameters, body }: Module, dialect: Dialect): string {
  const slots = dialect.halves === 'f16' ? all.map(slot => ({ ...slot, isHalf: isHalf(slot, body) })) : all;
  const pieces = slots.flatMap(piecesOf);
  const bindings = pieces.map((slot, i) => {
    const access = slot.isConstant ? 'read' : 'read_write';
    return `@group(0) @binding(${i + 1}) var<storage, ${access}> ${slot.name}: array<${wordType(slot)}>;`;
  });
  const usesLanes = body.some(line => line.includes('subgroup'));
  const memory = shared.map(({ name, type, length, hasFours }) => {
    const element = hasFours ? `vec4<${typeName(type)}>` : typeName(type);
    return `var<workgroup> ${name}: array<${element}, ${length}>;`;
  });
  const main = `@compute @workgroup_size(${workgroupSize})
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) many: vec3<u32>, @builtin(local_invocation_index) local: u32${usesLanes ? `, @builtin(subgroup_size) ${laneCount}: u32` : ''}) {
let group = i32(id.x + id.y * many.x);
let lane = i32(local);
${Array.from({ length: parameters }, (_, at) => `let p${at} = ${inMemory(`p${at}`)};`).join('\n')}
${body.join('\n')}
}
`;
  const own = [
    `@group(0) @binding(0) var<uniform> p: array<vec4<i32>, ${Math.max(1, Math.ceil(parameters / 4))}>;`,
    ...bindings,
    ...memory,
    ...accessors(slots, main, dialect),
    ...(main.includes('report(') ? [reportText] : []),
    ...indexFunctions.flatMap(([name, text]) => (main.includes(`${name}(`) ? [text] : [])),
  ].join('\n');
  const text = `${wgslDeclarations(own + main)}${own}\n${main}`;
  return `${/\bf16\b/.test(text) ? 'enable f16;\n' : ''}${usesLanes ? 'enable subgroups;\n' : ''}${text}`;
}

/** Where the parameter of a name is, for what stands outside of the kernel; inside they are read once, for not every compiler does that. */
function inMemory(name: string): string {
  const at = Number(name.slice(1));
  return `p[${at >> 2}].${'xyzw'[at & 3]}`;
}

const isAtomic = (slot: Slot): boolean => slot.isAtomic || (slot.isWritten && slot.bits < 32);

/** Whether a kernel does nothing but load elements of float16 from a slot. */
function isHalf(slot: Slot, body: readonly string[]): boolean {
  if (slot.bits !== 16 || slot.isWritten || isAtomic(slot)) return false;
  const loads = body.join('\n').match(new RegExp(`\\bload_${slot.name}_\\w+(?=\\()`, 'g')) ?? [];
  return loads.every(name => name.endsWith('_float16'));
}

const wordType = (slot: Slot): string => (slot.isHalf ? 'f16' : slot.bits === 64 ? 'vec2<u32>' : isAtomic(slot) ? 'atomic<u32>' : 'u32');

/** The bindings of a slot. */
const piecesOf = (slot: Slot): readonly Slot[] =>
  slot.parts === 1 ? [slot] : Array.from({ length: slot.parts }, (_, k) => ({ ...slot, name: `${slot.name}p${k}`, parts: 1 }));

/** Functions that read and write elements, those that the text calls. */
function accessors(slots: readonly Slot[], text: string, dialect: Dialect): string[] {
  const calls = new Set(text.match(/\b(?:load|store)_b\d+_\w+(?=\()/g));
  return [...calls].flatMap(name => {
    const [, verb, slotName, type] = /^(load|store)_(b\d+)_(\w+)$/.exec(name)! as unknown as [string, Verb, string, DataType];
    const slot = slots.find(s => s.name === slotName)!;
    if (slot.parts === 1) return [accessor(verb, slot, type, dialect)];
    const partLength = inMemory(slot.partLength);
    const places = Array.from({ length: slot.parts }, (_, k) => {
      const call = `${verb}_${slot.name}p${k}_${type}(i - ${k} * ${partLength}${verb === 'store' ? ', v' : ''});`;
      const inside = k === slot.parts - 1 ? '' : `if (i < ${k + 1} * ${partLength}) `;
      return verb === 'load' ? `${inside}{ return ${call} }` : `${inside}{ ${call} return; }`;
    });
    return [...piecesOf(slot).map(piece => accessor(verb, piece, type, dialect)), `${headOf(verb, slot, type)} { ${places.join(' ')} }`];
  });
}

type Verb = 'load' | 'store';

function headOf(verb: Verb, slot: Slot, type: DataType): string {
  const scalar = typeName(computeType(type)!);
  return `fn ${verb}_${slot.name}_${type}(i: i32${verb === 'store' ? `, v: ${scalar})` : `) -> ${scalar}`}`;
}

const accessor = (verb: Verb, slot: Slot, type: DataType, dialect: Dialect): string =>
  `${headOf(verb, slot, type)} { ${verb === 'load' ? loadText(slot, type, dialect) : storeText(slot, type)} }`;

function loadText(slot: Slot, type: DataType, { halves }: Dialect): string {
  if (slot.isHalf) return `return f32(${slot.name}[i]);`;
  if (slot.bits === 64) return `return ${slot.name}[i];`;
  const word = (at: string): string => (isAtomic(slot) ? `atomicLoad(&${slot.name}[${at}])` : `${slot.name}[${at}]`);
  if (slot.bits === 32) return `return ${decodeText(type, word('i'))};`;
  const [shift, mask] = laneOf(slot);
  if (type === 'float16' && halves !== 'bits') return `return ${halfText[halves](word(`u32(i) >> ${shift}u`), `u32(i) & ${mask}u`)};`;
  return `let w = (${word(`u32(i) >> ${shift}u`)} >> ((u32(i) & ${mask}u) * ${slot.bits}u)) & ${2 ** slot.bits - 1}u; return ${decodeText(type, 'w')};`;
}

/** The half of a word, as float32. */
const halfText: Readonly<Record<Exclude<Ways['halves'], 'bits'>, (word: string, lane: string) => string>> = {
  unpacked: (word, lane) => `unpack2x16float(${word})[${lane}]`,
  f16: (word, lane) => `f32(bitcast<vec2<f16>>(${word})[${lane}])`,
};

/** Elements below 32 bits share a word with others, whose bits stay. */
function storeText(slot: Slot, type: DataType): string {
  if (slot.bits === 64) return `${slot.name}[i] = v;`;
  const bits = encodeText(type, 'v');
  if (slot.bits === 32) return isAtomic(slot) ? `atomicStore(&${slot.name}[i], ${bits});` : `${slot.name}[i] = ${bits};`;
  const [shift, mask] = laneOf(slot);
  const all = 2 ** slot.bits - 1;
  return [
    `let at = u32(i) >> ${shift}u; let by = (u32(i) & ${mask}u) * ${slot.bits}u;`,
    `atomicAnd(&${slot.name}[at], ~(${all}u << by));`,
    `atomicOr(&${slot.name}[at], ((${bits}) & ${all}u) << by);`,
  ].join(' ');
}

const laneOf = ({ bits }: Slot): readonly [number, number] => (bits === 8 ? [2, 3] : [1, 1]);

/** The scalar of an element's bits. */
function decodeText(type: DataType, bits: string): string {
  if (type === 'float32') return `bitcast<f32>(${bits})`;
  if (type === 'bool') return `select(0u, 1u, ${bits} != 0u)`;
  if (isSmallFloat(type))
    return `small_decode(${bits}, ${formatOf(smallFloats[type])}, ${smallFloats[type].overflow}u, ${hasUnsignedZero(type)})`;
  const { class: kind, bits: width } = elementTypes[type];
  if (kind === 'float') return `${type}_decode(${bits})`;
  if (kind === 'uint') return bits;
  return width === 32 ? `bitcast<i32>(${bits})` : `bitcast<i32>(${bits} << ${32 - width}u) >> ${32 - width}u`;
}

/** The bits of a scalar; those beyond the element's are any. */
function encodeText(type: DataType, value: string): string {
  if (type === 'float32') return `bitcast<u32>(${value})`;
  if (isSmallFloat(type)) {
    const f = smallFloats[type];
    return `small_encode(${value}, ${formatOf(f)}, ${f.overflow}u, ${f.nan}u, ${hasUnsignedZero(type)})`;
  }
  const { class: kind, bits } = elementTypes[type];
  if (kind === 'float') return `${type}_encode(${value})`;
  const word = kind === 'int' ? `bitcast<u32>(${value})` : value;
  return bits < 8 ? `${word} & ${2 ** bits - 1}u` : word;
}

const isSmallFloat = (type: DataType): type is keyof typeof smallFloats => Object.hasOwn(smallFloats, type);
const formatOf = ({ exponent, mantissa, bias, largest }: SmallFloat): string => `${exponent}u, ${mantissa}u, ${bias}, ${largest}u`;
const hasUnsignedZero = (type: keyof typeof smallFloats): boolean => (smallFloats[type] as SmallFloat).unsignedZero === true;

const lowest = 'i32(-2147483648)';
const indexFunctions: readonly (readonly [string, string])[] = [
  [
    'int64_to_index',
    `fn int64_to_index(a: vec2<u32>) -> i32 { let i = bitcast<i32>(a.x); return select(${lowest}, i, a.y == select(0u, 0xffffffffu, i < 0)); }`,
  ],
  [
    'uint64_to_index',
    `fn uint64_to_index(a: vec2<u32>) -> i32 { return select(${lowest}, bitcast<i32>(a.x), a.y == 0u && a.x < 0x80000000u); }`,
  ],
  ['uint32_to_index', `fn uint32_to_index(a: u32) -> i32 { return select(${lowest}, bitcast<i32>(a), a < 0x80000000u); }`],
];

/** Words of what is reported: the step and 1, the index, the size of the axis, the axis. */
export const statusWords = 5;

const reportText = `fn report(step: i32, index: vec2<u32>, size: i32, axis: i32) {
for (var tries = 0; tries < 100; tries++) {
let r = atomicCompareExchangeWeak(&status[0], 0u, u32(step) + 1u);
if (r.exchanged) {
atomicStore(&status[1], index.x); atomicStore(&status[2], index.y);
atomicStore(&status[3], u32(size)); atomicStore(&status[4], u32(axis));
}
if (r.exchanged || r.old_value != 0u) { break; }
}
}`;
