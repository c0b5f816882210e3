// Vectors of the instruction set that a file is compiled for, and where a tile of a product goes.
#pragma once
#include <cstdint>

#include "../coded.h"

namespace omnix {
namespace OMNIX_ISA {

typedef float Vector __attribute__((vector_size(OMNIX_VECTOR)));
typedef float UnalignedVector __attribute__((vector_size(OMNIX_VECTOR), aligned(4), may_alias));
typedef int32_t Words __attribute__((vector_size(OMNIX_VECTOR)));
typedef int32_t UnalignedWords __attribute__((vector_size(OMNIX_VECTOR), aligned(4), may_alias));

constexpr int64_t lanes = OMNIX_VECTOR / 4;
constexpr int tile_rows = OMNIX_ROWS;
constexpr int64_t tile_columns = 2 * lanes;
/** A block of packed columns takes 192 KiB, a part of the second-level cache; so many rows are packed at once that they lie beside it. */
constexpr int64_t column_block = 192 / tile_columns * tile_columns;
constexpr int64_t row_block = 96 / tile_rows * tile_rows;

inline Vector load(const float* from) { return *reinterpret_cast<const UnalignedVector*>(from); }
inline Words load(const int32_t* from) { return *reinterpret_cast<const UnalignedWords*>(from); }
inline void store(float* to, Vector v) { *reinterpret_cast<UnalignedVector*>(to) = v; }
inline void store(int32_t* to, Words v) { *reinterpret_cast<UnalignedWords*>(to) = v; }

/** Where a tile goes. */
template <class T>
struct Target {
  /** The first row. */
  T* y;
  int64_t row_step, column, column_step, columns;
  /** Of all columns; null where steps say it. */
  const int64_t* places;

  int64_t place(int64_t c) const { return places ? places[column + c] : (column + c) * column_step; }
  bool is_whole() const {
    if (columns < tile_columns) return false;
    return places ? place(0) >= 0 && place(tile_columns - 1) == place(0) + tile_columns - 1 : column_step == 1;
  }
};

/** More rows would decode each word once too often. */
constexpr int coded_rows = 4;

// What files of this folder make for its table.
void multiply_coded(const Product& product, const Part& part);
void decode(float* to, const Coded& from, int64_t panel, int64_t first, int64_t count);

}  // namespace OMNIX_ISA
}  // namespace omnix
