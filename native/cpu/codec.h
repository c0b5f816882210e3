// The types whose elements are stored in another form than they are computed in.
#pragma once
#include "element.h"
#include "half.h"
#include "small.h"

namespace omnix {

/** Call `visit` with the codec of a type: `Stored`, `Computed`, `decode` and `encode`. False for a type that has none. */
template <class Visit>
bool with_codec(Element e, Visit&& visit) {
  switch (e) {
    case Element::Float16: visit(Float16{}); return true;
    case Element::Bfloat16: visit(Bfloat16{}); return true;
    case Element::Float8e4m3fn: visit(Float8e4m3fn{}); return true;
    case Element::Float8e4m3fnuz: visit(Float8e4m3fnuz{}); return true;
    case Element::Float8e5m2: visit(Float8e5m2{}); return true;
    case Element::Float8e5m2fnuz: visit(Float8e5m2fnuz{}); return true;
    case Element::Float8e8m0: visit(Float8e8m0{}); return true;
    case Element::Float6e2m3: visit(Float6e2m3{}); return true;
    case Element::Float6e3m2: visit(Float6e3m2{}); return true;
    case Element::Float4e2m1: visit(Float4e2m1{}); return true;
    case Element::Int4: visit(SmallInteger<4, int8_t>{}); return true;
    case Element::Uint4: visit(SmallInteger<4, uint8_t>{}); return true;
    case Element::Int2: visit(SmallInteger<2, int8_t>{}); return true;
    case Element::Uint2: visit(SmallInteger<2, uint8_t>{}); return true;
    default: return false;
  }
}

}  // namespace omnix
