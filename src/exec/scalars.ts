// Constants of one element become part of the programs that read them, and powers by small whole exponents become products.
import { type Instruction, neededOf, type Program } from '../expr/expr.ts';
import { isScalarType, type ScalarType } from '../expr/primitives.ts';
import type { View } from '../kernels/kernel.ts';
import { elementsOf } from '../kernels/memory.ts';
import type { Plan, Step } from './plan.ts';

/** The same plan with no read of a constant of one element in its maps. */
export function inlineScalars(plan: Plan): Plan {
  return {
    ...plan,
    steps: plan.steps.map(step => (step.kernel.kind === 'map' ? inlined(step, step.kernel.program, v => scalarOf(v, plan)) : step)),
  };
}

function scalarOf(v: View | undefined, plan: Plan): number | bigint | undefined {
  const facts = v && plan.buffers[v.buffer]!;
  if (facts?.role !== 'constant' || facts.size !== 1 || !isScalarType(v!.type) || !facts.tensor?.isResident) return undefined;
  return (elementsOf(facts.tensor) as ArrayLike<number | bigint>)[0];
}

function inlined(step: Step, program: Program, contentOf: (v: View | undefined) => number | bigint | undefined): Step {
  const needed = neededOf(program.instructions, program.outputs);
  const inputs: (View | undefined)[] = [];
  const places = new Map<number, number>();
  const made: Instruction[] = [];
  const moved: number[] = [];
  const add = (i: Instruction): number => made.push(i) - 1;
  for (const [at, i] of program.instructions.entries()) {
    if (!needed.has(at)) continue;
    if (i.op === 'const') moved[at] = add(i);
    else if (i.op === 'input') {
      const value = contentOf(step.inputs[i.index]);
      if (value === undefined && !places.has(i.index)) places.set(i.index, inputs.push(step.inputs[i.index]) - 1);
      moved[at] = add(value === undefined ? { ...i, index: places.get(i.index)! } : { op: 'const', type: i.type, value });
    } else {
      const args = i.args.map(a => moved[a]!);
      moved[at] = i.op === 'pow' ? power(made, args[0]!, args[1]!, i.type) : add({ ...i, args });
    }
  }
  return { ...step, inputs, kernel: { kind: 'map', program: { instructions: made, outputs: program.outputs.map(o => moved[o]!) } } };
}

/** Products round as powers do, to within a unit in the last place; floats only. */
function power(made: Instruction[], base: number, exponent: number, type: ScalarType): number {
  const by = made[exponent]!;
  const times = by.op === 'const' && (type === 'float32' || type === 'float64') ? Number(by.value) : 0;
  const multiply = (a: number, b: number): number => made.push({ op: 'mul', type, args: [a, b] }) - 1;
  if (times === 2) return multiply(base, base);
  if (times === 3) return multiply(multiply(base, base), base);
  return made.push({ op: 'pow', type, args: [base, exponent] }) - 1;
}
