// pool: windows of which the maximum or a mean is taken; means in double precision.
#include <cmath>
#include <limits>

#include "blocked.h"
#include "conv.h"

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

/** How windows are summed up: in which type, from what, and how an element comes in. NaN stays. */
template <class T>
struct Largest {
  /** Integers are of 8 bits. What no element came into has less than any of them. */
  using Total = std::conditional_t<std::is_integral_v<T>, int32_t, T>;
  static constexpr Total start = std::is_integral_v<T> ? std::numeric_limits<Total>::min() : -std::numeric_limits<Total>::infinity();
  static Total take(Total total, Total value) { return value > total || value != value ? value : total; }
};
template <class T>
struct Mean {
  using Total = double;
  static constexpr double start = 0;
  static double take(double total, T value) { return total + static_cast<double>(value); }
};

/** Planes of the first two axes, on all threads; `work` gets the image, the channel and where its input begins. */
template <class Work>
void for_each_plane(const View& x, const View& y, int64_t taps, Work&& work) {
  const int64_t channels = y.shape[1];
  in_parts(y.shape[0] * channels, product(y.shape) * taps, [&](int64_t from, int64_t count) {
    for (int64_t k = from; k < from + count; k++) work(k / channels, k % channels, x.offset + k / channels * x.strides[0] + k % channels * x.strides[1]);
  });
}

/** Outputs side by side and the elements that one tap of their windows reads, in the first plane. */
struct TapRow {
  int64_t length, to, to_step, from, from_step, place, place_step;
};

/** The rows of all taps, tap after tap: found once for all planes, but where they are so many that remembering them does not pay. */
class TapRows {
 public:
  TapRows(const Window& window, const Dims& steps, const Dims& places) : window_(window), steps_(steps), places_(places) {
    const double many = static_cast<double>(product(window.taps)) * static_cast<double>(product(window.output)) / static_cast<double>(window.output.back());
    if (many <= most_remembered) walk([&](const TapRow& row) { rows_.push_back(row); });
  }
  template <class Visit>
  void for_each(Visit&& visit) const {
    if (rows_.empty()) return walk(visit);
    for (const TapRow& row : rows_) visit(row);
  }

 private:
  static constexpr double most_remembered = 65536;

  template <class Visit>
  void walk(Visit&& visit) const {
    window_.for_each_tap([&](const Dims&, const std::vector<Span>& spans) {
      for_each_row(window_.extent(spans), {window_.outputs(spans), window_.inputs(spans, 0, steps_), window_.inputs(spans, 0, places_)},
                   [&](const int64_t* at, int64_t length, const int64_t* step) { visit(TapRow{length, at[0], step[0], at[1], step[1], at[2], step[2]}); });
    });
  }

  const Window& window_;
  const Dims &steps_, &places_;
  std::vector<TapRow> rows_;
};

template <class T, template <class> class How, class Complete>
void pool_values(const Window& window, const Operand& x, const Operand& y, Complete&& complete) {
  using Total = typename How<T>::Total;
  const Dims steps = tail(x.view->strides);
  const TapRows rows(window, steps, steps);
  for_each_plane(*x.view, *y.view, product(window.taps), [&](int64_t n, int64_t c, int64_t base) {
    std::vector<Total> plane(static_cast<size_t>(product(window.output)), How<T>::start);
    rows.for_each([&](const TapRow& row) {
      Total* to = plane.data() + row.to;
      const T* from = x.as<T>() + base + row.from;
      if (row.to_step == 1 && row.from_step == 1)
        for (int64_t i = 0; i < row.length; i++) to[i] = How<T>::take(to[i], from[i]);
      else
        for (int64_t i = 0; i < row.length; i++) to[i * row.to_step] = How<T>::take(to[i * row.to_step], from[i * row.from_step]);
    });
    complete(plane);
    write_plane<T>(plane, y, n, c);
  });
}

