// What the generated block loops call: scalar functions that are total for every argument.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "element.h"

namespace omnix {
// Copies of its own for each instruction set: the linker would keep one for all.
#ifdef OMNIX_ISA
inline namespace OMNIX_ISA {
#endif

/** The type in which arithmetic on T wraps without undefined behaviour. */
template <class T>
using Wrapping = std::conditional_t<(sizeof(T) < 8), uint32_t, uint64_t>;

template <class T>
constexpr bool is_negative(T a) {
  if constexpr (std::is_signed_v<T>) return a < 0;
  else return (void)a, false;
}

template <class T>
T int_abs(T a) {
  return is_negative(a) ? static_cast<T>(0 - static_cast<Wrapping<T>>(a)) : a;
}

template <class T>
T int_sign(T a) {
  return a == 0 ? T(0) : is_negative(a) ? static_cast<T>(-1) : T(1);
}

/** Truncated quotient; x / 0 is 0 and MIN / -1 is MIN. */
template <class T>
T int_div(T a, T b) {
  if (b == 0) return 0;
  if constexpr (std::is_signed_v<T>)
    if (b == -1) return static_cast<T>(0 - static_cast<Wrapping<T>>(a));
  return static_cast<T>(a / b);
}

/** The remainder with the sign of the dividend; x rem 0 is 0. */
template <class T>
T int_rem(T a, T b) {
  if (b == 0) return 0;
  if constexpr (std::is_signed_v<T>)
    if (b == -1) return 0;
  return static_cast<T>(a % b);
}

/** The remainder with the sign of the divisor; x mod 0 is 0. */
template <class T>
T int_mod(T a, T b) {
  const T r = int_rem(a, b);
  return r != 0 && is_negative(r) != is_negative(b) ? static_cast<T>(r + b) : r;
}

/** Wrapping power; a negative exponent gives the truncated quotient 1 / a^-b, and 0 for a = 0. */
template <class T>
T int_pow(T a, T b) {
  if constexpr (std::is_signed_v<T>)
    if (b < 0) return a == 1 ? 1 : a == -1 ? (b % 2 == 0 ? 1 : -1) : 0;
  Wrapping<T> result = 1;
  auto base = static_cast<Wrapping<T>>(a);
  for (auto n = static_cast<std::make_unsigned_t<T>>(b); n > 0; n = static_cast<decltype(n)>(n >> 1)) {
    if (n & 1) result *= base;
    base *= base;
  }
  return static_cast<T>(result);
}

/** A shift by the width or more, or by less than nothing, gives 0. */
template <class T>
T shift_left(T a, T b) {
  if (is_negative(b) || static_cast<uint64_t>(b) >= sizeof(T) * 8) return 0;
  return static_cast<T>(static_cast<Wrapping<T>>(a) << b);
}
template <class T>
T shift_right(T a, T b) {
  if (is_negative(b) || static_cast<uint64_t>(b) >= sizeof(T) * 8) return 0;
  return static_cast<T>(a >> b);
}

/** NaN where either argument is. */
template <class T>
T float_min(T a, T b) {
  return a != a ? a : b != b ? b : b < a ? b : a;
}
template <class T>
T float_max(T a, T b) {
  return a != a ? a : b != b ? b : b > a ? b : a;
}

/** Zeros and NaN are their own sign. */
template <class T>
T float_sign(T a) {
  return a > 0 ? T(1) : a < 0 ? T(-1) : a;
}

/** The remainder with the sign of the divisor. */
template <class T>
T float_mod(T a, T b) {
  const T r = std::fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

/** Float to integer: towards zero, out of range to the nearest end, NaN to 0. */
template <class T, class F>
T saturate(F a) {
  constexpr T low = std::numeric_limits<T>::min();
  constexpr T high = std::numeric_limits<T>::max();
  if constexpr (sizeof(T) < sizeof(int32_t)) {
    // Without branches loops become vectors. The ends of these types are exact in every float.
    const F above = a > static_cast<F>(low) ? a : static_cast<F>(low), within = above < static_cast<F>(high) ? above : static_cast<F>(high);
    return static_cast<T>(static_cast<int32_t>(a != a ? F(0) : within));
  }
  if (a != a) return 0;
  if (static_cast<double>(a) <= static_cast<double>(low)) return low;
  if (static_cast<double>(a) >= static_cast<double>(high)) return high;
  return static_cast<T>(a);
}

/** A whole number kept between two ends, and then to what T has; NaN becomes 0, as everything does where an end is NaN. */
template <class T>
T quantized(float a, float low, float high) {
  constexpr float least = std::numeric_limits<T>::min(), most = std::numeric_limits<T>::max();
  // The ends are the same for all elements of a loop, and so is what is made of them.
  const float from = low > least ? low < most ? low : most : least, to = high > least ? high < most ? high : most : least;
  const float above = a > from ? a : from, within = above < to ? above : to;
  return static_cast<T>(static_cast<int32_t>(a != a || low != low || high != high ? 0.0f : within));
}

#ifdef OMNIX_ISA
}
#endif
}  // namespace omnix
