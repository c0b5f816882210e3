// Edits of models: what changes, what stays, and what is refused. Models here are of an old opset, which no edit may raise.
import { describe, expect, test } from 'vitest';
import { extract } from '../../src/edit/extract.ts';
import { inlineFunctions } from '../../src/edit/inline.ts';
import { merge } from '../../src/edit/merge.ts';
import { rename } from '../../src/edit/rename.ts';
import { setShapes } from '../../src/edit/set-shapes.ts';
import { type Finding, ModelError } from '../../src/errors.ts';
import { symbol } from '../../src/ir/dims.ts';
import { type Attribute, type FunctionDefinition, Graph, Model, Node, type Output, Value } from '../../src/ir/graph.ts';
import { Tensor } from '../../src/ir/tensor.ts';
import { printModel } from '../../src/ir/text.ts';
import { formatType, tensorType } from '../../src/ir/types.ts';
import { verifyModel } from '../../src/ir/verify.ts';

const n = symbol('N');
const attributesOf = (given: Readonly<Record<string, Attribute>>): ReadonlyMap<string, Attribute> => new Map(Object.entries(given));
const weight = (name: string, dims: readonly number[]): Value =>
  new Value(name, undefined, {
    tensor: new Tensor('float32', new Float32Array(dims.reduce((a, b) => a * b, 1)).fill(0.5), dims),
    parameter: true,
  });
const outputOf = (value: Value, type = value.type): Output => ({ name: value.name, value, ...(type && { type }) });

function node(
  op: string,
  inputs: readonly (Value | undefined)[],
  name: string,
  { type = undefined as Value['type'], attributes = {} as Readonly<Record<string, Attribute>>, label = `${name}_node`, domain = '' } = {},
): Node {
  return new Node({ op, domain, inputs, name: label, attributes: attributesOf(attributes) }, [{ name, type }]);
}

/** x [N,4] → h = x·w [N,3] → s = squeeze of h's sum (opset 11: axes are attributes) and an If whose branches capture h. */
function sample({ types = true } = {}): Model {
  const x = new Value('x', tensorType('float32', [n, 4]));
  const c = new Value('c', tensorType('bool', []));
  const w = weight('w', [4, 3]);
  const h = node('MatMul', [x, w], 'h', types ? { type: tensorType('float32', [n, 3]) } : {});
  const sum = node('ReduceSum', [h.outputs[0]], 'sum', { attributes: { axes: { kind: 'ints', value: [1] } } });
  const s = node('Squeeze', [sum.outputs[0]], 's', { attributes: { axes: { kind: 'ints', value: [1] } } });
  const branch = (op: string): Attribute => {
    const inner = node(op, [h.outputs[0]], `${op.toLowerCase()}_out`);
    return {
      kind: 'graph',
      value: new Graph(op, { nodes: [inner], outputs: [outputOf(inner.outputs[0]!, tensorType('float32', [n, 3]))] }),
    };
  };
  const y = node('If', [c], 'y', { attributes: { then_branch: branch('Neg'), else_branch: branch('Abs') } });
  const graph = new Graph('sample', {
    inputs: [x, c],
    initializers: [w],
    nodes: [h, sum, s, y],
    outputs: [outputOf(s.outputs[0]!, tensorType('float32', [n])), outputOf(y.outputs[0]!, tensorType('float32', [n, 3]))],
  });
  return new Model(graph, { irVersion: 6, opsets: new Map([['', 11]]), meta: { at: 0 } });
}

/** A function of one node. */
function define(name: string, callee: string, domain: string, opset = 11): FunctionDefinition {
  const a = new Value('a');
  const inner = node(callee, [a], 'b', { domain });
  const body = new Graph(name, { inputs: [a], nodes: [inner], outputs: [outputOf(inner.outputs[0]!)] });
  const opsets = new Map([
    ['', opset],
    ['f', 1],
  ]);
  return { domain: 'f', name, overload: '', body, attributes: [], defaults: new Map(), opsets, meta: {} };
}

/** What went wrong, as code and message. */
function refusal(edit: () => unknown): string[] {
  try {
    edit();
  } catch (error) {
    if (error instanceof ModelError) return error.findings.map((f: Finding) => `${f.code} ${f.message}`);
    throw error;
  }
  return [];
}

