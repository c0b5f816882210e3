// Classical models: what hostile attributes and wrong maps give, labels beyond doubles, other versions of the domain.
import { describe, expect, test } from 'vitest';
import { referenceBackend } from '../../src/exec/reference.ts';
import { Session } from '../../src/exec/session.ts';
import type { Datum } from '../../src/ir/datum.ts';
import { Graph, Model, Node, Value } from '../../src/ir/graph.ts';
import { Tensor } from '../../src/ir/tensor.ts';
import { tensorType, type ValueType } from '../../src/ir/types.ts';
import { type AttributeInput, attributesFrom } from '../../src/ops/attributes.ts';
import { schemaOf } from '../../src/ops/schema.ts';
import { target } from '../../src/opset/target.ts';
import { upgrade } from '../../src/opset/upgrade.ts';

const domain = 'ai.onnx.ml';
type At = Readonly<Record<string, AttributeInput>>;

function modelOf(op: string, at: At, type: ValueType, { opset = 5, outputs = 1 } = {}): Model {
  const x = new Value('x', type);
  const attributes = attributesFrom(at, schemaOf(domain, op, opset));
  const node = new Node(
    { op, domain, inputs: [x], attributes },
    Array.from({ length: outputs }, (_, i) => ({ name: `y${i}` })),
  );
  const graph = new Graph('g', { inputs: [x], nodes: [node], outputs: node.outputs.map(v => ({ name: v!.name, value: v! })) });
  const opsets = new Map([
    ['', 21],
    [domain, opset],
  ]);
  return new Model(graph, { irVersion: 10, opsets });
}

async function run(op: string, at: At, x: Datum, { type, ...options }: { type?: ValueType; opset?: number; outputs?: number } = {}) {
  const given = type ?? (x instanceof Tensor ? tensorType(x.type, x.dims) : undefined);
  const session = await Session.create(modelOf(op, at, given!, options), { backend: referenceBackend() });
  return Object.values(await session.evaluate({ x }));
}

const table = new Tensor('float32', [1, 2, 3, 4], [2, 2]);
const texts = (...s: string[]): Tensor => new Tensor('string', s);
const ints = (...n: bigint[]): Tensor => new Tensor('int64', BigInt64Array.from(n));
const floats = (value: readonly number[]): AttributeInput => ({ kind: 'floats', value });
const strings = (value: readonly string[]): AttributeInput => ({ kind: 'strings', value });

/** A stump: feature 0 against 2, with a weight at each leaf. */
const stump = {
  nodes_treeids: [0, 0, 0],
  nodes_nodeids: [0, 1, 2],
  nodes_featureids: [0, 0, 0],
  nodes_values: floats([2, 0, 0]),
  nodes_modes: strings(['BRANCH_LEQ', 'LEAF', 'LEAF']),
  nodes_truenodeids: [1, 0, 0],
  nodes_falsenodeids: [2, 0, 0],
  target_treeids: [0, 0],
  target_nodeids: [1, 2],
  target_ids: [0, 0],
  target_weights: floats([10, 20]),
  n_targets: 1,
} satisfies At;
const numbered = {
  nodes_featureids: [0],
  nodes_modes: new Tensor('uint8', [0]),
  nodes_splits: new Tensor('float32', [2]),
  nodes_truenodeids: [0],
  nodes_trueleafs: [1],
  nodes_falsenodeids: [1],
  nodes_falseleafs: [1],
  leaf_targetids: [0, 0],
  leaf_weights: new Tensor('float32', [10, 20]),
  tree_roots: [0],
  n_targets: 1,
} satisfies At;

