// conv of integers of 8 bits as products: rows are the weights of an output channel, columns the windows before each output. An image is
// spread as words of four channels, so that every tap reads its columns in a row.
#include "conv.h"
#include "integers.h"

namespace omnix {
namespace {

int64_t quads_of(int64_t channels) { return (channels + 3) / 4; }

/** One image and group. */
struct Task {
  const Conv& kernel;
  const Geometry& geometry;
  const Spread& spread;
  const Operand &x, &y;
  int32_t zero;
  const Following* following;
  int64_t image, group;

  /** Channels that fill up the last word have no weights, and may hold anything. */
  void fill(int32_t* to) const {
    const View& v = *x.view;
    const auto* data = x.as<uint8_t>() + v.offset + image * v.strides[0] + group * geometry.channels * v.strides[1];
    const int32_t flip = v.type == Element::Int8 ? static_cast<int32_t>(0x80808080) : 0;
    const auto line = [&](int32_t* at, int64_t quad, int64_t start, int64_t n, int64_t step) {
      const uint8_t* from[4];
      for (int64_t i = 0; i < 4; i++) from[i] = data + std::min(4 * quad + i, geometry.channels - 1) * v.strides[1] + start;
      if (step == 1) return integer_loops().interleave(at, from, n, flip);
      for (int64_t k = 0; k < n; k++) at[k] = word_of({from[0][k * step], from[1][k * step], from[2][k * step], from[3][k * step]}) ^ flip;
    };
    spread.fill(to, quads_of(geometry.channels), static_cast<int32_t>(static_cast<uint32_t>(zero) * 0x01010101u), line);
  }

  void run() const {
    const PackedIntegers& weights = *kernel.integers[static_cast<size_t>(group)];
    const int64_t quads = quads_of(geometry.channels), rows = y.view->shape[1] / kernel.group;
    auto* words = reinterpret_cast<int32_t*>(scratch(Scratch::Image, spread.size(quads) + isa().tile_columns));
    fill(words);
    const std::vector<int64_t> starts = spread.starts(quads), places = spread.places(tail(y.view->strides));
    std::vector<int32_t> row_start;
    for (int32_t sum : weights.sums) row_start.push_back(static_cast<int32_t>(0u - static_cast<uint32_t>(zero) * static_cast<uint32_t>(sum)));
    IntegerProduct p;
    p.rows = rows, p.columns = spread.columns(), p.quads = quads * geometry.taps;
    p.a = weights.words.get(), p.base = words, p.starts = starts.data();
    p.y = y.as<int32_t>() + y.view->offset + image * y.view->strides[0] + group * rows * y.view->strides[1];
    p.row_step = y.view->strides[1], p.column_step = *even_step(*y.view, 2), p.places = places.data(), p.row_start = row_start.data();
    if (!following) return multiply(p);
    const Following::Matrix matrix = following->at({image}, group * rows);
    const Following::OfProduct context{matrix, p.places, p.column_step};
    const Finish finish{Following::OfProduct::run, &context};
    p.finish = &finish;
    multiply(p);
  }
};

}  // namespace

void conv_integers(const Conv& kernel, const Operand& x, const Operand& w, const Operand* zero, const Operand& y, const Following* following) {
  const Geometry geometry(kernel, *x.view, *w.view, *y.view);
  const Spread spread(geometry);
  const int64_t count = y.view->shape[0] * kernel.group;
  const auto one = [&](int64_t k) { Task{kernel, geometry, spread, x, y, zero_of(*x.view, zero), following, k / kernel.group, k % kernel.group}.run(); };
  if (count >= 2 * thread_count()) parallel(count, one);
  else
    for (int64_t k = 0; k < count; k++) one(k);
}

std::shared_ptr<const PackedIntegers> pack_integer_conv(const Conv& kernel, const View& w, const std::byte* data, int64_t group) {
  const int64_t rows = w.shape[0] / kernel.group, channels = w.shape[1], taps = product(tail(w.shape)), quads = quads_of(channels) * taps;
  const auto* codes = reinterpret_cast<const int8_t*>(data) + w.offset + group * rows * w.strides[0];
  std::vector<int64_t> places;
  for_each_row(tail(w.shape), {{0, tail(w.strides)}}, [&](const int64_t* at, int64_t n, const int64_t* step) {
    for (int64_t i = 0; i < n; i++) places.push_back(at[0] + i * step[0]);
  });
  auto packed = std::make_shared<PackedIntegers>();
  packed->words = aligned<int32_t>(row_size(rows, quads));
  packed->sums.assign(static_cast<size_t>(rows), 0);
  pack_integer_rows(packed->words.get(), rows, quads, [&](int64_t row, int64_t q, int (&bytes)[4]) {
    for (int64_t i = 0; i < 4 && q / taps * 4 + i < channels; i++) {
      bytes[i] = codes[row * w.strides[0] + (q / taps * 4 + i) * w.strides[1] + places[static_cast<size_t>(q % taps)]];
      packed->sums[static_cast<size_t>(row)] += bytes[i];
    }
  });
  return packed;
}

}  // namespace omnix