/** The text of a model that hangs together. */
function textOf(model: Model): string {
  expect(verifyModel(model)).toEqual([]);
  return printModel(model);
}

describe('rename', () => {
  test('what a node of a gradient names is renamed too', () => {
    const x = new Value('x', tensorType('float32', [2]));
    const square = node('Mul', [x, x], 'square', { type: tensorType('float32', [2]) });
    const slope = node('Gradient', [x], 'slope', {
      attributes: { xs: { kind: 'strings', value: ['x'] }, y: { kind: 'string', value: 'square' } },
      domain: 'ai.onnx.preview.training',
    });
    const graph = new Graph('g', { inputs: [x], outputs: [outputOf(slope.outputs[0]!)], nodes: [square, slope] });
    const model = new Model(graph, {
      irVersion: 10,
      opsets: new Map([
        ['', 21],
        ['ai.onnx.preview.training', 1],
      ]),
    });
    const made = rename(model, { values: { x: 'square', square: 'x' } }).graph.nodes[1]!;
    expect([...made.attributes]).toEqual([
      ['xs', { kind: 'strings', value: ['square'] }],
      ['y', { kind: 'string', value: 'x' }],
    ]);
  });

  test('changes only names, in nested graphs too, and leaves the model as it was', () => {
    const model = sample();
    const before = printModel(model);
    const renamed = rename(model, {
      inputs: { x: 'image' },
      outputs: { s: 'score' },
      values: { h: 'hidden', neg_out: 'minus' },
      nodes: { h_node: 'first' },
      dims: { N: 'batch' },
    });
    const expected = before
      .replaceAll(/\bx\b/g, 'image')
      .replaceAll(/\bs\b/g, 'score')
      .replaceAll(/\bh\b/g, 'hidden')
      .replaceAll(/neg_out(?!_)/g, 'minus')
      .replaceAll('h_node', 'first')
      .replaceAll('[N', '[batch');
    expect(textOf(renamed)).toBe(expected);
    expect(printModel(model)).toBe(before);
  });
  test('swaps names', () => {
    const swapped = rename(sample(), { inputs: { x: 'c', c: 'x' } });
    expect(swapped.graph.inputs.map(v => v.name)).toEqual(['c', 'x']);
  });
  test('follows names in annotations of quantization', () => {
    const model = sample();
    const rest = { quantization_annotation: [{ tensor_name: 'h', quant_parameter_tensor_names: [{ key: 'SCALE_TENSOR', value: 'w' }] }] };
    model.graph.meta = { rest };
    expect(rename(model, { values: { h: 'hidden', w: 'scale' } }).graph.meta.rest).toEqual({
      quantization_annotation: [{ tensor_name: 'hidden', quant_parameter_tensor_names: [{ key: 'SCALE_TENSOR', value: 'scale' }] }],
    });
  });
  test('annotations go with the values that they name', () => {
    const model = sample();
    const about = (tensor_name: string, value: string) => ({ tensor_name, quant_parameter_tensor_names: [{ key: 'SCALE_TENSOR', value }] });
    model.graph.meta = { rest: { quantization_annotation: [about('h', 'w'), about('s', 's')] } };
    expect(extract(model, { inputs: ['h'], outputs: ['s'] }).graph.meta.rest).toEqual({ quantization_annotation: [about('s', 's')] });
  });
  test('reports all names that are unknown or taken at once', () => {
    expect(
      refusal(() => rename(sample(), { inputs: { y: 'a' }, outputs: { scor: 'b' }, nodes: { h_nod: 'c' }, dims: { N: '4', K: 'k' } })),
    ).toEqual([
      'E3001 the model has no input "y"; nearest name: "x"',
      'E3001 the model has no output "scor"; there are "s", "y"',
      'E3001 the model has no node "h_nod"; nearest name: "h_node"',
      'E3001 the model has no size "K"; nearest name: "N"',
      'E4001 size "N" cannot become 4 by renaming; give its inputs shapes instead',
    ]);
    expect(refusal(() => rename(sample(), { inputs: { x: 'h', c: '' }, values: { w: 'h', x: 'v' } }))).toEqual([
      'E4001 input "c" cannot get an empty name',
      'E4001 "x" cannot become both "h" and "v"',
      'E1102 value "w" cannot become "h": the name is taken',
    ]);
  });
  test('refuses a model with training graphs', () => {
    const model = sample();
    model.meta = { rest: { training_info: [{}] } };
    expect(refusal(() => rename(model, { values: { h: 'k' } }))).toEqual([
      'E2002 the model has training graphs, which name values of its graph and cannot be edited with it',
    ]);
  });
});

