import { expect, test } from 'vitest';
import { symbol, unknownDim } from '../../src/ir/dims.ts';
import { Graph, Model, Node, Value } from '../../src/ir/graph.ts';
import { Tensor } from '../../src/ir/tensor.ts';
import { escaped, printGraph, printModel, quoted } from '../../src/ir/text.ts';
import { tensorType } from '../../src/ir/types.ts';

const x = new Value('x', tensorType('float32', [symbol('batch'), 3]));
const w = new Value('w', undefined, { tensor: new Tensor('float32', new Float32Array(30), [10, 3]), parameter: true });
const b = new Value('b', undefined, { tensor: new Tensor('float32', Float32Array.of(1, -2.5)) });
const gemm = new Node({ op: 'Gemm', name: 'fc', inputs: [x, w, b], attributes: new Map([['transB', { kind: 'int', value: 1 }]]) }, [
  { name: 'h' },
]);
const h = gemm.outputs[0]!;

test('a model prints close to the textual syntax', () => {
  const graph = new Graph('mlp', {
    inputs: [x],
    initializers: [w, b],
    nodes: [gemm],
    outputs: [{ name: 'y', value: h, type: tensorType('float32', [symbol('batch'), unknownDim()]) }],
  });
  const model = new Model(graph, { irVersion: 10, opsets: new Map([['', 21]]), producer: { name: 'me' } });
  expect(printModel(model)).toBe(`<ir_version: 10, opset_import: ["" : 21], producer_name: "me">
mlp (float32[batch,3] x) => (float32[batch,?] y = h)
<
  float32[10,3] w,
  float32[2] b = {1, -2.5}
> {
  ["fc"] h = Gemm <transB = 1> (x, w, b)
}
`);
});

test('nested graphs are indented, small constants stand where they are read, repeated names are told apart', () => {
  const two = new Value('two', undefined, { tensor: new Tensor('int64', [2n], []) });
  const inner = new Node({ op: 'Mul', inputs: [h, two] }, [{ name: 'h' }]);
  const body = new Graph('body', { nodes: [inner], outputs: [{ name: 't', value: inner.outputs[0]! }] });
  const attributes = new Map([
    ['then_branch', { kind: 'graph' as const, value: body }],
    ['names', { kind: 'strings' as const, value: ['a', '"b'] }],
  ]);
  const choice = new Node({ op: 'If', domain: 'custom.ops', inputs: [undefined, h], attributes }, [undefined, { name: '' }]);
  const graph = new Graph('g', { inputs: [x, w, b], nodes: [gemm, choice], outputs: [{ name: 'y', value: choice.outputs[1]! }] });
  expect(printGraph(graph)).toBe(`g (float32[batch,3] x, float32[10,3] w, float32[2] b) => (? y = v) {
  ["fc"] h = Gemm <transB = 1> (x, w, b)
  "", v = custom.ops.If <then_branch = body () => (? t = h#1) {
    h#1 = Mul (h, int64[]{2})
  }, names = ["a", "\\"b"]> ("", h)
}
`);
});

test.each([
  ['plain', 'plain'],
  ['\x1b[2J\x07\r\n', '\\x1b[2J\\x07\\x0d\\n'],
  ['a\u202eb\u200b\u2028', 'a\\u{202e}b\\u{200b}\\u{2028}'],
  ['\x9b"\\', '\\x9b\\"\\\\'],
  ['\udcff', '\\xff'],
  ['größe 大', 'größe 大'],
])('what could move a cursor or reorder text is escaped: %j', (name, expected) => {
  expect(escaped(name)).toBe(expected);
});

test('long names are cut', () => {
  expect(quoted('x'.repeat(1e6)).length).toBe(203);
});
