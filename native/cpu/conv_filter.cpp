// conv of float32 where each channel is for itself: a channel's outputs are the sum of shifted copies of its spread image.
#include <algorithm>

#include "conv.h"

namespace omnix {
namespace {

/** Outputs of so many elements are made before what follows runs on them. */
constexpr int64_t elements_at_once = 8 * 1024;

}  // namespace

void conv_as_filter(const Conv& kernel, const Operand& x, const Operand& w, const Operand* bias, const Operand& y, const Following* following) {
  const View &xv = *x.view, &wv = *w.view, &yv = *y.view;
  const Geometry geometry(kernel, xv, wv, yv);
  const Spread spread(geometry);
  const int64_t channels = yv.shape[1], each = channels / kernel.group, across = geometry.output[geometry.last()];
  // Filters go on to the end of their blocks.
  const int64_t columns = (spread.columns() + isa().filter_block - 1) / isa().filter_block * isa().filter_block;
  const std::vector<int64_t> starts = spread.starts(1);
  // Where each row of outputs lies among the columns and in y.
  std::vector<std::pair<int64_t, int64_t>> rows;
  const Dims y_steps = tail(yv.strides);
  Dims firsts = geometry.output;
  firsts.back() = 1;
  for_each_row(firsts, {{0, spread.pitch()}, {0, y_steps}}, [&](const int64_t* at, int64_t n, const int64_t* step) {
    for (int64_t i = 0; i < n; i++) rows.emplace_back(at[0] + i * step[0], at[1] + i * step[1]);
  });
  const auto channel = [&](int64_t n, int64_t m) {
    float* image = scratch(Scratch::Image, spread.size(1) + columns);
    float* made = scratch(Scratch::Columns, columns);
    spread.fill(image, x.as<float>() + xv.offset + n * xv.strides[0] + m / each * xv.strides[1], 1, 0);
    std::vector<const float*> lines;
    std::vector<float> weights;
    for_each_row(tail(wv.shape), {{wv.offset + m * wv.strides[0], tail(wv.strides)}}, [&](const int64_t* at, int64_t length, const int64_t* step) {
      for (int64_t i = 0; i < length; i++) weights.push_back(w.as<float>()[at[0] + i * step[0]]);
    });
    for (int64_t start : starts) lines.push_back(image + start);
    const float start = bias ? bias->as<float>()[bias->view->offset + m * bias->view->strides[0]] : 0.0f;
    isa().filter(made, columns, start, lines.data(), weights.data(), static_cast<int64_t>(lines.size()));
    float* to = y.as<float>() + yv.offset + n * yv.strides[0] + m * yv.strides[1];
    for (const auto& [from, at] : rows)
      for (int64_t i = 0; i < across; i++) to[at + i * y_steps.back()] = made[from + i];
  };
  const int64_t at_once = std::max<int64_t>(1, elements_at_once / geometry.outputs);
  for (int64_t n = 0; n < yv.shape[0]; n++)
    in_parts(channels, channels * geometry.outputs * geometry.taps, [&](int64_t begin, int64_t count) {
      for (int64_t m = begin; m < begin + count; m += at_once) {
        const int64_t here = std::min(at_once, begin + count - m);
        for (int64_t k = 0; k < here; k++) channel(n, m + k);
        if (following) following->at({n}, m).run(0, here, 0, geometry.outputs);
      }
    });
}

}  // namespace omnix
