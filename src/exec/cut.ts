// Long scalar programs as several maps: a sum of a million terms would hold a million blocks of memory at once.
import type { Instruction, Program } from '../expr/expr.ts';
import type { ScalarType } from '../expr/primitives.ts';

/** A part of a program. It reads what the whole reads, and what the part before it has made. */
export interface Piece {
  readonly program: Program;
  /** Inputs of the whole program, in the order of the part's; `carried` is the result of the part before. */
  readonly inputs: readonly (number | 'carried')[];
  readonly type: ScalarType;
}

/** Programs up to this length stay whole, and parts are of this length where one value can be cut through there. */
const pieceLength = 256;

/** The parts of a program with one output, in order; one where it is short or nothing can be cut. */
export function piecesOf(program: Program): Piece[] {
  const { instructions } = program;
  if (instructions.length <= pieceLength || program.outputs.length !== 1) return [whole(program)];
  const cuts = cutsOf(program);
  return cuts.map((cut, i) => pieceOf(instructions, { from: i === 0 ? 0 : cuts[i - 1]!.end, carried: cuts[i - 1]?.value, ...cut }));
}

const whole = (program: Program): Piece => ({
  program,
  inputs: Array.from({ length: program.instructions.reduce((n, i) => (i.op === 'input' ? Math.max(n, i.index + 1) : n), 0) }, (_, i) => i),
  type: program.instructions[program.outputs[0]!]!.type,
});

interface Cut {
  /** The part ends before this instruction. */
  readonly end: number;
  /** The one result that is needed after it. */
  readonly value: number;
}

const isComputed = (i: Instruction): i is Exclude<Instruction, { op: 'input' } | { op: 'const' }> => i.op !== 'input' && i.op !== 'const';

/** Places where one computed value is all that is still needed; inputs and constants can be read again. The last is the end. */
function cutsOf({ instructions, outputs }: Program): Cut[] {
  const last = new Map<number, number>();
  instructions.forEach((i, at) => {
    if (isComputed(i)) for (const a of i.args) last.set(a, at);
  });
  last.set(outputs[0]!, instructions.length);
  const live = new Set<number>();
  const cuts: Cut[] = [];
  instructions.forEach((i, at) => {
    if (!isComputed(i)) return;
    for (const a of i.args) if (last.get(a) === at) live.delete(a);
    if (last.has(at)) live.add(at);
    const [value] = live;
    const isLongEnough = at + 1 - (cuts.at(-1)?.end ?? 0) >= pieceLength;
    if (isLongEnough && live.size === 1 && at + 1 < instructions.length) cuts.push({ end: at + 1, value: value! });
  });
  return [...cuts, { end: instructions.length, value: outputs[0]! }];
}

function pieceOf(
  instructions: readonly Instruction[],
  { from, end, value, carried }: Cut & { readonly from: number; readonly carried: number | undefined },
): Piece {
  const moved: Instruction[] = [];
  const places = new Map<number, number>();
  const inputs: (number | 'carried')[] = [];
  const place = (k: number): number => {
    const before = places.get(k);
    if (before !== undefined) return before;
    const i = instructions[k]!;
    if (k === carried) moved.push({ op: 'input', type: i.type, index: inputs.push('carried') - 1 });
    else if (i.op === 'input') moved.push({ ...i, index: inputs.push(i.index) - 1 });
    else if (i.op === 'const') moved.push(i);
    // Operands lie in this part: of what was computed before it only one value is needed.
    else moved.push({ ...i, args: i.args.map(a => places.get(a) ?? place(a)) });
    places.set(k, moved.length - 1);
    return moved.length - 1;
  };
  for (let k = from; k < end; k++) if (isComputed(instructions[k]!)) place(k);
  return { program: { instructions: moved, outputs: [place(value)] }, inputs, type: instructions[value]!.type };
}
