// Element types under the numbers of ONNX's TensorProto.DataType, which the wire carries.
#pragma once
#include <cstddef>
#include <cstdint>

namespace omnix {

enum class Element : uint8_t {
  None = 0,
  Float32 = 1,
  Uint8 = 2,
  Int8 = 3,
  Uint16 = 4,
  Int16 = 5,
  Int32 = 6,
  Int64 = 7,
  Bool = 9,
  Float16 = 10,
  Float64 = 11,
  Uint32 = 12,
  Uint64 = 13,
  Bfloat16 = 16,
  Float8e4m3fn = 17,
  Float8e4m3fnuz = 18,
  Float8e5m2 = 19,
  Float8e5m2fnuz = 20,
  Uint4 = 21,
  Int4 = 22,
  Float4e2m1 = 23,
  Float8e8m0 = 24,
  Uint2 = 25,
  Int2 = 26,
  Float6e2m3 = 27,
  Float6e3m2 = 28,
};

/** Bytes of one element in memory, where those below 8 bits take one each; 0 for a type that has no place in these kernels. */
constexpr size_t bytes_of(Element e) {
  switch (e) {
    case Element::Uint8:
    case Element::Int8:
    case Element::Bool:
    case Element::Float8e4m3fn:
    case Element::Float8e4m3fnuz:
    case Element::Float8e5m2:
    case Element::Float8e5m2fnuz:
    case Element::Float8e8m0:
    case Element::Float6e2m3:
    case Element::Float6e3m2:
    case Element::Float4e2m1:
    case Element::Uint4:
    case Element::Int4:
    case Element::Uint2:
    case Element::Int2:
      return 1;
    case Element::Uint16:
    case Element::Int16:
    case Element::Float16:
    case Element::Bfloat16:
      return 2;
    case Element::Float32:
    case Element::Int32:
    case Element::Uint32:
      return 4;
    case Element::Float64:
    case Element::Int64:
    case Element::Uint64:
      return 8;
    case Element::None:
      return 0;
  }
  return 0;
}

/** The type in which elements are computed. */
constexpr Element compute_type(Element e) {
  switch (e) {
    case Element::Float16:
    case Element::Bfloat16:
    case Element::Float8e4m3fn:
    case Element::Float8e4m3fnuz:
    case Element::Float8e5m2:
    case Element::Float8e5m2fnuz:
    case Element::Float8e8m0:
    case Element::Float6e2m3:
    case Element::Float6e3m2:
    case Element::Float4e2m1:
      return Element::Float32;
    case Element::Uint4:
    case Element::Uint2:
      return Element::Uint8;
    case Element::Int4:
    case Element::Int2:
      return Element::Int8;
    default:
      return e;
  }
}

constexpr bool is_float(Element e) { return e == Element::Float32 || e == Element::Float64; }

/** Call `visit` with a null pointer of the C++ type that holds `e`. False where `e` has no arithmetic of its own. */
template <class Visit>
bool with_type(Element e, Visit&& visit) {
  switch (e) {
    case Element::Float32: visit(static_cast<float*>(nullptr)); return true;
    case Element::Float64: visit(static_cast<double*>(nullptr)); return true;
    case Element::Int8: visit(static_cast<int8_t*>(nullptr)); return true;
    case Element::Int16: visit(static_cast<int16_t*>(nullptr)); return true;
    case Element::Int32: visit(static_cast<int32_t*>(nullptr)); return true;
    case Element::Int64: visit(static_cast<int64_t*>(nullptr)); return true;
    case Element::Bool:
    case Element::Uint8: visit(static_cast<uint8_t*>(nullptr)); return true;
    case Element::Uint16: visit(static_cast<uint16_t*>(nullptr)); return true;
    case Element::Uint32: visit(static_cast<uint32_t*>(nullptr)); return true;
    case Element::Uint64: visit(static_cast<uint64_t*>(nullptr)); return true;
    default: return false;
  }
}

}  // namespace omnix
