// pool: windows of which the maximum or a mean is taken, in double precision.
#include <cmath>
#include <limits>

#include "window.h"

namespace omnix {
namespace {

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

void run_pool(const Pool& kernel, const Operand& x, const Operand& y, const Operand* places) {
  with_type(y.view->type, [&](auto* null) { pool<std::remove_pointer_t<decltype(null)>>(kernel, x, y, places); });
}

}  // namespace omnix
