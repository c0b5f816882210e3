#include "coded.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>

#include "parts.h"

namespace omnix {

namespace {

/** Lengths that are known take a few moves and no call. */
void copy_line(float* to, const float* from, int64_t n) {
  if (n == 16) std::memcpy(to, from, 64);
  else if (n == 8) std::memcpy(to, from, 32);
  else std::memcpy(to, from, static_cast<size_t>(n) * sizeof(float));
}

}  // namespace

void MatrixPanels::pack(float* to, int64_t first, int64_t lines, int64_t width, int64_t from, int64_t count) const {
  for (int64_t line = 0; line < lines; line += width, to += width * count) {
    const float* data = data_ + (first + line) * line_step_ + from * depth_step_;
    const int64_t here = std::min(width, lines_ - first - line);
    if (line_step_ == 1 && here == width) {
      for (int64_t q = 0; q < count; q++) copy_line(to + q * width, data + q * depth_step_, width);
      continue;
    }
    for (int64_t q = 0; q < count; q++) {
      float* step = to + q * width;
      for (int64_t i = 0; i < here; i++) step[i] = data[i * line_step_ + q * depth_step_];
      for (int64_t i = here; i < width; i++) step[i] = 0;
    }
  }
}

Packed::Packed(const Panels& panels, int64_t lines, int64_t depth, int64_t width, float* lent)
    : panels_((lines + width - 1) / width), depth_(depth), width_(width), own_(lent ? nullptr : aligned<float>(size(lines, depth, width))),
      data_(lent ? lent : own_.get()) {
  const int64_t blocks = (depth + depth_block - 1) / depth_block;
  parallel(panels_ * blocks, [&](int64_t k) {
    const int64_t panel = k / blocks, from = k % blocks * depth_block;
    panels.pack(const_cast<float*>(at(panel, from)), panel * width, width, width, from, std::min(depth_block, depth - from));
  });
}

float* scratch(Scratch purpose, int64_t floats) {
  struct Memory {
    Aligned<float> data;
    int64_t size = 0;
  };
  static thread_local Memory memory[scratch_purposes];
  Memory& own = memory[static_cast<size_t>(purpose)];
  if (own.size < floats) {
    own.data.reset();
    own.data = aligned<float>(floats);
    own.size = floats;
  }
  return own.data.get();
}

namespace {

/** Few rows, which all columns read: made once, with the sum of each block where the numbers of the other side have a zero point. */
void multiply_few_rows(const Product& product, int64_t threads) {
  const Coded& c = *product.coded_b;
  const int64_t step = round_up(product.depth, 8);
  float* const data = scratch(Scratch::AllRows, product.rows * (step + c.blocks()));
  float* const sums = data + product.rows * step;
  for (int64_t r = 0; r < product.rows; r++) {
    product.a->pack(data + r * step, r, 1, 1, 0, product.depth);
    std::fill(data + r * step + product.depth, data + (r + 1) * step, 0.0f);
    for (int64_t b = 0; b < c.blocks(); b++)
      sums[r * c.blocks() + b] = std::accumulate(data + r * step + b * c.block(), data + r * step + std::min(product.depth, (b + 1) * c.block()), 0.0f);
  }
  const CodedRows rows{data, step, c.has_scales() ? sums : nullptr};
  Product p = product;
  p.coded_a = &rows;
  in_tiles(p.columns, c.width(), threads, [&](int64_t from, int64_t count) { isa().multiply_coded(p, {0, p.rows, from, count}); });
}

}  // namespace

void multiply(const Product& product) {
  const Isa& set = isa();
  Product p = product;
  const int64_t wanted = is_worth_threads(p.rows, p.columns, p.depth) ? thread_count() : 1;
  std::optional<CodedPanels> decoded;
  if (p.coded_b && p.rows <= set.coded_rows) return multiply_few_rows(p, wanted);
  if (p.coded_b) p.b = &decoded.emplace(*p.coded_b);
  // What several blocks of columns read is packed once for all of them.
  std::optional<Packed> rows;
  if (!p.packed_a && p.columns > set.column_block && p.rows > 1) {
    float* memory = scratch(Scratch::AllRows, Packed::size(p.rows, p.depth, set.tile_rows));
    p.packed_a = &rows.emplace(*p.a, p.rows, p.depth, set.tile_rows, memory);
  }
  if (wanted == 1) return set.multiply(p, {0, p.rows, 0, p.columns});
  // The longer side is divided, so that as little as possible is packed twice.
  const bool by_columns = p.columns / set.tile_columns >= p.rows / set.tile_rows;
  const int64_t length = by_columns ? p.columns : p.rows;
  const int64_t tile = by_columns ? set.tile_columns : set.tile_rows;
  in_tiles(length, tile, wanted, [&](int64_t from, int64_t count) {
    set.multiply(p, by_columns ? Part{0, p.rows, from, count} : Part{from, count, 0, p.columns});
  });
}

}  // namespace omnix
