// The table of optimizers, and one of them with its options.
import { fail } from '../../errors.ts';
import type { Builder } from '../../ops/builder.ts';
import { type Chosen, type GivenOptions, parseChoice, readOptions, rowNamed } from '../options.ts';
import { adams } from './adam.ts';
import { descents } from './gradient-descent.ts';
import type { OptimizerRow, Slot, StepInputs, StepResults } from './optimizer.ts';

export { Scalars, type Slot, type StepInputs, type StepResults } from './optimizer.ts';

export const optimizers: Readonly<Record<string, OptimizerRow>> = { ...descents, ...adams };

/** An optimizer with its options. */
export interface Optimizer {
  /** Its name in the table. */
  readonly name: string;
  /** The learning rate that its options say. */
  readonly lr: number;
  readonly options: GivenOptions;
  readonly slots: readonly Slot[];
  readonly step: (b: Builder, x: StepInputs) => StepResults;
}

/**
 * @param more options in the place of those that `chosen` says
 * @throws ModelError E4001 for a name or an option that does not exist, and for Nesterov momentum without momentum
 */
export function optimizerNamed(chosen: Chosen, more: GivenOptions = {}): Optimizer {
  const { name: given, options } = parseChoice(chosen);
  const [name, row] = rowNamed('optimizer', optimizers, given);
  const at = readOptions(`the optimizer ${name}`, row.options, { ...options, ...more });
  if (at['nesterov'] === true && (at['momentum'] === 0 || at['dampening'] !== 0))
    throw fail('E4001', `the optimizer ${name}: nesterov needs a momentum and no dampening`);
  return { name, lr: at.lr, options: at, slots: row.slots(at), step: (b, x) => row.step(b, x, at) };
}
