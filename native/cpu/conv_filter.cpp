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
  const ShiftedChannels shifted(geometry, yv);
  const int64_t channels = yv.shape[1], each = channels / kernel.group;
  const int64_t taps = product(tail(wv.shape));
  // By channels, taps side by side.
  std::vector<float> weights;
  weights.reserve(static_cast<size_t>(channels * taps));
  for (int64_t m = 0; m < channels; m++)
    for_each_row(tail(wv.shape), {{wv.offset + m * wv.strides[0], tail(wv.strides)}}, [&](const int64_t* at, int64_t length, const int64_t* step) {
      for (int64_t i = 0; i < length; i++) weights.push_back(w.as<float>()[at[0] + i * step[0]]);
    });
  const Clamp* const clamp = following ? following->clamp() : nullptr;
  const auto channel = [&](const ShiftedChannels::Work& work, int64_t n, int64_t m) {
    const float start = bias ? bias->as<float>()[bias->view->offset + m * bias->view->strides[0]] : 0.0f;
    const float* from = x.as<float>() + xv.offset + n * xv.strides[0] + m / each * xv.strides[1];
    work.run(from, y.as<float>() + yv.offset + n * yv.strides[0] + m * yv.strides[1], 0.0f,
             [&](float* made, int64_t columns, const float* const* lines, int64_t) { isa().filter(made, columns, start, lines, weights.data() + m * taps, taps, clamp); });
  };
  const int64_t at_once = std::max<int64_t>(1, elements_at_once / geometry.outputs);
  for (int64_t n = 0; n < yv.shape[0]; n++)
    in_parts(channels, channels * geometry.outputs * geometry.taps, [&](int64_t begin, int64_t count) {
      const ShiftedChannels::Work work(shifted);
      for (int64_t m = begin; m < begin + count; m += at_once) {
        const int64_t here = std::min(at_once, begin + count - m);
        for (int64_t k = 0; k < here; k++) channel(work, n, m + k);
        if (following && !clamp) following->at({n}, m).run(0, here, 0, geometry.outputs);
      }
    });
}

}  // namespace omnix
