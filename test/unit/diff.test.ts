// Differences of models: how nodes are matched, what is reported, and how far weights are apart.
import { expect, test } from 'vitest';
import { setShapes } from '../../src/edit/set-shapes.ts';
import { symbol } from '../../src/ir/dims.ts';
import { type Attribute, type FunctionDefinition, Graph, Model, Node, Value } from '../../src/ir/graph.ts';
import { type Stored, Tensor } from '../../src/ir/tensor.ts';
import { tensorType } from '../../src/ir/types.ts';
import { diff } from '../../src/validate/diff.ts';
import { distance, sameTensor } from '../../src/validate/diff-weights.ts';

interface Facts {
  readonly opset?: number;
  readonly ops?: readonly (string | readonly [op: string, attributes: Readonly<Record<string, Attribute>>])[];
  readonly weights?: readonly number[];
  /** Puts a letter before the names of values and nodes. */
  readonly prefix?: string;
  readonly input?: string;
  readonly size?: string;
}

/** x [N,2] plus a weight, then a chain of operators. */
function chain({ opset = 17, ops = ['Relu', 'Neg', 'Abs'], weights = [1, 2], prefix = '', input = 'x', size = 'N' }: Facts = {}): Model {
  const type = tensorType('float32', [symbol(size), 2]);
  const x = new Value(input, type);
  const w = new Value('w', undefined, { tensor: new Tensor('float32', weights, [2]), parameter: true });
  const made = (op: string, inputs: Value[], name: string, attributes: Readonly<Record<string, Attribute>> = {}): Node =>
    new Node({ op, inputs, name: `${prefix}${name}_node`, attributes: new Map(Object.entries(attributes)) }, [
      { name: prefix + name, type },
    ]);
  const nodes = [made('Add', [x, w], 'sum')];
  for (const [i, step] of ops.entries()) {
    const [op, attributes] = typeof step === 'string' ? [step] : step;
    nodes.push(made(op, [nodes.at(-1)!.outputs[0]!], `v${i}`, attributes));
  }
  const last = nodes.at(-1)!.outputs[0]!;
  const graph = new Graph('chain', { inputs: [x], initializers: [w], nodes, outputs: [{ name: last.name, value: last }] });
  return new Model(graph, { irVersion: 8, opsets: new Map([['', opset]]), meta: { at: 0 } });
}

const nothing = { added: [], removed: [], changed: [] };

test('a model is the same as itself, and as one whose attributes say their defaults', async () => {
  expect(await diff(chain(), chain())).toEqual({
    same: true,
    facts: [],
    inputs: { ...nothing, same: 1 },
    outputs: { ...nothing, same: 1 },
    nodes: { ...nothing, renamed: [], same: 4 },
    weights: { ...nothing, renamed: [], same: 1 },
  });
  const said = chain({ ops: [['LeakyRelu', { alpha: { kind: 'float', value: Math.fround(0.01) } }]] });
  expect((await diff(chain({ ops: ['LeakyRelu'] }), said)).same).toBe(true);
});

test('attributes are compared', async () => {
  const elu = (alpha: number): Model => chain({ ops: ['Relu', ['Elu', { alpha: { kind: 'float', value: alpha } }], 'Abs'] });
  const found = await diff(elu(0.5), elu(0.25));
  expect(found.same).toBe(false);
  expect(found.nodes.changed).toEqual([
    { op: 'Elu', name: 'v1_node', outputs: ['v1'], changes: [{ what: 'alpha', before: '0.5', after: '0.25' }] },
  ]);
  expect(found.nodes.same).toBe(3);
});

test('a node in between is found whatever the names around it are', async () => {
  const found = await diff(chain(), chain({ ops: ['Relu', 'Exp', 'Neg', 'Abs'], prefix: 'b' }));
  expect(found.nodes.added.map(n => n.op)).toEqual(['Exp']);
  expect(found.nodes.removed).toEqual([]);
  expect(found.nodes.changed.map(n => [n.op, n.changes[0]])).toEqual([['Neg', { what: 'input 0', before: 'v0', after: 'bv1' }]]);
  expect(found.nodes.renamed.map(n => n.op)).toEqual(['Add', 'Relu', 'Abs']);
});

