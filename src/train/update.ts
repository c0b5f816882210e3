// The last part of a step: new parameters from gradients, by one optimizer whose options differ between groups.
import { fail } from '../errors.ts';
import { Value } from '../ir/graph.ts';
import { Tensor } from '../ir/tensor.ts';
import { tensorType } from '../ir/types.ts';
import { tensorOfNumbers } from '../kernels/memory.ts';
import type { AttributeInput } from '../ops/attributes.ts';
import type { Builder } from '../ops/builder.ts';
import type { OwnFunctions } from './gradient/index.ts';
import { type Optimizer, optimizerNamed, Scalars, type Slot } from './optimizers/index.ts';
import type { Chosen, GivenOptions } from './options.ts';
import { matches, type Patterns } from './parameters.ts';

/** Parameters with options of their own. */
export interface GroupOptions extends GivenOptions {
  /** Names of the parameters. */
  readonly match: Patterns;
}

export interface UpdateOptions {
  readonly optimizer: Chosen;
  /** The learning rate, in the place of the optimizer's. */
  readonly lr?: number | undefined;
  /** Parameters with options of their own; each belongs to the first group that it fits. */
  readonly groups?: readonly GroupOptions[] | undefined;
}

/** Parameters that one learning rate is for. */
export interface Group {
  readonly optimizer: Optimizer;
  /** The input that holds the learning rate. */
  readonly rate: Value;
  readonly names: ReadonlySet<string>;
}

export const rateName = 'learning_rate';

/** @throws ModelError E4001 for options that do not exist, E3001 for a group that fits no parameter */
export function groupsOf(parameters: readonly Value[], { optimizer, lr, groups = [] }: UpdateOptions): readonly Group[] {
  const whole = lr === undefined ? {} : { lr };
  const taken = new Set<string>();
  const made = [...groups, { match: ['*'] }].flatMap(({ match, ...options }, i): Group[] => {
    const names = parameters.map(v => v.name).filter(name => !taken.has(name) && match.some(pattern => matches(pattern, name)));
    if (names.length === 0 && i < groups.length) throw fail('E3001', `no parameter is left for the group ${match.join(', ')}`);
    for (const name of names) taken.add(name);
    const rate = new Value(i === groups.length ? rateName : `${rateName}.${i}`, tensorType('float32', []));
    return names.length === 0 ? [] : [{ optimizer: optimizerNamed(optimizer, { ...whole, ...options }), rate, names: new Set(names) }];
  });
  // The rate of all that is in no group comes first.
  return made.length === groups.length + 1 ? [made.at(-1)!, ...made.slice(0, -1)] : made;
}

/** A tensor that the optimizer keeps. */
export interface Kept {
  readonly parameter: string;
  readonly slot: Slot;
  readonly value: Value;
  readonly next: Value;
}

export interface Updated {
  /** One for each parameter. */
  readonly parameters: readonly Value[];
  readonly state: readonly Kept[];
}

/** The name of the state of a parameter. */
export const slotName = (parameter: string, slot: string): string => `${parameter}::${slot}`;

/** What an update reads beside its options. */
export interface UpdateInputs {
  readonly parameters: readonly Value[];
  readonly gradients: readonly Value[];
  readonly groups: readonly Group[];
  /** How many steps came before. */
  readonly step: Value;
}

/** Append the update. Each parameter is one call of a function of our own domain, or its body where functions are inlined. */
export function appendUpdate(b: Builder, { parameters, gradients, groups, step }: UpdateInputs, own: OwnFunctions): Updated {
  const state: Kept[] = [];
  const updated = parameters.map((parameter, i) => {
    const { optimizer, rate } = groups.find(g => g.names.has(parameter.name))!;
    const inputs = optimizer.slots.map(slot => new Value(slotName(parameter.name, slot.name), typeOfSlot(slot, parameter)));
    const [next, ...kept] = own.call(
      b,
      functionName(optimizer.name),
      [parameter, gradients[i]!, rate, step, ...inputs],
      attributesOf(optimizer),
      (inner, ...x) => stepBody(inner, optimizer, x as readonly Value[]),
    );
    for (const [k, slot] of optimizer.slots.entries()) state.push({ parameter: parameter.name, slot, value: inputs[k]!, next: kept[k]! });
    return next!;
  });
  return { parameters: updated, state };
}

function stepBody(b: Builder, { slots, step }: Optimizer, x: readonly Value[]): readonly Value[] {
  const [parameter, gradient, rate, count, ...state] = x as readonly [Value, Value, Value, Value, ...Value[]];
  const scalars = new Scalars(b, rate, count, parameter);
  const made = step(b, { parameter, gradient, scalars, state: Object.fromEntries(slots.map((slot, i) => [slot.name, state[i]!])) });
  return [made.parameter, ...slots.map(slot => made.state[slot.name]!)];
}

const typeOfSlot = ({ of }: Slot, parameter: Value): Value['type'] => (of === 'parameter' ? parameter.type : tensorType('float32', []));

/** What a slot of a parameter holds before the first step. */
export function initialState({ of, initial }: Slot, { type, dims }: Pick<Tensor, 'type' | 'dims'>): Tensor {
  if (of === 'scalar') return new Tensor('float32', [initial], []);
  return tensorOfNumbers(type, new Float64Array(dims.reduce((n, d) => n * d, 1)).fill(initial), dims);
}

const functionName = (name: string): string => `${name[0]!.toUpperCase()}${name.slice(1)}Step`;

/** The options as attributes, so that who reads a graph sees them; the learning rate is an input. */
const attributesOf = ({ options }: Optimizer): Readonly<Record<string, AttributeInput>> =>
  Object.fromEntries(
    Object.entries(options).flatMap(([name, value]): [string, AttributeInput][] =>
      name === 'lr' || value === undefined ? [] : [[name, attributeOf(value)]],
    ),
  );

function attributeOf(value: unknown): AttributeInput {
  if (typeof value === 'boolean') return Number(value);
  if (typeof value === 'number') return { kind: 'float', value };
  if (Array.isArray(value)) return { kind: 'floats', value };
  return String(value);
}
