// Right sides that never change and stay small in memory: whole numbers of few bits with a scale for each block of the depth, or halves.
// Products of few rows decode them in registers; for others they are decoded to panels, block by block.
#pragma once
#include <optional>

#include "gemm.h"

namespace omnix {

/** How the numbers of a column lie in words of 32 bits: the first step of the depth in the lowest bits. */
enum class Code : uint8_t { Four, Eight, Float16, Bfloat16 };

OMNIX_INLINE constexpr int64_t codes_in_word(Code code) { return code == Code::Four ? 8 : code == Code::Eight ? 4 : 2; }

/** A matrix of integers in memory, and what its numbers stand for: those of one block and column times one scale. */
struct Whole {
  const int8_t* codes;
  int64_t columns, depth, column_step, depth_step;
  /** [blocks, columns] without gaps. */
  const float* scales;
  int64_t block;
};

/** A matrix of halves in memory. */
struct Halves {
  const uint16_t* bits;
  int64_t columns, depth, column_step, depth_step;
};

/**
 * Panels of `width` columns. A panel is block after block: a scale for each column where numbers have one, the number that stands for zero
 * where columns differ in it, and words, `width` of them for each group of steps.
 */
class Coded {
 public:
  /** In four bits where these are enough for each block, else in eight. */
  Coded(const Whole& from, int64_t width);
  Coded(const Halves& from, Code code, int64_t width);

  OMNIX_INLINE Code code() const { return code_; }
  OMNIX_INLINE int64_t columns() const { return columns_; }
  OMNIX_INLINE int64_t depth() const { return depth_; }
  OMNIX_INLINE int64_t width() const { return width_; }
  /** Steps that share a scale, and how many groups of them there are. */
  OMNIX_INLINE int64_t block() const { return block_; }
  OMNIX_INLINE int64_t blocks() const { return blocks_; }
  OMNIX_INLINE bool has_scales() const { return has_scales_; }
  OMNIX_INLINE bool has_zeros() const { return has_zeros_; }
  /** What stands for zero where all columns agree. */
  OMNIX_INLINE float zero() const { return zero_; }
  OMNIX_INLINE int64_t panels() const { return (columns_ + width_ - 1) / width_; }
  /** Words of one column in a block. */
  OMNIX_INLINE int64_t words(int64_t block) const {
    const int64_t rest = depth_ - block * block_, steps = rest < block_ ? rest : block_;
    return (steps + codes_in_word(code_) - 1) / codes_in_word(code_);
  }
  /** Where a block of a panel begins. */
  OMNIX_INLINE const uint32_t* at(int64_t panel, int64_t block) const { return words_.get() + panel * panel_size_ + block * block_size_; }

 private:
  void allocate();
  uint32_t* at(int64_t panel, int64_t block) { return words_.get() + panel * panel_size_ + block * block_size_; }
  int64_t header() const { return (has_scales_ + has_zeros_) * width_; }

  Code code_;
  int64_t columns_, depth_, width_, block_, blocks_;
  bool has_scales_ = false, has_zeros_ = false;
  float zero_ = 0;
  int64_t block_size_ = 0, panel_size_ = 0;
  Aligned<uint32_t> words_;
};

/** As panels of floats. */
class CodedPanels final : public Panels {
 public:
  explicit CodedPanels(const Coded& from) : from_(from) {}
  void pack(float* to, int64_t first, int64_t lines, int64_t width, int64_t from, int64_t count) const override;

 private:
  const Coded& from_;
};

/** Few rows of the left side, zeros up to a whole word, and the sum of each block of them. */
struct CodedRows {
  const float* data;
  int64_t row_step;
  /** [rows, blocks]; only for codes with zeros. */
  const float* sums;
};

}  // namespace omnix
