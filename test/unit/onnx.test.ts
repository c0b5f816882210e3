import onnxProto from 'onnx-proto';
import { describe, expect, test } from 'vitest';
import { unknownFields } from '../../src/codec/protobuf.ts';
import { MemorySource, type Source } from '../../src/codec/source.ts';
import { type Finding, fail } from '../../src/errors.ts';
import { checkLocation, loadable, readOnnx, writeOnnx } from '../../src/formats/onnx/index.ts';
import type { AttributeProto, GraphProto, ModelProto, TensorProto } from '../../src/formats/onnx/proto.gen.ts';
import { isUnknownDim } from '../../src/ir/dims.ts';
import { Graph, Model, Node, Value } from '../../src/ir/graph.ts';
import { Tensor } from '../../src/ir/tensor.ts';
import { tensorType } from '../../src/ir/types.ts';
import { verifyModel } from '../../src/ir/verify.ts';
import { bytesOfModel, errorOf, floats, graphOf, info, join, modelOf, node, sourceOf } from './onnx-messages.ts';

const read = (proto: ModelProto) => readOnnx(sourceOf(proto));
const rewritten = async (proto: ModelProto): Promise<Uint8Array> => join(writeOnnx((await read(proto)).model).model);

/** code, path and tensor of each finding. */
const brief = (findings: readonly Finding[]): string[] =>
  findings.map(f => `${f.code} ${f.path}${f.severity === 'warning' ? ' (warning)' : ''}`);

const branch = (name: string, op: string, input: string, output = 't'): GraphProto => ({
  name,
  node: [node(op, [input], [output])],
  output: [{ name: output }],
});
const iff = (input: string, output: string, then: GraphProto, otherwise: GraphProto) =>
  node(
    'If',
    [input],
    [output],
    [
      { name: 'then_branch', type: 5, g: then },
      { name: 'else_branch', type: 5, g: otherwise },
    ],
  );

