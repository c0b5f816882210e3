// Bands, diagonals, inverses of matrices.
import type { Value } from '../../../ir/graph.ts';
import type { Builder, Size } from '../../../ops/builder.ts';
import { elementOf, range, rankOf, shapeOf } from '../../../ops/shapes.ts';
import { addSizes, iota, minSizes, mulSizes, reshapeTo, sizeScalar, sizesOf, sizeValue } from '../../../ops/sizing.ts';
import { type Call, type TfRow, type TfRows, unsupported } from '../call.ts';
import { constantOf } from './shape.ts';

/** Row and column numbers that broadcast over the last two axes. */
const grid = (b: Builder, rows: Size, columns: Size): [Value, Value] => [
  b.Unsqueeze(iota(b, rows), [1]),
  b.Unsqueeze(iota(b, columns), [0]),
];

/** What lies at most so far below and above the diagonal; everything where a number is negative. */
const band: TfRow = (x, b) => {
  const input = x.tensor('input');
  const [i, j] = grid(b, b.dim(input, -2), b.dim(input, -1));
  const zero = b.constant(0n, 'int64');
  const within = (name: string, distance: Value): Value => {
    const limit = b.Cast(x.tensor(name), 'int64');
    return b.Or(b.Less(limit, zero), b.LessOrEqual({ A: distance, B: limit }));
  };
  const held = b.And(within('num_lower', b.Sub(i, j)), within('num_upper', b.Sub(j, i)));
  return b.Where(held, input, constantOf(b, 0, elementOf(input)));
};

/** The lowest and highest of the diagonals that are meant. */
function diagonalsOf(x: Call): [number, number] {
  const k = x.op.endsWith('V2') || x.op.endsWith('V3') ? x.ints('k') : [0];
  return [k[0]!, k.at(-1)!];
}

/** How many elements of a diagonal there are in a matrix of known sizes. */
const lengthOf = (rows: number, columns: number, k: number): number => Math.min(rows + Math.min(k, 0), columns - Math.max(k, 0));

/** Whether diagonals shorter than others begin late: those above the main one, those below it. */
function alignment(x: Call): [above: boolean, below: boolean] {
  const align = x.op.endsWith('V3') ? x.string('align') : 'LEFT_LEFT';
  const [above, below] = align.split('_');
  return [above === 'RIGHT', below === 'RIGHT'];
}

/** Where element `n` of a row of diagonals lies: row and column, or nothing for padding. */
function placeOf(x: Call, rows: number, columns: number, k: number, longest: number, n: number): readonly [number, number] | undefined {
  const length = lengthOf(rows, columns, k);
  const [above, below] = alignment(x);
  const isRight = k > 0 ? above : k < 0 ? below : above || below;
  const at = n - (isRight ? longest - length : 0);
  return at < 0 || at >= length ? undefined : [at + Math.max(-k, 0), at + Math.max(k, 0)];
}

function knownSizes(v: Value, what: string): [number, number] {
  const [rows, columns] = shapeOf(v).slice(-2);
  if (typeof rows !== 'number' || typeof columns !== 'number') throw unsupported(`${what} of open sizes`);
  return [rows, columns];
}

/** Elements of a diagonal by their places in the matrix as one axis; only one diagonal where sizes are open. */
const diagonalPart: TfRow = (x, b) => {
  const input = x.tensor('input');
  const [low, high] = diagonalsOf(x);
  const lead = sizesOf(b, input).slice(0, -2);
  const flat = reshapeTo(b, input, [...lead, -1]);
  const axis = rankOf(input) - 2;
  if (low === high) return b.Gather(flat, diagonalPlaces(b, b.dim(input, -2), b.dim(input, -1), low), axis);
  const [rows, columns] = knownSizes(input, 'several diagonals');
  const longest = Math.max(...range(high - low + 1, low).map(k => lengthOf(rows, columns, k)));
  const places = range(high - low + 1).map(d => range(longest).map(n => placeOf(x, rows, columns, high - d, longest, n)));
  const index = b.constant(
    BigInt64Array.from(places.flat(), p => BigInt(p ? p[0] * columns + p[1] : 0)),
    'int64',
    [places.length, longest],
  );
  const held = b.constant(
    Uint8Array.from(places.flat(), p => (p ? 1 : 0)),
    'bool',
    [places.length, longest],
  );
  const padding = x.op === 'MatrixDiagPart' ? constantOf(b, 0, elementOf(input)) : x.tensor('padding_value');
  return b.Where(held, b.Gather(flat, index, axis), padding);
};

function diagonalPlaces(b: Builder, rows: Size, columns: Size, k: number): Value {
  const length = minSizes(b, addSizes(b, rows, Math.min(k, 0)), addSizes(b, columns, -Math.max(k, 0)));
  const step = addSizes(b, columns, 1);
  const start = k >= 0 ? k : mulSizes(b, columns, -k);
  return b.Add(b.Mul(iota(b, length), sizeValue(b, step)), sizeValue(b, start));
}

/** A matrix with a vector on its main diagonal. */
function diagonal(b: Builder, v: Value): Value {
  const size = b.dim(v, -1);
  const [i, j] = grid(b, size, size);
  return b.Where(b.Equal(i, j), b.Unsqueeze(v, [rankOf(v)]), constantOf(b, 0, elementOf(v)));
}

