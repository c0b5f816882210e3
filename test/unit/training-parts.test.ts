// Losses, optimizers, clipping and schedules against numbers that PyTorch gave (test/interop/training_parts.py --record).
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ModelError } from '../../src/errors.ts';
import { referenceBackend } from '../../src/exec/reference.ts';
import { Session } from '../../src/exec/session.ts';
import { Value } from '../../src/ir/graph.ts';
import { Tensor } from '../../src/ir/tensor.ts';
import { tensorType } from '../../src/ir/types.ts';
import { newBuilder } from '../../src/ops/builder.ts';
import { clip } from '../../src/train/clip.ts';
import { OwnFunctions } from '../../src/train/gradient/index.ts';
import { lossNamed } from '../../src/train/losses/index.ts';
import type { Chosen } from '../../src/train/options.ts';
import { type ChosenSchedule, scheduleNamed } from '../../src/train/schedules.ts';
import { appendUpdate, groupsOf } from '../../src/train/update.ts';
import { modelOf } from './training-models.ts';

interface Recorded {
  readonly losses: readonly {
    readonly loss: Chosen;
    readonly outputs: readonly Sized[];
    readonly targets: readonly Sized[];
    readonly value: number;
  }[];
  readonly optimizers: readonly {
    readonly optimizer: Chosen & object;
    readonly start: readonly number[];
    readonly gradients: readonly (readonly number[])[];
    readonly after: readonly (readonly number[])[];
  }[];
}
interface Sized {
  readonly dims: readonly number[];
  readonly data: readonly number[];
}

const recorded = JSON.parse(readFileSync(new URL('../fixtures/training.json', import.meta.url), 'utf8')) as Recorded;
const backend = referenceBackend();
const text = (chosen: Chosen): string => (typeof chosen === 'string' ? chosen : JSON.stringify(chosen));
const near = (got: ArrayLike<number | bigint | string>, want: readonly number[], tolerance = 2e-6): void => {
  expect(got.length).toBe(want.length);
  for (const [i, x] of want.entries()) expect(Math.abs(Number(got[i]) - x)).toBeLessThanOrEqual(tolerance * (1 + Math.abs(x)));
};

test.each(recorded.losses.map(r => [text(r.loss), r] as const))('loss %s', async (_name, { loss: chosen, outputs, targets, value }) => {
  const loss = lossNamed(chosen);
  const b = newBuilder();
  const given = outputs.map((o, i) => new Value(`output${i}`, tensorType('float32', o.dims)));
  const wanted = loss.targets(given).map((facts, i) => new Value(`target${i}`, facts.type));
  const model = modelOf([...given, ...wanted], { loss: loss.build(b, given, wanted) }, b);
  const feeds = Object.fromEntries([
    ...given.map((v, i) => [v.name, new Tensor('float32', outputs[i]!.data, outputs[i]!.dims)]),
    ...wanted.map((v, i) => [v.name, new Tensor(v.element!, targets[i]!.data, targets[i]!.dims)]),
  ]);
  const session = await Session.create(model, { backend });
  near((await session.run(feeds))['loss']!.data, [value], 1e-5);
});

test.each(recorded.optimizers.map(r => [text(r.optimizer), r] as const))(
  'optimizer %s',
  async (_name, { optimizer, start, gradients, after }) => {
    const b = newBuilder();
    const [p, g] = ['p', 'g'].map(name => new Value(name, tensorType('float32', [start.length]))) as [Value, Value];
    const step = new Value('step', tensorType('int64', []));
    const groups = groupsOf([p], { optimizer });
    const { parameters, state } = appendUpdate(b, { parameters: [p], gradients: [g], groups, step }, new OwnFunctions({ inline: true }));
    const outputs = { p: parameters[0]!, ...Object.fromEntries(state.map(s => [s.value.name, s.next])) };
    const session = await Session.create(modelOf([p, g, step, groups[0]!.rate, ...state.map(s => s.value)], outputs, b), { backend });
    let carried: Record<string, Tensor> = { p: new Tensor('float32', start) };
    for (const { value, slot } of state) {
      const dims = slot.of === 'scalar' ? [] : [start.length];
      carried[value.name] = new Tensor('float32', new Float32Array(slot.of === 'scalar' ? 1 : start.length).fill(slot.initial), dims);
    }
    for (const [k, want] of after.entries()) {
      const scalars = { [groups[0]!.rate.name]: new Tensor('float32', [groups[0]!.optimizer.lr], []), step: new Tensor('int64', [k], []) };
      carried = await session.run({ ...carried, ...scalars, g: new Tensor('float32', gradients[k]!) });
      near(carried['p']!.data, want);
    }
  },
);