describe('reading and writing back', () => {
  const message = (t: TensorProto): ModelProto => modelOf({ initializer: [t] });
  const utf8 = (s: string) => new TextEncoder().encode(s);
  const rows: [string, ModelProto][] = [
    ['a model', modelOf({ initializer: [floats('w', [2, 3])], node: [node('Add', ['x', 'w'], ['y'])] })],
    [
      'explicit empty texts',
      modelOf(
        { node: [{ ...node('Relu', ['x'], ['y']), name: '', domain: '', doc_string: '', overload: '' }] },
        { producer_name: '', doc_string: '' },
      ),
    ],
    [
      'the domain written as ai.onnx',
      modelOf({ node: [{ ...node('Relu', ['x'], ['y']), domain: 'ai.onnx' }] }, { opset_import: [{ domain: 'ai.onnx', version: 21 }] }),
    ],
    ['an opset without a domain', modelOf({}, { opset_import: [{ version: 21 }, { domain: 'ai.onnx.ml', version: 3 }] })],
    ['omitted inputs and outputs', modelOf({ node: [node('Clip', ['x', '', 'x'], ['y', '']), node('Foo', ['', ''], ['', 'z'])] })],
    [
      'value_info in the order of the file',
      modelOf({
        node: [node('Relu', ['x'], ['a']), node('Relu', ['a'], ['b']), node('Relu', ['b'], ['y'])],
        value_info: [info('b'), info('nowhere'), info('x'), info('a')],
      }),
    ],
    ['a declared output type that differs from value_info', modelOf({ value_info: [info('y', ['n', 3])] })],
    [
      'unnamed and odd sizes',
      modelOf({
        input: [
          {
            name: 'x',
            type: {
              denotation: 'IMAGE',
              tensor_type: {
                elem_type: 1,
                shape: { dim: [{}, { dim_param: '' }, { dim_param: '?1' }, { dim_value: 4, denotation: 'C' }] },
              },
            },
          },
        ],
      }),
    ],
    [
      'a type without a rank, and one without sizes',
      modelOf({ input: [{ name: 'x', type: { tensor_type: { elem_type: 1 } } }], output: [info('y', [])] }),
    ],
    [
      'sequences, optionals, maps',
      modelOf({
        input: [
          {
            name: 'x',
            type: {
              sequence_type: { elem_type: { optional_type: { elem_type: { map_type: { key_type: 7, value_type: info('').type } } } } },
            },
          },
        ],
      }),
    ],
    ['typed int8 data', message({ name: 'w', dims: [3], data_type: 3, int32_data: Int32Array.of(1, -2, 127) })],
    ['int8 data written as unsigned', message({ name: 'w', dims: [2], data_type: 3, int32_data: Int32Array.of(200, 1) })],
    ['typed float16 bits', message({ name: 'w', dims: [2], data_type: 10, int32_data: Int32Array.of(0x3c00, 0xfc00) })],
    ['typed bool data', message({ name: 'w', dims: [2], data_type: 9, int32_data: Int32Array.of(1, 0) })],
    ['typed int4 data', message({ name: 'w', dims: [3], data_type: 22, int32_data: Int32Array.of(0xe1, 3) })],
    ['typed float6 data', message({ name: 'w', dims: [5], data_type: 27, int32_data: Int32Array.of(1, 63, 0, 33, 31) })],
    ['typed uint32 data', message({ name: 'w', dims: [2], data_type: 12, uint64_data: BigUint64Array.of(1n, 4294967295n) })],
    ['typed int64 data', message({ name: 'w', dims: [2], data_type: 7, int64_data: BigInt64Array.of(-1n, 2n ** 62n) })],
    ['typed double and complex data', message({ name: 'w', dims: [1], data_type: 15, double_data: Float64Array.of(1.5, -0) })],
    ['typed float data', message({ name: 'w', dims: [2], data_type: 1, float_data: Float32Array.of(1.5, Number.NaN) })],
    ['strings that are no UTF-8', message({ name: 'w', dims: [2], data_type: 8, string_data: [Uint8Array.of(0xff, 0xfe), utf8('ä')] })],
    ['no elements', message({ name: 'w', dims: [0], data_type: 1 })],
    ['no elements, raw', message({ name: 'w', dims: [0, 3], data_type: 1, raw_data: new Uint8Array(0) })],
    ['tensor documentation', message({ ...floats('w', [1]), doc_string: '', metadata_props: [{ key: 'a', value: '' }], data_location: 0 })],
    ['attributes of every kind', modelOf({ node: [node('Foo', ['x'], ['y'], attributesOfEveryKind())] })],
    [
      'metadata on every level',
      modelOf(
        {
          metadata_props: [{ key: 'k', value: 'v' }],
          node: [{ ...node('Relu', ['x'], ['y']), metadata_props: [{ key: '__proto__', value: 'then' }] }],
        },
        { metadata_props: [{ key: 'constructor', value: '' }, { key: 'a' }] },
      ),
    ],
    [
      'a subgraph that reads from outside',
      modelOf({ input: [info('x'), info('c', [], 9)], node: [iff('c', 'y', branch('a', 'Relu', 'x'), branch('b', 'Neg', 'x'))] }),
    ],
    [
      'a weight used by a subgraph only',
      modelOf({
        input: [info('x'), info('c', [], 9)],
        node: [iff('c', 'y', { ...branch('a', 'Relu', 'w'), initializer: [floats('w', [2, 3])] }, branch('b', 'Neg', 'x'))],
      }),
    ],
    ['an input with a default', modelOf({ input: [info('x'), info('w')], initializer: [floats('w', [2, 3])] })],
    ['an output that is an input', modelOf({ output: [info('x'), info('y')] })],
    ['an output that is a weight', modelOf({ output: [info('w'), info('y')], initializer: [floats('w', [2, 3])] })],
    [
      'a sparse weight',
      modelOf({
        sparse_initializer: [
          { values: floats('s', [2]), indices: { dims: [2], data_type: 7, int64_data: BigInt64Array.of(1n, 5n) }, dims: [2, 3] },
        ],
      }),
    ],
    [
      'annotations, training and devices',
      modelOf(
        {
          quantization_annotation: [{ tensor_name: 'y', quant_parameter_tensor_names: [{ key: 'SCALE_TENSOR', value: 's' }] }],
          node: [{ ...node('Relu', ['x'], ['y']), device_configurations: [{ configuration_id: 'c', pipeline_stage: 1 }] }],
        },
        { configuration: [{ name: 'c', num_devices: 2 }], training_info: [{ algorithm: { name: 't', initializer: [floats('i', [1])] } }] },
      ),
    ],
    [
      'unknown fields',
      modelOf(
        {
          [unknownFields]: [Uint8Array.of(0xf8, 7, 5)],
          node: [{ ...node('Relu', ['x'], ['y']), [unknownFields]: [Uint8Array.of(0xf8, 7, 6)] }],
        },
        { [unknownFields]: [Uint8Array.of(0xf8, 7, 7)] },
      ),
    ],
    [
      'names of JavaScript’s own',
      modelOf({
        input: [info('__proto__')],
        output: [info('then')],
        node: [
          node('constructor', ['__proto__'], ['toString'], [{ name: '__proto__', type: 2, i: 1 }]),
          node('Relu', ['toString'], ['then']),
        ],
      }),
    ],
    [
      'a function with overloads',
      modelOf(
        {},
        {
          functions: [
            fn('f', ['a'], ['b'], [node('Relu', ['a'], ['b'], [{ name: 'k', ref_attr_name: 'k', type: 2 }])]),
            {
              ...fn('f', ['a', 'b'], ['c'], [node('Add', ['a', 'b'], ['c'])]),
              overload: 'two',
              attribute_proto: [{ name: 'd', type: 1, f: 1.5 }],
              value_info: [info('c')],
            },
          ],
        },
      ),
    ],
    ['a model older than imports', { ir_version: 1, graph: graphOf() }],
  ];
  test.each(rows)('loses nothing of %s', async (_, proto) => {
    expect(await rewritten(proto)).toEqual(bytesOfModel(proto));
  });

  test('agrees with protobuf.js on a model it wrote', async () => {
    const { onnx } = onnxProto;
    const bytes = onnx.ModelProto.encode({
      irVersion: 8,
      opsetImport: [{ domain: '', version: 13 }],
      graph: {
        name: 'g',
        node: [{ opType: 'Relu', input: ['x'], output: ['y'], name: 'n', attribute: [] }],
        input: [{ name: 'x' }],
        output: [{ name: 'y' }],
      },
    }).finish();
    const { model } = await readOnnx(new MemorySource(bytes));
    const back = onnx.ModelProto.decode(await join(writeOnnx(model).model));
    expect(back.toJSON()).toEqual(onnx.ModelProto.decode(bytes).toJSON());
  });

  test('keeps a name that is not UTF-8 and reports where it is', async () => {
    const bytes = bytesOfModel(modelOf({ input: [info('x\udcff')], node: [node('Relu', ['x\udcff'], ['y'])] }));
    const { model, findings } = await readOnnx(new MemorySource(bytes));
    expect(await join(writeOnnx(model).model)).toEqual(bytes);
    expect(findings[0]).toMatchObject({ code: 'E1110', path: 'graph.input[0].name', message: 'the name "x\\xff" is not valid UTF-8' });
    expect(findings[0]?.offset).toBeGreaterThan(0);
  });
});