const typesOf = (model: Model): Record<string, string> =>
  Object.fromEntries(
    [...model.graph.inputs, ...model.graph.nodes.flatMap(made => made.outputs)].flatMap(v => (v ? [[v.name, formatType(v.type)]] : [])),
  );

/** x [N,4] through a node that nobody knows. */
function unknownSample(): Model {
  const x = new Value('x', tensorType('float32', [n, 4]));
  const strange = node('Strange', [x], 'z', { domain: 'custom', type: tensorType('float32', [n, 4]) });
  const relu = node('Relu', strange.outputs, 'y', { type: tensorType('float32', [n, 4]) });
  const graph = new Graph('g', { inputs: [x], nodes: [strange, relu], outputs: [outputOf(relu.outputs[0]!)] });
  const opsets = new Map([
    ['', 11],
    ['custom', 1],
  ]);
  return new Model(graph, { irVersion: 6, opsets, meta: { at: 0 } });
}

describe('setShapes', () => {
  test('infers what follows from an input and leaves the rest, nodes and opset as they were', () => {
    const model = sample();
    const before = printModel(model);
    const fixed = setShapes(model, { x: [2, 4] });
    expect(typesOf(fixed)).toEqual({
      x: 'float32[2,4]',
      c: 'bool[]',
      h: 'float32[2,3]',
      sum: 'float32[2,1]',
      s: 'float32[2]',
      y: 'float32[2,3]',
    });
    expect(fixed.graph.outputs.map(o => formatType(o.type ?? o.value.type))).toEqual(['float32[2]', 'float32[2,3]']);
    const withoutTypes = (text: string): string => text.replace(/(float32|bool)\[[^\]]*\] /g, '');
    expect(withoutTypes(textOf(fixed))).toBe(withoutTypes(before));
    expect(printModel(model)).toBe(before);
  });
  test('opens a size', () => {
    expect(typesOf(setShapes(setShapes(sample(), { x: [2, 4] }), { x: ['rows', 4] }))['s']).toBe('float32[rows]');
  });
  test('declares no sizes behind an operator that says nothing', () => {
    expect(typesOf(setShapes(unknownSample(), { x: [5, 4] }))).toEqual({ x: 'float32[5,4]', z: 'float32[?,?]', y: 'float32[?,?]' });
    expect(typesOf(setShapes(unknownSample(), {}))).toEqual({ x: 'float32[N,4]', z: 'float32[N,4]', y: 'float32[N,4]' });
  });
  test('a contradiction names the node', () => {
    let found: readonly Finding[] = [];
    try {
      setShapes(sample(), { x: [2, 5] });
    } catch (error) {
      found = (error as ModelError).findings;
    }
    expect(found).toMatchObject([{ code: 'E1305', node: { op: 'MatMul', name: 'h_node' } }]);
  });
  test('reports every shape that does not fit', () => {
    const model = sample();
    model.graph.inputs.push(model.graph.initializers[0]!);
    expect(refusal(() => setShapes(model, { x: [1], h: [1], w: [4, 3] }))).toEqual([
      'E3003 input "x" has rank 2, the shape given has 1',
      'E3001 the model has no input "h"; nearest name: "x"',
      'E3003 input "w" has a default, and with it the shape [4,3]',
    ]);
  });
});

