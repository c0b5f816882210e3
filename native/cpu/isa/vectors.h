// Vectors of the instruction set that a file is compiled for, and where a tile of a product goes.
#pragma once
#include <cstdint>

#include "../blocked.h"
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

/** Columns side by side, in a product and in y. */
struct ColumnRun {
  int64_t from, place, count;
};

/** Elements that do not overlap; the last few of a row without a call. */
template <class T>
void copy_run(T* to, const T* from, int64_t n) {
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) store(to + i, load(from + i));
  if constexpr (lanes > 8)
    if (n - i >= 8) __builtin_memcpy(to + i, from + i, 32), i += 8;
  if constexpr (lanes > 4)
    if (n - i >= 4) __builtin_memcpy(to + i, from + i, 16), i += 4;
  for (; i < n; i++) to[i] = from[i];
}

/** Where a block of columns goes in y. */
template <class T, int64_t Most = column_block>
class Landing {
 public:
  /** `places` says it for each column, -1 for one that is dropped; steps do where it is null. */
  Landing(T* y, int64_t row_step, int64_t column_step, const int64_t* places, int64_t column, int64_t columns) : y_(y), row_step_(row_step) {
    if (!places && column_step == 1) runs_[count_++] = {0, column, columns};
    else
      for (int64_t c = 0; c < columns; c++) {
        const int64_t place = places ? places[column + c] : (column + c) * column_step;
        if (place < 0) continue;
        ColumnRun* last = count_ > 0 ? &runs_[count_ - 1] : nullptr;
        if (last && last->from + last->count == c && last->place + last->count == place) last->count++;
        else runs_[count_++] = {c, place, 1};
      }
    whole_ = count_ == 1 && runs_[0].from == 0 && runs_[0].count == columns && columns % tile_columns == 0;
  }
  /** Whether all its tiles lie side by side in y. */
  bool is_whole() const { return whole_; }
  /** The first column of a row, where it is whole. */
  T* row(int64_t at) const { return y_ + at * row_step_ + runs_[0].place; }
  /** Rows of sums, `step` apart. */
  void put(const T* sums, int64_t step, int64_t row, int64_t rows) const {
    for (int64_t r = 0; r < rows; r++)
      for (int64_t k = 0; k < count_; k++) copy_run(y_ + (row + r) * row_step_ + runs_[k].place, sums + r * step + runs_[k].from, runs_[k].count);
  }

 private:
  T* y_;
  int64_t row_step_, count_ = 0;
  bool whole_ = false;
  ColumnRun runs_[Most];
};
/** Rows that are summed up apart at once, so that they stay in the second-level cache. */
constexpr int64_t most_rows_apart = 512 / row_block * row_block;

/** More rows would decode each word once too often. */
constexpr int coded_rows = 4;

/** Blocks of channels whose sums are in registers at once. */
constexpr int blocks_at_once = lanes >= 16 ? 2 : 1;

// What files of this folder make for its table.
void blocked_sums(const BlockedRun& run, int64_t outputs, int64_t blocks);
void blocked_filter(const BlockedRun& run, int64_t outputs);
void winograd_in(const float* x, int64_t row_step, float* to, int64_t to_step);
void winograd_out(const float* from, int64_t from_step, const float* start, const Clamp* clamp, float* y, int64_t row_step, int64_t rows, int64_t columns);
void blocked_largest(const BlockedRun& run, int64_t outputs);
void multiply_coded(const Product& product, const Part& part);
void decode(float* to, const Coded& from, int64_t panel, int64_t first, int64_t count);

}  // namespace OMNIX_ISA
}  // namespace omnix
