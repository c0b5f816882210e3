// Training graphs and training itself: what they give, what they keep, and how they end.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readCsv } from '../../src/codec/csv.ts';
import { ModelError } from '../../src/errors.ts';
import { referenceBackend } from '../../src/exec/reference.ts';
import { Session } from '../../src/exec/session.ts';
import { writeArrays } from '../../src/formats/arrays.ts';
import { Value } from '../../src/ir/graph.ts';
import { resident, Tensor } from '../../src/ir/tensor.ts';
import { tensorType } from '../../src/ir/types.ts';
import { writeFileAtomic } from '../../src/node/files.ts';
import { FolderCheckpoints, loadTrainingData } from '../../src/node/train.ts';
import { newBuilder } from '../../src/ops/builder.ts';
import { replaceHead } from '../../src/train/adapt/head.ts';
import { mergedLora, withLora } from '../../src/train/adapt/lora.ts';
import { uniformLike } from '../../src/train/draws.ts';
import { trainingGraph, trainingParts } from '../../src/train/graphs.ts';
import { fit as train } from '../../src/train/loop/fit.ts';
import type { FitOptions } from '../../src/train/loop/fit-options.ts';
import { metricNamed } from '../../src/train/loop/metrics.ts';
import { tableData } from '../../src/train/loop/table.ts';
import { withTrainingInfo } from '../../src/train/training-info.ts';
import { examples, mlp, modelOf, spread, weight } from './training-models.ts';