test('another operator under the same name is a change', async () => {
  const found = await diff(chain({ ops: ['Relu', 'Neg'] }), chain({ ops: ['Exp', 'Neg'] }));
  expect(found.nodes.changed.map(n => n.changes)).toEqual([[{ what: 'operator', before: 'Relu', after: 'Exp' }]]);
  expect(found.nodes.added).toEqual([]);
});

test('nodes are found by the weights they read where all around them is different', async () => {
  const b = chain({ ops: ['Exp'], prefix: 'b' });
  const [x, sum] = [b.graph.inputs[0]!, b.graph.nodes[0]!];
  const neg = new Node({ op: 'Neg', inputs: [x], name: 'neg' }, [{ name: 'neg' }]);
  sum.inputs = [neg.outputs[0], sum.inputs[1]];
  b.graph.nodes.unshift(neg);
  const { nodes } = await diff(chain({ ops: ['Relu'] }), b);
  expect([nodes.removed.map(n => n.op), nodes.added.map(n => n.op)]).toEqual([['Relu'], ['Neg', 'Exp']]);
  expect(nodes.changed.map(n => [n.op, n.changes[0]])).toEqual([['Add', { what: 'input 0', before: 'x', after: 'neg' }]]);
});

test('inputs of other names are paired by their types', async () => {
  const found = await diff(chain({ ops: [] }), chain({ ops: [], prefix: 'b', input: 'image', size: 'batch' }));
  expect(found.nodes.renamed.map(n => n.op)).toEqual(['Add']);
  expect(found.inputs.changed).toEqual([{ what: 'x', before: 'x float32[N,2]', after: 'image float32[batch,2]' }]);
});

test('weights have a distance where their bytes differ', async () => {
  const found = await diff(chain(), chain({ weights: [1, 2.5] }));
  expect(found.weights).toEqual({
    added: [],
    removed: [],
    changed: [{ name: 'w', type: 'float32[2]', distance: { maxAbs: 0.5, relative: 0.5 / Math.sqrt(5), odd: 0 } }],
    renamed: [],
    same: 0,
  });
  expect(found.nodes.same).toBe(4);
});

test('versions, producer and metadata are compared; models of two opsets in the newest', async () => {
  const [a, b] = [chain({ opset: 11 }), chain({ opset: 13 })];
  b.meta = { at: 0, metadata: new Map([['author', 'me']]) };
  b.producer = { name: 'p', version: '1' };
  b.irVersion = 7;
  const found = await diff(a, b);
  expect(found.facts).toEqual([
    { what: 'IR version', before: '8', after: '7' },
    { what: 'opset ai.onnx', before: '11', after: '13' },
    { what: 'producer', before: '', after: 'p 1' },
    { what: 'metadata author', before: undefined, after: 'me' },
  ]);
  expect([found.nodes.same, found.comparedIn]).toEqual([4, 28]);
  // A program that was read from another format has no versions of its own.
  a.meta = {};
  expect((await diff(a, b)).facts).toEqual([]);
});

test('types of the signature are compared', async () => {
  const found = await diff(chain(), setShapes(chain(), { x: [3, 2] }));
  expect(found.inputs.changed).toEqual([{ what: 'x', before: 'float32[N,2]', after: 'float32[3,2]' }]);
  expect(found.outputs.changed).toEqual([{ what: 'v2', before: 'float32[N,2]', after: 'float32[3,2]' }]);
});

