// The inner loops of products and filters. This file is compiled once for each instruction set, which the build names in OMNIX_ISA, with
// vectors of OMNIX_VECTOR bytes and tiles of OMNIX_ROWS rows that fit its registers. It calls nothing of the standard library that stays a
// function: the linker keeps one copy of such, which would be compiled for one of the sets and run on all.
#include <algorithm>
#include <utility>

#include "vectors.h"

namespace omnix {
namespace OMNIX_ISA {
namespace {

/** Where a tile is summed up: it goes on from what is there, or begins with the bias, or with nothing. */
struct FloatTarget {
  float* sums;
  int64_t row_step;
  bool begins;
  const float* bias;
  int64_t bias_step;
  /** At the end of the depth. */
  const Clamp* clamp;
};

inline float clamped(float x, const Clamp& ends) { return x < ends.low ? ends.low : x > ends.high ? ends.high : x; }
inline Vector clamped(Vector v, const Clamp& ends) {
  const Vector low = Vector{} + ends.low, high = Vector{} + ends.high;
  v = v < low ? low : v;
  return v > high ? high : v;
}

/** A side of a tile: packed, so many lines side by side, or in strips. */
template <int64_t width>
struct PackedSide {
  const float* at;
  const float* next() { return std::exchange(at, at + width); }
};
using PackedRows = PackedSide<tile_rows>;
using PackedColumns = PackedSide<tile_columns>;
struct StripSide {
  const float* base;
  const int64_t* starts;
  const float* next() { return base + *starts++; }
};

template <int Rows, class Left, class Right>
void tile(Left a, Right b, int64_t depth, const FloatTarget& t) {
  Vector sums[Rows][2];
  for (int r = 0; r < Rows; r++) {
    const float* from = t.sums + r * t.row_step;
    const Vector start = Vector{} + (t.bias ? t.bias[r * t.bias_step] : 0.0f);
    sums[r][0] = t.begins ? start : load(from);
    sums[r][1] = t.begins ? start : load(from + lanes);
  }
  for (int64_t q = 0; q < depth; q++) {
    const float *row = a.next(), *from = b.next();
    const Vector left = load(from), right = load(from + lanes);
#pragma GCC unroll 16
    for (int r = 0; r < Rows; r++) {
      sums[r][0] += row[r] * left;
      sums[r][1] += row[r] * right;
    }
  }
  if (t.clamp) {
#pragma GCC unroll 16
    for (int r = 0; r < Rows; r++) {
      sums[r][0] = clamped(sums[r][0], *t.clamp);
      sums[r][1] = clamped(sums[r][1], *t.clamp);
    }
  }
  for (int r = 0; r < Rows; r++) {
    store(t.sums + r * t.row_step, sums[r][0]);
    store(t.sums + r * t.row_step + lanes, sums[r][1]);
  }
}

template <class Left, class Right, int... R>
void tile_of(int rows, Left a, Right b, int64_t depth, const FloatTarget& t, std::integer_sequence<int, R...>) {
  constexpr void (*all[])(Left, Right, int64_t, const FloatTarget&) = {&tile<R + 1, Left, Right>...};
  all[rows - 1](a, b, depth, t);
}
constexpr auto rows_of_tile = std::make_integer_sequence<int, tile_rows>{};

/** Panels side by side that one row is multiplied with: memory is read in several places at once, and no sum waits for another. */
template <int Panels>
void row_tiles(const Product& p, const float* row, int64_t column, int64_t columns) {
  Vector sums[Panels][2];
  for (int k = 0; k < Panels; k++) sums[k][0] = sums[k][1] = Vector{} + (p.bias ? p.bias[0] : 0.0f);
  for (int64_t q = 0; q < p.depth; q += depth_block) {
    const int64_t depth = std::min(depth_block, p.depth - q), apart = depth * tile_columns;
    const float* b = p.packed_b->at(column / tile_columns, q);
    for (int64_t at = q; at < q + depth; at++, b += tile_columns)
#pragma GCC unroll 4
      for (int k = 0; k < Panels; k++) {
        sums[k][0] += row[at] * load(b + k * apart);
        sums[k][1] += row[at] * load(b + k * apart + lanes);
      }
  }
  for (int k = 0; k < Panels; k++) {
    if (p.clamp) sums[k][0] = clamped(sums[k][0], *p.clamp), sums[k][1] = clamped(sums[k][1], *p.clamp);
    float* to = p.y + column + k * tile_columns;
    if ((k + 1) * tile_columns <= columns) {
      store(to, sums[k][0]);
      store(to + lanes, sums[k][1]);
    } else {
      float last[tile_columns];
      store(last, sums[k][0]);
      store(last + lanes, sums[k][1]);
      copy_run(to, last, columns - k * tile_columns);
    }
  }
}

/** The only row, with columns that were packed and lie side by side in y. */
void multiply_row(const Product& p, const Part& part) {
  float* const row = scratch(Scratch::Rows, p.depth);
  p.a->pack(row, 0, 1, 1, 0, p.depth);
  const int64_t end = part.column + part.columns;
  for (int64_t column = part.column; column < end;) {
    const int64_t panels = (end - column + tile_columns - 1) / tile_columns;
    if (panels >= 4) row_tiles<4>(p, row, column, end - column), column += 4 * tile_columns;
    else if (panels >= 2) row_tiles<2>(p, row, column, end - column), column += 2 * tile_columns;
    else row_tiles<1>(p, row, column, end - column), column += tile_columns;
  }
  if (p.finish) p.finish->run(p.finish->context, part);
}

/**
 * A block of columns through the whole depth stays in the second-level cache with the part of y that it makes. Where its columns are no
 * whole tiles of y, it is summed up apart.
 */
void multiply(const Product& p, const Part& part) {
  if (p.rows == 1 && p.packed_b && p.depth > 0 && p.column_step == 1 && !p.places) return multiply_row(p, part);
  float* const own_a = p.packed_a ? nullptr : scratch(Scratch::Rows, row_block * depth_block);
  float* const own_b = p.packed_b || p.strips ? nullptr : scratch(Scratch::Columns, column_block * depth_block);
  for (int64_t j = 0; j < part.columns; j += column_block) {
    const int64_t columns = std::min(column_block, part.columns - j);
    const Landing<float> landing(p.y, p.row_step, p.column_step, p.places, part.column + j, columns);
    const int64_t rows_at_once = landing.is_whole() ? part.rows : std::min(part.rows, most_rows_apart);
    float* const apart = landing.is_whole() ? nullptr : scratch(Scratch::Sums, rows_at_once * column_block);
    for (int64_t first = 0; first < part.rows; first += rows_at_once)
      for (int64_t q = 0; q == 0 || q < p.depth; q += depth_block) {
        const int64_t depth = std::min(depth_block, p.depth - q);
        if (own_b) p.b->pack(own_b, part.column + j, columns, tile_columns, q, depth);
        const int64_t end = std::min(part.rows, first + rows_at_once);
        for (int64_t i = first; i < end; i += row_block) {
          const int64_t rows = std::min(row_block, end - i), row_step = apart ? column_block : p.row_step;
          if (own_a) p.a->pack(own_a, part.row + i, rows, tile_rows, q, depth);
          float* const sums = apart ? apart + (i - first) * column_block : landing.row(part.row + i);
          for (int64_t c = 0; c < columns; c += tile_columns)
            for (int64_t r = 0; r < rows; r += tile_rows) {
              const int64_t row = part.row + i + r, column = part.column + j + c;
              const PackedRows a{own_a ? own_a + r * depth : p.packed_a->at(row / tile_rows, q)};
              const FloatTarget target{sums + r * row_step + c, row_step, q == 0, p.bias ? p.bias + row * p.bias_step : nullptr, p.bias_step,
                                       q + depth >= p.depth ? p.clamp : nullptr};
              const int here = static_cast<int>(std::min<int64_t>(tile_rows, rows - r));
              if (p.strips) tile_of(here, a, StripSide{p.strips->base + column, p.strips->starts + q}, depth, target, rows_of_tile);
              else tile_of(here, a, PackedColumns{own_b ? own_b + c * depth : p.packed_b->at(column / tile_columns, q)}, depth, target, rows_of_tile);
            }
          if (q + depth < p.depth) continue;
          if (apart) landing.put(sums, column_block, part.row + i, rows);
          if (p.finish) p.finish->run(p.finish->context, {part.row + i, rows, part.column + j, columns});
        }
      }
  }
}

/** Rows that are summed up at once end with a tile. */
void multiply_direct(const Direct& d, int64_t first, int64_t count) {
  float* const sums = scratch(Scratch::Sums, most_rows_apart * column_block);
  for (int64_t j = first; j < first + count; j += column_block) {
    const int64_t columns = std::min(column_block, first + count - j);
    for (int64_t begin = 0, row = 0, end = 0; begin < d.tile_count; begin = end) {
      int64_t rows = 0;
      while (end < d.tile_count && rows + d.tiles[end].rows <= most_rows_apart) rows += d.tiles[end++].rows;
      for (int64_t q = 0; q < d.depth; q += depth_block)
        for (int64_t c = 0; c < columns; c += tile_columns) {
          float* to = sums + c;
          for (int64_t k = begin; k < end; to += d.tiles[k++].rows * column_block)
            tile_of(d.tiles[k].rows, StripSide{d.strips.base + d.tiles[k].from, d.strips.starts + q}, PackedColumns{d.weights->at((j + c) / tile_columns, q)},
                    std::min(depth_block, d.depth - q), {to, column_block, q == 0, nullptr, 0, nullptr}, rows_of_tile);
        }
      for (int64_t c = 0; c < columns; c++) {
        const float start = d.bias ? d.bias[(j + c) * d.bias_step] : 0.0f;
        float* to = d.y + (j + c) * d.column_step + row * d.row_step;
        for (int64_t r = 0; r < rows; r++) {
          const float sum = sums[r * column_block + c] + start;
          to[r * d.row_step] = d.clamp ? clamped(sum, *d.clamp) : sum;
        }
      }
      row += rows;
    }
    if (d.finish) d.finish->run(d.finish->context, {j, columns, 0, d.rows});
  }
}

template <int... lane>
Vector evens(Vector a, Vector b, std::integer_sequence<int, lane...>) {
  return __builtin_shuffle(a, b, Words{2 * lane...});
}

void take(float* to, const float* from, int64_t n, int64_t step) {
  if (step == 1) return copy_run(to, from, n);
  int64_t i = 0;
  // The last vector would read beyond the last element.
  if (step == 2)
    for (; i + lanes < n; i += lanes)
      store(to + i, evens(load(from + 2 * i), load(from + 2 * i + lanes), std::make_integer_sequence<int, lanes>{}));
  for (; i < n; i++) to[i] = from[i * step];
}

/** So many vectors of sums at once that additions do not wait for each other. */
constexpr int64_t filter_block = 4 * lanes;

void filter(float* y, int64_t n, float start, const float* const* lines, const float* weights, int64_t taps, const Clamp* clamp) {
  for (int64_t i = 0; i < n; i += filter_block) {
    Vector sums[4];
    for (Vector& sum : sums) sum = Vector{} + start;
    for (int64_t t = 0; t < taps; t++) {
      const float* x = lines[t] + i;
#pragma GCC unroll 4
      for (int k = 0; k < 4; k++) sums[k] += weights[t] * load(x + k * lanes);
    }
    for (int k = 0; k < 4; k++) store(y + i + k * lanes, clamp ? clamped(sums[k], *clamp) : sums[k]);
  }
}

void largest(float* y, int64_t n, const float* const* lines, int64_t taps) {
  for (int64_t i = 0; i < n; i += filter_block)
    for (int k = 0; k < 4; k++) {
      const int64_t at = i + k * lanes;
      Vector most = load(lines[0] + at);
      for (int64_t t = 1; t < taps; t++) {
        const Vector x = load(lines[t] + at);
        most = ((x > most) | (x != x)) ? x : most;
      }
      store(y + at, most);
    }
}

double exercise(int64_t rounds, float* sink) {
  constexpr int chains = 12;
  Vector sums[chains], factor = Vector{} + 0.999f, term = Vector{} + 0.001f;
  for (int k = 0; k < chains; k++) sums[k] = Vector{} + static_cast<float>(k);
  for (int64_t i = 0; i < rounds; i++) {
#pragma GCC unroll 12
    for (int k = 0; k < chains; k++) sums[k] = sums[k] * factor + term;
  }
  for (const Vector& sum : sums) *sink += sum[0];
  return 2.0 * chains * static_cast<double>(lanes) * static_cast<double>(rounds);
}

}  // namespace

extern const Isa table;
const Isa table = {OMNIX_NAME, tile_rows, tile_columns, column_block, multiply, multiply_direct, coded_rows, multiply_coded, decode, take, filter_block, filter, largest,
                   blocks_at_once, blocked_sums, blocked_filter, blocked_largest, winograd_in, winograd_out, exercise};

}  // namespace OMNIX_ISA
}  // namespace omnix
