// Scalar expressions: typed trees over the primitives, and their linear form, the program that every backend runs.
import { fail } from '../errors.ts';
import { isDefined, type Primitive, type PrimitiveRow, primitives, type ScalarType, scalarTypes } from './primitives.ts';

export type Expr = { readonly type: ScalarType } & (
  | { readonly op: 'input'; readonly index: number }
  | { readonly op: 'const'; readonly value: number | bigint }
  | { readonly op: 'cast'; readonly args: readonly [Expr] }
  | { readonly op: Primitive; readonly args: readonly Expr[] }
);

/** The scalar at one position of input `index`. */
export const input = (index: number, type: ScalarType): Expr => ({ op: 'input', index, type });

/** A constant, converted to `type` as `cast` does. */
export function constant(value: number | bigint, type: ScalarType): Expr {
  const kind = scalarTypes[type].class;
  if (kind === 'float') return { op: 'const', type, value: type === 'float32' ? Math.fround(Number(value)) : Number(value) };
  if (kind === 'bool') return { op: 'const', type, value: Number(value) === 0 ? 0 : 1 };
  const { bits, signed } = scalarTypes[type];
  const whole = typeof value === 'bigint' ? value : saturate(value, bits, signed);
  const wrapped = signed ? BigInt.asIntN(bits, whole) : BigInt.asUintN(bits, whole);
  return { op: 'const', type, value: kind === 'big' ? wrapped : Number(wrapped) };
}

/** Float to integer as the language defines it: towards zero, out of range to the nearest end, NaN to 0. */
export function saturate(value: number, bits: number, signed: boolean): bigint {
  if (Number.isNaN(value)) return 0n;
  const low = signed ? -(2n ** BigInt(bits - 1)) : 0n;
  const high = signed ? 2n ** BigInt(bits - 1) - 1n : 2n ** BigInt(bits) - 1n;
  if (value <= Number(low)) return low;
  if (value >= Number(high)) return high;
  return BigInt(Math.trunc(value));
}

/** Apply a primitive. A number among the arguments takes the type of the first argument that is an expression of its kind. */
export function apply(op: Primitive, ...args: readonly (Expr | number)[]): Expr {
  const row: PrimitiveRow = primitives[op];
  const typed = args.slice(op === 'select' ? 1 : 0).find((x): x is Expr => typeof x !== 'number');
  if (!typed) throw fail('E9001', `${op}: an argument must be an expression`);
  const lifted = args.map(x => (typeof x === 'number' ? constant(x, typed.type) : x));
  const operands = op === 'select' ? lifted.slice(1) : lifted;
  if (!isDefined(op, typed.type) || operands.some(x => x.type !== typed.type))
    throw fail('E1304', `${op} is not defined on ${operands.map(x => x.type).join(', ')}`);
  return { op, type: row.result === 'bool' ? 'bool' : typed.type, args: lifted };
}

export const cast = (x: Expr, type: ScalarType): Expr =>
  x.type === type ? x : x.op === 'const' ? constant(x.value, type) : { op: 'cast', type, args: [x] };

/** The words of a constant as device code is given them, the low one first. */
export function wordsOf(value: number | bigint, type: ScalarType): number[] {
  const { class: kind } = scalarTypes[type];
  if (kind === 'big') return [Number(BigInt.asIntN(32, BigInt(value))), Number(BigInt.asIntN(32, BigInt(value) >> 32n))];
  if (kind === 'float') return [new Int32Array(new Float32Array([Number(value)]).buffer)[0]!];
  return [Number(value) | 0];
}

/** One step of a program; `args` are indexes of earlier steps. */
export type Instruction = { readonly type: ScalarType } & (
  | { readonly op: 'input'; readonly index: number }
  | { readonly op: 'const'; readonly value: number | bigint }
  | { readonly op: 'cast' | Primitive; readonly args: readonly number[] }
);

/** Instructions in order of evaluation; the last one that `outputs` names is computed for each element. Plain data. */
export interface Program {
  readonly instructions: readonly Instruction[];
  /** Which instruction's result each output is. */
  readonly outputs: readonly number[];
}

/** The linear form of some expressions; equal subexpressions are computed once. Not by recursion: a sum may have a million terms. */
export function program(outputs: readonly Expr[]): Program {
  const instructions: Instruction[] = [];
  const known = new Map<string, number>();
  const places = new Map<Expr, number>();
  const emit = (e: Expr): number => {
    const instruction = toInstruction(e, places);
    const key = keyOf(instruction);
    const before = known.get(key);
    if (before !== undefined) return before;
    known.set(key, instructions.length);
    return instructions.push(instruction) - 1;
  };
  for (const output of outputs) {
    const open = [output];
    for (let e = open.at(-1); e; e = open.at(-1)) {
      const missing = argsOf(e).filter(x => !places.has(x));
      if (missing.length > 0) open.push(...missing.reverse());
      else {
        if (!places.has(e)) places.set(e, emit(e));
        open.pop();
      }
    }
  }
  return { outputs: outputs.map(e => places.get(e)!), instructions };
}

