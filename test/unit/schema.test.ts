import { describe, expect, it } from 'vitest';
import { ModelError } from '../../src/errors.ts';
import type { OpName, Signatures } from '../../src/ops/names.gen.ts';
import {
  irVersionFor,
  knownDomains,
  maxIrVersion,
  nearestName,
  newestOpset,
  normaliseDomain,
  operatorNames,
  schemaOf,
  schemaVersions,
} from '../../src/ops/schema.ts';

const everySchema = knownDomains.flatMap(domain =>
  operatorNames(domain).flatMap(name => schemaVersions(domain, name).map(since => ({ domain, name, since }))),
);

describe('versions of an operator', () => {
  it.each([
    ['', 'Add', [1, 6, 7, 13, 14]],
    ['ai.onnx', 'Resize', [10, 11, 13, 18, 19]],
    ['', 'Conv', [1, 11, 22]],
    ['ai.onnx.ml', 'LabelEncoder', [1, 2, 4]],
    ['', 'NoSuchOperator', []],
    ['com.example', 'Add', []],
    ['__proto__', 'constructor', []],
  ])('%s %s', (domain, name, versions) => expect(schemaVersions(domain, name)).toEqual(versions));

  it.each([
    [0, undefined],
    [1, 1],
    [6, 6],
    [12, 7],
    [13, 13],
    [27, 14],
  ])('Add at opset %i is that of %s', (opset, since) => expect(schemaOf('', 'Add', opset)?.since).toBe(since));

  it('has none before the first', () => expect(schemaOf('', 'Resize', 9)).toBeUndefined());
  it('is undefined for names of the language', () => {
    for (const name of ['__proto__', 'constructor', 'toString', '']) expect(schemaOf('', name, 20)).toBeUndefined();
  });
  it('is read once', () => expect(schemaOf('', 'Add', 20)).toBe(schemaOf('ai.onnx', 'Add', 15)));
});

describe('a schema', () => {
  it('has the inputs, outputs and attributes of Conv', () => {
    const conv = schemaOf('', 'Conv', 21)!;
    expect(conv.inputs.map(p => [p.name, p.type, p.option, p.minArity])).toEqual([
      ['X', 'T', 'single', 1],
      ['W', 'T', 'single', 1],
      ['B', 'T', 'optional', 0],
    ]);
    expect(conv.outputs.map(p => p.name)).toEqual(['Y']);
    expect([conv.minInputs, conv.maxInputs, conv.minOutputs, conv.maxOutputs]).toEqual([2, 3, 1, 1]);
    expect([...conv.attributes.values()]).toEqual([
      { name: 'auto_pad', type: 'STRING', required: false, default: 'NOTSET' },
      { name: 'dilations', type: 'INTS', required: false },
      { name: 'group', type: 'INT', required: false, default: 1 },
      { name: 'kernel_shape', type: 'INTS', required: false },
      { name: 'pads', type: 'INTS', required: false },
      { name: 'strides', type: 'INTS', required: false },
    ]);
    expect(conv.constraints).toEqual(new Map([['T', ['tensor(float)', 'tensor(double)', 'tensor(float16)'].sort(byCode)]]));
    expect([conv.deprecated, conv.isFunction]).toEqual([false, false]);
  });

  it('counts the places of omitted inputs before a variadic one', () => {
    const loop = schemaOf('', 'Loop', 21)!;
    expect([loop.minInputs, loop.maxInputs, loop.minOutputs]).toEqual([2, Number.POSITIVE_INFINITY, 1]);
    expect(loop.inputs[2]).toEqual({ name: 'v_initial', type: 'V', option: 'variadic', homogeneous: false, minArity: 0 });
    expect(loop.attributes.get('body')).toEqual({ name: 'body', type: 'GRAPH', required: true });
    expect(schemaOf('', 'LSTM', 21)).toMatchObject({ minInputs: 3, maxInputs: 8, minOutputs: 0, maxOutputs: 3 });
  });

  it.each([
    ['LeakyRelu', 'alpha', Math.fround(0.01)],
    ['RNN', 'activations', ['Tanh', 'Tanh']],
    ['MeanVarianceNormalization', 'axes', [0, 2, 3]],
    ['Selu', 'gamma', Math.fround(1.0507009873554805)],
  ])('default of %s.%s', (name, attribute, value) => expect(schemaOf('', name, 20)?.attributes.get(attribute)?.default).toEqual(value));

  it('knows deprecation and function bodies', () => {
    expect(schemaOf('', 'Upsample', 9)?.deprecated).toBe(false);
    expect(schemaOf('', 'Upsample', 10)?.deprecated).toBe(true);
    expect(schemaOf('', 'Softmax', 13)?.isFunction).toBe(true);
  });

  it('parses for every version of every operator', () => {
    for (const { domain, name, since } of everySchema) {
      const schema = schemaOf(domain, name, since)!;
      expect(schema).toMatchObject({ domain, name, since });
      for (const p of [...schema.inputs, ...schema.outputs]) {
        expect(p.name, name).toMatch(/^[\w.]+$/);
        expect(schema.constraints.has(p.type) || /^tensor\((float|bool|int32|int64|string)\)$/.test(p.type), `${name} ${p.type}`).toBe(
          true,
        );
      }
      for (const a of schema.attributes.values()) expect([a.name !== '', a.type], name).toEqual([true, expect.any(String)]);
      for (const types of schema.constraints.values()) expect(types.length, name).toBeGreaterThan(0);
    }
  });
});

