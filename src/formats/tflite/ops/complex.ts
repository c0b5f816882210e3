// Builtin operators on complex numbers: on each part by the row for numbers, on pairs, or by a row here.
import type { Value } from '../../../ir/graph.ts';
import { complex, type Handle } from '../../tensorflow/handles.ts';
import { partType } from '../pairs.ts';
import { rowOf } from './index.ts';
import { type Call, type Row, unsupported } from './row.ts';

/** What only moves elements or adds them, for which the parts are numbers of their own. */
const linear: ReadonlySet<string> = new Set(
  (
    'RESHAPE SQUEEZE EXPAND_DIMS TRANSPOSE SLICE STRIDED_SLICE GATHER GATHER_ND CONCATENATION PACK UNPACK SPLIT SPLIT_V TILE PAD PADV2 ' +
    'REVERSE_V2 BROADCAST_TO SELECT SELECT_V2 ADD ADD_N SUB NEG SUM MEAN CUMSUM ZEROS_LIKE'
  ).split(' '),
);
/** What knows pairs, and what does not look at numbers. */
const ofPairs: ReadonlySet<string> = new Set(['RFFT2D', 'REAL', 'IMAG', 'COMPLEX_ABS', 'IF', 'WHILE', 'CALL']);

const handlesOf = (made: ReturnType<Row>): readonly Handle[] => (Array.isArray(made) ? made : [made as Value]);

const partwise =
  (row: Row): Row =>
  (x, b) => {
    const [reals, imaginaries] = ([0, 1] as const).map(part => handlesOf(row(x.part(part), b))) as [readonly Value[], readonly Value[]];
    return reals.map((real, i) => complex(real, imaginaries[i]));
  };

const parts = (x: Call, i: number): readonly [Value, Value] => [x.operand(i).part(0).raw, x.operand(i).part(1).raw];

const product: Row = (x, b) => {
  const [[re, im], [re2, im2]] = [parts(x, 0), parts(x, 1)];
  return [complex(b.Sub(b.Mul(re, re2), b.Mul(im, im2)), b.Add(b.Mul(re, im2), b.Mul(im, re2)))];
};

/** Between types: a number has no imaginary part, and a complex one loses it. */
const cast: Row = (x, b) => {
  const [from, to] = [x.info(0).element, x.outputs[0]?.element];
  if (partType(from) === undefined) return [complex(b.Cast(x.raw(0), partType(to)!))];
  const [real, imaginary] = parts(x, 0);
  return partType(to) ? [complex(b.Cast(real, partType(to)!), b.Cast(imaginary, partType(to)!))] : b.Cast(real, to!);
};

const rows: Readonly<Record<string, Row>> = { MUL: product, CAST: cast };

/** The row of an operator that takes or gives complex numbers. @throws ModelError E2001 where it has none */
export function complexRowOf(name: string): Row {
  if (ofPairs.has(name)) return rowOf(name);
  if (linear.has(name)) return partwise(rowOf(name));
  if (Object.hasOwn(rows, name)) return rows[name]!;
  throw unsupported('of complex numbers');
}
