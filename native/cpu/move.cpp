// copy, fill, values and gather: elements that move and are not computed.
#include <cstring>

#include "parts.h"
#include "place.h"
#include "plan.h"
#include "walk.h"

namespace omnix {
namespace {

template <class T>
void copy_row(const T* from, int64_t from_step, T* to, int64_t to_step, int64_t n) {
  if (from_step == 1 && to_step == 1 && n > 8) std::memmove(to, from, static_cast<size_t>(n) * sizeof(T));
  else
    for (int64_t i = 0; i < n; i++) to[i * to_step] = from[i * from_step];
}

template <class T>
void copy_rows(const Dims& shape, const T* from, const Strided& x, T* to, const Strided& y) {
  for_each_row(shape, {x, y}, [&](const int64_t* at, int64_t n, const int64_t* step) {
    copy_row(from + at[0], step[0], to + at[1], step[1], n);
  });
}

/** Two axes of which one side lies in the order of the first and the other in that of the second, a square at a time: lines of a cache are read and written whole. */
template <class T>
void copy_turned(const T* from, T* to, int64_t rows, int64_t columns, int64_t from_step, int64_t to_step) {
  constexpr int64_t square = 16;
  for (int64_t i = 0; i < rows; i += square)
    for (int64_t j = 0; j < columns; j += square) {
      const int64_t rows_here = std::min(square, rows - i), columns_here = std::min(square, columns - j);
      for (int64_t a = i; a < i + rows_here; a++)
        for (int64_t b = j; b < j + columns_here; b++) to[a * to_step + b] = from[b * from_step + a];
    }
}

/** Copies that go along one axis on one side and along another on the other; false where both go along the last, or neither. */
template <class T>
bool copy_across(Dims shape, const T* from, const Strided& x, T* to, const Strided& y) {
  std::vector<Strided> views{x, y};
  merge_axes(shape, views);
  const auto along = [&](const Strided& v) { return std::find(v.strides.begin(), v.strides.end(), 1) - v.strides.begin(); };
  const auto a = static_cast<size_t>(along(views[0])), b = static_cast<size_t>(along(views[1]));
  if (a == b || a >= shape.size() || b >= shape.size() || shape[a] < 4 || shape[b] < 4) return false;
  const int64_t rows = shape[a], columns = shape[b], from_step = views[0].strides[b], to_step = views[1].strides[a];
  shape[a] = shape[b] = 1;
  for_each_row(shape, views, [&](const int64_t* at, int64_t n, const int64_t* step) {
    for (int64_t i = 0; i < n; i++) copy_turned(from + at[0] + i * step[0], to + at[1] + i * step[1], rows, columns, from_step, to_step);
  });
  return true;
}

template <class T>
T element_of(uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

/** The strides without those of `count` axes from `axis`. */
Dims without(const Dims& dims, size_t axis, size_t count) {
  Dims rest(dims.begin(), dims.begin() + static_cast<std::ptrdiff_t>(axis));
  rest.insert(rest.end(), dims.begin() + static_cast<std::ptrdiff_t>(axis + count), dims.end());
  return rest;
}

template <class T, class Index>
void gather(int64_t kernel_axis, const Operand& x, const Operand& indices, const Operand& y) {
  const auto axis = static_cast<size_t>(kernel_axis);
  const size_t rank = indices.view->shape.size();
  const Dims rest = without(x.view->shape, axis, 1);
  const Dims& ys = y.view->strides;
  const Strided target{y.view->offset, Dims(ys.begin() + kernel_axis, ys.begin() + static_cast<std::ptrdiff_t>(axis + rank))};
  const Dims from = without(x.view->strides, axis, 1), to = without(ys, axis, rank);
  // What an index chooses is mostly one row, and may be of two elements.
  Dims merged = rest;
  std::vector<Strided> sides{{0, from}, {0, to}};
  merge_axes(merged, sides);
  const bool is_row = merged.size() <= 1;
  const int64_t count = merged.empty() ? 1 : merged[0];
  const int64_t from_step = merged.empty() ? 1 : sides[0].strides[0], to_step = merged.empty() ? 1 : sides[1].strides[0];
  for_each_row(indices.view->shape, {strided(*indices.view), target}, [&](const int64_t* at, int64_t n, const int64_t* step) {
    for (int64_t i = 0; i < n; i++) {
      const int64_t place = place_of(indices.as<Index>()[at[0] + i * step[0]], x.view->shape[axis], kernel_axis);
      const int64_t begin = x.view->offset + place * x.view->strides[axis], target_begin = at[1] + i * step[1];
      if (is_row) copy_row(x.as<T>() + begin, from_step, y.as<T>() + target_begin, to_step, count);
      else copy_rows(rest, x.as<T>(), {begin, from}, y.as<T>(), {target_begin, to});
    }
  });
}

}  // namespace

void run_copy(const Operand& x, const Operand& y) {
  // An output in the memory of the input that it updates.
  if (x.data == y.data && x.view->offset == y.view->offset && x.view->strides == y.view->strides) return;
  const auto run = [&](const View& from, const View& to) {
    with_width(y.view->type, [&](auto* null) {
      using T = std::remove_pointer_t<decltype(null)>;
      if (!copy_across(to.shape, x.as<T>(), strided(from), y.as<T>(), strided(to))) copy_rows(to.shape, x.as<T>(), strided(from), y.as<T>(), strided(to));
    });
  };
  const Dims& shape = y.view->shape;
  const size_t axis = axis_to_divide(shape, [](size_t) { return true; });
  if (axis == shape.size()) return run(*x.view, *y.view);
  in_parts(shape[axis], product(shape), [&](int64_t from, int64_t n) { run(slice(*x.view, axis, from, n), slice(*y.view, axis, from, n)); });
}

void run_fill(const Fill& kernel, const Operand& y) {
  with_width(y.view->type, [&](auto* null) {
    using T = std::remove_pointer_t<decltype(null)>;
    for_each_row(y.view->shape, {strided(*y.view)}, [&](const int64_t* at, int64_t n, const int64_t* step) {
      for (int64_t i = 0; i < n; i++) y.as<T>()[at[0] + i * step[0]] = element_of<T>(kernel.bits);
    });
  });
}

void run_values(const Values& kernel, const Operand& y) {
  with_type(y.view->type, [&](auto* null) {
    using T = std::remove_pointer_t<decltype(null)>;
    size_t next = 0;
    for_each_row(y.view->shape, {strided(*y.view)}, [&](const int64_t* at, int64_t n, const int64_t* step) {
      for (int64_t i = 0; i < n; i++) y.as<T>()[at[0] + i * step[0]] = static_cast<T>(kernel.values[next++]);
    });
  });
}

void run_gather(const Gather& kernel, const Operand& x, const Operand& indices, const Operand& y) {
  const auto run = [&](const View& from, const View& places, const View& to) {
    with_width(y.view->type, [&](auto* null) {
      using T = std::remove_pointer_t<decltype(null)>;
      const Operand source{&from, x.data}, chosen{&places, indices.data}, target{&to, y.data};
      if (places.type == Element::Int64) gather<T, int64_t>(kernel.axis, source, chosen, target);
      else gather<T, int32_t>(kernel.axis, source, chosen, target);
    });
  };
  const Dims& shape = y.view->shape;
  const auto on = static_cast<size_t>(kernel.axis);
  const size_t rank = indices.view->shape.size(), axis = axis_to_divide(shape, [](size_t) { return true; });
  if (axis == shape.size()) return run(*x.view, *indices.view, *y.view);
  in_parts(shape[axis], product(shape), [&](int64_t from, int64_t n) {
    // The axes of the indices stand in the place of the axis of x.
    const bool chosen = axis >= on && axis < on + rank;
    const View source = chosen ? *x.view : slice(*x.view, axis < on ? axis : axis + 1 - rank, from, n);
    run(source, chosen ? slice(*indices.view, axis - on, from, n) : *indices.view, slice(*y.view, axis, from, n));
  });
}

}  // namespace omnix