function fn(name: string, input: string[], output: string[], nodes: GraphProto['node']) {
  return { name, domain: 'local', input, output, node: nodes, attribute: ['k'], opset_import: [{ domain: '', version: 21 }] };
}

function attributesOfEveryKind(): AttributeProto[] {
  const inner: GraphProto = { name: 'inner', node: [node('Relu', ['x'], ['q'])], output: [{ name: 'q' }] };
  const sparse = { values: floats('s', [1]), indices: { dims: [1], data_type: 7, raw_data: new Uint8Array(8) }, dims: [4] };
  const text = (s: string) => new TextEncoder().encode(s);
  return [
    { name: 'f', type: 1, f: 1.5 },
    { name: 'f0', type: 1 },
    { name: 'i', type: 2, i: 2n ** 62n },
    { name: 's', type: 3, s: Uint8Array.of(0xff, 0x41), doc_string: 'raw bytes' },
    { name: 't', type: 4, t: floats('inside', [2]) },
    { name: 'g', type: 5, g: inner },
    { name: 'p', type: 11, sparse_tensor: sparse },
    { name: 'tp', type: 13, tp: info('').type! },
    { name: 'ff', type: 6, floats: [1, 0.5] },
    { name: 'ii', type: 7, ints: [1, -(2n ** 63n)] },
    { name: 'ii0', type: 7 },
    { name: 'ss', type: 8, strings: [text('a'), Uint8Array.of(0xfe)] },
    { name: 'tt', type: 9, tensors: [floats('a', [1]), floats('', [2])] },
    { name: 'gg', type: 10, graphs: [inner, { name: 'other' }] },
    { name: 'pp', type: 12, sparse_tensors: [sparse] },
    { name: 'yy', type: 14, type_protos: [info('').type!, { denotation: 'D', tensor_type: { elem_type: 7 } }] },
  ];
}

describe('what the graph holds', () => {
  test('values by identity, parameters, types and captures', async () => {
    const proto = modelOf({
      input: [info('x', ['n', 3]), info('c', [], 9)],
      node: [node('Add', ['x', 'w'], ['h']), iff('c', 'y', branch('a', 'Relu', 'h'), branch('b', 'Neg', 'x'))],
      initializer: [floats('w', [3]), floats('scalar', [])],
      value_info: [{ name: 'h', type: { tensor_type: { elem_type: 1, shape: { dim: [{}, { dim_value: 3 }] } } } }],
    });
    const { model, findings } = await read(proto);
    expect(findings).toEqual([]);
    const [add, choice] = model.graph.nodes;
    const [w, scalar] = model.graph.initializers;
    expect(add?.inputs).toEqual([model.graph.inputs[0], w]);
    expect([w?.parameter, scalar?.parameter]).toEqual([true, false]);
    expect(model.graph.inputs[0]?.shape?.map(String)).toEqual(['n', '3']);
    expect(isUnknownDim(add!.outputs[0]!.shape![0]!)).toBe(true);
    const then = choice?.attributes.get('then_branch');
    expect(then?.kind === 'graph' && then.value.nodes[0]?.inputs[0]).toBe(add?.outputs[0]);
    expect(model.graph.outputs[0]?.value).toBe(choice?.outputs[0]);
    expect(verifyModel(model)).toEqual([]);
  });

  test('typed fields become stored bytes', async () => {
    const { model } = await read(
      modelOf({ initializer: [{ name: 'w', dims: [5], data_type: 28, int32_data: Int32Array.of(1, 63, 0, 33, 31) }] }),
    );
    // Six bits each, the first in the low bits: 000001 111111 000000 100001 011111.
    expect([...model.graph.initializers[0]!.tensor!.bytes()]).toEqual([0b11000001, 0b00001111, 0b10000100, 0b00011111]);
  });

  test('a large tensor of a file stays in the file', async () => {
    const bytes = bytesOfModel(modelOf({ initializer: [floats('w', [300, 300])] }));
    let read = 0;
    const far: Source = {
      name: 'far.onnx',
      size: bytes.length,
      read: async (offset, length) => {
        read += length;
        return bytes.slice(offset, offset + length);
      },
    };
    const { model } = await readOnnx(far);
    expect(model.graph.initializers[0]?.tensor?.isResident).toBe(false);
    expect(read).toBeLessThan(80_000);
    expect(Buffer.compare(await join(writeOnnx(model).model), bytes)).toBe(0);
  });
});