describe('trees', () => {
  test('in both layouts', async () => {
    for (const [op, at] of [
      ['TreeEnsembleRegressor', stump],
      ['TreeEnsemble', numbered],
    ] as const)
      expect((await run(op, at, table))[0]).toMatchObject({ data: Float32Array.of(10, 20) });
  });

  test.each<[string, string, At, string]>([
    ['a node below itself', 'TreeEnsembleRegressor', { ...stump, nodes_truenodeids: [0, 0, 0] }, 'E1303'],
    ['a node that does not exist', 'TreeEnsembleRegressor', { ...stump, nodes_falsenodeids: [9, 0, 0] }, 'E1303'],
    ['a node that is there twice', 'TreeEnsembleRegressor', { ...stump, nodes_nodeids: [0, 1, 1] }, 'E1303'],
    ['lists of different lengths', 'TreeEnsembleRegressor', { ...stump, nodes_featureids: [0, 0] }, 'E1303'],
    ['a mode that does not exist', 'TreeEnsembleRegressor', { ...stump, nodes_modes: strings(['__proto__', 'LEAF', 'LEAF']) }, 'E1303'],
    ['a negative feature', 'TreeEnsembleRegressor', { ...stump, nodes_featureids: [-1, 0, 0] }, 'E1303'],
    ['a feature that the input lacks', 'TreeEnsembleRegressor', { ...stump, nodes_featureids: [2, 0, 0] }, 'E3005'],
    ['a target out of range', 'TreeEnsembleRegressor', { ...stump, target_ids: [0, 1] }, 'E1303'],
    ['too many targets', 'TreeEnsembleRegressor', { ...stump, n_targets: 2 ** 60 }, 'E1303'],
    ['base values for other targets', 'TreeEnsembleRegressor', { ...stump, base_values: floats([1, 2]) }, 'E1303'],
    ['a node below itself', 'TreeEnsemble', { ...numbered, nodes_trueleafs: [0] }, 'E1303'],
    ['a leaf that does not exist', 'TreeEnsemble', { ...numbered, nodes_falsenodeids: [2] }, 'E1303'],
    ['a root that does not exist', 'TreeEnsemble', { ...numbered, tree_roots: [1] }, 'E1303'],
    ['a set of members that is missing', 'TreeEnsemble', { ...numbered, nodes_modes: new Tensor('uint8', [6]) }, 'E1303'],
    ['an unknown mode', 'TreeEnsemble', { ...numbered, nodes_modes: new Tensor('uint8', [7]) }, 'E1303'],
    ['an unknown transform', 'TreeEnsemble', { ...numbered, post_transform: 9 }, 'E1303'],
    ['no labels', 'LinearClassifier', { coefficients: floats([1, 1]) }, 'E1303'],
    ['too few coefficients', 'LinearRegressor', { coefficients: floats([1]), targets: 2 }, 'E1303'],
    ['negative targets', 'LinearRegressor', { coefficients: floats([1]), targets: -1 }, 'E1303'],
    ['too few support vectors', 'SVMRegressor', { coefficients: floats([1]), rho: floats([0]), n_supports: 1 }, 'E1303'],
    ['an unknown kernel', 'SVMRegressor', { rho: floats([0]), n_supports: 1, kernel_type: 'constructor' }, 'E1303'],
    ['vectors of a class that is missing', 'SVMClassifier', { classlabels_ints: [1, 2], vectors_per_class: [1, 2, 3] }, 'E1303'],
    ['offsets for other features', 'Scaler', { offset: floats([1, 2, 3]), scale: floats([1, 1, 1]) }, 'E1303'],
    ['an unknown norm', 'Normalizer', { norm: 'toString' }, 'E1303'],
    ['keys without values', 'LabelEncoder', { keys_floats: floats([1]) }, 'E1303'],
    ['keys of two kinds', 'LabelEncoder', { keys_floats: floats([1]), keys_int64s: [1], values_int64s: [1] }, 'E1303'],
    ['more keys than values', 'LabelEncoder', { keys_floats: floats([1, 2]), values_int64s: [1] }, 'E1303'],
    ['keys of another type', 'LabelEncoder', { keys_int64s: [1], values_int64s: [1] }, 'E1304'],
    ['an unknown category', 'OneHotEncoder', { cats_int64s: [1], zeros: 0 }, 'E3006'],
    ['other columns than keys', 'ZipMap', { classlabels_int64s: [1] }, 'E3005'],
  ])('%s: %s', async (_, op, at, code) => {
    const outputs = op.endsWith('Classifier') ? 2 : 1;
    await expect((async () => run(op, at, table, { outputs }))()).rejects.toMatchObject({ code });
  });

  test('a chain of 200,000 nodes is walked', async () => {
    const n = 200_000;
    const all = Array.from({ length: n }, (_, i) => i);
    const at = {
      nodes_featureids: all.map(() => 0),
      nodes_modes: new Tensor('uint8', new Uint8Array(n)),
      nodes_splits: new Tensor('float32', new Float32Array(n).fill(9)),
      nodes_truenodeids: all.map(i => (i === n - 1 ? 1 : i + 1)),
      nodes_trueleafs: all.map(i => (i === n - 1 ? 1 : 0)),
      nodes_falsenodeids: all.map(() => 0),
      nodes_falseleafs: all.map(() => 1),
    };
    expect((await run('TreeEnsemble', { ...numbered, ...at }, table))[0]).toMatchObject({ data: Float32Array.of(20, 20) });
  });
});

