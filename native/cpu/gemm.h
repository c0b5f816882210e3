// Products of float32 matrices, which matmul and conv share. Both sides are read through panels: some rows of the left, or columns of the
// right, side by side, one step of the depth after the other, so that one inner loop serves any strides and the windows of conv.
#pragma once
#include <cstdint>
#include <vector>

#include "aligned.h"

/** For what files of several instruction sets call: the linker would keep one copy, compiled for one of the sets, and run it on all. */
#define OMNIX_INLINE __attribute__((always_inline)) inline

namespace omnix {

class Coded;
struct CodedRows;
struct BlockedRun;

/** Steps of the depth that are multiplied before the next ones are packed: a panel of them stays in the first-level cache. */
constexpr int64_t depth_block = 256;

/** One side of a product. */
class Panels {
 public:
  virtual ~Panels() = default;
  /**
   * Write `count` steps of the depth from `from` on for `lines` lines from `first` on, `width` lines a panel, panel after panel; zeros for
   * lines that are not there.
   */
  virtual void pack(float* to, int64_t first, int64_t lines, int64_t width, int64_t from, int64_t count) const = 0;
};

/** Lines and steps of a matrix in memory. */
class MatrixPanels final : public Panels {
 public:
  MatrixPanels(const float* data, int64_t lines, int64_t line_step, int64_t depth_step)
      : data_(data), lines_(lines), line_step_(line_step), depth_step_(depth_step) {}
  void pack(float* to, int64_t first, int64_t lines, int64_t width, int64_t from, int64_t count) const override;

 private:
  const float* data_;
  int64_t lines_, line_step_, depth_step_;
};

/** All panels of a side that stays the same. */
class Packed {
 public:
  /** In memory of its own, or in what is lent, which has `size` floats. */
  Packed(const Panels& panels, int64_t lines, int64_t depth, int64_t width, float* lent = nullptr);
  static int64_t size(int64_t lines, int64_t depth, int64_t width) { return (lines + width - 1) / width * width * depth; }
  OMNIX_INLINE const float* at(int64_t panel, int64_t from) const {
    const int64_t count = depth_ - from < depth_block ? depth_ - from : depth_block;
    return data_ + (from * panels_ + panel * count) * width_;
  }

 private:
  int64_t panels_, depth_, width_;
  Aligned<float> own_;
  float* data_;
};

/** The right side where it lies in memory: step q of column c is base[starts[q] + c]. A tile reads beyond the last column. */
struct Strips {
  const float* base;
  const int64_t* starts;
};

/** A part of y: rows and columns that begin at a tile. */
struct Part {
  int64_t row, rows, column, columns;
};

/** What is called with each part of y when it is done, on the thread that made it. */
struct Finish {
  void (*run)(const void* context, const Part& part);
  const void* context;
};

/** Ends between which results stay; NaN is let through. */
struct Clamp {
  float low, high;
};

/** y = a times b, plus a number for each row where there is a bias. A side is packed, coded, lies in strips, or is read as it is needed. */
struct Product {
  int64_t rows, columns, depth;
  const Panels* a = nullptr;
  const Panels* b = nullptr;
  const Packed* packed_a = nullptr;
  const Packed* packed_b = nullptr;
  const Strips* strips = nullptr;
  const Coded* coded_b = nullptr;
  /** The left side of a coded one, where its rows are few. */
  const CodedRows* coded_a = nullptr;
  float* y;
  int64_t row_step, column_step;
  /** Where each column of a row goes, in place of steps; -1 for a column that is dropped. */
  const int64_t* places = nullptr;
  const float* bias = nullptr;
  int64_t bias_step = 0;
  const Finish* finish = nullptr;
  const Clamp* clamp = nullptr;
};

/** Rows of a tile: elements of an image side by side. */
struct RowTile {
  int64_t from;
  int rows;
};

/**
 * A convolution whose rows are outputs, tile after tile, and whose columns are channels of the result: y[row * row_step + column * column_step].
 * Step q of the depth reads row r of a tile at base[starts[q] + from + r].
 */
struct Direct {
  int64_t depth, columns;
  Strips strips;
  const RowTile* tiles;
  int64_t tile_count, rows;
  /** By columns. */
  const Packed* weights;
  float* y;
  int64_t row_step, column_step;
  const float* bias = nullptr;
  int64_t bias_step = 0;
  /** Gets channels as rows. */
  const Finish* finish = nullptr;
  const Clamp* clamp = nullptr;
};

/** What memory of a thread is for. */
enum class Scratch : uint8_t { Rows, Columns, AllRows, Weights, Image, Part, Sums, Blocks };
constexpr size_t scratch_purposes = 8;
/** Memory of this thread for so many floats; what it held for the same purpose is lost. */
float* scratch(Scratch purpose, int64_t floats);

/** What is compiled once for each instruction set. */
struct Isa {
  const char* name;
  /** `column_block` columns are packed at once. */
  int64_t tile_rows, tile_columns, column_block;
  void (*multiply)(const Product& product, const Part& part);
  /** Some columns, from one that begins a tile on. */
  void (*multiply_direct)(const Direct& product, int64_t column, int64_t columns);
  /** As many rows are multiplied with codes directly. */
  int64_t coded_rows;
  void (*multiply_coded)(const Product& product, const Part& part);
  /** `count` steps of a panel from `first` on, as floats. */
  void (*decode)(float* to, const Coded& from, int64_t panel, int64_t first, int64_t count);
  /** to[i] = from[i * step] for i below n. */
  void (*take)(float* to, const float* from, int64_t n, int64_t step);
  int64_t filter_block;
  /** y[i] = start + the sum over t of weights[t] * lines[t][i], between the ends of the clamp, for i below n, a multiple of `filter_block`. */
  void (*filter)(float* y, int64_t n, float start, const float* const* lines, const float* weights, int64_t taps, const Clamp* clamp);
  /** y[i] = the largest of all lines[t][i], or NaN where one is, for i below n, a multiple of `filter_block`. */
  void (*largest)(float* y, int64_t n, const float* const* lines, int64_t taps);
  /** So many blocks of channels are made at once. */
  int64_t blocks_at_once;
  /** Outputs side by side of up to so many blocks: sums over all channels. */
  void (*blocked_sums)(const BlockedRun& run, int64_t outputs, int64_t blocks);
  /** Outputs side by side of one block, of which each channel is for itself. */
  void (*blocked_filter)(const BlockedRun& run, int64_t outputs);
  /** Outputs side by side of one block: the largest that each reads. */
  void (*blocked_largest)(const BlockedRun& run, int64_t outputs);
  /** A square of 6 x 6 inputs of a block to its 36 numbers, `to_step` apart; rows of x are `row_step` apart. */
  void (*winograd_in)(const float* x, int64_t row_step, float* to, int64_t to_step);
  /** Sums of such numbers to so many rows and columns of 4 x 4 outputs, which begin with `start`. */
  void (*winograd_out)(const float* from, int64_t from_step, const float* start, const Clamp* clamp, float* y, int64_t row_step, int64_t rows, int64_t columns);
  /** So many multiplications with additions of vectors in registers; how many operations of floats they are. `sink` keeps them alive. */
  double (*exercise)(int64_t rounds, float* sink);
};

/** That of this processor. */
const Isa& isa();

/** The whole product, on all threads. */
void multiply(const Product& product);

}  // namespace omnix
