// Phrases: what operators often come to, as programs that a backend may run as one loop. Each says what its parts say together, so that what
// lies between them stays in registers.
import { apply, cast, constant, type Expr, type Instruction, input, neededOf, type Program, program } from './expr.ts';
import type { ScalarType } from './primitives.ts';

export interface Phrase {
  readonly name: string;
  /** Its inputs are the arguments. */
  readonly program: Program;
  readonly arguments: readonly Argument[];
  /** The same in C++ in fewer steps, over the arguments. */
  readonly c?: (...args: readonly string[]) => string;
}
interface Argument {
  readonly type: ScalarType;
  /** A constant of the program that is matched, the same at every position. */
  readonly isConstant: boolean;
}

/** A call of a phrase in place of what it says. */
export type PhraseCall = { readonly op: 'phrase'; readonly phrase: Phrase; readonly type: ScalarType; readonly args: readonly number[] };
export interface Phrased {
  readonly instructions: readonly (Instruction | PhraseCall)[];
  readonly outputs: readonly number[];
}

const x = input(0, 'float32');
/** The argument `index`, which must be a constant. */
const fixed = (index: number): Expr => input(index, 'float32');

const sigmoid = (v: Expr): Expr => {
  const power = apply('exp', apply('neg', apply('abs', v)));
  return apply('div', apply('select', apply('lt', v, 0), power, constant(1, 'float32')), apply('add', power, 1));
};
const within = (v: Expr, low: Expr | number, high: Expr | number): Expr => apply('min', apply('max', v, low), high);

/** (x + x³ · a) · b. */
const cubic = (a: Expr, b: Expr): Expr => apply('mul', apply('add', x, apply('mul', apply('mul', apply('mul', x, x), x), a)), b);

const small = ['uint8', 'int8'] as const;

interface Row {
  readonly name: string;
  /** Arguments that must be constants, the same at every position. */
  readonly fixed?: readonly number[];
  readonly says: Expr;
  /** The same in C++ in fewer steps, over the arguments. */
  readonly c?: (...args: readonly string[]) => string;
}

/** Sums of products, or numbers, by their scale to whole numbers of 8 bits: with a zero point and ends, or ends alone. */
const quantizing = (name: string, scaled: Expr, scaledInC: (...args: readonly string[]) => string, first: number): Row[] => {
  const whole = apply('round', apply('div', scaled, input(first, 'float32')));
  return small.flatMap((to): Row[] => {
    const [z, low, high, low0, high0] = [first + 1, first + 2, first + 3, first + 1, first + 2];
    const inC = (args: readonly string[], zero: string, from: number): string =>
      `quantized<${to}_t>(std::nearbyint(${scaledInC(...args)} / ${args[first]})${zero}, ${args[from]}, ${args[from + 1]})`;
    return [
      {
        name: `${name}_${to}`,
        fixed: [z, low, high],
        says: cast(within(apply('add', whole, fixed(z)), fixed(low), fixed(high)), to),
        c: (...args) => inC(args, ` + ${args[z]}`, low),
      },
      {
        name: `${name}_at_0_${to}`,
        fixed: [low0, high0],
        says: cast(within(whole, fixed(low0), fixed(high0)), to),
        c: (...args) => inC(args, '', low0),
      },
    ];
  });
};
const sums = apply('mul', cast(input(0, 'int32'), 'float32'), input(1, 'float32'));

/** Larger ones first: the first that matches is taken. Scales may differ from position to position. */
const rows: readonly Row[] = [
  ...quantizing('requantize', sums, (a, b) => `static_cast<float>(${a}) * ${b}`, 2),
  ...quantizing('quantize', x, a => a!, 1),
  ...small.map((from): Row => {
    const whole = apply('sub', cast(input(0, from), 'int32'), input(1, 'int32'));
    return { name: `dequantize_${from}`, fixed: [1], says: apply('mul', cast(whole, 'float32'), input(2, 'float32')) };
  }),
  ...([...small, 'int32'] as const).map(
    (from): Row => ({ name: `dequantize_at_0_${from}`, says: apply('mul', cast(input(0, from), 'float32'), input(1, 'float32')) }),
  ),
  { name: 'swish', says: apply('mul', x, sigmoid(x)) },
  { name: 'sigmoid', says: sigmoid(x) },
  {
    name: 'hard_swish',
    fixed: [1, 2],
    says: apply('mul', x, apply('max', apply('min', apply('add', apply('div', x, fixed(1)), fixed(2)), 1), 0)),
  },
  { name: 'gelu', fixed: [1], says: apply('mul', apply('mul', x, 0.5), apply('add', apply('erf', apply('mul', x, fixed(1))), 1)) },
  { name: 'gelu_tanh', fixed: [1, 2], says: apply('mul', apply('mul', x, 0.5), apply('add', apply('tanh', cubic(fixed(1), fixed(2))), 1)) },
];