const matrixDiagonal: TfRow = (x, b) => {
  const v = x.tensor('diagonal');
  if (x.op === 'MatrixDiag') return diagonal(b, v);
  const [low, high] = diagonalsOf(x);
  const [rows, columns] = [x.int('num_rows'), x.int('num_cols')];
  if (low === 0 && high === 0 && rows === -1 && columns === -1 && x.knownNumbers('padding_value')?.[0] === 0) return diagonal(b, v);
  const longest = shapeOf(v).at(-1);
  if (typeof longest !== 'number') throw unsupported('other diagonals than the main one, of open sizes');
  const least = [longest + Math.max(-high, 0), longest + Math.max(low, 0)] as const;
  const sizes = squareOr(rows, columns, least);
  const rowOfK = (k: number): number => high - k;
  return placed(x, b, v, sizes, [low, high], longest, rowOfK, x.tensor('padding_value'));
};

const squareOr = (rows: number, columns: number, least: readonly [number, number]): readonly [number, number] => {
  if (rows === -1 && columns === -1) return [Math.max(...least), Math.max(...least)];
  return [rows === -1 ? least[0] : rows, columns === -1 ? least[1] : columns];
};

/** A matrix of known sizes with diagonals at their places, and something else elsewhere. */
function placed(
  x: Call,
  b: Builder,
  v: Value,
  [rows, columns]: readonly [number, number],
  [low, high]: readonly [number, number],
  longest: number,
  rowOfK: (k: number) => number,
  other: Value,
): Value {
  const table = new Map<string, number>();
  for (const k of range(high - low + 1, low))
    for (const n of range(longest)) {
      const place = placeOf(x, rows, columns, k, longest, n);
      if (place) table.set(place.join(), (low === high ? 0 : rowOfK(k) * longest) + n);
    }
  const cells = range(rows).flatMap(i => range(columns).map(j => table.get(`${i},${j}`)));
  const index = b.constant(
    BigInt64Array.from(cells, c => BigInt(c ?? 0)),
    'int64',
    [rows, columns],
  );
  const held = b.constant(
    Uint8Array.from(cells, c => (c === undefined ? 0 : 1)),
    'bool',
    [rows, columns],
  );
  const own = low === high ? 1 : 2;
  const lead = sizesOf(b, v).slice(0, rankOf(v) - own);
  const flat = own === 1 ? v : reshapeTo(b, v, [...lead, -1]);
  return b.Where(held, b.Gather(flat, index, lead.length), other);
}

const setDiagonal: TfRow = (x, b) => {
  const [input, v] = [x.tensor('input'), x.tensor('diagonal')];
  const [low, high] = diagonalsOf(x);
  if (low === 0 && high === 0) {
    const [i, j] = grid(b, b.dim(input, -2), b.dim(input, -1));
    // Beside the diagonal of a matrix that is not square there are places that it has no element for.
    const wide = b.Gather(v, b.Min(iota(b, b.dim(input, -1)), b.Sub(sizeScalar(b, b.dim(v, -1)), b.constant(1n, 'int64'))), rankOf(v) - 1);
    return b.Where(b.Equal(i, j), b.Unsqueeze(wide, [rankOf(v) - 1]), input);
  }
  const sizes = knownSizes(input, 'other diagonals than the main one,');
  const longest = Math.max(...range(high - low + 1, low).map(k => lengthOf(...sizes, k)));
  return placed(x, b, v, sizes, [low, high], longest, k => high - k, input);
};

/** A tensor with twice the axes, of which those with equal places hold the elements. */
const tensorDiagonal: TfRow = (x, b) => {
  const v = x.first;
  const sizes = sizesOf(b, v);
  return reshapeTo(b, diagonal(b, reshapeTo(b, v, [-1])), [...sizes, ...sizes]);
};

const tensorDiagonalPart: TfRow = (x, b) => {
  const v = x.first;
  const half = sizesOf(b, v).slice(0, rankOf(v) / 2);
  const size = half.reduce<Size>((n, s) => mulSizes(b, n, s), 1);
  const flat = reshapeTo(b, v, [-1]);
  return reshapeTo(b, b.Gather(flat, diagonalPlaces(b, size, size, 0), 0), half);
};

const determinant: TfRow = (x, b) => b.Det({ X: x.first });

export const matrices: TfRows = {
  MatrixBandPart: band,
  BatchMatrixBandPart: band,
  MatrixDiag: matrixDiagonal,
  MatrixDiagV2: matrixDiagonal,
  MatrixDiagV3: matrixDiagonal,
  BatchMatrixDiag: (x, b) => diagonal(b, x.first),
  MatrixDiagPart: diagonalPart,
  MatrixDiagPartV2: diagonalPart,
  MatrixDiagPartV3: diagonalPart,
  MatrixSetDiag: setDiagonal,
  MatrixSetDiagV2: setDiagonal,
  MatrixSetDiagV3: setDiagonal,
  Diag: tensorDiagonal,
  DiagPart: tensorDiagonalPart,
  MatrixDeterminant: determinant,
};
