// float16 and bfloat16 as bits: exact to float32, and back to the nearest, halves to even.
#pragma once
#include <cstdint>
#include <cstring>

namespace omnix {

inline uint32_t bits_of(float f) {
  uint32_t b;
  std::memcpy(&b, &f, 4);
  return b;
}
inline float float_of(uint32_t b) {
  float f;
  std::memcpy(&f, &b, 4);
  return f;
}

struct Float16 {
  using Stored = uint16_t;
  using Computed = float;
  static float decode(uint16_t h) {
    const uint32_t sign = static_cast<uint32_t>(h & 0x8000) << 16;
    const uint32_t exponent = (h >> 10) & 31;
    const uint32_t fraction = h & 1023;
    if (exponent == 31) return float_of(sign | (fraction ? 0x7fc00000u : 0x7f800000u));
    if (exponent == 0) return float_of(sign | bits_of(static_cast<float>(fraction) * 0x1p-24f));
    return float_of(sign | ((exponent + 112) << 23) | (fraction << 13));
  }
  static uint16_t encode(float f) {
    const uint32_t b = bits_of(f);
    const auto sign = static_cast<uint16_t>((b >> 16) & 0x8000);
    const uint32_t magnitude = b & 0x7fffffff;
    if (magnitude > 0x7f800000) return sign | 0x7e00;
    if (magnitude >= 0x47800000) return sign | 0x7c00;
    // Adding 0.5 leaves a subnormal half in the low bits of the sum, rounded by the addition itself.
    if (magnitude < 0x38800000) return static_cast<uint16_t>(sign | (bits_of(float_of(magnitude) + 0.5f) - 0x3f000000u));
    return static_cast<uint16_t>(sign | ((magnitude + 0xfff + ((magnitude >> 13) & 1) - 0x38000000u) >> 13));
  }
};

struct Bfloat16 {
  using Stored = uint16_t;
  using Computed = float;
  static float decode(uint16_t h) { return float_of(static_cast<uint32_t>(h) << 16); }
  static uint16_t encode(float f) {
    const uint32_t b = bits_of(f);
    if ((b & 0x7fffffff) > 0x7f800000) return static_cast<uint16_t>((b >> 16) | 0x40);
    return static_cast<uint16_t>((b + 0x7fff + ((b >> 16) & 1)) >> 16);
  }
};

}  // namespace omnix
