import { describe, expect, it } from 'vitest';
import { atenNames, atenOverloads, atenSchema } from '../../src/formats/torch/schema.ts';

const every = atenNames().flatMap(name => atenOverloads(name).map(overload => `${name}.${overload}`));

describe('an aten schema', () => {
  it('has arguments, defaults and results', () => {
    expect(atenSchema('conv2d.default')).toEqual({
      name: 'conv2d',
      overload: 'default',
      args: [
        { name: 'input', type: 'Tensor', kwarg: false },
        { name: 'weight', type: 'Tensor', kwarg: false },
        { name: 'bias', type: 'Tensor?', kwarg: false, default: null },
        { name: 'stride', type: 'SymInt[2]', kwarg: false, default: [1, 1] },
        { name: 'padding', type: 'SymInt[2]', kwarg: false, default: [0, 0] },
        { name: 'dilation', type: 'SymInt[2]', kwarg: false, default: [1, 1] },
        { name: 'groups', type: 'SymInt', kwarg: false, default: 1 },
      ],
      returns: [{ type: 'Tensor' }],
      vararg: false,
      mutates: false,
      core: false,
    });
  });

  it('marks keyword-only arguments and what is written', () => {
    const add = atenSchema('add_.Tensor')!;
    expect(add.args.map(a => [a.name, a.kwarg, a.alias])).toEqual([
      ['self', false, 'a!'],
      ['other', false, undefined],
      ['alpha', true, undefined],
    ]);
    expect([add.mutates, add.returns]).toEqual([true, [{ type: 'Tensor', alias: 'a!' }]]);
    expect(atenSchema('add.Tensor')?.mutates).toBe(false);
  });

  it.each([
    ['gelu.default', 'approximate', 'none'],
    ['native_layer_norm.default', 'eps', undefined],
    ['layer_norm.default', 'eps', 1e-5],
    ['layer_norm.default', 'cudnn_enable', true],
    ['linalg_matrix_norm.default', 'dim', [-2, -1]],
    ['strip.default', 'chars', ' \n\t\f\v'],
    ['_test_string_default.default', 'a', '"\'\\'],
    ['max_pool2d.default', 'stride', []],
    ['max_pool3d.default', 'padding', [0, 0, 0]],
    ['pad_sequence.default', 'padding_value', 0],
    ['gelu.default', 'self', undefined],
  ])('default of %s %s', (target, name, value) => expect(atenSchema(target)?.args.find(a => a.name === name)?.default).toEqual(value));

  it('separates types from alias sets', () => {
    expect(atenSchema('split.Tensor')?.args[0]).toMatchObject({ type: 'Tensor', alias: 'a -> *' });
    expect(atenSchema('split.Tensor')?.returns).toEqual([{ type: 'Tensor[]', alias: 'a' }]);
    expect(atenSchema('update.str')?.args[1]).toMatchObject({ type: 'Dict(str, t)', alias: 'a!' });
    expect(atenSchema('wait.default')?.args[0]).toEqual({ name: 'self', type: 'Future(t)', kwarg: false });
    expect(atenSchema('dict.str')?.args[0]).toEqual({ name: 'inputs', type: '(str, tVal)[]', kwarg: false });
    expect(atenSchema('popitem.str')?.returns).toEqual([{ type: '(str, t)' }]);
    expect(atenSchema('get.str')?.returns).toEqual([{ type: 't?', alias: '*' }]);
  });

  it('names several results', () =>
    expect(atenSchema('linalg_qr.default')?.returns).toEqual([
      { name: 'Q', type: 'Tensor' },
      { name: 'R', type: 'Tensor' },
    ]));
  it('has no results', () => expect(atenSchema('insert.t')?.returns).toEqual([]));
  it('knows open argument lists', () => expect(atenSchema('format.default')).toMatchObject({ vararg: true, args: [{ name: 'self' }] }));
  it('knows the core set', () => {
    expect(atenSchema('convolution.default')?.core).toBe(true);
    expect(every.filter(target => atenSchema(target)?.core).length).toBe(192);
  });
});

describe('the aten table', () => {
  it('parses whole', () => {
    expect(every.length).toBe(2655);
    for (const target of every) {
      const schema = atenSchema(target)!;
      expect(`${schema.name}.${schema.overload}`).toBe(target);
      for (const part of [...schema.args, ...schema.returns])
        expect(part.type, target).toMatch(/^(\w[\w.]*|(Dict|Future|RRef)?\(\w+(, \w+)?\))(\[\d*\]|\?)*$/);
    }
  });
  it('lists overloads in order and leaves out those that write into out=', () => {
    expect(atenOverloads('add').slice(0, 2)).toEqual(['Tensor', 'Scalar']);
    expect(atenOverloads('relu')).toEqual(['default']);
    expect(atenSchema('add.out')).toBeUndefined();
    expect(atenOverloads('no_such_operator')).toEqual([]);
  });
  it.each(['conv2d', 'conv2d.Default', 'Conv2d.default', '', '.', 'conv2d.default.x', '__proto__.constructor', 'constructor.default'])(
    "has no '%s'",
    target => expect(atenSchema(target)).toBeUndefined(),
  );
});