describe('findings', () => {
  const bad = (t: TensorProto): ModelProto => modelOf({ initializer: [{ name: 'w', ...t }] });
  const attributes = (...a: AttributeProto[]): ModelProto => modelOf({ node: [node('Foo', ['x'], ['y'], a)] });
  const raw = new Uint8Array(4);
  const sparse = (indices: bigint[], extra: object = {}): ModelProto =>
    modelOf({
      sparse_initializer: [
        {
          values: floats('s', [2]),
          indices: { dims: [indices.length], data_type: 7, int64_data: BigInt64Array.from(indices) },
          dims: [2, 3],
          ...extra,
        },
      ],
    });
  const tensor = 'graph.initializer[0]';
  const rows: [string, ModelProto, string[]][] = [
    ['nothing but a message', { producer_name: 'p' }, ['E1101 ir_version', 'E1106 opset_import', 'E1101 graph']],
    ['no graph name', { ...modelOf(), graph: { ...graphOf(), name: '' } }, ['E1101 graph']],
    ['an IR version of the future', modelOf({}, { ir_version: 9999 }), ['E1107 ir_version']],
    ['opset 9999', modelOf({}, { opset_import: [{ domain: '', version: 9999 }] }), ['E1106 opset_import[0]']],
    ['opset -3', modelOf({}, { opset_import: [{ domain: 'x', version: -3 }, { version: 21 }] }), ['E1106 opset_import[0]']],
    [
      'a domain with two versions',
      modelOf({}, { opset_import: [{ version: 21 }, { domain: 'ai.onnx', version: 20 }] }),
      ['E1106 opset_import[1]'],
    ],
    ['a node without an operator', modelOf({ node: [{ output: ['y'] }] }), ['E1101 graph.node[0]']],
    ['an undefined name', modelOf({ node: [node('Relu', ['X'], ['y'])] }), ['E1104 graph.node[0].input[0]']],
    ['an undefined output', modelOf({ output: [info('z')] }), ['E1104 graph.output[0]']],
    [
      'nodes in the wrong order',
      modelOf({ node: [node('Relu', ['h'], ['y']), node('Relu', ['x'], ['h'])] }),
      ['E1103 graph.node[0].input[0]'],
    ],
    ['a node that reads itself', modelOf({ node: [node('Add', ['x', 'y'], ['y'])] }), ['E1103 graph.node[0].input[1]', 'E1105 graph']],
    [
      'a gradient of what reads it',
      modelOf(
        {
          node: [
            node('Add', ['slope', 'x'], ['y']),
            {
              ...node('Gradient', ['x'], ['slope']),
              domain: 'ai.onnx.preview.training',
              attribute: [
                { name: 'xs', type: 8, strings: [new TextEncoder().encode('x')] },
                { name: 'y', type: 3, s: new TextEncoder().encode('y') },
              ],
            },
          ],
        },
        { opset_import: [{ version: 21 }, { domain: 'ai.onnx.preview.training', version: 1 }] },
      ),
      ['E1103 graph.node[0].input[0]', 'E1105 graph'],
    ],
    [
      'a capture of a later value',
      modelOf({
        input: [info('x'), info('c', [], 9)],
        node: [iff('c', 'y', branch('a', 'Relu', 'late'), branch('b', 'Neg', 'x')), node('Relu', ['x'], ['late'])],
      }),
      ['E1103 graph.node[0].attribute[0].g.node[0].input[0]'],
    ],
    ['two producers', modelOf({ node: [node('Relu', ['x'], ['y']), node('Neg', ['x'], ['y'])] }), ['E1102 graph.node[1].output[0]']],
    ['two inputs of a name', modelOf({ input: [info('x'), info('x')] }), ['E1102 graph.input[1]']],
    ['two outputs of a name', modelOf({ output: [info('y'), info('y')] }), ['E1102 graph.output[1]']],
    ['two initializers of a name', modelOf({ initializer: [floats('w', [1]), floats('w', [2])] }), ['E1102 graph.initializer[1]']],
    [
      'a hidden outer name',
      modelOf({ input: [info('x'), info('c', [], 9)], node: [iff('c', 'y', branch('a', 'Relu', 'x', 'c'), branch('b', 'Neg', 'x'))] }),
      ['E1111 graph.node[0].attribute[0].g.node[0].output[0]'],
    ],
    ['an input without a type', modelOf({ input: [{ name: 'x' }] }), ['E1307 graph.input[0]']],
    ['an input without a name', modelOf({ input: [info('x'), info('')] }), ['E1101 graph.input[1]']],
    ['a negative size', modelOf({ input: [info('x', [-1, 3])] }), ['E1307 graph.input[0].type.tensor_type.shape.dim[0]']],
    [
      'a size that is number and name',
      modelOf({ input: [{ name: 'x', type: { tensor_type: { elem_type: 1, shape: { dim: [{ dim_value: 1, dim_param: 'n' }] } } } }] }),
      ['E1307 graph.input[0].type.tensor_type.shape.dim[0]'],
    ],
    [
      'two types at once',
      modelOf({ input: [{ name: 'x', type: { tensor_type: { elem_type: 1 }, sparse_tensor_type: { elem_type: 1 } } }] }),
      ['E1307 graph.input[0].type'],
    ],
    [
      'an element type of a value that does not exist',
      modelOf({ output: [info('y', [], 99)] }),
      ['E1201 graph.output[0].type.tensor_type'],
    ],
    ['an element type that does not exist', bad({ data_type: 99, dims: [1], raw_data: raw }), [`E1201 ${tensor}`]],
    ['element type -1', bad({ data_type: -1, dims: [1], raw_data: raw }), [`E1201 ${tensor}`]],
    ['no element type', bad({ dims: [1], raw_data: raw }), [`E1201 ${tensor}`]],
    ['a short tensor', bad({ data_type: 1, dims: [2], raw_data: raw }), [`E1203 ${tensor}`]],
    ['a long tensor', bad({ data_type: 1, dims: [0], raw_data: raw }), [`E1203 ${tensor}`]],
    ['no data', bad({ data_type: 1, dims: [2] }), [`E1203 ${tensor}`]],
    ['a packed tensor of another size', bad({ data_type: 22, dims: [3], raw_data: raw }), [`E1203 ${tensor}`]],
    ['a negative dimension', bad({ data_type: 1, dims: [-1], raw_data: raw }), [`E1202 ${tensor}`]],
    ['sizes that overflow', bad({ data_type: 1, dims: [2 ** 40, 2 ** 40], raw_data: raw }), [`E1202 ${tensor}`]],
    ['sizes that wrap to a small number', bad({ data_type: 1, dims: [2n ** 62n, 8], raw_data: raw }), [`E1202 ${tensor}`]],
    ['a large rank', bad({ data_type: 1, dims: new Array(1e5).fill(1), raw_data: raw }), [`E1202 ${tensor}`]],
    ['the wrong field', bad({ data_type: 1, dims: [1], int32_data: Int32Array.of(1) }), [`E1204 ${tensor}`]],
    ['two fields', bad({ data_type: 1, dims: [1], raw_data: raw, float_data: Float32Array.of(1) }), [`E1204 ${tensor}`]],
    ['raw strings', bad({ data_type: 8, dims: [1], raw_data: raw }), [`E1204 ${tensor}`]],
    ['a number its type cannot hold', bad({ data_type: 2, dims: [1], int32_data: Int32Array.of(300) }), [`E1204 ${tensor} (warning)`]],
    ['a segment', bad({ data_type: 1, dims: [1], raw_data: raw, segment: { begin: 0, end: 1 } }), [`E1204 ${tensor}`]],
    ['a sparse index out of range', sparse([1n, 6n]), ['E1203 graph.sparse_initializer[0]']],
    ['sparse indices out of order', sparse([3n, 1n]), ['E1203 graph.sparse_initializer[0]']],
    ['a repeated sparse index', sparse([3n, 3n]), ['E1203 graph.sparse_initializer[0]']],
    ['too few sparse indices', sparse([3n]), ['E1202 graph.sparse_initializer[0]']],
    ['more values than the dense tensor has', sparse([0n, 1n], { dims: [1] }), ['E1203 graph.sparse_initializer[0]']],
    ['an attribute without a type', attributes({ name: 'a', i: 1 }), ['E1303 graph.node[0].attribute[0]']],
    ['an attribute of an unknown type', attributes({ name: 'a', type: 77, i: 1 }), ['E1303 graph.node[0].attribute[0]']],
    ['an attribute with two values', attributes({ name: 'a', type: 2, i: 1, f: 1 }), ['E1303 graph.node[0].attribute[0]']],
    ['an attribute with the value of another type', attributes({ name: 'a', type: 2, f: 1 }), ['E1303 graph.node[0].attribute[0]']],
    ['an attribute twice', attributes({ name: 'a', type: 2, i: 1 }, { name: 'a', type: 2, i: 2 }), ['E1303 graph.node[0].attribute[1]']],
    ['a reference outside a function', attributes({ name: 'a', type: 2, ref_attr_name: 'b' }), ['E1303 graph.node[0]']],
    ['a tensor attribute without a tensor', attributes({ name: 'a', type: 4 }), ['E1303 graph.node[0].attribute[0]']],
    [
      'repeated metadata',
      modelOf(
        {},
        {
          metadata_props: [
            { key: 'a', value: '1' },
            { key: 'a', value: '2' },
          ],
        },
      ),
      ['E1109 metadata_props[1]'],
    ],
    ['a function twice', modelOf({}, { functions: [fn('f', [], [], []), fn('f', [], [], [])] }), ['E1102 functions[1]']],
    [
      'a function with a wrong reference',
      modelOf({}, { functions: [fn('f', ['a'], ['b'], [node('Relu', ['a'], ['b'], [{ name: 'k', ref_attr_name: 'no', type: 2 }])])] }),
      ['E1303 functions[0].node[0]'],
    ],
  ];
  test.each(rows)('of %s', async (_, proto, expected) => {
    const { model, findings } = await read(proto);
    expect(brief(findings)).toEqual(expected);
    expect(findings.every(f => f.message.length > 0 && f.file === 'm.onnx')).toBe(true);
    // A model with errors is written back too, as far as it could be built.
    expect(writeOnnx(model).model.length).toBeGreaterThan(0);
  });

  test('say what, where and what was meant', async () => {
    const { findings } = await read(
      modelOf({ input: [info('x'), info('note')], node: [{ ...node('Add', ['x', 'nope'], ['y']), name: 'sum' }] }),
    );
    expect(findings).toMatchObject([
      {
        message: 'node #0 Add reads "nope", which nothing produces',
        hint: 'nearest name: "note"',
        node: { index: 0, op: 'Add', name: 'sum' },
      },
    ]);
    const [size] = (await read(bad({ data_type: 1, dims: [2, 3], raw_data: new Uint8Array(20) }))).findings;
    expect(size).toMatchObject({ message: 'raw_data: float32[2,3] is 24 bytes, the data has 20', tensor: 'w' });
    expect(size?.offset).toBeGreaterThan(0);
  });

  test('name the chain of functions that call each other', async () => {
    const call = (name: string) => ({ ...node(name, ['a'], ['b']), domain: 'local' });
    const inIf = iff('a', 'b', { name: 'g', node: [{ ...call('f'), output: ['q'] }], output: [{ name: 'q' }] }, branch('h', 'Neg', 'a'));
    const functions = [fn('f', ['a'], ['b'], [call('g')]), fn('g', ['a'], ['b'], [inIf])];
    const { findings } = await read(modelOf({}, { functions }));
    expect(findings).toMatchObject([
      { code: 'E1108', message: 'functions call each other in a circle: "local.f" → "local.g" → "local.f"' },
    ]);
  });

  test('are bounded, and reading stays linear', async () => {
    const chain = Array.from({ length: 60_000 }, (_, i) => node('Add', [`v${i}`, `no${i}`], [`v${i + 1}`]));
    const { findings } = await read(modelOf({ input: [info('v0')], output: [info('v60000')], node: chain }));
    expect(findings.length).toBe(1001);
    expect(findings.at(-1)).toMatchObject({ code: 'E1009', limit: { name: 'findings', value: 1000 } });
  });

  test('a circle of many nodes lists the first ten', async () => {
    const n = 100_000;
    const ring = Array.from({ length: n }, (_, i) => node('Relu', [`v${(i + 1) % n}`], [`v${i}`]));
    const { findings } = await read(modelOf({ node: ring, output: [info('v0')] }));
    const circle = findings.find(f => f.code === 'E1105');
    expect(circle?.message ?? findings.at(-1)?.code).toMatch(
      /^100000 nodes read each other in a circle: "v0" ← "v1" ←.*and 99990 more$|E1009/,
    );
  });

  test('of graphs nested beyond the limit', async () => {
    let inner: GraphProto = branch('leaf', 'Relu', 'x', 't0');
    for (let i = 1; i < 12; i++) inner = { name: 'g', node: [iff('c', `t${i}`, inner, { name: 'e' })], output: [{ name: `t${i}` }] };
    const proto = modelOf({ input: [info('x'), info('c', [], 9)], node: [iff('c', 'y', inner, { name: 'e' })] });
    const { findings } = await readOnnx(sourceOf(proto), { limits: { graphs: 8 } });
    expect(findings.filter(f => f.code === 'E1008')).toMatchObject([{ limit: { name: 'graphs', value: 8 } }, {}]);
    expect(await errorOf(() => readOnnx(sourceOf(proto), { limits: { depth: 30 } }))).toMatchObject({ code: 'E1008' });
  });

  test('of bytes that are no message are thrown', async () => {
    expect(await errorOf(() => readOnnx(new MemorySource(new Uint8Array(0))))).toMatchObject({ code: 'E1001' });
    expect(await errorOf(() => readOnnx(new MemorySource(bytesOfModel(modelOf()).subarray(0, 40))))).toMatchObject({ code: 'E1005' });
  });
});

