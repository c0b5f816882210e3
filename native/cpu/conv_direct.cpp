// conv of float32 whose rows are outputs: few of them fill whole tiles where the columns of a product would be mostly borders.
#include <algorithm>

#include "conv.h"

namespace omnix {
namespace {

/** Less would not outweigh that what is made is turned. */
constexpr int64_t least_depth = 256;

/** Outputs side by side as tiles of about one size. */
void add_tiles(std::vector<RowTile>& tiles, int64_t from, int64_t count) {
  const int64_t parts = ceil_div(count, isa().tile_rows);
  for (int64_t k = 0; k < parts; k++) {
    const int64_t begin = k * count / parts, end = (k + 1) * count / parts;
    tiles.push_back({from + begin, static_cast<int>(end - begin)});
  }
}

}  // namespace

bool goes_direct(const Conv& kernel, const View& x, const View& w, const View& y) {
  if (way_of(kernel, x, w, y) != ConvWay::Product || images_at_once(y) > 1) return false;
  const Geometry g(kernel, x, w, y);
  const Spread spread(g);
  if (g.channels * g.taps < least_depth || !spread.pays()) return false;
  const int64_t channels = w.shape[0] / kernel.group, tile = isa().tile_columns;
  const double as_columns = static_cast<double>(g.outputs) / static_cast<double>(round_up(input_is_columns(g, x) ? g.outputs : spread.columns(), tile));
  const double as_rows = static_cast<double>(channels) / static_cast<double>(round_up(channels, tile));
  return 0.95 * as_rows > as_columns;
}

void conv_direct(const Conv& kernel, const Operand& x, const Operand& w, const Operand* bias, const Operand& y, const Following* following) {
  const View &xv = *x.view, &yv = *y.view;
  const Geometry geometry(kernel, xv, *w.view, yv);
  const Spread spread(geometry);
  const bool reads_input = input_is_columns(geometry, xv) && *even_step(xv, 2) == 1;
  std::vector<RowTile> tiles;
  std::vector<int64_t> starts;
  if (reads_input) {
    add_tiles(tiles, 0, geometry.outputs);
    for (int64_t c = 0; c < geometry.channels; c++) starts.push_back(c * xv.strides[1]);
  } else {
    Dims firsts = geometry.output;
    firsts.back() = 1;
    for_each_row(firsts, {{0, spread.pitch()}}, [&](const int64_t* at, int64_t n, const int64_t* step) {
      for (int64_t i = 0; i < n; i++) add_tiles(tiles, at[0] + i * step[0], geometry.output.back());
    });
    starts = spread.starts(geometry.channels);
  }
  const int64_t channels = yv.shape[1] / kernel.group, depth = geometry.channels * geometry.taps;
  const int64_t threads = is_worth_threads(geometry.outputs, channels, depth) ? thread_count() : 1;
  for (int64_t n = 0; n < yv.shape[0]; n++)
    for (int64_t group = 0; group < kernel.group; group++) {
      const float* base = x.as<float>() + xv.offset + n * xv.strides[0] + group * geometry.channels * xv.strides[1];
      if (!reads_input) {
        float* image = scratch(Scratch::Image, spread.size(geometry.channels));
        spread.fill(image, base, geometry.channels, xv.strides[1]);
        base = image;
      }
      Direct d{depth, channels, {base, starts.data()}, tiles.data(), static_cast<int64_t>(tiles.size()), geometry.outputs, kernel.packed[static_cast<size_t>(group)].get(),
               y.as<float>() + yv.offset + n * yv.strides[0] + group * channels * yv.strides[1], *even_step(yv, 2), yv.strides[1]};
      if (bias) d.bias = bias->as<float>() + bias->view->offset + group * channels * bias->view->strides[0], d.bias_step = bias->view->strides[0];
      std::optional<Following::Matrix> matrix;
      std::optional<Following::OfProduct> context;
      std::optional<Finish> finish;
      if (following) d.clamp = following->clamp();
      if (following && !d.clamp) {
        matrix.emplace(following->at({n}, group * channels));
        context.emplace(Following::OfProduct{*matrix, nullptr, d.row_step});
        d.finish = &finish.emplace(Finish{Following::OfProduct::run, &*context});
      }
      in_tiles(channels, isa().tile_columns, threads, [&](int64_t from, int64_t count) { isa().multiply_direct(d, from, count); });
    }
}

}  // namespace omnix
