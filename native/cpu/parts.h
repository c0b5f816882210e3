// Work in parts: a range of one axis of every view, for threads and for what follows while it lies in a cache.
#pragma once
#include <algorithm>

#include "plan.h"
#include "pool.h"

namespace omnix {

/** The next multiple of `to`. */
inline int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

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

/** Whether a product of so many rows, columns and steps is worth waking threads for. */
inline bool is_worth_threads(int64_t rows, int64_t columns, int64_t depth) {
  return static_cast<double>(rows) * static_cast<double>(columns) * static_cast<double>(depth) >= 200e3;
}

/** Ranges of a side that are whole tiles, on so many threads: `work(from, n)`. */
template <class Work>
void in_tiles(int64_t length, int64_t tile, int64_t threads, Work&& work) {
  const int64_t share = (length + 2 * threads - 1) / (2 * threads), each = std::max(tile, (share + tile - 1) / tile * tile);
  parallel((length + each - 1) / each, [&](int64_t k) { work(k * each, std::min(each, length - k * each)); });
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
