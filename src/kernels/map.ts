// map: a scalar program at every position, one block at a time, so that each primitive is one tight loop.
import type { Instruction, Program } from '../expr/expr.ts';
import { casts, loops } from '../expr/loops.gen.ts';
import { arrayFor, type TypedArray } from '../ir/tensor.ts';
import type { Operand } from './kernel.ts';
import { load, store } from './storage.ts';
import { forEachRow } from './walk.ts';

const largestBlock = 1024;

type Loop = (n: number, y: TypedArray, ...args: TypedArray[]) => void;
const allLoops = { ...loops, ...casts } as unknown as Readonly<Record<string, Loop>>;

export function map(program: Program, inputs: readonly Operand[], outputs: readonly Operand[]): void {
  const shape = outputs[0]!.shape;
  // Programs on few elements are many in a model, and long ones.
  const blockSize = Math.max(
    1,
    Math.min(
      largestBlock,
      shape.reduce((n, d) => n * d, 1),
    ),
  );
  const blocks = program.instructions.map(i => newBlock(i, blockSize));
  const steps = program.instructions.map((i, at) => compile(i, at, program, blocks));
  let filled = 0;
  const pending: (readonly number[])[] = [];
  const flush = (): void => {
    for (const run of steps) run(filled);
    let at = 0;
    for (const piece of pending) {
      const n = piece[0]!;
      for (const [k, y] of outputs.entries())
        store(y.data, y.type, piece[1 + 2 * k]!, piece[2 + 2 * k]!, blocks[program.outputs[k]!]!, at, n);
      at += n;
    }
    pending.length = 0;
    filled = 0;
  };
  const reads = program.instructions.flatMap((i, at) => (i.op === 'input' ? [{ block: blocks[at]!, index: i.index }] : []));
  const views = [...inputs, ...outputs];
  forEachRow(shape, views, (offsets, length, strides) => {
    for (let done = 0; done < length; ) {
      const n = Math.min(length - done, blockSize - filled);
      for (const { block, index } of reads) {
        const x = inputs[index]!;
        load(block, filled, x.data, x.type, offsets[index]! + done * strides[index]!, strides[index]!, n);
      }
      pending.push([n, ...outputs.flatMap((_, k) => targetOf(offsets, strides, inputs.length + k, done))]);
      filled += n;
      done += n;
      if (filled === blockSize) flush();
    }
  });
  if (filled > 0) flush();
}

const targetOf = (offsets: readonly number[], strides: readonly number[], k: number, done: number): [number, number] => [
  offsets[k]! + done * strides[k]!,
  strides[k]!,
];

/** Memory for an instruction's results; a constant is written once. */
function newBlock(i: Instruction, length: number): TypedArray {
  const block = new (arrayFor(i.type))(length);
  if (i.op === 'const') block.fill(i.value as never);
  return block;
}

function compile(i: Instruction, at: number, program: Program, blocks: readonly TypedArray[]): (n: number) => void {
  if (i.op === 'input' || i.op === 'const') return () => {};
  const args = i.args.map(a => blocks[a]!);
  const from = program.instructions[i.args.at(-1)!]!.type;
  const loop = allLoops[i.op === 'cast' ? `${from}_${i.type}` : `${i.op}_${from}`]!;
  return n => loop(n, blocks[at]!, ...args);
}
