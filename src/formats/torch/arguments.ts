// Arguments of an exported program: unions with one tag, decoded by a table.
import { fail } from '../../errors.ts';
import { Float } from './aten/row.ts';
import type { Operand } from './calls.ts';
import type { Cursor } from './json.ts';
import { elementOfCode } from './sizes.ts';

/** What a name stands for where the argument stands. */
export type Lookup = (name: string, at: Cursor) => Operand;

/**
 * The operand of an argument union.
 * @throws ModelError E2001 for kinds without a conversion
 */
export function decodeArgument(arg: Cursor, lookup: Lookup): Operand {
  const { tag, of } = arg.union();
  const decode = Object.hasOwn(decoders, tag) ? decoders[tag] : undefined;
  if (!decode) throw fail('E2001', `an argument of kind ${tag} has no conversion`);
  return decode(of, lookup);
}

type Decoder = (of: Cursor, lookup: Lookup) => Operand;

const list =
  (decode: Decoder): Decoder =>
  (of, lookup) =>
    of.items.map(item => decode(item, lookup));

const tensor: Decoder = (of, lookup) => lookup(of.get('name').text, of);
const integer: Decoder = of => (typeof of.value === 'bigint' ? of.value : of.number);
const boolean: Decoder = of => of.boolean;
const nothing: Decoder = () => undefined;

/** Numbers that JSON cannot say are written as strings. */
const float: Decoder = of => {
  if (of.value === 'Infinity') return Number.POSITIVE_INFINITY;
  if (of.value === '-Infinity') return Number.NEGATIVE_INFINITY;
  if (of.value === 'NaN') return Number.NaN;
  const value = typeof of.value === 'bigint' ? Number(of.value) : of.number;
  return Number.isInteger(value) ? new Float(value) : value;
};

/** A number that is known, or the name of one. */
const symbolic =
  (tag: string, decode: Decoder): Decoder =>
  (of, lookup) => {
    const union = of.union();
    if (union.tag === 'as_name') return lookup(union.of.text, union.of);
    if (union.tag === tag) return decode(union.of, lookup);
    throw of.wrong(`as_name or ${tag}`);
  };

const optional: Decoder = (of, lookup) => {
  const union = of.union();
  return union.tag === 'as_tensor' ? tensor(union.of, lookup) : undefined;
};

const symInt = symbolic('as_int', integer);
const symFloat = symbolic('as_float', float);
const symBool = symbolic('as_bool', boolean);

/** Decoders by tag. Source: torch.export's schema 8.20, `Argument`. */
const decoders: Readonly<Record<string, Decoder | undefined>> = {
  as_none: nothing,
  as_tensor: tensor,
  as_tensors: list(tensor),
  as_optional_tensor: optional,
  as_optional_tensors: list(optional),
  as_nested_tensors: list(list(tensor)),
  as_int: integer,
  as_ints: list(integer),
  as_int_lists: list(list(integer)),
  as_float: float,
  as_floats: list(float),
  as_float_lists: list(list(float)),
  as_bool: boolean,
  as_bools: list(boolean),
  as_string: of => of.text,
  as_strings: list(of => of.text),
  as_sym_int: symInt,
  as_sym_ints: list(symInt),
  as_sym_float: symFloat,
  as_sym_floats: list(symFloat),
  as_sym_bool: symBool,
  as_sym_bools: list(symBool),
  as_scalar_type: of => ({ element: elementOfCode(of) }),
  as_memory_format: nothing,
  as_layout: nothing,
  as_device: nothing,
};
