// Calls of model-local functions: nested graphs, references to attributes, and functions that explode or call themselves.
import { describe, expect, test } from 'vitest';
import { referenceBackend } from '../../src/exec/reference.ts';
import { Session } from '../../src/exec/session.ts';
import { type Attribute, type FunctionDefinition, Graph, Model, Node, Value } from '../../src/ir/graph.ts';
import { Tensor } from '../../src/ir/tensor.ts';
import { tensorType } from '../../src/ir/types.ts';
import { inline } from '../../src/passes/inline.ts';

const opsets = new Map([
  ['', 28],
  ['local', 1],
]);
const call = (op: string, inputs: readonly Value[], attributes: Readonly<Record<string, Attribute>> = {}, domain = 'local'): Node =>
  new Node({ op, domain, inputs, attributes: new Map(Object.entries(attributes)) }, [{ name: op.toLowerCase() }]);

function define(name: string, inputs: Value[], nodes: Node[], attributes: readonly string[] = []): FunctionDefinition {
  const body = new Graph(name, { inputs, nodes, outputs: [{ name: 'y', value: nodes.at(-1)!.outputs[0]! }] });
  return { domain: 'local', name, overload: '', body, attributes, defaults: new Map(), opsets, meta: {} };
}

function modelOf(functions: FunctionDefinition[], build: (x: Value) => Node): Model {
  const x = new Value('x', tensorType('float32', [2]));
  const node = build(x);
  const graph = new Graph('g', { inputs: [x], nodes: [node], outputs: [{ name: 'y', value: node.outputs[0]! }] });
  return new Model(graph, { irVersion: 14, opsets: new Map(opsets), functions });
}

async function run(model: Model): Promise<number[]> {
  const session = await Session.create(model, { backend: referenceBackend() });
  return [...((await session.run({ x: new Tensor('float32', Float32Array.of(1, -2), [2]) }))['y']!.data as Float32Array)];
}

/** n functions, each of which calls the next one twice. */
function doubling(n: number): FunctionDefinition[] {
  return Array.from({ length: n }, (_, i) => {
    const a = new Value('a');
    const inner = (v: Value): Node => (i === n - 1 ? call('Neg', [v], {}, '') : call(`F${i + 1}`, [v]));
    const first = inner(a);
    return define(`F${i}`, [a], [first, inner(first.outputs[0]!)]);
  });
}

describe('functions', () => {
  test('with a graph that captures their inputs are run', async () => {
    const [a, c] = [new Value('a'), new Value('c')];
    const branch = (op: string): Attribute => {
      const node = call(op, [a], {}, '');
      return { kind: 'graph', value: new Graph(op, { nodes: [node], outputs: [{ name: 'z', value: node.outputs[0]! }] }) };
    };
    const choose = define('Choose', [a, c], [call('If', [c], { then_branch: branch('Neg'), else_branch: branch('Abs') }, '')]);
    const condition = (yes: boolean): Value => new Value('c', undefined, { tensor: new Tensor('bool', [yes], []) });
    expect(await run(modelOf([choose], x => call('Choose', [x, condition(true)])))).toEqual([-1, 2]);
    expect(await run(modelOf([choose], x => call('Choose', [x, condition(false)])))).toEqual([1, 2]);
  });
  test('read the attributes of their callers', async () => {
    const a = new Value('a');
    const leaky = define(
      'Leak',
      [a],
      [call('LeakyRelu', [a], { alpha: { kind: 'reference', value: 'slope', of: 'float' } }, '')],
      ['slope'],
    );
    expect(await run(modelOf([leaky], x => call('Leak', [x], { slope: { kind: 'float', value: 0.5 } })))).toEqual([1, -1]);
  });
  test('that double are inlined while they are few', async () => {
    expect(await run(modelOf(doubling(4), x => call('F0', [x])))).toEqual([1, -2]);
  });
  test('that explode are refused before anything is made', () => {
    expect(() => inline(modelOf(doubling(40), x => call('F0', [x])))).toThrow(/makes 1099511627776 nodes, more than 1000000/);
  });
  test('that call themselves are refused', () => {
    const a = new Value('a');
    const loop = [define('A', [a], [call('B', [a])]), define('B', [a], [call('A', [a])])];
    expect(() => inline(modelOf(loop, x => call('A', [x])))).toThrow(/the function A calls itself/);
  });
});
