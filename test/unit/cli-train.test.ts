// omnix grad and omnix train as processes.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Tensor } from '../../src/ir/tensor.ts';
import { load, save, saveArrays, weightsOf } from '../../src/node/index.ts';
import { commandLine } from './cli-process.ts';
import { examples, mlp } from './training-models.ts';

const folder = mkdtempSync(join(tmpdir(), 'omnix-cli-train-'));
const at = (name: string): string => join(folder, name);
const { omnix, shell, json } = commandLine(folder);
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeAll(async () => {
  await save(mlp(), at('net.onnx'));
  await saveArrays(at('data.npz'), { ...examples(24) });
  await saveArrays(at('wrong.npz'), {
    ...examples(24),
    target: new Tensor(
      'int64',
      Array.from({ length: 24 }, (_, i) => i),
      [24],
    ),
  });
});

const common = ['--data', 'data.npz', '--loss', 'cross_entropy', '--optimizer', 'adam', '--backend', 'reference'];

test('grad writes steps and parts that check finds nothing wrong with', () => {
  const whole = omnix('grad', 'net.onnx', '--loss', 'cross_entropy', '--optimizer', 'adamw', '-o', 'step.onnx');
  expect([whole.code, whole.err]).toEqual([0, expect.stringContaining('4 weights trained, targets target')]);
  expect(omnix('grad', 'net.onnx', '--loss', 'cross_entropy', '--form', 'parts', '-o', 'p.onnx').code).toBe(0);
  expect(omnix('grad', 'net.onnx', '--loss', 'cross_entropy', '--form', 'training-info', '--inline', '-o', 'info.onnx').code).toBe(0);
  const parts = ['forward', 'backward', 'gradients', 'update'].map(part => `p.${part}.onnx`);
  expect(omnix('check', 'step.onnx', 'info.onnx', ...parts).code).toBe(0);
  expect(readdirSync(folder)).toEqual(expect.arrayContaining(parts));
});

test('train keeps names, types and the opset of the model', async () => {
  const { code, results } = json('train', 'net.onnx', ...common, '--epochs', '2', '--batch', '8', '-o', 'trained.onnx');
  expect([code, results['steps']]).toEqual([0, 6]);
  const [before, after] = [await load(at('net.onnx')), await load(at('trained.onnx'))];
  expect([...weightsOf(after).tensors.keys()]).toEqual([...weightsOf(before).tensors.keys()]);
  expect(after.opsets).toEqual(before.opsets);
});

test('a configuration says all of it, options go before it', () => {
  const order = [[0, 1, 2], [3], [4, 5]];
  const config = {
    model: 'net.onnx',
    data: 'data.npz',
    loss: { name: 'cross_entropy', label_smoothing: 0.1 },
    order,
    output: 'c.safetensors',
  };
  writeFileSync(
    at('run.json'),
    JSON.stringify({ ...config, schedule: { name: 'step', step_size: 1, every: 'step' }, backend: 'reference' }),
  );
  expect(omnix('train', '--config', 'run.json', '--log', 'log.jsonl', '--lr', '0.5').code).toBe(0);
  const steps = readFileSync(at('log.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as { kind: string; rate: number });
  expect(steps.filter(e => e.kind === 'step').map(e => Number(e.rate.toFixed(6)))).toEqual([0.5, 0.05, 0.005]);
  writeFileSync(at('odd.json'), JSON.stringify({ ...config, epoch: 3 }));
  expect(omnix('train', '--config', 'odd.json').err).toContain('there is no setting epoch; did you mean epochs?');
});

test('what cannot be done is said before anything is written', () => {
  const refused = (...args: string[]) => {
    const { code, findings } = json('train', 'net.onnx', ...args);
    return [code, findings[0]!.code, findings[0]!.message];
  };
  expect(refused('--data', 'wrong.npz', '--loss', 'cross_entropy', '--no-shuffle', '--backend', 'reference', '-o', 'w.onnx')).toEqual([
    3,
    'E6012',
    '"target": a label of example 3 is 3, the classes are 0 to 2',
  ]);
  expect(refused(...common)).toEqual([2, 'E4001', 'nothing would be kept: pass -o, --checkpoint or both']);
  expect(refused('--data', 'data.npz', '--loss', 'mes', '-o', 'w.onnx')[2]).toBe('there is no loss "mes"; did you mean mse?');
  expect(refused(...common, '--lr', '1e38', '--optimizer', 'sgd', '--epochs', '9', '-o', 'w.onnx').slice(0, 2)).toEqual([1, 'E6013']);
  expect(readdirSync(folder)).not.toContain('w.onnx');
});

test('a signal ends the training with a checkpoint to go on from', () => {
  const args = `"$MAIN" train net.onnx ${common.join(' ')} --epochs 1000000 --checkpoint ck`;
  const { code, out } = shell(
    `"$NODE" ${args} & pid=$!; for i in $(seq 200); do sleep 0.1; [ -f ck/checkpoint.json ] && break; done; kill -INT $pid; wait $pid; echo "code $?"`,
  );
  expect([code, out]).toEqual([0, 'code 130\n']);
  const before = JSON.parse(readFileSync(at('ck/checkpoint.json'), 'utf8')) as { progress: { steps: number } };
  const more = String(before.progress.steps + 3);
  expect(json('train', 'net.onnx', ...common, '--steps', more, '--checkpoint', 'ck', '--resume', '-o', 'on.onnx').results['steps']).toBe(
    Number(more),
  );
});