describe('domains', () => {
  it.each([
    ['', 203, 28],
    ['ai.onnx.ml', 19, 5],
    ['ai.onnx.preview', 1, 1],
    ['ai.onnx.preview.training', 4, 1],
    ['com.microsoft', 150, 1],
  ])("'%s' has %i operators and opset %i", (domain, count, opset) => {
    expect(operatorNames(domain).length).toBe(count);
    expect(newestOpset(domain)).toBe(opset);
    expect(knownDomains).toContain(domain);
  });
  it('has every version of the standard', () => expect(everySchema.filter(s => s.domain !== 'com.microsoft').length).toBe(659));
  it('knows ai.onnx by both names', () => {
    expect(normaliseDomain('ai.onnx')).toBe('');
    expect(normaliseDomain('ai.onnx.ml')).toBe('ai.onnx.ml');
    expect(operatorNames('ai.onnx')).toEqual(operatorNames(''));
  });
  it('knows nothing of others', () => {
    expect(newestOpset('com.example')).toBeUndefined();
    expect(newestOpset('constructor')).toBeUndefined();
    expect(operatorNames('com.example')).toEqual([]);
  });
});

describe('the IR version for opsets', () => {
  it.each([
    [{}, 3],
    [{ '': 8 }, 3],
    [{ '': 9 }, 4],
    [{ 'ai.onnx': 18 }, 8],
    [{ '': 13, 'ai.onnx.ml': 5 }, 10],
    [{ '': 21, 'com.example': 99 }, 10],
    [{ '': 21, 'com.microsoft': 1 }, 10],
    [{ '': 28 }, maxIrVersion],
  ])('%j', (opsets, version) => expect(irVersionFor(new Map(Object.entries(opsets)))).toBe(version));

  it.each([0, -1, 29, 1.5, Number.NaN])('refuses opset %s', opset => {
    expect(() => irVersionFor(new Map([['', opset]]))).toThrow(
      expect.toSatisfy(error => error instanceof ModelError && error.code === 'E1106' && error.message.includes('from 1 to 28')),
    );
  });
});

describe('the nearest name', () => {
  it.each([
    ['Convv', 'Conv'],
    ['relu', 'Relu'],
    ['Sotfmax', 'Softmax'],
    ['BatchNormalisation', 'BatchNormalization'],
    ['CompletelyDifferent', undefined],
    ['', undefined],
  ])("'%s' is '%s'", (name, nearest) => expect(nearestName(name, operatorNames(''))).toBe(nearest));
  it('is not sought for an endless name', () => expect(nearestName('x'.repeat(1_000_000), operatorNames(''))).toBeUndefined());
});

describe('typed signatures', () => {
  it('describe inputs, attributes and outputs', () => {
    const record = (x: unknown, at?: unknown): string => JSON.stringify([x, at]);
    const b: Pick<Signatures<string>, 'Conv' | 'Concat'> = { Conv: record, Concat: record };
    expect(b.Conv({ X: 'x', W: 'w' }, { strides: [2, 2] })).toBe('[{"X":"x","W":"w"},{"strides":[2,2]}]');
    // @ts-expect-error W is required
    b.Conv({ X: 'x' });
    // @ts-expect-error axis is required
    b.Concat({ inputs: ['x', 'y'] });
    const name: OpName = 'Softmax';
    expect(operatorNames('')).toContain(name);
  });
});

/** The order of `TensorProto.DataType`, in which the tables list types. */
function byCode(a: string, b: string): number {
  const codes = ['tensor(float)', 'tensor(float16)', 'tensor(double)'];
  return codes.indexOf(a) - codes.indexOf(b);
}