test('nested graphs and functions are compared inside', async () => {
  const branching = (op: string): Model => {
    const [x, c] = [new Value('x', tensorType('float32', [2])), new Value('c', tensorType('bool', []))];
    const branch = (name: string): Attribute => {
      const node = new Node({ op: name, inputs: [x], name }, [{ name: 'z' }]);
      return { kind: 'graph', value: new Graph(name, { nodes: [node], outputs: [{ name: 'z', value: node.outputs[0]! }] }) };
    };
    const attributes = new Map([
      ['then_branch', branch('Neg')],
      ['else_branch', branch(op)],
    ]);
    const node = new Node({ op: 'If', inputs: [c], name: 'choose', attributes }, [{ name: 'y', type: tensorType('float32', [2]) }]);
    const a = new Value('a');
    const body = new Node({ op, inputs: [a], name: 'inside' }, [{ name: 'b' }]);
    const f: FunctionDefinition = {
      domain: 'f',
      name: 'F',
      overload: '',
      body: new Graph('F', { inputs: [a], nodes: [body], outputs: [{ name: 'b', value: body.outputs[0]! }] }),
      attributes: [],
      defaults: new Map(),
      opsets: new Map([['', 17]]),
      meta: {},
    };
    const graph = new Graph('g', { inputs: [x, c], nodes: [node], outputs: [{ name: 'y', value: node.outputs[0]! }] });
    return new Model(graph, { irVersion: 8, opsets: new Map([['', 17]]), functions: [f], meta: { at: 0 } });
  };
  expect((await diff(branching('Abs'), branching('Abs'))).same).toBe(true);
  const found = await diff(branching('Abs'), branching('Exp'));
  expect(found.nodes.changed.map(n => [n.path, n.changes[0]])).toEqual([
    ['choose.else_branch', { what: 'operator', before: 'Abs', after: 'Exp' }],
    ['function f.F', { what: 'operator', before: 'Abs', after: 'Exp' }],
  ]);
});

/** A tensor that says how much of it was read at once. */
function stored(values: Float32Array<ArrayBuffer>, reads: number[]): Tensor {
  const bytes = new Uint8Array(values.buffer);
  const content: Stored = {
    length: bytes.length,
    read: async (offset = 0, length = bytes.length - offset) => {
      reads.push(length);
      return bytes.subarray(offset, offset + length);
    },
  };
  return new Tensor('float32', content, [values.length]);
}

test('large weights are read in blocks, up to the first difference where only equality is asked', async () => {
  const size = 2 ** 20 + 3;
  const [a, b] = [new Float32Array(size).fill(2), new Float32Array(size).fill(2)];
  const reads: number[] = [];
  expect(await sameTensor(stored(a, reads), stored(b, reads))).toBe(true);
  expect(reads).toEqual([2 ** 22, 2 ** 22, 12, 12]);
  b[0] = 3;
  b[size - 1] = Number.NaN;
  reads.length = 0;
  expect(await sameTensor(stored(a, reads), stored(b, reads))).toBe(false);
  expect(reads).toEqual([2 ** 22, 2 ** 22]);
  expect(await distance(stored(a, reads), stored(b, reads))).toEqual({ maxAbs: 1, relative: 1 / Math.sqrt(4 * (size - 1)), odd: 1 });
});

test('weights of other types and shapes', async () => {
  const half = new Tensor('float16', Uint16Array.of(0x3c00, 0x4000), [2]);
  const int4 = new Tensor('int4', Uint8Array.of(0x21), [2]);
  expect(await distance(new Tensor('float32', [1, 2.5], [2]), half)).toEqual({ maxAbs: 0.5, relative: 0.5 / Math.sqrt(7.25), odd: 0 });
  expect(await distance(int4, new Tensor('int4', Uint8Array.of(0xf1), [2]))).toEqual({ maxAbs: 3, relative: 3 / Math.sqrt(5), odd: 0 });
  expect(await distance(new Tensor('int64', [2n ** 60n + 1n], [1]), new Tensor('int64', [2n ** 60n], [1]))).toMatchObject({ maxAbs: 1 });
  expect(await distance(half, new Tensor('float16', Uint16Array.of(0x3c00), [1]))).toBeUndefined();
  const strings = (...texts: string[]): Tensor => new Tensor('string', texts, [texts.length]);
  expect([await sameTensor(strings('a', 'b'), strings('a', 'b')), await sameTensor(strings('a'), strings('b'))]).toEqual([true, false]);
  expect(await distance(strings('a'), strings('b'))).toBeUndefined();
});
