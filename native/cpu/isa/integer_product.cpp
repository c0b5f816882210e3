// The inner loops of products of integers of 8 bits. Where the instruction set multiplies four pairs of bytes and adds them to a sum, that is
// all; elsewhere bytes are widened to 16 bits, whose products in pairs are exact too.
#include <utility>

#include "../integers.h"
#include "vectors.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace omnix {
namespace OMNIX_ISA {

extern const IntegerLoops integers;

namespace {

#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
constexpr int row_words = 1;

Words dot(Words sum, Words without_sign, Words with_sign) {
#if defined(__AVX512VNNI__)
  return reinterpret_cast<Words>(_mm512_dpbusd_epi32(reinterpret_cast<__m512i>(sum), reinterpret_cast<__m512i>(without_sign), reinterpret_cast<__m512i>(with_sign)));
#else
  return reinterpret_cast<Words>(_mm256_dpbusd_avx_epi32(reinterpret_cast<__m256i>(sum), reinterpret_cast<__m256i>(without_sign), reinterpret_cast<__m256i>(with_sign)));
#endif
}

/** The part of the words of some columns that one word of a row is multiplied with. */
template <bool>
Words part_of(Words columns, int) {
  return columns;
}
template <bool is_signed>
Words add(Words sum, Words columns, Words row) {
  return is_signed ? dot(sum, row, columns) : dot(sum, columns, row);
}
#else
constexpr int row_words = 2;

typedef int16_t Shorts __attribute__((vector_size(OMNIX_VECTOR)));
typedef uint16_t Unsigned __attribute__((vector_size(OMNIX_VECTOR)));

/** Products of 16 bits, added in pairs. */
Words pairs(Words a, Words b) {
#if defined(__AVX512BW__)
  return reinterpret_cast<Words>(_mm512_madd_epi16(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
#elif defined(__AVX2__)
  return reinterpret_cast<Words>(_mm256_madd_epi16(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
#elif defined(__SSE2__)
  return reinterpret_cast<Words>(_mm_madd_epi16(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(b)));
#else
  return ((a << 16) >> 16) * ((b << 16) >> 16) + (a >> 16) * (b >> 16);
#endif
}

/** The even or the odd bytes of some columns in 16 bits. */
template <bool is_signed>
Words part_of(Words columns, int odd) {
  if constexpr (is_signed) return reinterpret_cast<Words>((odd ? reinterpret_cast<Shorts>(columns) : reinterpret_cast<Shorts>(columns) << 8) >> 8);
  else return odd ? reinterpret_cast<Words>(reinterpret_cast<Unsigned>(columns) >> 8) : columns & 0x00ff00ff;
}
template <bool>
Words add(Words sum, Words columns, Words row) {
  return sum + pairs(columns, row);
}
#endif

/** Sums, both halves of the columns and a word of a row fit the registers. */
constexpr int rows_of_tile = row_words > 1 && lanes < 16 ? 4 : tile_rows;
/** A part of so many sums, which the map that follows reads in long rows, stays in the second-level cache. */
constexpr int64_t rows_of_block = 96 / rows_of_tile * rows_of_tile;
constexpr int64_t columns_of_block = 2 * column_block;
/** Rows that are summed up apart end with a block. */
constexpr int64_t most_rows_at_once = 512 / rows_of_block * rows_of_block;

/** The right side of a tile: packed, or where it lies. */
struct PackedSide {
  const int32_t* at;
  const int32_t* next() { return std::exchange(at, at + tile_columns); }
};
struct StripSide {
  const int32_t* base;
  const int64_t* starts;
  const int32_t* next() { return base + *starts++; }
};

/** Where a tile is summed up. */
struct IntegerTarget {
  int32_t* sums;
  int64_t row_step;
  /** The first part of the depth begins with these, where they are there; others go on from what is there. */
  bool begins;
  const int32_t* row_start;
  const int32_t* column_start;
  /** So many of the columns have a start. */
  int64_t columns;
};

template <int Rows, bool is_signed, class Side>
void tile(const int32_t* a, Side b, int64_t quads, const IntegerTarget& t) {
  Words sums[Rows][2];
  int32_t starts[tile_columns] = {};
  if (t.begins && t.column_start)
    for (int64_t c = 0; c < t.columns; c++) starts[c] = t.column_start[c];
  // All loops over rows are taken apart, so that sums stay in registers.
#pragma GCC unroll 16
  for (int r = 0; r < Rows; r++) {
    const int32_t* from = t.begins ? starts : t.sums + r * t.row_step;
    const int32_t start = t.begins && t.row_start ? t.row_start[r] : 0;
    sums[r][0] = load(from) + start, sums[r][1] = load(from + lanes) + start;
  }
  for (int64_t q = 0; q < quads; q++, a += rows_of_tile * row_words) {
    const int32_t* from = b.next();
#pragma GCC unroll 2
    for (int part = 0; part < row_words; part++) {
      const Words left = part_of<is_signed>(load(from), part), right = part_of<is_signed>(load(from + lanes), part);
#pragma GCC unroll 16
      for (int r = 0; r < Rows; r++) {
        sums[r][0] = add<is_signed>(sums[r][0], left, Words{} + a[r * row_words + part]);
        sums[r][1] = add<is_signed>(sums[r][1], right, Words{} + a[r * row_words + part]);
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < Rows; r++) {
    store(t.sums + r * t.row_step, sums[r][0]);
    store(t.sums + r * t.row_step + lanes, sums[r][1]);
  }
}

template <bool is_signed, class Side, int... R>
void tile_of(int rows, const int32_t* a, Side b, int64_t quads, const IntegerTarget& t, std::integer_sequence<int, R...>) {
  constexpr void (*all[])(const int32_t*, Side, int64_t, const IntegerTarget&) = {&tile<R + 1, is_signed, Side>...};
  all[rows - 1](a, b, quads, t);
}

int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

template <bool is_signed>
void multiply_with(const IntegerProduct& p, const Part& part) {
  constexpr auto all_rows = std::make_integer_sequence<int, rows_of_tile>{};
  for (int64_t j = 0; j < part.columns; j += columns_of_block) {
    const int64_t columns = least(columns_of_block, part.columns - j);
    const Landing<int32_t, columns_of_block> landing(p.y, p.row_step, p.column_step, p.places, part.column + j, columns);
    const int64_t rows_at_once = landing.is_whole() ? part.rows : least(part.rows, most_rows_at_once);
    int32_t* const apart = landing.is_whole() ? nullptr : reinterpret_cast<int32_t*>(scratch(Scratch::Sums, rows_at_once * columns_of_block));
    for (int64_t first = 0; first < part.rows; first += rows_at_once)
      for (int64_t q = 0; q == 0 || q < p.quads; q += depth_block) {
        const int64_t quads = least(depth_block, p.quads - q), end = least(part.rows, first + rows_at_once);
        for (int64_t i = first; i < end; i += rows_of_block) {
          const int64_t rows = least(rows_of_block, end - i), row_step = apart ? columns_of_block : p.row_step;
          int32_t* const sums = apart ? apart + (i - first) * columns_of_block : landing.row(part.row + i);
          for (int64_t c = 0; c < columns; c += tile_columns)
            for (int64_t r = 0; r < rows; r += rows_of_tile) {
              const int64_t row = part.row + i + r, column = part.column + j + c;
              const IntegerTarget target{sums + r * row_step + c, row_step, q == 0, p.row_start ? p.row_start + row : nullptr,
                                         p.column_start ? p.column_start + column : nullptr, least(tile_columns, columns - c)};
              const int here = static_cast<int>(least(rows_of_tile, rows - r));
              const int32_t* a = p.a + (row * p.quads + q * rows_of_tile) * row_words;
              if (p.b) tile_of<is_signed>(here, a, PackedSide{p.b + column * p.quads + q * tile_columns}, quads, target, all_rows);
              else tile_of<is_signed>(here, a, StripSide{p.base + column, p.starts + q}, quads, target, all_rows);
            }
          if (q + quads < p.quads) continue;
          if (apart) landing.put(sums, columns_of_block, part.row + i, rows);
          if (p.finish) p.finish->run(p.finish->context, {part.row + i, rows, part.column + j, columns});
        }
      }
  }
}

void multiply(const IntegerProduct& p, const Part& part) {
  if (p.signed_columns) multiply_with<true>(p, part);
  else multiply_with<false>(p, part);
}

void interleave(int32_t* to, const uint8_t* const* lines, int64_t n, int32_t flip) {
  const uint8_t *a = lines[0], *b = lines[1], *c = lines[2], *d = lines[3];
  for (int64_t i = 0; i < n; i++)
    to[i] = static_cast<int32_t>(a[i] | static_cast<uint32_t>(b[i]) << 8 | static_cast<uint32_t>(c[i]) << 16 | static_cast<uint32_t>(d[i]) << 24) ^ flip;
}

}  // namespace

const IntegerLoops integers = {rows_of_tile, row_words, multiply, interleave};

}  // namespace OMNIX_ISA
}  // namespace omnix
