// Indices that are data, and elements of any type by their width.
#pragma once
#include <string>

#include "plan.h"

namespace omnix {

/** Call `visit` with a pointer of an unsigned type as wide as the element. */
template <class Visit>
void with_width(Element e, Visit&& visit) {
  switch (bytes_of(e)) {
    case 1: return visit(static_cast<uint8_t*>(nullptr));
    case 2: return visit(static_cast<uint16_t*>(nullptr));
    case 4: return visit(static_cast<uint32_t*>(nullptr));
    default: return visit(static_cast<uint64_t*>(nullptr));
  }
}

/** Where an index points along an axis; negative ones count from the end. @throws Refusal E3006 outside of it */
template <class Index>
int64_t place_of(Index index, int64_t size, int64_t axis) {
  const int64_t at = index < 0 ? index + size : index;
  if (at >= 0 && at < size) return at;
  throw Refusal("E3006", "index " + std::to_string(index) + " is outside axis " + std::to_string(axis) + " of size " + std::to_string(size));
}

}  // namespace omnix
