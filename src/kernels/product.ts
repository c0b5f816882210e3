// Sums of products, which matmul and conv share: in double precision, one block of each side after the other, so that a model of any
// size needs little memory beside its own and each block stays in a cache.

/** Copy elements `at` to `at + length` of `count` rows from `from` on into a block, row after row. */
export type LoadRows = (block: Float64Array, from: number, count: number, at: number, length: number) => void;

/** Take `rows` times `columns` finished sums whose first is that of row `row` and column `column`; they lie `stride` apart. */
export type TakeSums = (sums: Float64Array, row: number, rows: number, column: number, columns: number, stride: number) => void;

const mostRows = 256;
const mostColumns = 64;
const mostLength = 512;
/** Columns that are summed at once. */
const width = 4;

/** For each of `m` rows of the left and each of `n` rows of the right, the sum of the products of their `k` elements. */
export function sumProducts(m: number, n: number, k: number, left: LoadRows, right: LoadRows, take: TakeSums): void {
  const length = Math.min(k, mostLength);
  const stride = Math.ceil(Math.min(n, mostColumns) / width) * width;
  const a = new Float64Array(Math.min(m, mostRows) * length);
  const b = new Float64Array(stride * length);
  const sums = new Float64Array(Math.min(m, mostRows) * stride);
  for (let column = 0; column < n; column += mostColumns) {
    const columns = Math.min(mostColumns, n - column);
    for (let row = 0; row < m; row += mostRows) {
      const rows = Math.min(mostRows, m - row);
      sums.fill(0);
      for (let at = 0; at < k; at += length) {
        const part = Math.min(length, k - at);
        left(a, row, rows, at, part);
        right(b, column, columns, at, part);
        addProducts(sums, stride, a, rows, b, columns, part);
      }
      take(sums, row, rows, column, columns, stride);
    }
  }
}

/** Two rows and four columns at a time, so that every element that is read serves several products. Columns beyond the last are not used. */
function addProducts(sums: Float64Array, stride: number, a: Float64Array, rows: number, b: Float64Array, columns: number, k: number): void {
  for (let i = 0; i < rows; i += 2)
    for (let j = 0; j < columns; j += width) {
      const y = i * stride + j;
      if (i + 1 < rows) addTwoRows(sums, y, stride, a, i * k, b, j * k, k);
      else addOneRow(sums, y, a, i * k, b, j * k, k);
    }
}

function addTwoRows(
  sums: Float64Array,
  y: number,
  stride: number,
  a: Float64Array,
  row: number,
  b: Float64Array,
  column: number,
  k: number,
): void {
  let [s0, s1, s2, s3, t0, t1, t2, t3] = [0, 0, 0, 0, 0, 0, 0, 0];
  for (let q = 0; q < k; q++) {
    const v = a[row + q]!;
    const w = a[row + k + q]!;
    const b0 = b[column + q]!;
    const b1 = b[column + k + q]!;
    const b2 = b[column + 2 * k + q]!;
    const b3 = b[column + 3 * k + q]!;
    s0 += v * b0;
    s1 += v * b1;
    s2 += v * b2;
    s3 += v * b3;
    t0 += w * b0;
    t1 += w * b1;
    t2 += w * b2;
    t3 += w * b3;
  }
  sums[y]! += s0;
  sums[y + 1]! += s1;
  sums[y + 2]! += s2;
  sums[y + 3]! += s3;
  sums[y + stride]! += t0;
  sums[y + stride + 1]! += t1;
  sums[y + stride + 2]! += t2;
  sums[y + stride + 3]! += t3;
}

function addOneRow(sums: Float64Array, y: number, a: Float64Array, row: number, b: Float64Array, column: number, k: number): void {
  let [s0, s1, s2, s3] = [0, 0, 0, 0];
  for (let q = 0; q < k; q++) {
    const v = a[row + q]!;
    s0 += v * b[column + q]!;
    s1 += v * b[column + k + q]!;
    s2 += v * b[column + 2 * k + q]!;
    s3 += v * b[column + 3 * k + q]!;
  }
  sums[y]! += s0;
  sums[y + 1]! += s1;
  sums[y + 2]! += s2;
  sums[y + 3]! += s3;
}