describe('extract', () => {
  test('takes what lies between, with the types that are missing inferred', () => {
    const part = extract(sample({ types: false }), { inputs: ['h'], outputs: ['s'] });
    expect(textOf(part)).toBe(
      [
        '<ir_version: 6, opset_import: ["" : 11]>',
        'sample (float32[N,3] h) => (float32[N] s) {',
        '  ["sum_node"] sum = ReduceSum <axes = [1]> (h)',
        '  ["s_node"] s = Squeeze <axes = [1]> (sum)',
        '}',
        '',
      ].join('\n'),
    );
  });
  test('follows what nested graphs capture, and drops constants that are not read', () => {
    const part = extract(sample(), { inputs: ['h', 'c'], outputs: ['y'] });
    expect(part.graph.initializers).toEqual([]);
    expect(part.graph.nodes.map(made => made.op)).toEqual(['If']);
    expect(verifyModel(part)).toEqual([]);
    expect(extract(sample(), { inputs: ['x', 'c'], outputs: ['y'] }).graph.initializers.map(v => v.name)).toEqual(['w']);
  });
  test('takes the inputs that the outputs need where none are named', () => {
    expect(extract(sample(), { outputs: ['sum'] }).graph.inputs.map(v => v.name)).toEqual(['x']);
  });
  test('takes values of a constant out as an input', () => {
    const part = extract(sample(), { inputs: ['x', 'w'], outputs: ['h'] });
    expect([part.graph.initializers, typesOf(part)]).toEqual([[], { x: 'float32[N,4]', w: 'float32[4,3]', h: 'float32[N,3]' }]);
  });
  test('a type given for an input goes on', () => {
    const part = extract(sample(), { inputs: ['h'], outputs: ['s'], types: { h: tensorType('float32', [7, 3]) } });
    expect(formatType(part.graph.outputs[0]!.value.type)).toBe('float32[7]');
    const open = extract(unknownSample(), { inputs: ['z'], outputs: ['y'] });
    expect(typesOf(open)['z']).toBe('float32[N,4]');
  });
  test('an output behind other inputs says which', () => {
    expect(refusal(() => extract(sample(), { inputs: ['c'], outputs: ['s', 'y'] }))).toEqual([
      'E3001 output "s" cannot be made of the inputs given: it needs "x" too',
      'E3001 output "y" cannot be made of the inputs given: it needs "x" too',
    ]);
  });
  test('reports every name and type that does not fit', () => {
    expect(refusal(() => extract(sample(), { inputs: ['hh', 'neg_out'], outputs: ['summ'] }))).toEqual([
      'E3001 the model has no value "hh"; nearest name: "h"',
      'E3001 input "neg_out" is a value of a nested graph, which has no place outside of it',
      'E3001 the model has no value "summ"; nearest name: "sum"',
    ]);
    const typed = (element: 'int64' | 'float32', dims: number[]) => ({ h: tensorType(element, dims) });
    expect(refusal(() => extract(sample(), { inputs: ['h'], outputs: ['s'], types: typed('int64', [1, 3]) }))).toEqual([
      'E3002 input "h" is float32[N,3] in the model, not int64[1,3]',
    ]);
    expect(refusal(() => extract(sample(), { inputs: ['h'], outputs: ['s'], types: typed('float32', [3]) }))).toEqual([
      'E3003 input "h" is float32[N,3] in the model, not float32[3]',
    ]);
  });
  test('a value without a type needs one', () => {
    const model = unknownSample();
    model.graph.nodes[0]!.outputs[0]!.type = undefined;
    expect(refusal(() => extract(model, { inputs: ['z'], outputs: ['y'] }))).toEqual([
      'E1307 the type of "z" is neither declared nor inferred; give the inputs types, such as x:float32[1,3]',
    ]);
    expect(typesOf(extract(model, { inputs: ['z'], outputs: ['y'], types: { z: tensorType('float32', [n, 4]) } }))['y']).toBe(
      'float32[N,4]',
    );
  });
  test('keeps the functions that are called, and those that these call', () => {
    const model = sample();
    model.functions = [define('Outer', 'Inner', 'f'), define('Inner', 'Neg', ''), define('Other', 'Abs', '')];
    const call = node('Outer', [model.graph.nodes[0]!.outputs[0]], 'called', { domain: 'f' });
    model.graph.nodes.push(call);
    const part = extract(model, { inputs: ['h'], outputs: ['called'] });
    expect(part.functions.map(f => f.name)).toEqual(['Outer', 'Inner']);
    expect(typesOf(part)).toEqual({ h: 'float32[N,3]', called: 'float32[N,3]' });
  });
});

