// Floats of 8 bits and fewer by their sign, exponent and mantissa, and integers of 4 and 2 bits. One byte of memory holds the bits of one
// element. https://onnx.ai/onnx/technical/float8.html, OCP Microscaling Formats 1.0.
#pragma once
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

namespace omnix {

/** The exponent of the power of two at or below a number that is not zero; far below all others for zero, far above for infinity. */
inline int exponent_of(double value) {
  return value == 0 ? -1023 : std::isinf(value) ? 1024 : std::ilogb(value);
}

/** What is nearest, halves to even: the rounding mode is never changed. */
inline double round_to_even(double x) { return std::nearbyint(x); }

/**
 * Of a type with these widths: `Bias` is subtracted from the exponent's bits; `Largest`, `Overflow` and `Nan` are the bits without the sign of
 * the largest finite number, of what numbers beyond it become, and of what NaN becomes. Where zero has no sign, the bits of minus zero are
 * the one NaN.
 */
template <int Exponent, int Mantissa, int Bias, int Largest, int Overflow, int Nan, bool UnsignedZero = false>
struct SmallFloat {
  using Stored = uint8_t;
  using Computed = float;
  static constexpr int sign = 1 << (Exponent + Mantissa);

  static float decode(uint8_t bits) {
    static const std::array<float, 2 * sign> values = all();
    return values[bits & (2 * sign - 1)];
  }
  static uint8_t encode(float value) {
    if (value != value) return Nan;
    constexpr int least = 1 - Bias;
    const int exponent = std::max(exponent_of(value), least);
    if (exponent > 64) return magnitude_of(Overflow, std::signbit(value));
    // Steps of this size are the same below the least exponent, so that its numbers and the subnormal ones are one row of bits.
    const auto steps = static_cast<int>(round_to_even(std::ldexp(std::fabs(static_cast<double>(value)), Mantissa - exponent)));
    const int bits = (exponent - least) * (1 << Mantissa) + steps;
    return magnitude_of(bits <= Largest ? bits : Overflow, std::signbit(value));
  }

 private:
  static uint8_t magnitude_of(int bits, bool negative) {
    const bool loses_sign = UnsignedZero && (bits == 0 || bits == sign);
    return static_cast<uint8_t>(negative && !loses_sign ? bits | sign : bits);
  }
  static std::array<float, 2 * sign> all() {
    std::array<float, 2 * sign> values;
    for (int bits = 0; bits < 2 * sign; bits++) values[static_cast<size_t>(bits)] = number_of(bits);
    return values;
  }
  static float number_of(int bits) {
    if (UnsignedZero && bits == sign) return std::numeric_limits<float>::quiet_NaN();
    const int magnitude = bits & (sign - 1), exponent = magnitude >> Mantissa, fraction = magnitude & ((1 << Mantissa) - 1);
    const bool infinite = magnitude == Overflow && Overflow == Largest + 1 && fraction == 0;
    const int steps = fraction + (exponent > 0 ? 1 << Mantissa : 0);
    const double number = magnitude <= Largest ? std::ldexp(steps, std::max(exponent, 1) - Bias - Mantissa)
                          : infinite           ? std::numeric_limits<double>::infinity()
                                               : std::numeric_limits<double>::quiet_NaN();
    return static_cast<float>(bits & sign ? -number : number);
  }
};

using Float8e4m3fn = SmallFloat<4, 3, 7, 0x7e, 0x7f, 0x7f>;
using Float8e4m3fnuz = SmallFloat<4, 3, 8, 0x7f, 0x80, 0x80, true>;
using Float8e5m2 = SmallFloat<5, 2, 15, 0x7b, 0x7c, 0x7e>;
using Float8e5m2fnuz = SmallFloat<5, 2, 16, 0x7f, 0x80, 0x80, true>;
// These have no NaN: it becomes minus zero.
using Float6e2m3 = SmallFloat<2, 3, 1, 0x1f, 0x1f, 0x20>;
using Float6e3m2 = SmallFloat<3, 2, 3, 0x1f, 0x1f, 0x20>;
using Float4e2m1 = SmallFloat<2, 1, 1, 0x07, 0x07, 0x08>;

/** A power of two; 255 is NaN, and there is no zero and no sign. Halves go up, and what lies below the least becomes it. */
struct Float8e8m0 {
  using Stored = uint8_t;
  using Computed = float;
  static float decode(uint8_t bits) { return bits == 255 ? std::numeric_limits<float>::quiet_NaN() : std::ldexp(1.0f, bits - 127); }
  static uint8_t encode(float value) {
    if (!(value >= 0)) return 255;
    const int exponent = exponent_of(value);
    const int nearest = exponent < 1024 && value >= std::ldexp(1.5, exponent) ? exponent + 1 : exponent;
    return static_cast<uint8_t>(nearest > 127 ? 255 : std::max(nearest, -127) + 127);
  }
};

template <int Bits, class T>
struct SmallInteger {
  using Stored = uint8_t;
  using Computed = T;
  static T decode(uint8_t bits) {
    constexpr int rest = 8 - Bits;
    return static_cast<T>(static_cast<T>(static_cast<uint8_t>(bits << rest)) >> rest);
  }
  static uint8_t encode(T value) { return static_cast<uint8_t>(value) & ((1 << Bits) - 1); }
};

}  // namespace omnix
