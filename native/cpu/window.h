// Windows that move over the spatial axes, which conv and pool share.
#pragma once
#include <algorithm>

#include "plan.h"
#include "walk.h"

namespace omnix {

/** For one tap, which outputs along an axis read inside the input, and which element the first of them reads. */
struct Span {
  int64_t first, end, start;
};

inline int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

inline Span span_of(int64_t tap, int64_t input, int64_t output, int64_t stride, int64_t dilation, int64_t pad) {
  const int64_t shift = tap * dilation - pad;
  const int64_t first = std::max<int64_t>(0, -floor_div(shift, stride));
  const int64_t end = std::max(first, std::min(output, floor_div(input - 1 - shift, stride) + 1));
  return {first, end, first * stride + shift};
}

inline Dims tail(const Dims& dims) { return Dims(dims.begin() + 2, dims.end()); }

struct Window {
  Dims taps, strides, dilations, pads, input, output;

  /** Visit every tap of the window with the outputs that see input there. */
  template <class Visit>
  void for_each_tap(Visit&& visit) const {
    if (std::find(taps.begin(), taps.end(), 0) != taps.end()) return;
    Dims tap(taps.size(), 0);
    std::vector<Span> spans(taps.size());
    for (;;) {
      bool any = true;
      for (size_t d = 0; d < taps.size(); d++) {
        spans[d] = span_of(tap[d], input[d], output[d], strides[d], dilations[d], pads[d]);
        any = any && spans[d].end > spans[d].first;
      }
      if (any) visit(tap, spans);
      size_t axis = taps.size();
      while (axis > 0 && ++tap[axis - 1] == taps[axis - 1]) tap[--axis] = 0;
      if (axis == 0) return;
    }
  }

  Dims extent(const std::vector<Span>& spans) const {
    Dims shape;
    for (const Span& s : spans) shape.push_back(s.end - s.first);
    return shape;
  }
  Strided outputs(const std::vector<Span>& spans) const {
    Strided v{0, row_major(output)};
    for (size_t d = 0; d < spans.size(); d++) v.offset += spans[d].first * v.strides[d];
    return v;
  }
  Strided inputs(const std::vector<Span>& spans, int64_t offset, const Dims& own) const {
    Strided v{offset, own};
    for (size_t d = 0; d < spans.size(); d++) {
      v.offset += spans[d].start * own[d];
      v.strides[d] = strides[d] * own[d];
    }
    return v;
  }
};

template <class T, class From>
void write_plane(const std::vector<From>& plane, const Operand& y, int64_t n, int64_t m) {
  const View& v = *y.view;
  const Strided target{v.offset + n * v.strides[0] + m * v.strides[1], tail(v.strides)};
  for_each_row(tail(v.shape), {{0, row_major(tail(v.shape))}, target}, [&](const int64_t* at, int64_t count, const int64_t* step) {
    for (int64_t i = 0; i < count; i++) y.as<T>()[at[1] + i * step[1]] = static_cast<T>(plane[static_cast<size_t>(at[0] + i * step[0])]);
  });
}

}  // namespace omnix