describe('loading', () => {
  test('sorts nodes, stably, and says so', async () => {
    const nodes = [node('Relu', ['c'], ['y']), node('Neg', ['x'], ['a']), node('Add', ['a', 'b'], ['c']), node('Exp', ['x'], ['b'])];
    const { model, findings } = loadable(await read(modelOf({ node: nodes })));
    expect(model.graph.nodes.map(n => n.op)).toEqual(['Neg', 'Exp', 'Add', 'Relu']);
    expect(findings).toMatchObject([{ code: 'E1103', severity: 'warning' }]);
    expect(verifyModel(model)).toEqual([]);
  });
  test('refuses a model with errors, all of them at once', async () => {
    const result = await read(modelOf({ node: [node('Add', ['no', 'nor'], ['y'])] }));
    expect((await errorOf(() => loadable(result))).findings.length).toBe(2);
  });
});

describe('external data', () => {
  const external = (entries: Record<string, string>, dims = [4]): ModelProto =>
    modelOf({
      initializer: [
        { name: 'w', dims, data_type: 1, data_location: 1, external_data: Object.entries(entries).map(([key, value]) => ({ key, value })) },
      ],
    });
  const data = Uint8Array.from({ length: 32 }, (_, i) => i);
  const open = async (location: string) => {
    if (location === 'missing.data') throw new Error('no such file');
    return new MemorySource(data, location);
  };
  const sha1 = 'ae5bd8efea5322c4d9986d06680a781392f9a642';

  test.each([
    [{ location: 'w.data', offset: '16', length: '16' }, 16],
    [{ location: './sub/w.data', offset: '8' }, 8],
    [{ location: 'w.data', checksum: sha1 }, 0],
  ])('is a range of its file: %o', async (entries, first) => {
    const { model, findings } = await readOnnx(sourceOf(external(entries)), { open, checksums: true });
    expect(findings).toEqual([]);
    expect((await join(writeOnnx(model).model)).length).toBeGreaterThan(0);
    const content = model.graph.initializers[0]!.tensor!.content as { read(): Promise<Uint8Array> };
    expect([...(await content.read())].slice(0, 2)).toEqual([first, first + 1]);
  });

  test.each<[Record<string, string>, string]>([
    [{ location: 'w.data', offset: '24' }, 'E1403'],
    [{ location: 'w.data', offset: '33', length: '0' }, 'E1403'],
    [{ location: 'w.data', length: '9000000000000000' }, 'E1403'],
    [{ location: 'w.data', offset: '9223372036854775807', length: '9223372036854775807' }, 'E1403'],
    [{ location: 'w.data', offset: '-1' }, 'E1403'],
    [{ location: 'w.data', offset: 'abc' }, 'E1403'],
    [{ location: 'w.data', offset: '1e1' }, 'E1403'],
    [{ location: 'w.data', offset: ' 8' }, 'E1403'],
    [{ location: 'w.data', offset: '08' }, 'E1403'],
    [{ location: 'w.data', length: '12' }, 'E1203'],
    [{ location: 'missing.data' }, 'E1402'],
    [{ offset: '0' }, 'E1402'],
    [{ location: '../w.data' }, 'E1401'],
    [{ location: 'w.data', checksum: '0'.repeat(40) }, 'E1012'],
  ])('that is wrong: %o', async (entries, code) => {
    const { findings } = await readOnnx(sourceOf(external(entries)), { open, checksums: true });
    expect(findings).toMatchObject([{ code, tensor: 'w', path: 'graph.initializer[0]', severity: 'error' }]);
  });

  test('needs files beside the model', async () => {
    expect((await read(external({ location: 'w.data' }))).findings).toMatchObject([{ code: 'E1402' }]);
  });

  test('warns of unknown keys, of itself and of overlaps; refuses repeated keys', async () => {
    const proto = external({ location: 'm.onnx', __class__: 'x' });
    proto.graph!.initializer!.push({
      name: 'v',
      dims: [4],
      data_type: 1,
      data_location: 1,
      external_data: [
        { key: 'location', value: 'm.onnx' },
        { key: 'offset', value: '4' },
      ],
    });
    proto.graph!.initializer!.push({
      name: 'u',
      dims: [4],
      data_type: 1,
      data_location: 1,
      external_data: [
        { key: 'location', value: 'm.onnx' },
        { key: 'location', value: 'b' },
      ],
    });
    const { findings } = await readOnnx(sourceOf(proto), { open });
    expect(brief(findings)).toEqual(
      [
        'E1403 graph.initializer[0].external_data[0] (warning)',
        'E1403 graph.initializer[0] (warning)',
        'E1403 graph.initializer[1] (warning)',
        'E1010 graph.initializer[2].external_data[1]',
        'E1403 graph.initializer[1] (warning)',
      ].map(line => line.replace('external_data[0]', 'external_data[1]')),
    );
  });

  test.each([
    '../x',
    '/etc/passwd',
    'C:\\x',
    'C:x',
    '\\\\host\\share',
    '//host/x',
    'file:///x',
    'http://x',
    'sub/../../x',
    'a/./../../x',
    'a\\b',
    'x.',
    'x ',
    'NUL',
    'con.data',
    'a/COM1',
    'a:b',
    'a\0b',
    '*/_ORT_MEM_ADDR_/*',
    '',
    'a//b',
    'x\udcff',
  ])('refuses the location %j', async location => {
    expect(await errorOf(() => checkLocation(location))).toMatchObject({ code: 'E1401' });
  });

  test('is written to one file, large tensors at page bounds', async () => {
    const { model } = await read(
      modelOf({ initializer: [floats('small', [4]), floats('a', [300]), floats('b', [600, 600]), floats('c', [300])] }),
    );
    const files = writeOnnx(model, { external: { location: 'm.data' } });
    const bytes = await join(files.data!);
    const back = await readOnnx(new MemorySource(await join(files.model)), { open: async () => new MemorySource(bytes, 'm.data') });
    expect(back.findings).toEqual([]);
    const held = back.model.graph.initializers.map(v => v.tensor!);
    expect(held.map(t => t.origin?.field)).toEqual(['raw_data', 'external', 'external', 'external']);
    expect(held.slice(1).map(t => (t.content as { offset?: number }).offset)).toEqual([0, 4096, 4096 + 1440000]);
    expect(Buffer.compare(await join(writeOnnx(back.model).model), await join(writeOnnx(model).model))).toBe(0);
  });

  test('refuses locations and alignments nobody could read', async () => {
    const { model } = await read(modelOf());
    expect(await errorOf(() => writeOnnx(model, { external: { location: '../m.data' } }))).toMatchObject({ code: 'E1401' });
    expect(await errorOf(() => writeOnnx(model, { external: { location: 'm.data', align: 3 } }))).toMatchObject({ code: 'E4001' });
  });

  test('of more than 2 GiB must stay external, and is never loaded', async () => {
    const huge = { name: 'huge', size: 3 * 2 ** 30, read: () => Promise.reject(fail('E9001', 'read')) };
    const proto = external({ location: 'huge' }, [3 * 2 ** 28]);
    const { model } = await readOnnx(sourceOf(proto), { open: async () => huge });
    expect(await errorOf(() => writeOnnx(model))).toMatchObject({ code: 'E2005' });
    expect(writeOnnx(model, { external: { location: 'm.data' } }).data?.length).toBe(3 * 2 ** 30);
  });
});

