// Walking strided views together: the one place where positions become memory indexes.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <numeric>
#include <vector>

#include "plan.h"

namespace omnix {

struct Strided {
  int64_t offset;
  Dims strides;
};

inline Strided strided(const View& v) { return {v.offset, v.strides}; }

inline int64_t product(const Dims& shape) { return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>()); }

inline Dims row_major(const Dims& shape) {
  Dims strides(shape.size());
  int64_t step = 1;
  for (size_t axis = shape.size(); axis-- > 0; step *= shape[axis]) strides[axis] = step;
  return strides;
}

/** Strides of broadcasting a view to `shape` of the same rank: 0 where the view has size 1. */
inline Dims spread(const View& v, const Dims& strides) {
  Dims result = strides;
  for (size_t axis = 0; axis < result.size(); axis++)
    if (v.shape[axis] == 1) result[axis] = 0;
  return result;
}

/** Drop axes of size 1 and join axes that every view crosses without a jump. */
inline void merge_axes(Dims& shape, std::vector<Strided>& views) {
  size_t kept = 0;
  for (size_t axis = 0; axis < shape.size(); axis++) {
    const int64_t size = shape[axis];
    if (size == 1) continue;
    const bool joins = kept > 0 && std::all_of(views.begin(), views.end(), [&](const Strided& v) {
                         return v.strides[kept - 1] == v.strides[axis] * size;
                       });
    const size_t to = joins ? kept - 1 : kept++;
    shape[to] = joins ? shape[to] * size : size;
    for (Strided& v : views) v.strides[to] = v.strides[axis];
  }
  shape.resize(kept);
  for (Strided& v : views) v.strides.resize(kept);
}

/**
 * Visit a shape row by row: `visit(offsets, n, steps)` gets the memory index of the row's first element in each view, the
 * row's length, and the distance between its elements in each view.
 */
template <class Visit>
void for_each_row(Dims shape, std::vector<Strided> views, Visit&& visit) {
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return;
  merge_axes(shape, views);
  const size_t rank = shape.size();
  const int64_t n = rank ? shape[rank - 1] : 1;
  std::vector<int64_t> offsets, steps;
  for (const Strided& v : views) {
    offsets.push_back(v.offset);
    steps.push_back(rank ? v.strides[rank - 1] : 0);
  }
  Dims index(rank, 0);
  for (;;) {
    visit(offsets.data(), n, steps.data());
    size_t axis = rank ? rank - 1 : 0;
    for (; axis > 0; axis--) {
      const size_t at = axis - 1;
      const bool ends = ++index[at] == shape[at];
      for (size_t k = 0; k < views.size(); k++) offsets[k] += (ends ? 1 - shape[at] : 1) * views[k].strides[at];
      if (!ends) break;
      index[at] = 0;
    }
    if (axis == 0) return;
  }
}

}  // namespace omnix
