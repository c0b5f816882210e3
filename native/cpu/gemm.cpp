#include "gemm.h"

#include <algorithm>

#include "pool.h"

namespace omnix {

void MatrixPanels::pack(float* to, int64_t first, int64_t lines, int64_t width, int64_t from, int64_t count) const {
  for (int64_t line = 0; line < lines; line += width, to += width * count) {
    const float* data = data_ + (first + line) * line_step_ + from * depth_step_;
    const int64_t here = std::min(width, lines_ - first - line);
    if (depth_step_ != 1 || line_step_ == 1 || here < width) {
      for (int64_t q = 0; q < count; q++) {
        float* step = to + q * width;
        for (int64_t i = 0; i < here; i++) step[i] = data[i * line_step_ + q * depth_step_];
        for (int64_t i = here; i < width; i++) step[i] = 0;
      }
    } else {
      for (int64_t i = 0; i < width; i++)
        for (int64_t q = 0; q < count; q++) to[q * width + i] = data[i * line_step_ + q];
    }
  }
}

Packed::Packed(const Panels& panels, int64_t lines, int64_t depth, int64_t width)
    : panels_((lines + width - 1) / width), depth_(depth), width_(width), data_(static_cast<size_t>(panels_ * width * depth)) {
  const int64_t blocks = (depth + depth_block - 1) / depth_block;
  parallel(panels_ * blocks, [&](int64_t k) {
    const int64_t panel = k / blocks, from = k % blocks * depth_block;
    panels.pack(const_cast<float*>(at(panel, from)), panel * width, width, width, from, std::min(depth_block, depth - from));
  });
}

float* scratch(int number, int64_t floats) {
  static thread_local std::vector<float> memory[2];
  std::vector<float>& own = memory[number];
  if (own.size() < static_cast<size_t>(floats)) own.resize(static_cast<size_t>(floats));
  return own.data();
}

namespace {

/** Products of fewer operations than this are not worth waking a thread for. */
constexpr double least_work = 200e3;

int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

}  // namespace

void multiply(const Product& product) {
  const Isa& set = isa();
  const double work = static_cast<double>(product.rows) * static_cast<double>(product.columns) * static_cast<double>(product.depth);
  const int64_t wanted = work < least_work ? 1 : thread_count();
  if (wanted == 1) return set.multiply(product, {0, product.rows, 0, product.columns});
  // The longer side is divided, so that as little as possible is packed twice.
  const bool by_columns = product.columns / set.tile_columns >= product.rows / set.tile_rows;
  const int64_t length = by_columns ? product.columns : product.rows;
  const int64_t tile = by_columns ? set.tile_columns : set.tile_rows;
  const int64_t each = std::max(tile, round_up((length + 2 * wanted - 1) / (2 * wanted), tile));
  parallel((length + each - 1) / each, [&](int64_t k) {
    const int64_t from = k * each, count = std::min(each, length - from);
    set.multiply(product, by_columns ? Part{0, product.rows, from, count} : Part{from, count, 0, product.columns});
  });
}

}  // namespace omnix