describe('inlineFunctions', () => {
  /** y = Twice(x): Twice calls Scale with its own slope, Scale is a LeakyRelu and keeps a value of its own named y. */
  function calls(opset = 11): Model {
    const [a, c] = [new Value('a'), new Value('c')];
    const leaky = node('LeakyRelu', [c], 'y', {
      attributes: { alpha: { kind: 'reference', value: 'slope', of: 'float' } },
      label: 'leaky',
    });
    const negated = node('Neg', [leaky.outputs[0]], 'z', { label: 'neg' });
    const scale = { ...define('Scale', 'Neg', '', opset), attributes: ['slope'] };
    scale.body = new Graph('Scale', { inputs: [c], nodes: [leaky, negated], outputs: [outputOf(negated.outputs[0]!)] });
    const slope: Attribute = { kind: 'reference', value: 'factor', of: 'float' };
    const inner = [0, 1].map(i => node('Scale', [a], `s${i}`, { domain: 'f', attributes: { slope }, label: '' }));
    const added = node('Add', [inner[0]!.outputs[0], inner[1]!.outputs[0]], 'sum', { label: 'add' });
    const twice = { ...define('Twice', 'Neg', '', opset), defaults: attributesOf({ factor: { kind: 'float', value: 0.25 } }) };
    twice.body = new Graph('Twice', { inputs: [a], nodes: [...inner, added], outputs: [outputOf(added.outputs[0]!)] });
    const x = new Value('x', tensorType('float32', [n, 4]));
    const called = node('Twice', [x], 't', { domain: 'f', type: tensorType('float32', [n, 4]), label: 'call' });
    const y = node('Relu', called.outputs, 'y', { type: tensorType('float32', [n, 4]) });
    const opsets = new Map([
      ['', 11],
      ['f', 1],
    ]);
    const graph = new Graph('g', { inputs: [x], nodes: [called, y], outputs: [outputOf(y.outputs[0]!)] });
    return new Model(graph, { irVersion: 8, opsets, functions: [twice, scale], meta: { at: 0 } });
  }
  const flat = (opset: number): string =>
    [
      `<ir_version: 8, opset_import: ["" : ${opset}]>`,
      'g (float32[N,4] x) => (float32[N,4] y) {',
      '  ["call/s0/leaky"] call/s0/y = LeakyRelu <alpha = 0.25> (x)',
      '  ["call/s0/neg"] call/s0 = Neg (call/s0/y)',
      '  ["call/s1/leaky"] call/s1/y = LeakyRelu <alpha = 0.25> (x)',
      '  ["call/s1/neg"] call/s1 = Neg (call/s1/y)',
      '  ["call/add"] t = Add (call/s0, call/s1)',
      '  ["y_node"] y = Relu (t)',
      '}',
      '',
    ].join('\n');

  test('names the nodes of a body after the call, and keeps every name of the graph', () => {
    const model = calls();
    const before = printModel(model);
    expect(textOf(inlineFunctions(model))).toBe(flat(11));
    expect(printModel(model)).toBe(before);
  });
  test('a body of another opset is taken as it is where its operators are the same', () => {
    expect(textOf(inlineFunctions(calls(9)))).toBe(flat(11));
  });
  test('a body whose operators changed is upgraded', () => {
    const model = calls();
    const squeeze = node('Squeeze', [new Value('a')], 'b', { attributes: { axes: { kind: 'ints', value: [1] } } });
    const body = new Graph('Old', { inputs: [squeeze.inputs[0]!], nodes: [squeeze], outputs: [outputOf(squeeze.outputs[0]!)] });
    const x = new Value('x', tensorType('float32', [n, 1]));
    const call = node('Old', [x], 'y', { domain: 'f' });
    model.functions = [{ ...define('Old', 'Neg', ''), body }];
    model.graph = new Graph('g', { inputs: [x], nodes: [call], outputs: [outputOf(call.outputs[0]!, tensorType('float32', [n]))] });
    model.opsets.set('', 13);
    expect(textOf(inlineFunctions(model))).toContain('y = Squeeze (x, int64[1]{1})');
  });
  test('imports what bodies need', () => {
    const model = calls();
    model.functions = [define('Twice', 'Scaler', 'ai.onnx.ml')];
    (model.functions[0]!.opsets as Map<string, number>).set('ai.onnx.ml', 2);
    expect([...inlineFunctions(model).opsets]).toEqual([
      ['', 11],
      ['ai.onnx.ml', 2],
    ]);
  });
  test('a function that calls itself is refused', () => {
    const model = calls();
    model.functions = [define('Twice', 'Twice', 'f')];
    expect(refusal(() => inlineFunctions(model))).toEqual(['E1108 the function Twice calls itself']);
  });
});

