// Work in parts: a range of one axis of every view, for threads and for what follows while it lies in a cache.
#pragma once
#include <algorithm>

#include "plan.h"
#include "pool.h"

namespace omnix {

/** `n` positions of an axis from `from` on. */
inline View slice(View v, size_t axis, int64_t from, int64_t n) {
  v.offset += from * v.strides[axis];
  v.shape[axis] = n;
  return v;
}

/** Fewer elements than this are not worth waking a thread for. */
constexpr int64_t least_part = 16 * 1024;

/** Ranges of an axis on all threads: `work(from, n)`. `elements` is what the whole comes to. */
template <class Work>
void in_parts(int64_t length, int64_t elements, Work&& work) {
  const int64_t parts = std::min({length, elements / least_part, 4 * thread_count()});
  if (parts <= 1 || thread_count() == 1) {
    if (length > 0) work(int64_t{0}, length);
    return;
  }
  parallel(parts, [&](int64_t k) {
    const int64_t from = length * k / parts;
    work(from, length * (k + 1) / parts - from);
  });
}

/** The first axis that is long enough for all threads, else the longest; of those that `allows` takes. The rank where there is none. */
template <class Allows>
size_t axis_to_divide(const Dims& shape, Allows&& allows) {
  size_t best = shape.size();
  for (size_t axis = 0; axis < shape.size(); axis++) {
    if (shape[axis] < 2 || !allows(axis)) continue;
    if (shape[axis] >= 2 * thread_count()) return axis;
    if (best == shape.size() || shape[axis] > shape[best]) best = axis;
  }
  return best;
}

}  // namespace omnix
