// reduce and argreduce. Floats are summed in double precision, integers wrap.
#include <limits>
#include <type_traits>

#include "parts.h"
#include "plan.h"
#include "scalar_functions.h"
#include "walk.h"

namespace omnix {
namespace {

template <class T>
T identity(By by, bool is_bool) {
  using Limits = std::numeric_limits<T>;
  switch (by) {
    case By::Sum: return 0;
    case By::Prod: return 1;
    case By::Max:
      if (std::is_floating_point_v<T>) return -Limits::infinity();
      return is_bool ? T(0) : Limits::min();
    case By::Min:
      if (std::is_floating_point_v<T>) return Limits::infinity();
      return is_bool ? T(1) : Limits::max();
  }
  return 0;
}

/** So many sums side by side that none waits for another. */
constexpr int64_t side_by_side = 8;

/** A row without gaps into one total. */
template <class Total, class Combine, class T>
Total total_of(const T* from, int64_t n, Total start, Total neutral, Combine combine) {
  Total totals[side_by_side];
  std::fill(totals, totals + side_by_side, neutral);
  int64_t i = 0;
  for (; i + side_by_side <= n; i += side_by_side)
    for (int64_t k = 0; k < side_by_side; k++) totals[k] = combine(totals[k], static_cast<Total>(from[i + k]));
  for (; i < n; i++) start = combine(start, static_cast<Total>(from[i]));
  for (Total t : totals) start = combine(start, t);
  return start;
}

/** Rows of a few elements one after the other, element by element into totals: those stay in registers. */
constexpr int64_t few = 16;
template <class Total, class Combine, class T>
void add_rows(const T* from, int64_t rows, int64_t step, Total* to, Combine combine) {
  Total totals[few];
  std::copy_n(to, few, totals);
  for (int64_t r = 0; r < rows; r++, from += step)
    for (int64_t i = 0; i < few; i++) totals[i] = combine(totals[i], static_cast<Total>(from[i]));
  std::copy_n(totals, few, to);
}

template <class Total, class Combine, class T>
void accumulate(const Operand& x, std::vector<Total>& total, const Dims& strides, Total neutral, Combine combine, const T*) {
  const T* data = x.as<T>();
  Dims shape = x.view->shape;
  std::vector<Strided> views{strided(*x.view), {0, strides}};
  merge_axes(shape, views);
  if (const size_t rank = shape.size(); rank >= 2 && shape[rank - 1] == few && views[0].strides[rank - 1] == 1 && views[1].strides[rank - 1] == 1 && views[1].strides[rank - 2] == 0) {
    const int64_t rows = shape[rank - 2], step = views[0].strides[rank - 2];
    shape[rank - 1] = shape[rank - 2] = 1;
    for_each_row(shape, views, [&](const int64_t* at, int64_t n, const int64_t* apart) {
      for (int64_t i = 0; i < n; i++) add_rows(data + at[0] + i * apart[0], rows, step, total.data() + at[1] + i * apart[1], combine);
    });
    return;
  }
  for_each_row(shape, views, [&](const int64_t* at, int64_t n, const int64_t* step) {
    const T* from = data + at[0];
    Total* to = total.data() + at[1];
    if (step[1] == 0 && step[0] == 1) {
      *to = total_of(from, n, *to, neutral, combine);
    } else if (step[1] == 0) {
      Total sum = *to;
      for (int64_t i = 0; i < n; i++) sum = combine(sum, static_cast<Total>(from[i * step[0]]));
      *to = sum;
    } else if (step[1] == 1 && step[0] == 1) {
      for (int64_t i = 0; i < n; i++) to[i] = combine(to[i], static_cast<Total>(from[i]));
    } else {
      for (int64_t i = 0; i < n; i++) to[i * step[1]] = combine(to[i * step[1]], static_cast<Total>(from[i * step[0]]));
    }
  });
}

/** Totals in `Total`, one for each element of y. */
template <class T, class Total, class Combine>
void reduce_with(By by, const Operand& x, const Operand& y, Combine combine) {
  const Dims own = row_major(y.view->shape);
  const Total neutral = identity<Total>(by, x.view->type == Element::Bool);
  std::vector<Total> total(static_cast<size_t>(product(y.view->shape)), neutral);
  accumulate(x, total, spread(*y.view, own), neutral, combine, static_cast<const T*>(nullptr));
  T* data = y.as<T>();
  for_each_row(y.view->shape, {{0, own}, strided(*y.view)}, [&](const int64_t* at, int64_t n, const int64_t* step) {
    for (int64_t i = 0; i < n; i++) data[at[1] + i * step[1]] = static_cast<T>(total[static_cast<size_t>(at[0] + i * step[0])]);
  });
}

template <class T>
void reduce(By by, const Operand& x, const Operand& y) {
  using Sum = std::conditional_t<std::is_floating_point_v<T>, double, T>;
  using W = std::conditional_t<std::is_floating_point_v<T>, Sum, Wrapping<Sum>>;
  switch (by) {
    case By::Sum: return reduce_with<T, Sum>(by, x, y, [](Sum a, Sum b) { return static_cast<Sum>(static_cast<W>(a) + static_cast<W>(b)); });
    case By::Prod: return reduce_with<T, Sum>(by, x, y, [](Sum a, Sum b) { return static_cast<Sum>(static_cast<W>(a) * static_cast<W>(b)); });
    case By::Max: return reduce_with<T, T>(by, x, y, [](T a, T b) { return b > a || b != b ? b : a; });
    case By::Min: return reduce_with<T, T>(by, x, y, [](T a, T b) { return b < a || b != b ? b : a; });
  }
}

/** NaN beats every number. */
template <class T>
bool beats(T a, T b, By by) {
  return b != b ? false : a != a || (by == By::Max ? a > b : a < b);
}

template <class T>
void argreduce(const ArgReduce& kernel, const Operand& x, const Operand& y) {
  const auto axis = static_cast<size_t>(kernel.axis);
  const int64_t length = x.view->shape[axis], stride = x.view->strides[axis];
  const T* data = x.as<T>();
  int64_t* places = y.as<int64_t>();
  for_each_row(y.view->shape, {strided(*x.view), strided(*y.view)}, [&](const int64_t* at, int64_t n, const int64_t* step) {
    for (int64_t i = 0; i < n; i++) {
      const T* row = data + at[0] + i * step[0];
      int64_t best = 0;
      for (int64_t k = 1; k < length; k++) {
        const T a = row[k * stride], b = row[best * stride];
        if (beats(a, b, kernel.by) || (kernel.last && a == b)) best = k;
      }
      places[at[1] + i * step[1]] = best;
    }
  });
}

}  // namespace

void run_reduce(const Reduce& kernel, const Operand& x, const Operand& y) {
  const Dims& shape = x.view->shape;
  const auto run = [&](const Operand& from, const Operand& to) {
    with_type(x.view->type, [&](auto* null) { reduce<std::remove_pointer_t<decltype(null)>>(kernel.by, from, to); });
  };
  const size_t axis = axis_to_divide(shape, [&](size_t k) { return y.view->shape[k] == shape[k]; });
  if (axis == shape.size()) return run(x, y);
  in_parts(shape[axis], product(shape), [&](int64_t from, int64_t n) {
    const View xv = slice(*x.view, axis, from, n), yv = slice(*y.view, axis, from, n);
    run({&xv, x.data}, {&yv, y.data});
  });
}

void run_argreduce(const ArgReduce& kernel, const Operand& x, const Operand& y) {
  with_type(x.view->type, [&](auto* null) { argreduce<std::remove_pointer_t<decltype(null)>>(kernel, x, y); });
}

}  // namespace omnix