function phraseOf({ name, fixed = [], says, c }: Row): Phrase {
  const made = program([says]);
  const types = new Map<number, ScalarType>();
  for (const i of made.instructions) if (i.op === 'input') types.set(i.index, i.type);
  const all = Array.from({ length: types.size }, (_, k) => ({ type: types.get(k)!, isConstant: fixed.includes(k) }));
  return { name, program: made, arguments: all, ...(c && { c }) };
}

export const phrases: readonly Phrase[] = rows.map(phraseOf);

const byRoot = new Map<string, Phrase[]>();
const rootOf = (i: Instruction): string => `${i.op} ${i.type}`;
for (const phrase of phrases) {
  const root = rootOf(phrase.program.instructions[phrase.program.outputs[0]!]!);
  byRoot.set(root, [...(byRoot.get(root) ?? []), phrase]);
}

const known = new WeakMap<Program, Phrased>();

/** The same program with phrases where it says them, and nothing of it that no other part reads. */
export function phrased(p: Program): Phrased {
  let made = known.get(p);
  if (!made) known.set(p, (made = withPhrases(p)));
  return made;
}

function withPhrases({ instructions, outputs }: Program): Phrased {
  const readers = readersOf(instructions);
  const made: (Instruction | PhraseCall)[] = [...instructions];
  const absorbed = new Set<number>();
  for (let at = instructions.length - 1; at >= 0; at--) {
    if (absorbed.has(at)) continue;
    for (const phrase of byRoot.get(rootOf(instructions[at]!)) ?? []) {
      const inside = matched(phrase, instructions, at);
      const within = new Set(inside?.values());
      const isOwn = (i: number): boolean => i === at || (!outputs.includes(i) && readers[i]!.every(r => within.has(r)));
      const own = inside && [...inside].filter(([k]) => isCall(phrase.program.instructions[k]!)).map(([, i]) => i);
      if (!own?.every(isOwn)) continue;
      const args = phrase.arguments.map(
        (_, k) => inside!.get(phrase.program.instructions.findIndex(i => i.op === 'input' && i.index === k))!,
      );
      made[at] = { op: 'phrase', phrase, type: instructions[at]!.type, args };
      for (const i of own) absorbed.add(i);
      break;
    }
  }
  return needed(made, outputs);
}

type Call = Extract<Instruction, { readonly args: readonly number[] }>;
const isCall = (i: Instruction): i is Call => i.op !== 'input' && i.op !== 'const';

function readersOf(instructions: readonly Instruction[]): number[][] {
  const readers: number[][] = instructions.map(() => []);
  for (const [at, i] of instructions.entries()) if (isCall(i)) for (const a of i.args) readers[a]!.push(at);
  return readers;
}

const commutes: ReadonlySet<string> = new Set(['add', 'mul']);

/** Which instruction each of a phrase stands for where the phrase ends at `root`. */
function matched(
  { program, arguments: args }: Phrase,
  instructions: readonly Instruction[],
  root: number,
): ReadonlyMap<number, number> | undefined {
  const match = (k: number, at: number, bound: ReadonlyMap<number, number>): ReadonlyMap<number, number> | undefined => {
    const said = bound.get(k);
    if (said !== undefined) return said === at ? bound : undefined;
    const pattern = program.instructions[k]!;
    const i = instructions[at]!;
    if (pattern.type !== i.type) return undefined;
    const next = new Map(bound).set(k, at);
    if (pattern.op === 'input') return args[pattern.index]!.isConstant && i.op !== 'const' ? undefined : next;
    if (pattern.op === 'const') return i.op === 'const' && Object.is(i.value, pattern.value) ? next : undefined;
    if (i.op !== pattern.op || !isCall(i)) return undefined;
    const inOrder = (order: readonly number[]): ReadonlyMap<number, number> | undefined =>
      pattern.args.reduce<ReadonlyMap<number, number> | undefined>((all, arg, n) => all && match(arg, order[n]!, all), next);
    return inOrder(i.args) ?? (commutes.has(i.op) ? inOrder(i.args.toReversed()) : undefined);
  };
  return match(program.outputs[0]!, root, new Map());
}

/** Instructions that outputs depend on, numbered anew. */
function needed(instructions: readonly (Instruction | PhraseCall)[], outputs: readonly number[]): Phrased {
  const read = neededOf(instructions, outputs);
  const places = new Map([...read].sort((a, b) => a - b).map((at, k) => [at, k]));
  const kept = instructions.filter((_, at) => read.has(at));
  const moved = kept.map(i => (i.op === 'input' || i.op === 'const' ? i : { ...i, args: i.args.map(a => places.get(a)!) }));
  return { instructions: moved, outputs: outputs.map(o => places.get(o)!) };
}
