// Products of integers of 8 bits, with exact sums in 32. Steps of the depth go in fours, one word of 32 bits for each line; the left side is
// packed in the form that the instruction set multiplies, the right side lies as words, signed or not. One side has a sign, the other none.
#pragma once
#include <vector>

#include "gemm.h"

namespace omnix {

/** A side that never changes, and the sum of each of its lines. */
struct PackedIntegers {
  Aligned<int32_t> words;
  std::vector<int32_t> sums;
};

/** y = a times b, plus a number for each row or each column. */
struct IntegerProduct {
  int64_t rows, columns, quads;
  /** Tiles of rows, one step after the other. */
  const int32_t* a = nullptr;
  /** Panels of columns, one step after the other; or where they lie: step q of column c is base[starts[q] + c]. */
  const int32_t* b = nullptr;
  const int32_t* base = nullptr;
  const int64_t* starts = nullptr;
  bool signed_columns = false;
  int32_t* y;
  int64_t row_step, column_step;
  const int64_t* places = nullptr;
  const int32_t* row_start = nullptr;
  const int32_t* column_start = nullptr;
  const Finish* finish = nullptr;
};

struct IntegerLoops {
  int64_t tile_rows;
  /** Words of the left side for four steps: the bytes, or pairs of the first and third and of the second and fourth in 16 bits. */
  int64_t row_words;
  void (*multiply)(const IntegerProduct& product, const Part& part);
  /** Bytes of four lines side by side in words, all of them with some bits flipped. */
  void (*interleave)(int32_t* to, const uint8_t* const* lines, int64_t n, int32_t flip);
};
/** That of this processor. */
const IntegerLoops& integer_loops();

/** The whole product, on all threads. */
void multiply(const IntegerProduct& product);

inline int32_t word_of(const int (&bytes)[4]) {
  uint32_t word = 0;
  for (int i = 0; i < 4; i++) word |= static_cast<uint32_t>(bytes[i] & 255) << (8 * i);
  return static_cast<int32_t>(word);
}

inline int64_t row_size(int64_t rows, int64_t quads) {
  const int64_t tile = integer_loops().tile_rows;
  return (rows + tile - 1) / tile * tile * quads * integer_loops().row_words;
}

/** `take(line, quad, bytes)` gives four steps of a line. */
template <class Take>
void pack_integer_rows(int32_t* to, int64_t rows, int64_t quads, Take&& take) {
  const int64_t tile = integer_loops().tile_rows;
  const bool pairs = integer_loops().row_words == 2;
  for (int64_t first = 0; first < rows; first += tile)
    for (int64_t q = 0; q < quads; q++)
      for (int64_t line = first; line < first + tile; line++) {
        int bytes[4] = {};
        if (line < rows) take(line, q, bytes);
        if (pairs) {
          *to++ = (bytes[0] & 0xffff) | static_cast<int32_t>(static_cast<uint32_t>(bytes[2]) << 16);
          *to++ = (bytes[1] & 0xffff) | static_cast<int32_t>(static_cast<uint32_t>(bytes[3]) << 16);
        } else {
          *to++ = word_of(bytes);
        }
      }
}

}  // namespace omnix
