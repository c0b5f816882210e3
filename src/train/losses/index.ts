// The table of losses. Each is a graph of plain operators; names, options and defaults are PyTorch's.
import { fail } from '../../errors.ts';
import type { Value } from '../../ir/graph.ts';
import type { Builder } from '../../ops/builder.ts';
import { axisOf, rankOf } from '../../ops/shapes.ts';
import { type Chosen, number, type OptionValues, parseChoice, readOptions, rowNamed } from '../options.ts';
import { classification, crossEntropyOptions, divergence, perExample } from './classification.ts';
import { embedding } from './embedding.ts';
import { type LossRow, loss, type TargetFacts } from './loss.ts';
import { regression } from './regression.ts';

export type { Reduction, TargetFacts } from './loss.ts';

/** Of the second output, which is the teacher's: its sharpened probabilities; and classes as cross entropy takes them. */
const distillation = loss({
  options: { ...crossEntropyOptions, temperature: number(2, Number.MIN_VALUE), alpha: number(0.5, 0, 1) },
  outputs: 2,
  targets: (outputs, at) => (at.alpha === 1 ? [] : classification.cross_entropy.targets(outputs, at)),
  build(b, [student, teacher], targets, at) {
    const { temperature, alpha, ...rest } = at;
    const axis = rankOf(student!) < 2 ? 0 : axisOf(at.axis, rankOf(student!));
    const logs = (x: Value): Value => b.LogSoftmax({ input: b.Div(x, b.like(temperature, x)) }, { axis });
    const far = perExample(b, divergence(b, logs(student!), logs(teacher!), { log_target: true }));
    const soft = b.Mul(b.like(alpha * temperature ** 2, far), far);
    if (alpha === 1) return soft;
    const hard = classification.cross_entropy.build(b, [student!], targets, rest as OptionValues<typeof crossEntropyOptions>);
    return b.Add(soft, b.Mul(b.like(1 - alpha, hard), hard));
  },
});

/** The model computes its own loss: its first output. */
const output = loss({ options: {}, targets: () => [], build: (_b, [x]) => x! });

export const losses: Readonly<Record<string, LossRow>> = { ...regression, ...classification, ...embedding, distillation, output };

/** A loss with its options. */
export interface Loss {
  readonly name: string;
  /** How many outputs of the model it reads; the second one of `distillation` is the teacher's. */
  readonly outputs: number;
  readonly targets: (outputs: readonly Value[]) => readonly TargetFacts[];
  readonly build: (b: Builder, outputs: readonly Value[], targets: readonly Value[]) => Value;
}

/** @throws ModelError E4001 for a name or an option that does not exist */
export function lossNamed(chosen: Chosen): Loss {
  const { name: given, options } = parseChoice(chosen);
  const [name, row] = rowNamed('loss', losses, given);
  const at = readOptions(`the loss ${name}`, row.options, options);
  const count = row.outputs ?? 1;
  const need = (outputs: readonly Value[]): readonly Value[] => {
    if (outputs.length < count) throw fail('E4001', `the loss ${name} reads ${count} outputs, the model has ${outputs.length}`);
    return outputs.slice(0, count);
  };
  return {
    name,
    outputs: count,
    targets: outputs => row.targets(need(outputs), at),
    build: (b, outputs, targets) => row.build(b, need(outputs), targets, at),
  };
}
