#include "coded.h"

#include <algorithm>

#include "pool.h"

namespace omnix {
namespace {

/** The least and greatest number of a block in each column. */
struct Extent {
  int low = 127, high = -128;
};

Extent extent_of(const Whole& from, int64_t column, int64_t block) {
  Extent e;
  const int8_t* at = from.codes + column * from.column_step;
  for (int64_t k = block * from.block; k < std::min(from.depth, (block + 1) * from.block); k++) {
    const int code = at[k * from.depth_step];
    e.low = std::min(e.low, code), e.high = std::max(e.high, code);
  }
  return e;
}

}  // namespace

void Coded::allocate() {
  block_size_ = header() + words(0) * width_;
  panel_size_ = (blocks_ - 1) * block_size_ + header() + words(blocks_ - 1) * width_;
  const int64_t size = panels() * panel_size_;
  words_ = aligned<uint32_t>(size);
  std::fill_n(words_.get(), size, 0u);
}

Coded::Coded(const Whole& from, int64_t width)
    : columns_(from.columns), depth_(from.depth), width_(width), block_(std::min(from.block, from.depth)), blocks_((depth_ + block_ - 1) / block_), has_scales_(true) {
  std::vector<Extent> extents(static_cast<size_t>(columns_ * blocks_));
  parallel(columns_, [&](int64_t c) {
    for (int64_t b = 0; b < blocks_; b++) extents[static_cast<size_t>(c * blocks_ + b)] = extent_of(from, c, b);
  });
  const auto all = [&](auto&& holds) { return std::all_of(extents.begin(), extents.end(), holds); };
  code_ = all([](const Extent& e) { return e.high - e.low < 16; }) ? Code::Four : Code::Eight;
  zero_ = code_ == Code::Four ? 8 : 128;
  has_zeros_ = code_ == Code::Four && !all([](const Extent& e) { return e.low >= -8 && e.high <= 7; });
  allocate();
  const int64_t bits = 32 / codes_in_word(code_);
  parallel(panels(), [&](int64_t panel) {
    for (int64_t b = 0; b < blocks_; b++) {
      uint32_t* to = at(panel, b);
      auto* scales = reinterpret_cast<float*>(to);
      for (int64_t i = 0; i < std::min(width_, columns_ - panel * width_); i++) {
        const int64_t c = panel * width_ + i;
        const int zero = has_zeros_ ? -extents[static_cast<size_t>(c * blocks_ + b)].low : static_cast<int>(zero_);
        scales[i] = from.scales[b * columns_ + c];
        if (has_zeros_) scales[width_ + i] = static_cast<float>(zero);
        const int8_t* codes = from.codes + c * from.column_step;
        for (int64_t k = b * block_; k < std::min(depth_, (b + 1) * block_); k++) {
          const int64_t step = k - b * block_, word = step / codes_in_word(code_), place = step % codes_in_word(code_);
          to[header() + word * width_ + i] |= static_cast<uint32_t>(codes[k * from.depth_step] + zero) << (bits * place);
        }
      }
    }
  });
}

Coded::Coded(const Halves& from, Code code, int64_t width)
    : code_(code), columns_(from.columns), depth_(from.depth), width_(width), block_(from.depth), blocks_(1) {
  allocate();
  parallel(panels(), [&](int64_t panel) {
    uint32_t* to = at(panel, 0);
    for (int64_t k = 0; k < depth_; k++)
      for (int64_t i = 0; i < std::min(width_, columns_ - panel * width_); i++)
        to[k / 2 * width_ + i] |= static_cast<uint32_t>(from.bits[(panel * width_ + i) * from.column_step + k * from.depth_step]) << (16 * (k % 2));
  });
}

void CodedPanels::pack(float* to, int64_t first, int64_t lines, int64_t width, int64_t from, int64_t count) const {
  for (int64_t line = 0; line < lines; line += width, to += width * count) isa().decode(to, from_, (first + line) / width, from, count);
}

}  // namespace omnix