test('a value that became an input leaves its node, whose other outputs stay', () => {
  const x = new Value('x', tensorType('float32', [4]));
  const both = new Node({ op: 'Split', inputs: [x], name: 'split' }, [
    { name: 'a', type: tensorType('float32', [2]) },
    { name: 'b', type: tensorType('float32', [2]) },
  ]);
  const sum = node('Add', [both.outputs[0], both.outputs[1]], 'y', { type: tensorType('float32', [2]) });
  const graph = new Graph('g', { inputs: [x], nodes: [both, sum], outputs: [outputOf(sum.outputs[0]!)] });
  const model = new Model(graph, { irVersion: 6, opsets: new Map([['', 11]]), meta: { at: 0 } });
  const part = extract(model, { inputs: ['x', 'a'], outputs: ['y'] });
  expect(part.graph.nodes[1]!.inputs).toEqual([part.graph.inputs[1], part.graph.nodes[0]!.outputs[1]]);
  expect(verifyModel(part)).toEqual([]);
});

describe('merge', () => {
  /** t [K,3], u [N,5] → r = relu(t)·w, where K is its own. */
  function second({
    opset = 11,
    element = 'float32' as 'float32' | 'int64',
    dims = [symbol('K'), 3] as (number | typeof n)[],
  } = {}): Model {
    const t = new Value('t', tensorType(element, dims));
    const u = new Value('u', tensorType('float32', [n, 5]));
    const w = weight('w', [3, 5]);
    const r = node('Relu', [t], 'r', { type: tensorType(element, dims) });
    const out = node('Gemm', [r.outputs[0], w], 'out', { type: tensorType('float32', [symbol('K'), 5]) });
    const graph = new Graph('second', {
      inputs: [t, u],
      initializers: [w],
      nodes: [r, out],
      outputs: [outputOf(out.outputs[0]!), outputOf(u)],
    });
    return new Model(graph, { irVersion: 8, opsets: new Map([['', opset]]), meta: { at: 0, metadata: new Map([['key', 'b']]) } });
  }

  test('connects values; open sizes of the second become those of the first, others stay apart', () => {
    const a = extract(sample(), { inputs: ['x'], outputs: ['h', 's'] });
    a.meta = { ...a.meta, metadata: new Map([['key', 'a']]) };
    const merged = merge(a, second(), { connect: [['h', 't']], prefixB: 'b/' });
    expect(textOf(merged)).toBe(
      [
        '<ir_version: 8, opset_import: ["" : 11]>',
        'sample_second (float32[N,4] x, float32[b/N,5] b/u) => (float32[N] s, float32[N,5] b/out, float32[b/N,5] b/u)',
        '<',
        '  float32[4,3] w,',
        '  float32[3,5] b/w',
        '> {',
        '  ["h_node"] h = MatMul (x, w)',
        '  ["sum_node"] sum = ReduceSum <axes = [1]> (h)',
        '  ["s_node"] s = Squeeze <axes = [1]> (sum)',
        '  ["b/r_node"] b/r = Relu (h)',
        '  ["b/out_node"] b/out = Gemm (b/r, b/w)',
        '}',
        '',
      ].join('\n'),
    );
    expect([...merged.meta.metadata!]).toEqual([
      ['key', 'a'],
      ['b/key', 'b'],
    ]);
  });
  test('a model can follow itself', () => {
    const relu = extract(second(), { inputs: ['t'], outputs: ['r'] });
    const twice = merge(relu, relu, { connect: [['r', 't']], prefixA: '1/', prefixB: '2/' });
    expect(verifyModel(twice)).toEqual([]);
    expect(typesOf(twice)).toEqual({ '1/t': 'float32[K,3]', '1/r': 'float32[K,3]', '2/r': 'float32[K,3]' });
  });
  test('raises the lower opset', () => {
    const merged = merge(sample(), second({ opset: 13 }), { connect: [], prefixB: 'b/' });
    expect(merged.opsets.get('')).toBe(13);
    expect(merged.graph.nodes.find(made => made.op === 'Squeeze')!.inputs.length).toBe(2);
  });
  test('reports every name that there is none of, and inputs that are connected twice', () => {
    const connect = [
      ['hh', 't'],
      ['s', 'uu'],
      ['y', 't'],
    ] as const;
    expect(refusal(() => merge(sample(), second(), { connect }))).toEqual([
      'E3001 the first model has no output "hh"; there are "s", "y"',
      'E3001 the second model has no input "uu"; nearest name: "u"',
      'E4001 input "t" of the second model is connected twice',
    ]);
  });
  test('reports contradictions and collisions together', () => {
    const a = sample();
    expect(refusal(() => merge(a, second({ element: 'int64' }), { connect: [['y', 't']] }))).toEqual([
      'E1304 output "y" is float32[N,3], and cannot be input "t", which is int64[K,3]',
      'E1102 both models have values with the names "w"; give one of the models a prefix',
    ]);
    expect(refusal(() => merge(a, second({ dims: [4, 7] }), { connect: [['y', 't']], prefixA: 'a/' }))).toEqual([
      'E1305 output "y" is float32[N,3], and cannot be input "t", which is float32[4,7]',
    ]);
  });
  test('sizes that two connections decide must agree', () => {
    const [a, b] = [second(), second()];
    for (const [v, size] of [
      [a.graph.inputs[1]!, 2],
      [a.graph.inputs[0]!, 3],
    ] as const)
      v.type = tensorType('float32', [size, 5]);
    for (const v of b.graph.inputs) v.type = tensorType('float32', [symbol('K'), 5]);
    a.graph.outputs = a.graph.inputs.map(v => outputOf(v));
    const connect = [
      ['t', 't'],
      ['u', 'u'],
    ] as const;
    expect(refusal(() => merge(a, b, { connect, prefixB: 'b/' }))).toEqual([
      'E1305 output "u" is float32[2,5], and cannot be input "u", which is float32[K,5] (float32[3,5] by its connections)',
    ]);
  });
  test('functions of one name stay apart where their bodies differ', () => {
    const withFunction = (op: string): Model => {
      const x = new Value('x', tensorType('float32', [n]));
      const call = node('F', [x], 'y', { domain: 'f' });
      const graph = new Graph('g', { inputs: [x], nodes: [call], outputs: [outputOf(call.outputs[0]!, tensorType('float32', [n]))] });
      const opsets = new Map([
        ['', 11],
        ['f', 1],
      ]);
      return new Model(graph, { irVersion: 8, opsets, functions: [define('F', op, '')], meta: { at: 0 } });
    };
    const [a, b] = [withFunction('Neg'), withFunction('Abs')];
    const merged = merge(a, b, { connect: [['y', 'x']], prefixB: 'b' });
    expect([merged.functions.map(f => f.name), merged.graph.nodes.map(made => made.op)]).toEqual([
      ['F', 'bF'],
      ['F', 'bF'],
    ]);
    expect(merge(a, a, { connect: [['y', 'x']], prefixB: 'b' }).functions.map(f => f.name)).toEqual(['F']);
  });
  test('a domain that nothing raises is refused', () => {
    const [a, b] = [unknownSample(), unknownSample()];
    b.opsets.set('custom', 2);
    expect(refusal(() => merge(a, b, { connect: [], prefixB: 'b/' }))).toEqual(['E1106 domain "custom": version 1 cannot be raised to 2']);
  });
});