const argsOf = (e: Expr): readonly Expr[] => (e.op === 'input' || e.op === 'const' ? [] : e.args);

function toInstruction(e: Expr, places: ReadonlyMap<Expr, number>): Instruction {
  if (e.op === 'input' || e.op === 'const') return e;
  return { op: e.op, type: e.type, args: e.args.map(x => places.get(x)!) };
}

function keyOf(i: Instruction): string {
  const detail = i.op === 'input' ? i.index : i.op === 'const' ? (Object.is(i.value, -0) ? '-0' : String(i.value)) : i.args.join();
  return `${i.op} ${i.type} ${detail}`;
}

/** The same program with equal instructions once, and its inputs numbered anew. */
export function numbered({ instructions, outputs }: Program, inputAt: (index: number) => number): Program {
  const made: Instruction[] = [];
  const known = new Map<string, number>();
  const places: number[] = [];
  for (const i of instructions) {
    const moved = i.op === 'input' ? { ...i, index: inputAt(i.index) } : i.op === 'const' ? i : { ...i, args: i.args.map(a => places[a]!) };
    const key = keyOf(moved);
    const before = known.get(key);
    if (before === undefined) known.set(key, made.push(moved) - 1);
    places.push(before ?? made.length - 1);
  }
  return { instructions: made, outputs: outputs.map(o => places[o]!) };
}

/** Instructions that outputs depend on. */
export function neededOf(
  instructions: readonly (object | { readonly args: readonly number[] })[],
  outputs: readonly number[],
): ReadonlySet<number> {
  const needed = new Set(outputs);
  for (let at = instructions.length - 1; at >= 0; at--) {
    const i = instructions[at]!;
    if (needed.has(at) && 'args' in i) for (const a of i.args) needed.add(a);
  }
  return needed;
}

/** Whether a type holds every number of another exactly. */
function holdsAll(wide: ScalarType, narrow: ScalarType): boolean {
  const [to, from] = [scalarTypes[wide], scalarTypes[narrow]];
  if (to.class === 'float') return to.bits > from.bits || wide === narrow;
  return from.class !== 'float' && (to.signed === from.signed ? to.bits >= from.bits : to.signed && to.bits > from.bits);
}

/** Whether a cast through a type of 64 bits gives what the direct one does: floats saturate where integers wrap. */
const isDetour = (from: ScalarType, through: ScalarType, to: ScalarType): boolean =>
  scalarTypes[through].bits === 64 &&
  scalarTypes[from].bits < 64 &&
  holdsAll(through, from) &&
  (through !== 'float64' || scalarTypes[from].class === 'float' || scalarTypes[to].class === 'float' || holdsAll(to, from));

/** The same program without casts through types of 64 bits, which many devices compute in two words or not at all. */
export function withoutDetours(given: Program): Program {
  const made: Instruction[] = [];
  const places: number[] = [];
  let hasDetours = false;
  for (const i of given.instructions) {
    if (i.op === 'input' || i.op === 'const') {
      places.push(made.push(i) - 1);
      continue;
    }
    const args = i.args.map(a => places[a]!);
    const through = made[args[0]!]!;
    const from = i.op === 'cast' && through.op === 'cast' ? through.args[0]! : undefined;
    if (from === undefined || !isDetour(made[from]!.type, through.type, i.type)) places.push(made.push({ ...i, args }) - 1);
    else {
      hasDetours = true;
      places.push(made[from]!.type === i.type ? from : made.push({ ...i, args: [from] }) - 1);
    }
  }
  return hasDetours ? needed({ instructions: made, outputs: given.outputs.map(o => places[o]!) }) : given;
}

/** The same program without what no output depends on. */
function needed({ instructions, outputs }: Program): Program {
  const kept = neededOf(instructions, outputs);
  const places: number[] = [];
  const made: Instruction[] = [];
  for (const [at, i] of instructions.entries())
    if (kept.has(at)) places[at] = made.push('args' in i ? { ...i, args: i.args.map(a => places[a]!) } : i) - 1;
  return { instructions: made, outputs: outputs.map(o => places[o]!) };
}

/** One line an instruction, for people. */
export function formatProgram(p: Program): string {
  const line = (i: Instruction): string =>
    i.op === 'input' ? `in${i.index}` : i.op === 'const' ? String(i.value) : `${i.op}(${i.args.map(a => `%${a}`).join(', ')})`;
  return p.instructions.map((i, at) => `%${at}: ${i.type} = ${line(i)}`).join('; ');
}