/** Rates of the first advances, for a base rate of 1. */
function rates(chosen: ChosenSchedule, metrics: readonly number[]): number[] {
  const schedule = scheduleNamed(chosen);
  let state = schedule.start;
  return metrics.map(metric => {
    const rate = schedule.rate(1, state);
    state = schedule.advance(state, metric);
    return rate;
  });
}
const flat = (n: number): number[] => Array.from({ length: n }, () => 1);

test.each([
  ['step:2,0.1', [1, 1, 0.1, 0.1, 0.01]],
  ['multi_step:[1,3],0.5', [1, 0.5, 0.5, 0.25, 0.25]],
  ['exponential:0.5', [1, 0.5, 0.25, 0.125, 0.0625]],
  ['linear:0.5,1,2', [0.5, 0.75, 1, 1, 1]],
  ['polynomial:4,2', [1, 0.5625, 0.25, 0.0625, 0]],
  ['cosine:T_max=4', [1, 0.5 + Math.SQRT1_2 / 2, 0.5, 0.5 - Math.SQRT1_2 / 2, 0]],
  ['cosine_annealing_warm_restarts:T_0=2', [1, 0.5, 1, 0.5, 1]],
  ['warmup:4', [0, 0.25, 0.5, 0.75, 1]],
  ['one_cycle:max_lr=1,total_steps=5,pct_start=0.4,anneal_strategy=linear', [0.04, 1, 0.666668, 0.333336, 4e-6]],
  ['plateau:patience=1,factor=0.5', [1, 1, 1, 0.5, 0.5]],
  ['table:[3,2]', [3, 2, 2, 2, 2]],
] as const)('schedule %s', (chosen, want) => {
  const got = rates(chosen, flat(5));
  for (const [i, rate] of want.entries()) expect(got[i]).toBeCloseTo(rate, 6);
});

test('schedules one after the other count from their own beginning', () => {
  const got = rates({ name: 'sequential', schedules: ['warmup:2', 'exponential:0.5'], milestones: [2] }, flat(5));
  expect(got).toEqual([0, 0.5, 1, 0.5, 0.25]);
});

test('gradients are clipped by the length of all of them', async () => {
  const b = newBuilder();
  const given = ['a', 'b'].map(name => new Value(name, tensorType('float32', [1])));
  const { gradients, norm } = clip(b, given, { norm: 1 });
  const session = await Session.create(modelOf(given, { a: gradients[0]!, b: gradients[1]!, norm: norm! }, b), { backend });
  const made = await session.run({ a: new Tensor('float32', [3]), b: new Tensor('float32', [4]) });
  near(made['norm']!.data, [5]);
  near([made['a']!.data[0]!, made['b']!.data[0]!], [0.6, 0.8], 1e-5);
});

const refusal = (make: () => unknown): string => {
  try {
    make();
  } catch (error) {
    if (error instanceof ModelError) return `${error.code} ${error.message}`;
    throw error;
  }
  return 'nothing was refused';
};

test('names and options that do not exist are refused with the nearest one', () => {
  expect(refusal(() => lossNamed('cros_entropy'))).toBe('E4001 there is no loss "cros_entropy"; did you mean cross_entropy?');
  expect(refusal(() => lossNamed('huber:detla=2'))).toBe('E4001 the loss huber has no option "detla"; did you mean delta?');
  expect(refusal(() => lossNamed('huber:delta=big'))).toContain('E4001 the loss huber: delta is "big", expected a number');
  expect(refusal(() => groupsOf([], { optimizer: 'sgd:nesterov' }))).toBe('nothing was refused');
  expect(refusal(() => scheduleNamed({ name: 'sequential', schedules: ['constant'], milestones: [1] }))).toContain('have 0 milestones');
});
