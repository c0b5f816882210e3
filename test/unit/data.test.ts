// Values in files of their own, and comparisons of what is no tensor.
import { expect, test } from 'vitest';
import { encodeBytes } from '../../src/codec/protobuf.ts';
import { MemorySource } from '../../src/codec/source.ts';
import { type ModelError as Failure, ModelError } from '../../src/errors.ts';
import { readDatum } from '../../src/formats/onnx/index.ts';
import { type OptionalProto, onnxSchema, type SequenceProto, type TensorProto } from '../../src/formats/onnx/proto.gen.ts';
import { checkData, Graph, Model, newBuilder, Value } from '../../src/index.ts';
import type { Datum } from '../../src/ir/datum.ts';
import { Tensor } from '../../src/ir/tensor.ts';
import { tensorType, type ValueType } from '../../src/ir/types.ts';
import { newestOpset } from '../../src/ops/schema.ts';
import { compareData } from '../../src/validate/compare-data.ts';
import { floats } from './onnx-messages.ts';

const file = (message: string, value: object, name = 'input_0.pb'): MemorySource =>
  new MemorySource(encodeBytes(onnxSchema, message, value as TensorProto), name);
const element = tensorType('float32');
const sequence: ValueType = { kind: 'sequence', of: element };

/** A datum as plain data. */
function plain(datum: Datum): unknown {
  if (datum instanceof Tensor) return [...(datum.data as Iterable<unknown>)];
  if (datum instanceof Map) return [...datum];
  return Array.isArray(datum) ? datum.map(plain) : datum;
}

async function refusal(read: Promise<unknown>): Promise<string[]> {
  const error: Failure = await read.then(
    () => undefined,
    e => e,
  );
  expect(error).toBeInstanceOf(ModelError);
  return error.findings.map(f => `${f.code} ${f.message} at ${f.path}`);
}

test('the type says what kind of message a file holds', async () => {
  const items: SequenceProto = { name: 's', elem_type: 1, tensor_values: [floats('', [1], [1]), floats('', [2], [2, 3])] };
  const optional: OptionalProto = { elem_type: 3, sequence_value: items };
  const map = {
    name: 'm',
    key_type: 7,
    keys: [5, 7],
    values: { elem_type: 1, tensor_values: [floats('', [], [0.5]), floats('', [1], [2])] },
  };
  const named = { key_type: 8, string_keys: [new TextEncoder().encode('cat')], values: { tensor_values: [floats('', [], [0.5])] } };
  const nested = { elem_type: 4, map_values: [named], optional_values: [{}, { tensor_value: floats('', [1], [4]) }] };
  const mapType: ValueType = { kind: 'map', key: 'int64', of: element };
  const rows: [string, object, ValueType | undefined, string, unknown][] = [
    ['TensorProto', floats('t', [2], [1, 2]), undefined, 't', [1, 2]],
    ['TensorProto', floats('t', [2], [1, 2]), tensorType('float32', [2]), 't', [1, 2]],
    ['SequenceProto', items, sequence, 's', [[1], [2, 3]]],
    ['SequenceProto', { elem_type: 3, sequence_values: [items, {}] }, sequence, '', [[[1], [2, 3]], []]],
    ['SequenceProto', nested, sequence, '', [[['cat', 0.5]], null, [4]]],
    ['OptionalProto', optional, { kind: 'optional', of: sequence }, '', [[1], [2, 3]]],
    ['OptionalProto', { name: 'o', elem_type: 0 }, { kind: 'optional', of: element }, 'o', null],
    ['OptionalProto', { optional_value: { tensor_value: floats('', [1], [9]) } }, { kind: 'optional', of: element }, '', [9]],
    [
      'MapProto',
      map,
      mapType,
      'm',
      [
        [5n, 0.5],
        [7n, 2],
      ],
    ],
  ];
  for (const [message, value, type, name, expected] of rows) {
    const read = await readDatum(file(message, value), type);
    expect([read.name, plain(read.datum)]).toEqual([name, expected]);
  }
});

