// What training takes beside arrays and losses by name: batches as they come, models that say their loss, weights in groups; and when it ends.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ModelError } from '../../src/errors.ts';
import { referenceBackend } from '../../src/exec/reference.ts';
import { Value } from '../../src/ir/graph.ts';
import { tensorType } from '../../src/ir/types.ts';
import { FolderCheckpoints } from '../../src/node/train.ts';
import { newBuilder } from '../../src/ops/builder.ts';
import { arrayDataset, type Batch, type TrainingData } from '../../src/train/loop/data.ts';
import { fit as train } from '../../src/train/loop/fit.ts';
import type { EpochEvent, FitOptions, Tensors } from '../../src/train/loop/fit-options.ts';
import { examples, mlp, modelOf, spread, weight } from './training-models.ts';

const options: FitOptions = {
  loss: 'cross_entropy',
  optimizer: 'sgd:momentum=0.9',
  lr: 0.1,
  epochs: 2,
  batch: 8,
  shuffle: false,
  backend: referenceBackend(),
};
const valuesOf = (tensors: Tensors): Record<string, number[]> =>
  Object.fromEntries([...tensors].map(([name, t]) => [name, [...(t.data as Float32Array)]]));
const trained = async (more: Partial<FitOptions>, data: TrainingData = examples(20)): Promise<Record<string, number[]>> => {
  const { tensors } = await train(mlp(), data, { ...options, ...more });
  return valuesOf(tensors);
};

async function* batchesOf(data: Batch): AsyncGenerator<Batch> {
  const all = await arrayDataset(data);
  for (let i = 0; i < all.size; i += 8) yield all.batch(Array.from({ length: Math.min(8, all.size - i) }, (_, k) => i + k));
}

test('batches that are made for each epoch train as the arrays that they come from', async () => {
  const epochs: EpochEvent[] = [];
  const made = await trained({ onEpoch: e => void epochs.push(e) }, () => batchesOf(examples(20)));
  expect(made).toEqual(await trained({}));
  expect(epochs.map(e => e.step)).toEqual([3, 6]);
});

test('batches that can be gone through once are enough for one epoch', async () => {
  expect(await trained({ epochs: 1 }, batchesOf(examples(20)))).toEqual(await trained({ epochs: 1 }));
  const refused = await trained({}, batchesOf(examples(20))).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(ModelError);
  expect((refused as ModelError).findings[0]).toMatchObject({ code: 'E6015', message: expect.stringContaining('gone through once') });
});

test('it ends after as many epochs without a better model as patience says, and the best is kept', async () => {
  const epochs: EpochEvent[] = [];
  // A rate this large makes the model worse from the second step on.
  const { history, best } = await train(mlp(), examples(20), {
    ...options,
    lr: 30,
    epochs: 50,
    validation: examples(20, 9),
    patience: 2,
    onEpoch: e => void epochs.push(e),
  });
  const lowest = Math.min(...history.map(e => e.validation!.loss));
  const at = history.findIndex(e => e.validation!.loss === lowest);
  expect(history).toHaveLength(at + 3);
  expect(epochs.filter(e => e.isBest).at(-1)!.epoch).toBe(history[at]!.epoch);
  expect(best).toBeDefined();
});

test('a model that says its loss trains as one with the loss of that name', async () => {
  const build = (saysLoss: boolean) => {
    const b = newBuilder();
    const [x, target] = [new Value('x', tensorType('float32', [8, 4])), new Value('target', tensorType('float32', [8, 2]))];
    const y = b.Gemm({ A: x, B: weight('w', [2, 4], 1) }, { transB: 1 });
    if (!saysLoss) return modelOf([x], { y }, b);
    const difference = b.Sub(y, target);
    return modelOf([x, target], { loss: b.ReduceMean({ data: b.Mul(difference, difference) }, { keepdims: 0 }) }, b);
  };
  const data = { x: spread([16, 4], 3), target: spread([16, 2], 4) };
  const own = await train(build(true), data, { ...options, loss: 'output' });
  const named = await train(build(false), data, { ...options, loss: 'mse' });
  expect(own.losses).toEqual(named.losses);
  expect(own.losses.at(-1)).toBeLessThan(own.losses[0]!);
});

test('a group of weights has its own rate, which the schedule changes too', async () => {
  const start = await trained({ lr: 0 });
  const half = await trained({ groups: [{ match: ['0.*'], lr: 0 }] });
  expect(half['0.weight']).toEqual(start['0.weight']);
  expect(half['2.weight']).toEqual((await trained({ trainable: ['2.*'] }))['2.weight']);
  // A group whose rate is that of the others falls as theirs does.
  const schedule = 'step:1,0.1';
  const apart = await trained({ schedule, groups: [{ match: ['0.*'], lr: 0.1 }], lr: 0.1 });
  expect(apart).toEqual(await trained({ schedule, lr: 0.1 }));
});

test('the best model is known after going on from a checkpoint too', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'omnix-best-'));
  // The second epoch has a rate that ruins what the first has learnt.
  const given: FitOptions = {
    ...options,
    lr: 0.1,
    schedule: 'exponential:gamma=300',
    validation: examples(20, 9),
    checkpoints: new FolderCheckpoints(folder),
  };
  const first = await train(mlp(), examples(20), { ...given, epochs: 1 });
  const later = await train(mlp(), examples(20), { ...given, epochs: 2, resume: true, checkpoints: new FolderCheckpoints(folder) });
  rmSync(folder, { recursive: true });
  expect(later.history.every(e => !e.isBest)).toBe(true);
  expect(valuesOf(later.best!.tensors)).toEqual(valuesOf(first.tensors));
  expect(valuesOf(later.tensors)).not.toEqual(valuesOf(first.tensors));
});

test('offsets of batch normalisations that an exporter stored once are apart; weights of products that are one stay one', async () => {
  const net = mlp(3, (b, h) => {
    const [scale, offset] = [weight('bn.weight', [8], 5), weight('bn.bias', [8], 6)];
    const normal = (B: Value, i: number): Value => {
      const stored = (value: number) => b.constant(new Float32Array(8).fill(value), 'float32', [8], `bn.${i}.${value}`);
      return b.BatchNormalization({ X: h, scale, B, input_mean: stored(i), input_var: stored(i + 2) }).Y;
    };
    const square = weight('square', [8, 8], 7);
    const both = b.Add(normal(offset, 0), normal(b.emit('Identity', [offset], {}, { outputs: ['other.bias'] })[0]!, 1));
    return b.MatMul(b.MatMul(both, square), b.emit('Identity', [square], {}, { outputs: ['other.square'] })[0]!);
  });
  const { signature, tensors } = await train(net, examples(20), options);
  const names = signature.parameters.map(p => p.name);
  expect(names).toContain('other.bias');
  expect(names).not.toContain('other.square');
  expect(valuesOf(tensors)['other.bias']).toEqual(valuesOf(tensors)['bn.bias']);
});