describe('names', () => {
  const type = tensorType('float32', [2]);
  const modelWith = (graph: Graph): Model => new Model(graph, { irVersion: 10, opsets: new Map([['', 21]]) });
  const reread = async (graph: Graph) => (await readOnnx(new MemorySource(await join(writeOnnx(modelWith(graph)).model)))).model.graph;
  const relu = (input: Value, name: string) => new Node({ op: 'Relu', inputs: [input] }, [{ name, type }]);

  test('are kept where they are unique, made up where not', async () => {
    const x = new Value('x', type);
    const nodes = [relu(x, 'v'), relu(x, 'v'), relu(x, ''), relu(x, 'v_1'), relu(x, 'x')];
    const values = nodes.map(n => n.outputs[0]!);
    const sum = new Node({ op: 'Sum', inputs: values }, [{ name: 'out', type }]);
    const graph = await reread(new Graph('g', { inputs: [x], nodes: [...nodes, sum], outputs: [{ name: 'y', value: sum.outputs[0]! }] }));
    expect(graph.nodes.at(-1)?.inputs.map(v => v?.name)).toEqual(['v', 'v_2', 'v_3', 'v_1', 'x_1']);
    expect(graph.outputs[0]?.value.name).toBe('y');
  });

  test('of outputs stand, by a copy where the value has another', async () => {
    const x = new Value('x', type);
    const n = relu(x, 'y');
    const w = new Value('w', undefined, { tensor: new Tensor('float32', Float32Array.of(1, 2)) });
    const outputs = [
      { name: 'a', value: n.outputs[0]! },
      { name: 'b', value: n.outputs[0]! },
      { name: 'y', value: x },
      { name: 'c', value: w, type },
    ];
    const graph = await reread(new Graph('g', { inputs: [x], nodes: [n], outputs }));
    expect(graph.nodes.map(m => [m.op, m.inputs[0]?.name, m.outputs[0]?.name])).toEqual([
      ['Relu', 'x', 'a'],
      ['Identity', 'a', 'b'],
      ['Identity', 'x', 'y'],
      ['Identity', 'w', 'c'],
    ]);
  });

  test('of constants that no graph lists are found, in the outermost graph', async () => {
    const x = new Value('x', type);
    const one = new Value('', undefined, { tensor: new Tensor('float32', Float32Array.of(1, 2)) });
    const inner = new Node({ op: 'Add', inputs: [x, one] }, [{ name: 'x', type }]);
    const body = (n: Node) => ({
      kind: 'graph' as const,
      value: new Graph('b', { nodes: [n], outputs: [{ name: 't', value: n.outputs[0]! }], initializers: [one] }),
    });
    const other = new Node({ op: 'Mul', inputs: [x, one] }, [{ name: 'x', type }]);
    const empty = { kind: 'graph' as const, value: new Graph('b', { nodes: [other], outputs: [{ name: 't', value: other.outputs[0]! }] }) };
    const choice = new Node(
      {
        op: 'If',
        inputs: [x],
        attributes: new Map([
          ['then_branch', body(inner)],
          ['else_branch', empty],
        ]),
      },
      [{ name: 'y', type }],
    );
    const graph = await reread(new Graph('g', { inputs: [x], nodes: [choice], outputs: [{ name: 'y', value: choice.outputs[0]! }] }));
    expect(graph.initializers.map(v => v.name)).toEqual(['v']);
  });
});
