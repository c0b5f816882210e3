// Products of few rows with coded columns: numbers are decoded in registers, so that memory gives the pace; and decoding to panels.
#include <utility>

#include "vectors.h"

namespace omnix {
namespace OMNIX_ISA {
namespace {

Words words_at(const uint32_t* from) { return load(reinterpret_cast<const int32_t*>(from)); }
Vector floats_at(const uint32_t* from) { return load(reinterpret_cast<const float*>(from)); }

/** What one step of a word stands for, but for zero point and scale. */
template <Code code, int step>
Vector decoded(Words w) {
  if constexpr (code == Code::Four) return __builtin_convertvector((w >> (4 * step)) & 15, Vector);
  if constexpr (code == Code::Eight) return __builtin_convertvector((w >> (8 * step)) & 255, Vector);
  if constexpr (code == Code::Bfloat16) return reinterpret_cast<Vector>(step ? w & static_cast<int32_t>(0xffff0000) : w << 16);
  if constexpr (code == Code::Float16) {
    // The exponent is too small by 112, which a product makes good, of subnormal numbers too. That of infinity and NaN is the largest again.
    const Words up = step ? w : w << 16, size = (up >> 3) & 0x0fffe000, sign = up & static_cast<int32_t>(0x80000000);
    const Words endless = (size >= 0x0f800000) & 0x7f800000;
    return reinterpret_cast<Vector>(reinterpret_cast<Words>(reinterpret_cast<Vector>(size) * 0x1p112f) | sign | endless);
  }
}

/** Sums of even and of odd steps, so that additions do not wait for each other. */
template <int Rows>
struct Sums {
  static constexpr int sides = Rows > 2 ? 1 : 2;
  Vector of[Rows][2][sides];
};

template <Code code, int Rows, int... steps>
void add_words(Sums<Rows>& sums, const uint32_t* words, const float* const* x, std::integer_sequence<int, steps...>) {
  const Words left = words_at(words), right = words_at(words + lanes);
  const auto add = [&](auto at) {
    constexpr int step = decltype(at)::value;
    const Vector l = decoded<code, step>(left), r = decoded<code, step>(right);
#pragma GCC unroll 4
    for (int row = 0; row < Rows; row++) {
      sums.of[row][0][step % Sums<Rows>::sides] += x[row][step] * l;
      sums.of[row][1][step % Sums<Rows>::sides] += x[row][step] * r;
    }
  };
  (add(std::integral_constant<int, steps>{}), ...);
}

/** One panel times some rows, into `Rows` lines. */
template <Code code, int Rows>
void panel_times(const Coded& c, int64_t panel, const CodedRows& a, int64_t first, float (*to)[tile_columns]) {
  constexpr int64_t in_word = codes_in_word(code);
  Vector total[Rows][2] = {};
  const float* x[Rows];
  for (int r = 0; r < Rows; r++) x[r] = a.data + (first + r) * a.row_step;
  for (int64_t b = 0; b < c.blocks(); b++) {
    const uint32_t* at = c.at(panel, b);
    const Vector scales[2] = {c.has_scales() ? floats_at(at) : Vector{} + 1.0f, c.has_scales() ? floats_at(at + lanes) : Vector{} + 1.0f};
    if (c.has_scales()) at += tile_columns;
    const Vector zeros[2] = {c.has_zeros() ? floats_at(at) : Vector{} + c.zero(), c.has_zeros() ? floats_at(at + lanes) : Vector{} + c.zero()};
    if (c.has_zeros()) at += tile_columns;
    Sums<Rows> sums = {};
    for (int64_t n = c.words(b); n > 0; n--, at += tile_columns) {
      add_words<code>(sums, at, x, std::make_integer_sequence<int, static_cast<int>(in_word)>{});
      for (int r = 0; r < Rows; r++) x[r] += in_word;
    }
    for (int r = 0; r < Rows; r++)
      for (int side = 0; side < 2; side++) {
        Vector sum = sums.of[r][side][0];
        if constexpr (Sums<Rows>::sides > 1) sum += sums.of[r][side][1];
        if (a.sums) sum -= a.sums[(first + r) * c.blocks() + b] * zeros[side];
        total[r][side] += scales[side] * sum;
      }
  }
  for (int r = 0; r < Rows; r++) {
    store(to[r], total[r][0]);
    store(to[r] + lanes, total[r][1]);
  }
}

template <Code code>
void panel_of(const Coded& c, int64_t panel, const CodedRows& a, int64_t first, int64_t rows, float (*to)[tile_columns]) {
  switch (rows) {
    case 1: return panel_times<code, 1>(c, panel, a, first, to);
    case 2: return panel_times<code, 2>(c, panel, a, first, to);
    case 3: return panel_times<code, 3>(c, panel, a, first, to);
    default: return panel_times<code, 4>(c, panel, a, first, to);
  }
}

/** Call `run` with the code as a constant. */
template <class Run>
void with_code(Code code, Run&& run) {
  switch (code) {
    case Code::Four: return run(std::integral_constant<Code, Code::Four>{});
    case Code::Eight: return run(std::integral_constant<Code, Code::Eight>{});
    case Code::Float16: return run(std::integral_constant<Code, Code::Float16>{});
    case Code::Bfloat16: return run(std::integral_constant<Code, Code::Bfloat16>{});
  }
}

template <Code code, int... steps>
void decode_word(Words left, Words right, float* to, int64_t count, const Vector (&zeros)[2], const Vector (&scales)[2], std::integer_sequence<int, steps...>) {
  const auto put = [&](auto at) {
    constexpr int step = decltype(at)::value;
    if (step >= count) return;
    store(to + step * tile_columns, (decoded<code, step>(left) - zeros[0]) * scales[0]);
    store(to + step * tile_columns + lanes, (decoded<code, step>(right) - zeros[1]) * scales[1]);
  };
  (put(std::integral_constant<int, steps>{}), ...);
}

template <Code code>
void decode_panel(float* to, const Coded& c, int64_t panel, int64_t first, int64_t count) {
  constexpr int64_t in_word = codes_in_word(code);
  const int64_t end = first + count;
  for (int64_t k = first; k < end;) {
    const int64_t block = k / c.block(), begin = block * c.block();
    const int64_t stop = end < begin + c.block() ? end : begin + c.block();
    const uint32_t* at = c.at(panel, block);
    const Vector scales[2] = {c.has_scales() ? floats_at(at) : Vector{} + 1.0f, c.has_scales() ? floats_at(at + lanes) : Vector{} + 1.0f};
    if (c.has_scales()) at += tile_columns;
    const Vector zeros[2] = {c.has_zeros() ? floats_at(at) : Vector{} + c.zero(), c.has_zeros() ? floats_at(at + lanes) : Vector{} + c.zero()};
    if (c.has_zeros()) at += tile_columns;
    at += (k - begin) / in_word * tile_columns;
    for (; k < stop; k += in_word, at += tile_columns, to += in_word * tile_columns)
      decode_word<code>(words_at(at), words_at(at + lanes), to, stop - k, zeros, scales, std::make_integer_sequence<int, static_cast<int>(in_word)>{});
    // The last word of a block may be no whole one.
    if (k > stop) to -= (k - stop) * tile_columns, k = stop;
  }
}

}  // namespace

void multiply_coded(const Product& p, const Part& part) {
  const Coded& c = *p.coded_b;
  float lines[coded_rows][tile_columns];
  with_code(c.code(), [&](auto code) {
    for (int64_t j = 0; j < part.columns; j += tile_columns) {
      const int64_t column = part.column + j, columns = part.columns - j < tile_columns ? part.columns - j : tile_columns;
      panel_of<decltype(code)::value>(c, column / tile_columns, *p.coded_a, part.row, part.rows, lines);
      for (int64_t r = 0; r < part.rows; r++)
        for (int64_t i = 0; i < columns; i++) p.y[(part.row + r) * p.row_step + (column + i) * p.column_step] = lines[r][i];
    }
  });
  if (p.finish) p.finish->run(p.finish->context, part);
}

void decode(float* to, const Coded& from, int64_t panel, int64_t first, int64_t count) {
  with_code(from.code(), [&](auto code) { decode_panel<decltype(code)::value>(to, from, panel, first, count); });
}

}  // namespace OMNIX_ISA
}  // namespace omnix
