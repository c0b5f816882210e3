// topk: the largest or smallest elements along an axis, in order.
#include <algorithm>
#include <numeric>

#include "codec.h"
#include "parts.h"
#include "plan.h"
#include "walk.h"

namespace omnix {
namespace {

/** `decode` gives what elements are compared by. */
template <class T, class Decode>
void topk(const TopK& kernel, const Operand& x, const Operand& values, const Operand& places, Decode decode) {
  const auto axis = static_cast<size_t>(kernel.axis);
  const int64_t length = x.view->shape[axis], stride = x.view->strides[axis];
  const int64_t count = values.view->shape[axis];
  const int64_t to = values.view->strides[axis], place = places.view->strides[axis];
  Dims rows = x.view->shape;
  rows[axis] = 1;
  std::vector<int64_t> order(static_cast<size_t>(length));
  const std::vector<Strided> views{strided(*x.view), strided(*values.view), strided(*places.view)};
  for_each_row(rows, views, [&](const int64_t* at, int64_t n, const int64_t* step) {
    for (int64_t i = 0; i < n; i++) {
      const T* row = x.as<T>() + at[0] + i * step[0];
      // NaN is the largest; of equal elements the first comes first.
      const auto before = [&](int64_t a, int64_t b) {
        const auto left = decode(row[a * stride]), right = decode(row[b * stride]);
        const bool above = right == right && (left != left || left > right), below = left == left && (right != right || left < right);
        return above || below ? above == kernel.largest : a < b;
      };
      std::iota(order.begin(), order.end(), int64_t{0});
      std::partial_sort(order.begin(), order.begin() + count, order.end(), before);
      for (int64_t k = 0; k < count; k++) {
        const int64_t from = order[static_cast<size_t>(k)];
        values.as<T>()[at[1] + i * step[1] + k * to] = row[from * stride];
        places.as<int64_t>()[at[2] + i * step[2] + k * place] = from;
      }
    }
  });
}

/** Some of the rows, or all. */
void sort_rows(const TopK& kernel, const Operand& x, const Operand& values, const Operand& places) {
  const auto coded = [&](auto codec) {
    using Codec = decltype(codec);
    topk<typename Codec::Stored>(kernel, x, values, places, [](typename Codec::Stored bits) { return Codec::decode(bits); });
  };
  if (with_codec(x.view->type, coded)) return;
  with_type(x.view->type, [&](auto* null) {
    using T = std::remove_pointer_t<decltype(null)>;
    topk<T>(kernel, x, values, places, [](T element) { return element; });
  });
}

}  // namespace

void run_topk(const TopK& kernel, const Operand& x, const Operand& values, const Operand& places) {
  const Dims& shape = x.view->shape;
  const size_t axis = axis_to_divide(shape, [&](size_t at) { return static_cast<int64_t>(at) != kernel.axis; });
  if (axis == shape.size()) return sort_rows(kernel, x, values, places);
  in_parts(shape[axis], product(shape), [&](int64_t from, int64_t n) {
    const View read = slice(*x.view, axis, from, n), written = slice(*values.view, axis, from, n), at = slice(*places.view, axis, from, n);
    sort_rows(kernel, {&read, x.data}, {&written, values.data}, {&at, places.data});
  });
}

}  // namespace omnix
