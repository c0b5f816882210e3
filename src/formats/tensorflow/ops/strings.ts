// Strings, as far as the standard has operators for them.
import type { Value } from '../../../ir/graph.ts';
import { isInteger } from '../../../ir/types.ts';
import type { Builder } from '../../../ops/builder.ts';
import { elementOf } from '../../../ops/shapes.ts';
import { type TfRow, type TfRows, unsupported } from '../call.ts';

const join: TfRow = (x, b) => {
  const separator = x.string('separator');
  const [first, ...rest] = x.tensors('inputs');
  const concat = (p: Value, q: Value): Value => b.StringConcat({ X: p, Y: q });
  const between = separator === '' ? undefined : b.constant([separator], 'string', []);
  return rest.reduce((all, next) => concat(between ? concat(all, between) : all, next), first!);
};

const matches = (b: Builder, input: Value, pattern: string): Value => b.RegexFullMatch({ X: input }, { pattern });

/** The pattern of a constant. */
function knownPattern(v: Value): string {
  const [pattern] = v.tensor?.isResident && v.tensor.type === 'string' ? (v.tensor.data as unknown as readonly string[]) : [];
  if (pattern === undefined) throw unsupported('a pattern that only the run knows');
  return pattern;
}

/** Of integers; floats are written in other ways. */
const asString: TfRow = (x, b) => {
  const v = x.tensor('input');
  if (!isInteger(elementOf(v))) throw unsupported(`of ${elementOf(v)}`);
  if (x.number('width') !== -1 || x.string('fill') !== '') throw unsupported('with a width');
  return b.Cast(v, 'string');
};

export const strings: TfRows = {
  StringJoin: join,
  StaticRegexFullMatch: (x, b) => matches(b, x.tensor('input'), x.string('pattern')),
  RegexFullMatch: (x, b) => matches(b, x.tensor('input'), knownPattern(x.tensor('pattern'))),
  StringToNumber: (x, b) => b.Cast(x.tensor('string_tensor'), x.type('out_type')),
  AsString: asString,
};
