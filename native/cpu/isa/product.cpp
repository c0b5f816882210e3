// The inner loops of products and filters. This file is compiled once for each instruction set, which the build names in OMNIX_ISA, with
// vectors of OMNIX_VECTOR bytes and tiles of OMNIX_ROWS rows that fit its registers. It calls nothing of the standard library that stays a
// function: the linker keeps one copy of such, which would be compiled for one of the sets and run on all.
#include <algorithm>
#include <utility>

#include "../gemm.h"

namespace omnix {
namespace OMNIX_ISA {
namespace {

typedef float Vector __attribute__((vector_size(OMNIX_VECTOR)));
typedef float Unaligned __attribute__((vector_size(OMNIX_VECTOR), aligned(4), may_alias));

constexpr int64_t lanes = OMNIX_VECTOR / 4;
constexpr int tile_rows = OMNIX_ROWS;
constexpr int64_t tile_columns = 2 * lanes;
/** A block of packed columns takes 192 KiB, a part of the second-level cache; so many rows are packed at once that they lie beside it. */
constexpr int64_t column_block = 192 / tile_columns * tile_columns;
constexpr int64_t row_block = 96 / tile_rows * tile_rows;

Vector load(const float* from) { return *reinterpret_cast<const Unaligned*>(from); }
void store(float* to, Vector v) { *reinterpret_cast<Unaligned*>(to) = v; }

/** Where a tile goes. */
struct Target {
  float* y;
  int64_t row_step, column_step, columns;
  /** The first part of the depth begins with the bias, or with nothing; others go on from what is there. */
  bool begins;
  const float* bias;
  int64_t bias_step;
};

template <int Rows>
void tile(const float* a, const float* b, int64_t depth, const Target& t) {
  Vector sums[Rows][2];
  const bool whole = t.column_step == 1 && t.columns == tile_columns;
  float edge[tile_columns];
  for (int r = 0; r < Rows; r++) {
    float* y = t.y + r * t.row_step;
    if (t.begins) {
      const Vector start = Vector{} + (t.bias ? t.bias[r * t.bias_step] : 0.0f);
      sums[r][0] = sums[r][1] = start;
    } else {
      if (!whole)
        for (int64_t c = 0; c < tile_columns; c++) edge[c] = c < t.columns ? y[c * t.column_step] : 0;
      const float* from = whole ? y : edge;
      sums[r][0] = load(from);
      sums[r][1] = load(from + lanes);
    }
  }
  for (int64_t q = 0; q < depth; q++, a += tile_rows, b += tile_columns) {
    const Vector left = load(b), right = load(b + lanes);
#pragma GCC unroll 16
    for (int r = 0; r < Rows; r++) {
      sums[r][0] += a[r] * left;
      sums[r][1] += a[r] * right;
    }
  }
  for (int r = 0; r < Rows; r++) {
    float* y = t.y + r * t.row_step;
    float* to = whole ? y : edge;
    store(to, sums[r][0]);
    store(to + lanes, sums[r][1]);
    if (!whole)
      for (int64_t c = 0; c < t.columns; c++) y[c * t.column_step] = edge[c];
  }
}

using Tile = void (*)(const float*, const float*, int64_t, const Target&);
template <int... R>
constexpr Tile tile_of(int rows, std::integer_sequence<int, R...>) {
  constexpr Tile all[] = {&tile<R + 1>...};
  return all[rows - 1];
}

void multiply(const Product& p, const Part& part) {
  float* const own_a = p.packed_a ? nullptr : scratch(0, row_block * depth_block);
  float* const own_b = p.packed_b ? nullptr : scratch(1, column_block * depth_block);
  for (int64_t q = 0; q == 0 || q < p.depth; q += depth_block) {
    const int64_t depth = std::min(depth_block, p.depth - q);
    for (int64_t j = 0; j < part.columns; j += column_block) {
      const int64_t columns = std::min(column_block, part.columns - j);
      if (own_b) p.b->pack(own_b, part.column + j, columns, tile_columns, q, depth);
      for (int64_t i = 0; i < part.rows; i += row_block) {
        const int64_t rows = std::min(row_block, part.rows - i);
        if (own_a) p.a->pack(own_a, part.row + i, rows, tile_rows, q, depth);
        for (int64_t c = 0; c < columns; c += tile_columns) {
          const int64_t column = part.column + j + c;
          const float* b = own_b ? own_b + c * depth : p.packed_b->at(column / tile_columns, q);
          for (int64_t r = 0; r < rows; r += tile_rows) {
            const int64_t row = part.row + i + r;
            const float* a = own_a ? own_a + r * depth : p.packed_a->at(row / tile_rows, q);
            const Target target{p.y + row * p.row_step + column * p.column_step, p.row_step,  p.column_step,
                                std::min(tile_columns, columns - c),             q == 0,      p.bias ? p.bias + row * p.bias_step : nullptr,
                                p.bias_step};
            const int here = static_cast<int>(std::min<int64_t>(tile_rows, rows - r));
            tile_of(here, std::make_integer_sequence<int, tile_rows>{})(a, b, depth, target);
          }
        }
      }
    }
  }
}

/** So many vectors of sums at once that additions do not wait for each other. */
constexpr int64_t filter_block = 4 * lanes;

void filter(float* y, int64_t n, float start, const float* const* lines, const float* weights, int64_t taps, int64_t stride) {
  int64_t i = 0;
  if (stride == 1)
    for (; i + filter_block <= n; i += filter_block) {
      Vector sums[4];
      for (Vector& sum : sums) sum = Vector{} + start;
      for (int64_t t = 0; t < taps; t++) {
        const float* x = lines[t] + i;
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++) sums[k] += weights[t] * load(x + k * lanes);
      }
      for (int k = 0; k < 4; k++) store(y + i + k * lanes, sums[k]);
    }
  for (; i < n; i++) {
    float sum = start;
    for (int64_t t = 0; t < taps; t++) sum += weights[t] * lines[t][i * stride];
    y[i] = sum;
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
const Isa table = {OMNIX_NAME, tile_rows, tile_columns, multiply, filter, exercise};

}  // namespace OMNIX_ISA
}  // namespace omnix