describe('labels', () => {
  const big = 2n ** 62n + 1n;
  test('are any int64 and any string', async () => {
    const at = { cats_int64s: [big, -1n], cats_strings: strings(['__proto__', 'constructor']) };
    expect((await run('CategoryMapper', at, texts('constructor', '__proto__', 'toString')))[0]).toMatchObject({
      data: BigInt64Array.of(-1n, big, -1n),
    });
    expect((await run('CategoryMapper', at, ints(big, big - 1n)))[0]).toMatchObject({ data: ['__proto__', '_Unused'] });
    expect((await run('ZipMap', { classlabels_int64s: [big, 5] }, table))[0]).toEqual([
      new Map([
        [big, 1],
        [5n, 2],
      ]),
      new Map([
        [big, 3],
        [5n, 4],
      ]),
    ]);
  });
  test('of equal keys the last counts, and NaN equals NaN', async () => {
    const at = { keys_floats: floats([1, Number.NaN, 1]), values_int64s: [10, 20, 30] };
    expect((await run('LabelEncoder', at, new Tensor('float32', [Number.NaN, 1, 2])))[0]).toMatchObject({
      data: BigInt64Array.of(20n, 30n, -1n),
    });
  });
  test('many keys', async () => {
    const n = 300_000;
    const keys = Array.from({ length: n }, (_, i) => i);
    const at = { keys_int64s: keys, values_int64s: keys.map(i => n - i) };
    expect((await run('LabelEncoder', at, ints(0n, 299_999n, 300_000n)))[0]).toMatchObject({ data: BigInt64Array.of(300_000n, 1n, -1n) });
  });
});

test('more keys than a Map holds are refused', async () => {
  const many = new Tensor('int16', new Int16Array(2 ** 24 + 1));
  const asked = run('LabelEncoder', { keys_tensor: many, values_tensor: many }, new Tensor('int16', [1]));
  await expect(asked).rejects.toMatchObject({ code: 'E3007', message: expect.stringContaining('16777217 keys') });
});

describe('maps', () => {
  const type: ValueType = { kind: 'map', key: 'int64', of: tensorType('float32', []) };
  test('must be of the declared type', async () => {
    const vectorize = (x: Datum) => run('DictVectorizer', { int64_vocabulary: [7, 8] }, x, { type });
    expect(
      (
        await vectorize(
          new Map([
            [8n, 1.5],
            [9n, 4],
          ]),
        )
      )[0],
    ).toMatchObject({ data: Float32Array.of(0, 1.5), dims: [1, 2] });
    for (const wrong of [new Map([['8', 1]]), new Map([[8n, 1n]]), table, [new Map([[8n, 1]])], null])
      await expect(vectorize(wrong)).rejects.toMatchObject({ code: 'E3002' });
  });
  test('their keys are put in order, and negative ones have no place', async () => {
    const at = { map_form: 'SPARSE', max_map: 3 };
    const cast = (x: Datum) => run('CastMap', at, x, { type });
    expect(
      (
        await cast(
          new Map([
            [7n, 4],
            [2n, 3],
            [0n, 1],
          ]),
        )
      )[0],
    ).toMatchObject({ data: Float32Array.of(1, 0, 3) });
    await expect(cast(new Map([[-1n, 1]]))).rejects.toMatchObject({ code: 'E3006' });
    const endless = run('CastMap', { ...at, cast_to: 'TO_STRING', max_map: 2 ** 31 }, new Map([[0n, 1]]), { type });
    await expect(endless).rejects.toMatchObject({ code: 'E3007' });
  });
});

describe('versions', () => {
  test('classes of the first LabelEncoder become keys and values', async () => {
    const at = { classes_strings: { kind: 'strings', value: ['cat', 'dog'] } as const, default_int64: 9 };
    expect((await run('LabelEncoder', at, texts('dog', 'bird'), { opset: 1 }))[0]).toMatchObject({ data: BigInt64Array.of(1n, 9n) });
    expect((await run('LabelEncoder', at, ints(0n, 5n), { opset: 1 }))[0]).toMatchObject({ data: ['cat', '_Unused'] });
  });
  test.each<[string, At, number]>([
    ['TreeEnsembleRegressor', stump, 1],
    ['TreeEnsembleRegressor', { ...stump, base_values_as_tensor: new Tensor('float64', [1]) }, 3],
    ['TreeEnsemble', numbered, 5],
  ])('%s is written in the lowest that says it', (op, at, opset) => {
    const model = upgrade(modelOf(op, at, tensorType('float32', [2, 2])));
    target(model);
    expect(model.opsets.get(domain)).toBe(opset);
  });
});