/** The largest element of each window and its flat index. */
template <class T>
void pool_places(const Pool& kernel, const Window& window, const Operand& x, const Operand& y, const Operand& places) {
  const Dims steps = tail(x.view->strides), flat = flat_strides(window.input, kernel.p == 1);
  const auto count = static_cast<size_t>(product(window.output));
  const TapRows rows(window, steps, flat);
  for_each_plane(*x.view, *y.view, product(window.taps), [&](int64_t n, int64_t c, int64_t base) {
    std::vector<typename Largest<T>::Total> plane(count, Largest<T>::start);
    std::vector<int64_t> found(count, -1);
    const int64_t start = (n * x.view->shape[1] + c) * product(window.input);
    rows.for_each([&](const TapRow& row) {
      for (int64_t i = 0; i < row.length; i++) {
        const auto to = static_cast<size_t>(row.to + i * row.to_step);
        const typename Largest<T>::Total value = x.as<T>()[base + row.from + i * row.from_step];
        if (!(value > plane[to] || value != value || found[to] == -1)) continue;
        plane[to] = value;
        found[to] = start + row.place + i * row.place_step;
      }
    });
    if constexpr (std::is_integral_v<T>)
      for (size_t i = 0; i < count; i++)
        if (found[i] == -1) plane[i] = 0;
    write_plane<T>(plane, y, n, c);
    write_plane<int64_t>(found, places, n, c);
  });
}

/** The exponent of Lp, raised to. */
template <class T>
void pool_lp(int64_t p, const Window& window, const Operand& x, const Operand& y) {
  const Dims steps = tail(x.view->strides);
  const auto exponent = static_cast<double>(p);
  const TapRows rows(window, steps, steps);
  for_each_plane(*x.view, *y.view, product(window.taps), [&](int64_t n, int64_t c, int64_t base) {
    std::vector<double> plane(static_cast<size_t>(product(window.output)), 0.0);
    rows.for_each([&](const TapRow& row) {
      for (int64_t i = 0; i < row.length; i++)
        plane[static_cast<size_t>(row.to + i * row.to_step)] += std::pow(std::fabs(static_cast<double>(x.as<T>()[base + row.from + i * row.from_step])), exponent);
    });
    for (double& value : plane) value = std::pow(value, 1.0 / exponent);
    write_plane<T>(plane, y, n, c);
  });
}

/** Maxima of floats by vectors; false where the borders of the windows outweigh them. */
bool pool_largest(const Window& window, const Operand& x, const Operand& y) {
  const Geometry geometry(window, *x.view, 1);
  const ShiftedChannels shifted(geometry, *y.view);
  if (!shifted.pay()) return false;
  const int64_t channels = y.view->shape[1];
  in_parts(y.view->shape[0] * channels, product(y.view->shape) * geometry.taps, [&](int64_t from, int64_t count) {
    const ShiftedChannels::Work work(shifted);
    for (int64_t k = from; k < from + count; k++) {
      const auto plane = [&](const Operand& v) { return v.as<float>() + v.view->offset + k / channels * v.view->strides[0] + k % channels * v.view->strides[1]; };
      work.run(plane(x), plane(y), Largest<float>::start, isa().largest);
    }
  });
  return true;
}

template <class T>
void pool(const Pool& kernel, const Operand& x, const Operand& y, const Operand* places) {
  const Window window{kernel.kernel, kernel.strides, kernel.dilations, kernel.pads, tail(x.view->shape), tail(y.view->shape)};
  if (product(y.view->shape) == 0) return;
  if (kernel.by == PoolBy::Max && places) return pool_places<T>(kernel, window, x, y, *places);
  if constexpr (std::is_same_v<T, float>)
    if (kernel.by == PoolBy::Max && (pool_blocked(kernel, x, y) || pool_largest(window, x, y))) return;
  if (kernel.by == PoolBy::Max)
    return pool_values<T, Largest>(window, x, y, [](auto& plane) {
      if constexpr (std::is_integral_v<T>) std::replace(plane.begin(), plane.end(), Largest<T>::start, 0);
    });
  if constexpr (std::is_floating_point_v<T>) {
    if (kernel.by == PoolBy::Lp) return pool_lp<T>(kernel.p, window, x, y);
    const std::vector<double> divisors = divisors_of(kernel, window);
    pool_values<T, Mean>(window, x, y, [&](std::vector<double>& plane) {
      for (size_t i = 0; i < plane.size(); i++) plane[i] /= divisors[i];
    });
  }
}

}  // namespace

void run_pool(const Pool& kernel, const Operand& x, const Operand& y, const Operand* places) {
  with_type(y.view->type, [&](auto* null) { pool<std::remove_pointer_t<decltype(null)>>(kernel, x, y, places); });
}

}  // namespace omnix