test('what is no such value is refused with its place', async () => {
  expect(await refusal(readDatum(new MemorySource(new Uint8Array(0))))).toEqual(['E1001 the file is empty at undefined']);
  expect(await refusal(readDatum(file('TensorProto', { dims: [2], data_type: 99 })))).toEqual([
    'E1201 the element type 99 does not exist at tensor',
  ]);
  const short = { tensor_values: [floats('', [1]), { ...floats('', [3]), dims: [4] }, { dims: [], data_type: 99 }] };
  expect(await refusal(readDatum(file('SequenceProto', short), sequence))).toEqual([
    'E1203 raw_data: float32[4] is 16 bytes, the data has 12 at sequence.tensor_values[1]',
    'E1201 the element type 99 does not exist at sequence.tensor_values[2]',
  ]);
  const map: ValueType = { kind: 'map', key: 'int64', of: element };
  expect(await refusal(readDatum(file('MapProto', { keys: [1, 2], values: { tensor_values: [floats('', [])] } }), map))).toEqual([
    'E1006 a map has 2 keys and 1 values at map',
  ]);
  expect(await refusal(readDatum(file('MapProto', { keys: [1], values: { tensor_values: [floats('', [2])] } }), map))).toEqual([
    'E1006 a value of a map is no single element at map.values',
  ]);
  expect(await refusal(readDatum(file('SequenceProto', { sparse_tensor_values: [{}] }), sequence))).toEqual([
    'E2002 sparse tensors are not read here at sequence',
  ]);
});

test('anything is compared with anything', () => {
  const vector = (...values: number[]): Tensor => new Tensor('float32', values, [values.length]);
  const judged = (got: Datum | undefined, want: Datum): unknown[] =>
    compareData('y', got, want).map(c => [c.name, c.ok, c.reason ?? c.maxAbs]);
  expect(judged(vector(1, 2), vector(1, 2.5))).toEqual([['y', false, 0.5]]);
  expect(judged(null, null)).toEqual([['y', true, 0]]);
  expect(judged(vector(1), null)).toEqual([['y', false, 'float32[1], expected an empty optional']]);
  expect(judged(undefined, vector(1))).toEqual([['y', false, 'nothing, expected float32[1]']]);
  expect(judged([], [])).toEqual([['y', true, 0]]);
  expect(judged([vector(1)], [])).toEqual([['y', false, 'a sequence of 1, expected a sequence of 0']]);
  expect(judged([vector(1), vector(2)], [vector(1), vector(4)])).toEqual([
    ['y[0]', true, 0],
    ['y[1]', false, 2],
  ]);
  const map = (...entries: [string | bigint, number | bigint | string][]): Datum => new Map(entries);
  expect(judged(map(['b', 2], ['a', 1]), map(['a', 1], ['b', 2]))).toEqual([['y', true, 0]]);
  expect(judged(map([1n, 'x']), map([1n, 'z']))).toEqual([['y', false, 'string at 0 differs']]);
  expect(judged(map(['a', 1]), map(['b', 1]))).toEqual([['y', false, 'no key b']]);
  expect(judged(map(['a', 1], ['b', 1]), map(['a', 1]))).toEqual([['y', false, '2 keys, expected 1']]);
  expect(judged(vector(1), map(['a', 1]))).toEqual([['y', false, 'float32[1], expected a map']]);
});

test('data sets go by the names in their files, else by their order', async () => {
  const [x, z] = [new Value('x', tensorType('float32', [2])), new Value('z', tensorType('float32', [2]))];
  const b = newBuilder();
  const y = b.Sub(x, z);
  const graph = new Graph('g', { inputs: [x, z], nodes: b.nodes, outputs: [{ name: 'y', value: y }] });
  const model = new Model(graph, { irVersion: 10, opsets: new Map([['', newestOpset('')!]]) });
  const [three, one, two] = [floats('', [2], [3, 3]), floats('', [2], [1, 1]), floats('', [2], [2, 2])];
  const files = (...tensors: TensorProto[]): MemorySource[] => tensors.map(t => file('TensorProto', t));
  const sets = [
    { name: 'ordered', inputs: files(three, one), outputs: files(two) },
    { name: 'named', inputs: files({ ...one, name: 'z' }, { ...three, name: 'x' }), outputs: files(two) },
    { name: 'wrong', inputs: files(one, three), outputs: files(two) },
  ];
  expect((await checkData(model, sets)).map(r => [r.name, r.ok, r.outputs[0]!.maxAbs])).toEqual([
    ['ordered', true, 0],
    ['named', true, 0],
    ['wrong', false, 4],
  ]);
  expect(await refusal(checkData(model, [{ name: 's', inputs: files(one, one, one), outputs: [] }]))).toEqual([
    'E3001 3 files for 2 inputs at undefined',
  ]);
});
