// One call of an ATen operator: arguments by its schema, tensors read where they are, the row, results as views or tensors of
// their own, and writes into arguments. Whatever reads a program of PyTorch calls this; it knows no file.
import { fail } from '../../errors.ts';
import { productOf, sameShape } from '../../ir/dims.ts';
import type { Value } from '../../ir/graph.ts';
import type { Builder } from '../../ops/builder.ts';
import { range, rankOf, shapeOf } from '../../ops/shapes.ts';
import { atenRow } from './aten/index.ts';
import { type Arg, Args, type DataTypeArg, type Float, type Symbolic } from './aten/row.ts';
import { TensorRef } from './memory.ts';
import { type AtenArg, type AtenDefault, type AtenSchema, atenSchema } from './schema.ts';

/** An argument of a call: tensors by reference, all else decoded. None is undefined. */
export type Operand = TensorRef | number | bigint | boolean | string | DataTypeArg | Float | Symbolic | undefined | readonly Operand[];

/**
 * Call `name.overload` with arguments by name; those left out take their defaults.
 * @returns its results, or the tensors of its one list
 * @throws ModelError E2001 for what has no conversion, E1101 for a required argument that is missing
 */
export function callAten(target: string, given: ReadonlyMap<string, Operand>, b: Builder): readonly (TensorRef | undefined)[] {
  const schema = atenSchema(target);
  const row = schema && atenRow(schema.name, schema.overload);
  if (!row) throw fail('E2001', 'no conversion');
  for (const name of given.keys())
    if (!schema.args.some(arg => arg.name === name)) throw fail('E1104', `${target} has no argument named ${name}`);
  const operands = new Map(schema.args.map(arg => [arg.name, given.has(arg.name) ? given.get(arg.name) : defaultOf(arg, target)]));
  const x = new Args(target, new Map([...operands].map(([name, operand]) => [name, argOf(operand, b)])));
  const made = row(x, b);
  const results = Array.isArray(made) ? (made as readonly (Value | undefined)[]) : [made as Value];
  const written = write(schema, operands, x, results, b);
  return results.map((value, i) => {
    const alias = aliasOf(schema.returns[schema.returns.length === 1 ? 0 : i]?.alias) ?? returnsItself[target];
    const name = schema.args.find(arg => arg.name === alias || aliasOf(arg.alias) === alias)?.name;
    const source = alias !== undefined && name !== undefined ? operands.get(name) : undefined;
    if (!value || !(source instanceof TensorRef)) return value && TensorRef.of(value);
    if (written.has(source)) return source;
    const self = x.tensor(name!);
    const sharing = x.any('copy') === true ? 'copy' : sharingOf(schema.name, source, self, value, alias === returnsItself[target]);
    if (sharing === 'copy') return TensorRef.of(value);
    const again = (base: Value, builder: Builder): Value => {
      const results = row(x.with({ [name!]: base }), builder);
      return (Array.isArray(results) ? results[i] : results) as Value;
    };
    return source.view(again, value, { uncertain: sharing === 'uncertain' });
  });
}

/** Arguments that an operator gives back as they are, which its schema does not say. */
const returnsItself: Readonly<Record<string, string | undefined>> = {
  'dropout.default': 'input',
  'alpha_dropout.default': 'input',
  'feature_dropout.default': 'input',
  'feature_alpha_dropout.default': 'input',
};

/** The letter of an alias annotation. */
const aliasOf = (annotation: string | undefined): string | undefined => /^[a-z]/.exec(annotation ?? '')?.[0];

function defaultOf(arg: AtenArg, target: string): Operand {
  if (arg.default === undefined) throw fail('E1101', `${target} has no argument ${arg.name}`);
  const decode = (value: AtenDefault): Operand => {
    if (value === null) return undefined;
    // The one type that is a default by number: `ScalarType dtype=long`.
    if (arg.type.startsWith('ScalarType') && typeof value === 'number') return { element: 'int64' };
    if (Array.isArray(value)) return value.map(decode);
    return value as Operand;
  };
  return decode(arg.default);
}

function argOf(operand: Operand, b: Builder): Arg {
  if (operand instanceof TensorRef) return operand.read(b);
  return Array.isArray(operand) ? operand.map(item => argOf(item, b)) : (operand as Arg);
}

/** Carry out the writes of a call; the tensors written. */
function write(
  schema: AtenSchema,
  operands: ReadonlyMap<string, Operand>,
  x: Args,
  results: readonly (Value | undefined)[],
  b: Builder,
): ReadonlySet<Operand> {
  const written = new Set<Operand>();
  const put = (name: string, value: Value | undefined): void => {
    const target = operands.get(name);
    if (target === undefined) return;
    if (!(target instanceof TensorRef) || !value) throw fail('E2001', `writes into ${name}, which is not followed`);
    const before = target.read(b);
    if (value !== before) target.write(conform(value, before, b), b);
    written.add(target);
  };
  for (const [name, value] of x.written) put(name, value);
  schema.args.filter(arg => arg.alias?.includes('!') && !x.written.has(arg.name)).forEach((arg, i) => put(arg.name, results[i]));
  return written;
}

/** A value as the written tensor holds it: of its type and its shape. */
function conform(value: Value, like: Value, b: Builder): Value {
  const cast = like.element ? b.Cast(value, like.element) : value;
  if (!cast.shape || !like.shape || sameShape(cast.shape, like.shape)) return cast;
  return b.Expand(
    cast,
    range(rankOf(like)).map(axis => b.dim(like, axis)),
  );
}

/** Operators that give a view where PyTorch's strides allow one, and a copy otherwise. */
const mayCopy: ReadonlySet<string> = new Set(['contiguous', 'flatten', 'ravel', 'reshape', 'reshape_as']);

/** Whether a result that the schema calls an alias is one. */
function sharingOf(name: string, source: TensorRef, self: Value, value: Value, onlyItself: boolean): 'view' | 'copy' | 'uncertain' {
  if (onlyItself) return value === self ? 'view' : 'copy';
  if (self.element !== value.element) return 'copy';
  if (!mayCopy.has(name) || source.contiguous) return 'view';
  if (name === 'contiguous' && source.contiguous === false) return 'copy';
  return productOf(shapeOf(self)) === 1 ? 'view' : 'uncertain';
}