const backend = referenceBackend();
const folder = mkdtempSync(join(tmpdir(), 'omnix-train-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let folders = 0;
const newFolder = (): string => join(folder, String(folders++));

const options: FitOptions = { loss: 'cross_entropy', optimizer: 'adam:lr=0.02', epochs: 3, batch: 8, backend };
const floats = (t: Tensor): number[] => [...(t.data as Float32Array)];
const weightsOf = async (o: FitOptions): Promise<number[][]> => {
  const { tensors } = await train(mlp(), examples(24), o);
  return [...tensors.values()].map(floats);
};

async function refusal(work: () => Promise<unknown>): Promise<ModelError> {
  try {
    await work();
  } catch (error) {
    if (error instanceof ModelError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

test('the loss falls, and the model that comes out gives what training says of it', async () => {
  const data = examples(60);
  const { losses, model, history } = await train(mlp(), data, { ...options, epochs: 20, metrics: ['accuracy'], validation: data });
  expect(losses).toHaveLength(160);
  expect(history.at(-1)!.training.loss).toBeLessThan(0.4 * history[0]!.training.loss);
  const session = await Session.create(model, { backend });
  const { y } = await session.run({ x: data.x });
  const rows = Array.from({ length: 60 }, (_, i) => floats(y!).slice(i * 3, i * 3 + 3));
  const right = rows.filter((row, i) => row.indexOf(Math.max(...row)) === Number(data.target.data[i])).length;
  expect(history.at(-1)!.validation!.metrics['accuracy']).toBeCloseTo(right / 60);
});

test('one graph and its parts make the same step', async () => {
  const given = { loss: 'cross_entropy', optimizer: 'adamw', clip: { norm: 0.1 }, inline: true } as const;
  const { x, target } = examples(8);
  const [whole, parts] = [trainingGraph(mlp(), given), trainingParts(mlp(), given)];
  const run = async (model: typeof whole.model, feeds: Record<string, Tensor>): Promise<Record<string, Tensor>> => {
    const session = await Session.create(model, { backend });
    const known = session.inputsFor(Object.keys(feeds));
    return session.run(Object.fromEntries(known.map(name => [name, feeds[name]!])));
  };
  const scalars = { learning_rate: new Tensor('float32', [0.1], []), step: new Tensor('int64', [0], []) };
  const start: Record<string, Tensor> = {};
  for (const c of [...parts.signature.parameters, ...parts.signature.state]) start[c.name] = await resident(c.initial);
  const one = await run(whole.model, { x, target, ...scalars });
  const ahead = await run(parts.forward, { x, target, ...start });
  const back = await run(parts.backward, { x, target, ...start, ...ahead });
  const last = await run(parts.update, { ...start, ...back, ...scalars });
  expect(floats(ahead['loss']!)).toEqual(floats(one['loss']!));
  for (const { next } of [...parts.signature.parameters, ...parts.signature.state]) expect(floats(last[next]!)).toEqual(floats(one[next]!));
  expect(floats(last['gradient_norm']!)).toEqual(floats(one['gradient_norm']!));
});

test('gradients of parts of a batch, added up, make the step of all of it', async () => {
  const order = [[0, 1, 2, 3, 4, 5, 6, 7]];
  const whole = await weightsOf({ ...options, order, epochs: 2 });
  const parts = await weightsOf({ ...options, order: [order[0]!.slice(0, 4), order[0]!.slice(4)], accumulate: 2, epochs: 2 });
  for (const [i, tensor] of whole.entries()) for (const [k, x] of tensor.entries()) expect(parts[i]![k]).toBeCloseTo(x, 4);
});

test('batch normalisation remembers the estimate of the population', async () => {
  const net = mlp(3, (b, h) => {
    const vector = (value: number) => b.constant(new Float32Array(8).fill(value), 'float32', [8], `bn.${value}`);
    const [mean, variance] = [vector(0), vector(4)];
    return b.BatchNormalization({ X: h, scale: vector(1), B: vector(0.5), input_mean: mean, input_var: variance }, { momentum: 0.75 }).Y;
  });
  const { signature, model } = trainingGraph(net, { loss: 'cross_entropy', optimizer: 'sgd', predictions: true });
  expect(signature.buffers.map(v => v.name)).toEqual(['bn.0', 'bn.4']);
  const session = await Session.create(model, { backend });
  const { x, target } = examples(6);
  const made = await session.run({ x, target, learning_rate: new Tensor('float32', [0], []), step: new Tensor('int64', [0], []) });
  const hidden = await Session.create(
    (() => {
      const plain = mlp();
      plain.graph.outputs = [{ name: 'h', value: plain.graph.nodes[1]!.outputs[0]! }];
      return plain;
    })(),
    { backend },
  );
  const h = floats((await hidden.run({ x }))['h']!);
  const column = Array.from({ length: 6 }, (_, i) => h[i * 8]!);
  const mean = column.reduce((a, c) => a + c, 0) / 6;
  const spreadOf = column.reduce((a, c) => a + (c - mean) ** 2, 0) / 5;
  expect(floats(made['bn.0.next']!)[0]).toBeCloseTo(0.25 * mean, 5);
  expect(floats(made['bn.4.next']!)[0]).toBeCloseTo(0.75 * 4 + 0.25 * spreadOf, 5);
});

test('numbers by chance are those of Philox, and follow from seed, step and place', async () => {
  const b = newBuilder();
  const scalar = (name: string) => new Value(name, tensorType('int64', []));
  const [x, seed, step] = [new Value('x', tensorType('float32', [50, 7])), scalar('seed'), scalar('step')];
  const session = await Session.create(modelOf([x, seed, step], { u: uniformLike(b, x, 0, { seed, step }) }, b), { backend });
  const draw = async (s: bigint, k: number): Promise<number[]> => {
    const feeds = {
      x: new Tensor('float32', new Float32Array(350), [50, 7]),
      seed: new Tensor('int64', [s], []),
      step: new Tensor('int64', [k], []),
    };
    return floats((await session.run(feeds))['u']!);
  };
  const drawn = await draw(0n, 0);
  // The first block of Philox 4x32-10 for a counter and a key of zeros, as its authors published it.
  const words = [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8];
  expect(drawn.slice(0, 4)).toEqual(words.map(word => Math.floor(word / 256) / 2 ** 24));
  expect(drawn.every(u => u >= 0 && u < 1)).toBe(true);
  expect(drawn.reduce((sum, u) => sum + u, 0) / 350).toBeCloseTo(0.5, 1);
  expect(await draw(0n, 0)).toEqual(drawn);
  for (const other of [await draw(1n, 0), await draw(0n, 1), await draw(2n ** 40n, 0)]) expect(other).not.toEqual(drawn);
});

test('what is dropped is as much as the ratio says, and the rest is scaled up', async () => {
  const b = newBuilder();
  const x = new Value('x', tensorType('float32', [1000]));
  const w = weight('w', [1000], 1);
  const net = modelOf([x], { y: b.Dropout({ data: b.Mul(x, w), ratio: b.constant(0.25, 'float32') }).output }, b);
  const { model, signature } = trainingGraph(net, { loss: 'mse', optimizer: 'sgd', predictions: true });
  expect(signature.isRandom).toBe(true);
  const session = await Session.create(model, { backend });
  const ones = new Tensor('float32', new Float32Array(1000).fill(1));
  const scalars = {
    learning_rate: new Tensor('float32', [0.1], []),
    step: new Tensor('int64', [3], []),
    seed: new Tensor('int64', [5], []),
  };
  const y = floats((await session.run({ x: ones, target: ones, ...scalars }))['y']!);
  const kept = y.flatMap((v, i) => (v === 0 ? [] : [v / (w.tensor!.data as Float32Array)[i]!]));
  expect(Math.abs(kept.length - 750)).toBeLessThan(60);
  for (const factor of kept) expect(factor).toBeCloseTo(1 / 0.75, 4);
});

test('training that is stopped and goes on gives the same bits', async () => {
  const dropping = () => mlp(3, (b, h) => b.Dropout({ data: h, ratio: b.constant(0.25, 'float32') }).output);
  const data = examples(24);
  const whole = await train(dropping(), data, { ...options, schedule: 'cosine:T_max=9,every=step', seed: 5 });
  const checkpoints = new FolderCheckpoints(newFolder());
  const given = { ...options, schedule: 'cosine:T_max=9,every=step', seed: 5 };
  await train(dropping(), data, { ...given, steps: 4, checkpoints });
  const rest = await train(dropping(), data, { ...given, checkpoints, resume: true });
  expect(rest.steps).toBe(9);
  expect([...rest.tensors].map(([n, t]) => [n, floats(t)])).toEqual([...whole.tensors].map(([n, t]) => [n, floats(t)]));
});

test('a signal writes a checkpoint and ends the training', async () => {
  const path = newFolder();
  const stop = new AbortController();
  const onStep = ({ step }: { readonly step: number }): void => (step === 2 ? stop.abort() : undefined);
  const checkpoints = new FolderCheckpoints(path);
  const error = await refusal(() => train(mlp(), examples(24), { ...options, checkpoints, signal: stop.signal, onStep }));
  expect(error.code).toBe('E3011');
  expect((await new FolderCheckpoints(path).load())!.progress.steps).toBe(2);
});

test('a checkpoint that cannot be written leaves the one before', async () => {
  const path = newFolder();
  await train(mlp(), examples(24), { ...options, steps: 1, checkpoints: new FolderCheckpoints(path) });
  const before = readdirSync(path).sort();
  const text = readFileSync(join(path, 'checkpoint.json'), 'utf8');
  class Failing extends FolderCheckpoints {
    override async save(): Promise<void> {
      const full = { write: () => Promise.reject(Object.assign(new Error('full'), { code: 'ENOSPC' })) };
      await writeFileAtomic(join(path, 'step-00000002.safetensors'), [new Uint8Array(8)], { calls: full });
    }
  }
  const checkpoints = new Failing(path);
  const error = await refusal(() => train(mlp(), examples(24), { ...options, steps: 2, checkpoints, resume: true }));
  expect(error.code).toBe('E5003');
  expect(readdirSync(path).sort()).toEqual(before);
  expect(readFileSync(join(path, 'checkpoint.json'), 'utf8')).toBe(text);
});

test('a checkpoint of another model or optimizer is refused', async () => {
  const path = newFolder();
  await train(mlp(), examples(24), { ...options, steps: 1, checkpoints: new FolderCheckpoints(path) });
  const resume = (given: Partial<FitOptions>, classes = 3): Promise<ModelError> =>
    refusal(() => train(mlp(classes), examples(24), { ...options, ...given, checkpoints: new FolderCheckpoints(path), resume: true }));
  expect((await resume({}, 4)).message).toContain('2.weight is float32[3,8] in the checkpoint, float32[4,8] here');
  expect((await resume({ optimizer: 'sgd' })).code).toBe('E6014');
  expect((await resume({ seed: 3 })).code).toBe('E6014');
  writeFileSync(join(path, 'checkpoint.json'), '{"format":"other"}');
  expect((await resume({})).message).toBe('checkpoint.json is no checkpoint of omnix');
});

test('a loss that is no number ends the training and says where it began', async () => {
  const { x, target } = examples(16);
  const data = x.data as Float32Array;
  data[9 * 4 + 1] = Number.NaN;
  const path = newFolder();
  const given = { ...options, shuffle: false, checkpoints: new FolderCheckpoints(path), checkpointEvery: 1 };
  const error = await refusal(() => train(mlp(), { x, target }, given));
  expect(error.code).toBe('E6013');
  expect(error.message).toBe('the loss is NaN in step 2, epoch 1; it began where "x" holds NaN at 5');
  expect((await new FolderCheckpoints(path).load())!.progress.steps).toBe(1);
  const far = await refusal(() => train(mlp(), examples(16), { ...options, optimizer: 'sgd', lr: 1e38 }));
  expect(far.message).toMatch(/^the loss is (NaN|Infinity) in step 2, epoch 1; it began where ".*", made by Gemm, holds/);
});

test('labels that are no classes, data that does not fit, losses of nothing', async () => {
  const { x, target } = examples(8);
  const wrong = new Tensor('int64', [0, 1, 3, 0, 0, 0, 0, 0]);
  const given = { ...options, shuffle: false };
  const label = await refusal(() => train(mlp(), { x, target: wrong }, given));
  expect(`${label.code} ${label.message}`).toBe('E6012 "target": a label of example 2 is 3, the classes are 0 to 2');
  const ignored = new Tensor('int64', [0, 1, -100, 0, 0, 0, 0, 0]);
  expect((await train(mlp(), { x, target: ignored }, { ...given, steps: 1 })).steps).toBe(1);
  expect((await refusal(() => train(mlp(), { x, target: spread([5], 1) }, given))).message).toBe('"target" has 5 examples, "x" has 8');
  expect((await refusal(() => train(mlp(), { x, target: spread([8], 1) }, given))).code).toBe('E6015');
  expect((await refusal(() => train(mlp(), { x, target }, { ...given, freeze: ['*'] }))).code).toBe('E6001');
  expect((await refusal(() => train(mlp(), { x, target }, { ...given, freeze: ['1.*'] }))).code).toBe('E3001');
  expect((await refusal(() => train(mlp(), { x }, { ...given, loss: 'output' }))).code).toBe('E6016');
});

test('adapters add nothing at first, and in the weights what they add beside them', async () => {
  const data = examples(24);
  const lora = withLora(mlp(), { rank: 2, alpha: 4, targets: ['*.weight'] });
  const outputs = async (model: typeof lora.model): Promise<number[]> =>
    floats((await (await Session.create(model, { backend })).run({ x: data.x }))['y']!);
  expect(await outputs(lora.model)).toEqual(await outputs(mlp()));
  const { model, tensors, signature } = await train(lora.model, data, { ...options, trainable: lora.trainable });
  expect(signature.parameters.map(p => p.name)).toEqual(lora.trainable);
  const merged = await outputs(await mergedLora(mlp(), lora, tensors));
  const beside = await outputs(model);
  for (const [i, y] of beside.entries()) expect(merged[i]).toBeCloseTo(y, 5);
  expect(beside).not.toEqual(await outputs(mlp()));
});

test('a new head has as many outputs as asked for', async () => {
  const { model, weights } = replaceHead(mlp(), 7);
  expect(weights).toEqual(['2.weight', '2.bias']);
  const session = await Session.create(model, { backend });
  expect((await session.run({ x: spread([5, 4], 1) }))['y']!.dims).toEqual([5, 7]);
});

test('training info binds the results of a step to initializers', () => {
  const { model } = withTrainingInfo(mlp(), { loss: 'cross_entropy', optimizer: 'adam' });
  const { training_info } = model.meta.rest as {
    readonly training_info: readonly {
      readonly algorithm: { readonly initializer: readonly { readonly name: string }[] };
      readonly update_binding: readonly { readonly key: string }[];
    }[];
  };
  const [{ algorithm, update_binding }] = training_info as [(typeof training_info)[number]];
  const own = algorithm.initializer.map(t => t.name);
  const inModel = model.graph.initializers.map(v => v.name);
  expect(own).toContain('2.bias::exp_avg_sq');
  expect(own).not.toContain('2.bias');
  expect(
    update_binding
      .map(b => b.key)
      .every(key => own.includes(key) || inModel.includes(key) || ['0.weight', '0.bias', '2.weight', '2.bias'].includes(key)),
  ).toBe(true);
});

test('tables: features, classes of text, and what is wrong with rows', async () => {
  const { arrays, classes } = tableData(readCsv('a,"b, c",kind\n1,2,dog\r\n3,-4.5,"c""at"\n'));
  expect(classes).toEqual(['c"at', 'dog']);
  expect([...(arrays['features']!.data as Float64Array)]).toEqual([1, 2, 3, -4.5]);
  expect([...(arrays['target']!.data as BigInt64Array)]).toEqual([1n, 0n]);
  const wrong = (text: string): Promise<ModelError> => refusal(async () => tableData(readCsv(text)));
  expect((await wrong('a,b\n1,2\n1\n')).message).toBe('line 3 has 1 fields, expected 2');
  expect((await wrong('a,b\n,2\n')).message).toBe('line 2, column "a": there is no value');
  expect((await wrong('a,b\n"x\ny",2\n')).message).toContain('line 2, column "a"');
  expect((await wrong('a,b\n"x,2\n')).code).toBe('E1006');
});

test('batches of a file in the order that it says', async () => {
  const path = join(folder, 'batches.npz');
  const arrays = { x: spread([3, 2, 4], 1), order: new Tensor('int32', [2, 0, 2]) };
  await writeFileAtomic(path, writeArrays(arrays));
  const { data, order } = await loadTrainingData(path, { batched: true, order: 'order' });
  expect([data.size, order]).toEqual([
    6,
    [
      [4, 5],
      [0, 1],
      [4, 5],
    ],
  ]);
});

test('metrics', () => {
  const judged = (prediction: Tensor, target: Tensor) => ({ prediction, target, loss: Math.log(2), count: 4 });
  const scores = new Tensor('float32', [2, 1, 0, 0, 3, 1, 1, 0, 2, 5, 1, 0], [4, 3]);
  const labels = new Tensor('int64', [0, 1, 1, 2]);
  const result = (name: string, batch = judged(scores, labels)) => {
    const metric = metricNamed(name, { threshold: 0.5 });
    metric.add(batch);
    return metric.result();
  };
  expect(result('accuracy')).toBe(0.5);
  expect(result('top_k:2')).toBe(0.5);
  expect(result('confusion')).toEqual([
    [1, 0, 0],
    [0, 1, 1],
    [1, 0, 0],
  ]);
  expect(result('precision')).toBeCloseTo((0.5 + 1 + 0) / 3);
  expect(result('recall')).toBeCloseTo((1 + 0.5 + 0) / 3);
  expect(result('f1:average=micro')).toBe(0.5);
  expect(result('perplexity')).toBeCloseTo(2);
  const chances = judged(new Tensor('float32', [0.1, 0.4, 0.35, 0.8]), new Tensor('int64', [0, 0, 1, 1]));
  expect(result('roc_auc', chances)).toBe(0.75);
  const numbers = judged(new Tensor('float32', [2.5, 0, 2, 8]), new Tensor('float32', [3, -0.5, 2, 7]));
  expect(result('mse', numbers)).toBe(0.375);
  expect(result('mae', numbers)).toBe(0.5);
  expect(result('r2', numbers)).toBeCloseTo(0.9486081, 6);
});
