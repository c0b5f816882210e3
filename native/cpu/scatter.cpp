// scatter: elements written, or combined, at places that other elements name.
#include <algorithm>
#include <type_traits>

#include "plan.h"
#include "place.h"
#include "scalar_functions.h"
#include "walk.h"

namespace omnix {
namespace {

/** Replaces, whatever the type. */
struct Replace {
  template <class T>
  T operator()(T, T update) const {
    return update;
  }
};
struct Add {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (std::is_floating_point_v<T>) return a + b;
    else return static_cast<T>(static_cast<Wrapping<T>>(a) + static_cast<Wrapping<T>>(b));
  }
};
struct Multiply {
  template <class T>
  T operator()(T a, T b) const {
    if constexpr (std::is_floating_point_v<T>) return a * b;
    else return static_cast<T>(static_cast<Wrapping<T>>(a) * static_cast<Wrapping<T>>(b));
  }
};
/** NaN where either is. */
struct Largest {
  template <class T>
  T operator()(T a, T b) const {
    return a >= b ? a : a < b ? b : static_cast<T>(a + b);
  }
};
struct Smallest {
  template <class T>
  T operator()(T a, T b) const {
    return a <= b ? a : a > b ? b : static_cast<T>(a + b);
  }
};

int64_t index_at(const Operand& indices, int64_t at) {
  return indices.view->type == Element::Int64 ? indices.as<int64_t>()[at] : indices.as<int32_t>()[at];
}

/** y[…, indices[p], …] = updates[p] at every position p of the updates, with the index along the axis. */
template <class T, class Combine>
void scatter_elements(int64_t kernel_axis, const Operand& indices, const Operand& updates, const Operand& y, Combine combine) {
  const auto axis = static_cast<size_t>(kernel_axis);
  const int64_t size = y.view->shape[axis], step_along = y.view->strides[axis];
  // The index along the axis comes from the indices, so y does not move along it here.
  Strided still = strided(*y.view);
  still.strides[axis] = 0;
  for_each_row(updates.view->shape, {strided(*indices.view), strided(*updates.view), still}, [&](const int64_t* at, int64_t n, const int64_t* step) {
    for (int64_t i = 0; i < n; i++) {
      const int64_t place = place_of(index_at(indices, at[0] + i * step[0]), size, kernel_axis);
      T& element = y.as<T>()[at[2] + i * step[2] + place * step_along];
      element = combine(element, updates.as<T>()[at[1] + i * step[1]]);
    }
  });
}

Dims from(const Dims& dims, size_t axis) { return Dims(dims.begin() + static_cast<std::ptrdiff_t>(axis), dims.end()); }
Dims upto(const Dims& dims, size_t axis) { return Dims(dims.begin(), dims.begin() + static_cast<std::ptrdiff_t>(axis)); }

/** y[indices[p, :]] = updates[p] for every position p of all axes of the indices but the last: elements or slices. */
template <class T, class Combine>
void scatter_slices(const Operand& indices, const Operand& updates, const Operand& y, Combine combine) {
  const size_t rank = indices.view->shape.size() - 1;
  const auto depth = static_cast<size_t>(indices.view->shape[rank]);
  const Dims inner = from(y.view->shape, depth);
  if (std::find(inner.begin(), inner.end(), 0) != inner.end()) return;
  const Dims read = from(updates.view->strides, rank), written = from(y.view->strides, depth);
  const std::vector<Strided> walked{{indices.view->offset, upto(indices.view->strides, rank)}, {updates.view->offset, upto(updates.view->strides, rank)}};
  for_each_row(upto(indices.view->shape, rank), walked, [&](const int64_t* at, int64_t n, const int64_t* step) {
    for (int64_t i = 0; i < n; i++) {
      int64_t place = y.view->offset;
      for (size_t k = 0; k < depth; k++) {
        const int64_t index = index_at(indices, at[0] + i * step[0] + static_cast<int64_t>(k) * indices.view->strides[rank]);
        place += place_of(index, y.view->shape[k], static_cast<int64_t>(k)) * y.view->strides[k];
      }
      for_each_row(inner, {{at[1] + i * step[1], read}, {place, written}}, [&](const int64_t* row, int64_t length, const int64_t* along) {
        for (int64_t q = 0; q < length; q++) {
          T& element = y.as<T>()[row[1] + q * along[1]];
          element = combine(element, updates.as<T>()[row[0] + q * along[0]]);
        }
      });
    }
  });
}

template <class T, class Combine>
void scatter(const Scatter& kernel, const Operand& indices, const Operand& updates, const Operand& y, Combine combine) {
  if (kernel.axis) scatter_elements<T>(*kernel.axis, indices, updates, y, combine);
  else scatter_slices<T>(indices, updates, y, combine);
}

}  // namespace

void run_scatter(const Scatter& kernel, const Operand& indices, const Operand& updates, const Operand& y) {
  if (kernel.by == ScatterBy::None)
    return with_width(y.view->type, [&](auto* null) { scatter<std::remove_pointer_t<decltype(null)>>(kernel, indices, updates, y, Replace{}); });
  with_type(y.view->type, [&](auto* null) {
    using T = std::remove_pointer_t<decltype(null)>;
    switch (kernel.by) {
      case ScatterBy::Add: return scatter<T>(kernel, indices, updates, y, Add{});
      case ScatterBy::Mul: return scatter<T>(kernel, indices, updates, y, Multiply{});
      case ScatterBy::Max: return scatter<T>(kernel, indices, updates, y, Largest{});
      default: return scatter<T>(kernel, indices, updates, y, Smallest{});
    }
  });
}

}  // namespace omnix
