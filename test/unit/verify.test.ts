import { expect, test } from 'vitest';
import { Graph, Model, Node, Value } from '../../src/ir/graph.ts';
import { sortedNodes } from '../../src/ir/order.ts';
import { Tensor } from '../../src/ir/tensor.ts';
import { verifyModel } from '../../src/ir/verify.ts';

const op = (name: string, inputs: Value[], inner?: Graph): Node =>
  new Node({ op: name, inputs, ...(inner && { attributes: new Map([['body', { kind: 'graph' as const, value: inner }]]) }) }, [
    { name: name.toLowerCase() },
  ]);
const out = (n: Node): Value => n.outputs[0]!;
const graph = (inputs: Value[], nodes: Node[], last: Value): Graph =>
  new Graph('g', { inputs, nodes, outputs: [{ name: 'y', value: last }] });
const codesOf = (g: Graph): string[] =>
  verifyModel(new Model(g, { irVersion: 10, opsets: new Map([['', 21]]) })).map(f => `${f.code} ${f.path}`);

const x = new Value('x');
const one = new Value('one', undefined, { tensor: new Tensor('float32', Float32Array.of(1), []) });

test('a sound model has no findings; names may repeat, constants need no list', () => {
  const a = op('A', [x, one]);
  const inner = op('A', [out(a), one]);
  const loop = op('Loop', [out(a)], graph([], [inner], out(inner)));
  expect(codesOf(graph([x], [a, loop], out(loop)))).toEqual([]);
});

test('a value is defined before it is read', () => {
  const a = op('A', [x]);
  const b = op('B', [out(a)]);
  expect(codesOf(graph([x], [b, a], out(b)))).toEqual(['E1103 graph.node[0].input[0]']);
  expect(codesOf(graph([], [a], out(a)))).toEqual(['E1104 graph.node[0].input[0]']);
  expect(codesOf(graph([x], [a], out(b)))).toEqual(['E1104 graph.output[0]']);
});

test('a nested graph sees what is defined around it before its node, and keeps what is its own', () => {
  const late = op('A', [x]);
  const inner = op('B', [out(late)]);
  const loop = op('Loop', [x], graph([], [inner], out(inner)));
  expect(codesOf(graph([x], [loop, late], out(loop)))).toEqual(['E1103 graph.node[0].attribute[body].node[0].input[0]']);
  const free = op('B', [x]);
  const holder = op('Loop', [x], graph([], [free], out(free)));
  expect(codesOf(graph([x], [holder, op('C', [out(free)])], out(holder)))).toEqual(['E1104 graph.node[1].input[0]']);
});

test('nothing is there twice', () => {
  const a = op('A', [x]);
  expect(codesOf(graph([x], [a, a], out(a)))).toEqual(['E1102 graph.node[1]', 'E1102 graph.node[1]']);
  expect(codesOf(graph([x, x], [a], out(a)))).toEqual(['E1102 graph.input[1]']);
  expect(codesOf(graph([x, out(a)], [a], out(a)))).toEqual(['E1102 graph.input[1]', 'E1102 graph.node[0]']);
});

test('a circle is found and named', () => {
  const a = op('A', [x]);
  const b = op('B', [out(a)]);
  a.inputs = [out(b)];
  const g = graph([x], [a, b], out(b));
  expect(codesOf(g)).toEqual(['E1103 graph.node[0].input[0]', 'E1105 graph']);
  expect(sortedNodes(g)).toEqual({ cycle: [a, b] });
});

test('sorting moves only what is read too early, at any depth, and takes a chain of 100,000 in any order', () => {
  const nodes: Node[] = [];
  let last = x;
  for (let i = 0; i < 100_000; i++) {
    const n = op('A', [last]);
    nodes.push(n);
    last = out(n);
  }
  const sorted = sortedNodes(graph([x], nodes.toReversed(), last));
  expect('nodes' in sorted && sorted.nodes.every((n, i) => n === nodes[i])).toBe(true);
  const late = op('Late', [x]);
  const inner = op('B', [out(late)]);
  const loop = op('Loop', [x], graph([], [inner], out(inner)));
  const other = op('Other', [x]);
  expect(sortedNodes(graph([x], [loop, other, late], out(loop)))).toEqual({ nodes: [late, loop, other] });
});

test('what a node depends on by name comes before it', () => {
  const [a, b] = [op('A', [x]), op('B', [x])];
  const g = graph([x], [b, a], out(b));
  expect(sortedNodes(g)).toEqual({ nodes: [b, a] });
  expect(sortedNodes(g, n => (n === b ? ['a', 'none'] : []))).toEqual({ nodes: [a, b] });
});
