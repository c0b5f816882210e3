// reduce and argreduce. Floats are summed in double precision, integers wrap.
#include <limits>
#include <type_traits>

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

template <class Total, class Combine, class T>
void accumulate(const Operand& x, std::vector<Total>& total, const Dims& strides, Combine combine, const T*) {
  const T* data = x.as<T>();
  for_each_row(x.view->shape, {strided(*x.view), {0, strides}}, [&](const int64_t* at, int64_t n, const int64_t* step) {
    const T* from = data + at[0];
    Total* to = total.data() + at[1];
    if (step[1] == 0) {
      Total sum = *to;
      for (int64_t i = 0; i < n; i++) sum = combine(sum, static_cast<Total>(from[i * step[0]]));
      *to = sum;
    } else {
      for (int64_t i = 0; i < n; i++) to[i * step[1]] = combine(to[i * step[1]], static_cast<Total>(from[i * step[0]]));
    }
  });
}

template <class T>
void reduce(By by, const Operand& x, const Operand& y) {
  using Total = std::conditional_t<std::is_floating_point_v<T>, double, T>;
  const Dims own = row_major(y.view->shape);
  std::vector<Total> total(static_cast<size_t>(product(y.view->shape)), identity<Total>(by, x.view->type == Element::Bool));
  const Dims strides = spread(*y.view, own);
  const auto run = [&](auto combine) { accumulate(x, total, strides, combine, static_cast<const T*>(nullptr)); };
  using W = std::conditional_t<std::is_floating_point_v<T>, Total, Wrapping<Total>>;
  switch (by) {
    case By::Sum: run([](Total a, Total b) { return static_cast<Total>(static_cast<W>(a) + static_cast<W>(b)); }); break;
    case By::Prod: run([](Total a, Total b) { return static_cast<Total>(static_cast<W>(a) * static_cast<W>(b)); }); break;
    case By::Max: run([](Total a, Total b) { return a > b || a != a ? a : b; }); break;
    case By::Min: run([](Total a, Total b) { return a < b || a != a ? a : b; }); break;
  }
  T* data = y.as<T>();
  for_each_row(y.view->shape, {{0, own}, strided(*y.view)}, [&](const int64_t* at, int64_t n, const int64_t* step) {
    for (int64_t i = 0; i < n; i++) data[at[1] + i * step[1]] = static_cast<T>(total[static_cast<size_t>(at[0] + i * step[0])]);
  });
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
  with_type(x.view->type, [&](auto* null) { reduce<std::remove_pointer_t<decltype(null)>>(kernel.by, x, y); });
}

void run_argreduce(const ArgReduce& kernel, const Operand& x, const Operand& y) {
  with_type(x.view->type, [&](auto* null) { argreduce<std::remove_pointer_t<decltype(null)>>(kernel, x, y); });
}

}  // namespace omnix
