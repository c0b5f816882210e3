// node dist/test/interop/training_parts.js CASES.json DIR: losses with their gradients and steps of optimizers as ONNX files, and the rates of
// schedules as JSON, for training_parts.py, which compares them with PyTorch.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Graph, Model, Value } from '../../src/ir/graph.ts';
import { type DataType, tensorType } from '../../src/ir/types.ts';
import { save } from '../../src/node/index.ts';
import { newBuilder } from '../../src/ops/builder.ts';
import { irVersionFor, newestOpset } from '../../src/ops/schema.ts';
import { target } from '../../src/opset/target.ts';
import { type ClipOptions, clip } from '../../src/train/clip.ts';
import { gradients, OwnFunctions, ownDomain } from '../../src/train/gradient/index.ts';
import { lossNamed } from '../../src/train/losses/index.ts';
import type { Chosen } from '../../src/train/options.ts';
import { type ChosenSchedule, scheduleNamed } from '../../src/train/schedules.ts';
import { appendUpdate, groupsOf, type UpdateOptions } from '../../src/train/update.ts';

interface Cases {
  readonly losses: readonly { readonly loss: Chosen; readonly outputs: readonly (readonly number[])[] }[];
  readonly optimizers: readonly (UpdateOptions & {
    readonly parameters: Readonly<Record<string, readonly number[]>>;
    readonly type: DataType;
    readonly clip?: ClipOptions;
    readonly inline: boolean;
  })[];
  readonly schedules: readonly { readonly schedule: ChosenSchedule; readonly base: number; readonly metrics: readonly number[] }[];
}

const [path, folder] = process.argv.slice(2) as [string, string];
const cases = JSON.parse(readFileSync(path, 'utf8')) as Cases;

function modelOf(graph: Graph, own: OwnFunctions): Model {
  const opsets = new Map([['', newestOpset('')!], ...(own.definitions.length > 0 ? [[ownDomain, 1] as const] : [])]);
  const model = new Model(graph, { irVersion: irVersionFor(opsets), opsets, functions: [...own.definitions] });
  target(model, 21);
  return model;
}

for (const [i, { loss: chosen, outputs }] of cases.losses.entries()) {
  const loss = lossNamed(chosen);
  const scratch = newBuilder();
  const given = outputs.map((dims, k) => new Value(`output${k}`, tensorType('float32', dims)));
  const targets = loss.targets(given).map((facts, k) => new Value(`target${k}`, facts.type));
  const value = loss.build(scratch, given, targets);
  const [b, own] = [newBuilder(), new OwnFunctions({ inline: true })];
  const made = gradients(b, scratch.nodes, { of: [{ value }], wrt: given, own });
  const derived = made.gradients.flatMap((g, k) => (g ? [{ name: `gradient${k}`, value: g }] : []));
  const graph = new Graph('loss', {
    inputs: [...given, ...targets],
    outputs: [{ name: 'loss', value: made.at(value) }, ...derived],
    nodes: b.nodes,
  });
  await save(modelOf(graph, own), join(folder, `loss-${i}.onnx`), { overwrite: true });
}

for (const [i, { parameters: shapes, type, clip: bounds, inline, ...options }] of cases.optimizers.entries()) {
  const parameters = Object.entries(shapes).map(([name, dims]) => new Value(name, tensorType(type, dims)));
  const given = parameters.map(v => new Value(`${v.name}.grad`, v.type));
  const step = new Value('step', tensorType('int64', []));
  const [b, own] = [newBuilder(), new OwnFunctions({ inline })];
  const clipped = clip(b, given, bounds ?? {});
  const groups = groupsOf(parameters, options);
  const updated = appendUpdate(b, { parameters, gradients: clipped.gradients, groups, step }, own);
  const graph = new Graph('update', {
    inputs: [...parameters, ...given, ...updated.state.map(s => s.value), ...groups.map(g => g.rate), step],
    outputs: [
      ...updated.parameters.map((value, k) => ({ name: `${parameters[k]!.name}.next`, value })),
      ...updated.state.map(s => ({ name: `${s.value.name}.next`, value: s.next })),
      ...(clipped.norm ? [{ name: 'norm', value: clipped.norm }] : []),
    ],
    nodes: b.nodes,
  });
  await save(modelOf(graph, own), join(folder, `optimizer-${i}.onnx`), { overwrite: true });
  const facts = {
    state: updated.state.map(s => ({
      name: s.value.name,
      initial: s.slot.initial,
      parameter: s.parameter,
      scalar: s.slot.of === 'scalar',
    })),
    rates: groups.map(g => ({ name: g.rate.name, lr: g.optimizer.lr, parameters: [...g.names] })),
  };
  writeFileSync(join(folder, `optimizer-${i}.json`), JSON.stringify(facts));
}

const rates = cases.schedules.map(({ schedule: chosen, base, metrics }) => {
  const schedule = scheduleNamed(chosen);
  let state = schedule.start;
  return metrics.map(metric => {
    const rate = schedule.rate(base, state);
    state = schedule.advance(state, metric);
    return rate;
  });
});
writeFileSync(join(folder, 'rates.json'), JSON.stringify(rates));
