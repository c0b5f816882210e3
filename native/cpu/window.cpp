// conv and pool: windows that move over the spatial axes. Sums are kept in double precision.
#include <algorithm>
#include <cmath>
#include <limits>

#include "plan.h"
#include "walk.h"

namespace omnix {
namespace {

/** For one tap, which outputs along an axis read inside the input, and which element the first of them reads. */
struct Span {
  int64_t first, end, start;
};

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

Span span_of(int64_t tap, int64_t input, int64_t output, int64_t stride, int64_t dilation, int64_t pad) {
  const int64_t shift = tap * dilation - pad;
  const int64_t first = std::max<int64_t>(0, -floor_div(shift, stride));
  const int64_t end = std::max(first, std::min(output, floor_div(input - 1 - shift, stride) + 1));
  return {first, end, first * stride + shift};
}

Dims tail(const Dims& dims) { return Dims(dims.begin() + 2, dims.end()); }

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

template <class T>
void conv(const Conv& kernel, const Operand& x, const Operand& w, const Operand* bias, const Operand& y) {
  const View &xv = *x.view, &wv = *w.view, &yv = *y.view;
  const Window window{tail(wv.shape), kernel.strides, kernel.dilations, kernel.pads, tail(xv.shape), tail(yv.shape)};
  const int64_t per_group = wv.shape[1], outputs_per_group = std::max<int64_t>(1, wv.shape[0] / kernel.group);
  const Dims steps = tail(xv.strides);
  std::vector<double> plane(static_cast<size_t>(product(window.output)));
  for (int64_t n = 0; n < yv.shape[0]; n++)
    for (int64_t m = 0; m < yv.shape[1]; m++) {
      std::fill(plane.begin(), plane.end(), bias ? bias->as<T>()[bias->view->offset + m * bias->view->strides[0]] : 0.0);
      const int64_t first_channel = m / outputs_per_group * per_group;
      window.for_each_tap([&](const Dims& tap, const std::vector<Span>& spans) {
        for (int64_t c = 0; c < per_group; c++) {
          int64_t weight_at = wv.offset + m * wv.strides[0] + c * wv.strides[1];
          for (size_t d = 0; d < tap.size(); d++) weight_at += tap[d] * wv.strides[d + 2];
          const double weight = w.as<T>()[weight_at];
          const int64_t base = xv.offset + n * xv.strides[0] + (first_channel + c) * xv.strides[1];
          for_each_row(window.extent(spans), {window.outputs(spans), window.inputs(spans, base, steps)},
                       [&](const int64_t* at, int64_t length, const int64_t* step) {
                         double* to = plane.data() + at[0];
                         const T* from = x.as<T>() + at[1];
                         for (int64_t i = 0; i < length; i++) to[i * step[0]] += weight * static_cast<double>(from[i * step[1]]);
                       });
        }
      });
      write_plane<T>(plane, y, n, m);
    }
}

/** How many elements each window of an average has: those inside the input, or inside the padded input. */
std::vector<double> divisors_of(const Pool& kernel, const Window& window) {
  std::vector<double> all(static_cast<size_t>(product(window.output)), 1);
  const Dims strides = row_major(window.output);
  const size_t rank = window.output.size();
  for (size_t d = 0; d < rank; d++) {
    std::vector<double> along;
    for (int64_t o = 0; o < window.output[d]; o++) {
      const int64_t low = kernel.count_pads ? -kernel.pads[d] : 0;
      const int64_t high = kernel.count_pads ? window.input[d] + kernel.pads[rank + d] : window.input[d];
      double n = 0;
      for (int64_t t = 0; t < kernel.kernel[d]; t++) {
        const int64_t at = o * kernel.strides[d] - kernel.pads[d] + t * kernel.dilations[d];
        if (at >= low && at < high) n++;
      }
      along.push_back(n);
    }
    for (size_t i = 0; i < all.size(); i++) all[i] *= along[i / static_cast<size_t>(strides[d]) % along.size()];
  }
  return all;
}

/** Steps of the flat index; column-major order counts the first spatial axis fastest. */
Dims flat_strides(const Dims& spatial, bool column_major) {
  if (!column_major) return row_major(spatial);
  Dims strides;
  int64_t step = 1;
  for (int64_t size : spatial) {
    strides.push_back(step);
    step *= size;
  }
  return strides;
}

template <class T>
void pool(const Pool& kernel, const Operand& x, const Operand& y, const Operand* places) {
  const View &xv = *x.view, &yv = *y.view;
  const Window window{kernel.kernel, kernel.strides, kernel.dilations, kernel.pads, tail(xv.shape), tail(yv.shape)};
  const auto count = static_cast<size_t>(product(window.output));
  const std::vector<double> divisors = kernel.by == PoolBy::Average ? divisors_of(kernel, window) : std::vector<double>();
  const Dims steps = tail(xv.strides), flat = flat_strides(window.input, kernel.by == PoolBy::Max && kernel.p == 1);
  std::vector<double> plane(count);
  std::vector<int64_t> found(count);
  const auto take = [&](size_t at, double value, int64_t place) {
    if (kernel.by == PoolBy::Average) plane[at] += value;
    else if (kernel.by == PoolBy::Lp) plane[at] += std::pow(std::fabs(value), static_cast<double>(kernel.p));
    else if (value > plane[at] || value != value || (places && found[at] == -1)) {
      plane[at] = value;
      found[at] = place;
    }
  };
  for (int64_t n = 0; n < yv.shape[0]; n++)
    for (int64_t c = 0; c < yv.shape[1]; c++) {
      std::fill(plane.begin(), plane.end(), kernel.by == PoolBy::Max ? -std::numeric_limits<double>::infinity() : 0.0);
      std::fill(found.begin(), found.end(), -1);
      const int64_t base = xv.offset + n * xv.strides[0] + c * xv.strides[1];
      const int64_t start = (n * xv.shape[1] + c) * product(window.input);
      window.for_each_tap([&](const Dims&, const std::vector<Span>& spans) {
        for_each_row(window.extent(spans), {window.outputs(spans), window.inputs(spans, base, steps), window.inputs(spans, start, flat)},
                     [&](const int64_t* at, int64_t length, const int64_t* step) {
                       for (int64_t i = 0; i < length; i++)
                         take(static_cast<size_t>(at[0] + i * step[0]), static_cast<double>(x.as<T>()[at[1] + i * step[1]]), at[2] + i * step[2]);
                     });
      });
      for (size_t i = 0; i < divisors.size(); i++) plane[i] /= divisors[i];
      if (kernel.by == PoolBy::Lp)
        for (double& value : plane) value = std::pow(value, 1.0 / static_cast<double>(kernel.p));
      if constexpr (std::is_integral_v<T>)
        for (double& value : plane)
          if (!std::isfinite(value)) value = 0;
      write_plane<T>(plane, y, n, c);
      if (places) write_plane<int64_t>(found, *places, n, c);
    }
}

}  // namespace

void run_conv(const Conv& kernel, const Operand& x, const Operand& w, const Operand* bias, const Operand& y) {
  if (y.view->type == Element::Float32) conv<float>(kernel, x, w, bias, y);
  else conv<double>(kernel, x, w, bias, y);
}

void run_pool(const Pool& kernel, const Operand& x, const Operand& y, const Operand* places) {
  with_type(y.view->type, [&](auto* null) { pool<std::remove_pointer_t<decltype(null)>>(kernel, x, y, places); });
}

}  // namespace omnix
