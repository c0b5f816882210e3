// Functions of float32 without branches, so that compilers make vectors of their loops. Errors are given in units in the last place (ULP) and
// were measured over all floats against double precision; those of double are the platform's.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

namespace omnix {
#ifdef OMNIX_ISA
inline namespace OMNIX_ISA {
#endif

inline double float_exp(double a) { return std::exp(a); }
inline double float_log(double a) { return std::log(a); }
inline double float_tanh(double a) { return std::tanh(a); }
inline double float_erf(double a) { return std::erf(a); }

inline int32_t bits_of(float a) {
  int32_t bits;
  std::memcpy(&bits, &a, sizeof(bits));
  return bits;
}
inline float float_of(int32_t bits) {
  float a;
  std::memcpy(&a, &bits, sizeof(a));
  return a;
}

/** ln 2 as a number with few bits, whose multiples are exact, and what is missing. */
constexpr float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;

/** a = n ln 2 + rest with |rest| at most about ln 2 / 2; a is within +-150. */
struct Halvings {
  int32_t n;
  float rest;
};
inline Halvings halvings_of(float a) {
  // Adding and subtracting 1.5 * 2^23 rounds to an integer.
  constexpr float round = 12582912.0f;
  const float shifted = a * 1.44269504f + round;
  const float n = shifted - round;
  return {bits_of(shifted) - bits_of(round), (a - n * ln2_high) - n * ln2_low};
}

/** e^r - 1 for |r| up to ln 2 / 2, by its series. */
inline float short_expm1(float r) {
  float p = 1.0f / 5040;
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  return r + r * r * p;
}

/** 2^n for n from -126 to 127; for others, which NaN leads to, anything. */
inline float power_of_two(int32_t n) { return float_of(static_cast<int32_t>(static_cast<uint32_t>(n + 127) << 23)); }

/** Up to 1 ULP; 2 where the result is subnormal. */
inline float float_exp(float a) {
  float x = a > 89.0f ? 89.0f : a;
  x = x < -104.0f ? -104.0f : x;
  const Halvings h = halvings_of(x);
  // In two steps: the power itself may be no float.
  const int32_t half = h.n >> 1;
  const float y = (1.0f + short_expm1(h.rest)) * power_of_two(half) * power_of_two(h.n - half);
  return a != a ? a : y;
}

/** Up to 2 ULP. */
inline float float_log(float a) {
  constexpr float smallest = std::numeric_limits<float>::min();
  const bool is_small = a < smallest;
  const float x = is_small ? a * 8388608.0f : a;
  // x = m * 2^e with m from sqrt(1/2) to sqrt(2).
  const auto bits = static_cast<uint32_t>(bits_of(x));
  const int32_t e = static_cast<int32_t>(bits - 0x3f3504f3u) >> 23;
  const float m = float_of(static_cast<int32_t>(bits - (static_cast<uint32_t>(e) << 23)));
  const float f = m - 1.0f, s = f / (2.0f + f), z = s * s;
  float p = 2.0f / 9;
  p = p * z + 2.0f / 7;
  p = p * z + 2.0f / 5;
  p = p * z + 2.0f / 3;
  const float n = static_cast<float>(e - (is_small ? 23 : 0));
  const float half_square = 0.5f * f * f;
  // log(1 + f) = f - f^2/2 + s (f^2/2 + z p(z)): the large part is exact.
  float y = n * ln2_high + (f - (half_square - (s * (half_square + z * p) + n * ln2_low)));
  y = a == 0.0f ? -std::numeric_limits<float>::infinity() : y;
  y = a < 0.0f ? std::numeric_limits<float>::quiet_NaN() : y;
  return a != a || a == std::numeric_limits<float>::infinity() ? a : y;
}

/** Up to 3 ULP. */
inline float float_tanh(float a) {
  const float size = std::fabs(a), x = size > 10.0f ? -20.0f : -2.0f * size;
  const Halvings h = halvings_of(x);
  // e^x - 1, from -2 |a| to -1.
  const float power = power_of_two(h.n);
  const float u = power * short_expm1(h.rest) + (power - 1.0f);
  const float y = -u / (u + 2.0f);
  return a != a ? a : std::copysign(y, a);
}

/** Up to 3 ULP. Two polynomials, fitted to erf(x) / x and to -log(1 - erf(x)). */
inline float float_erf(float a) {
  const float size = std::fabs(a), x = size > 4.0f ? 4.0f : size, z = x * x;
  float near = 8.392696327064186e-05f;
  near = near * z - 0.0008148506167344749f;
  near = near * z + 0.005201591644436121f;
  near = near * z - 0.026859646663069725f;
  near = near * z + 0.11283700168132782f;
  near = near * z - 0.37612634897232056f;
  near = near * z + 1.128379225730896f;
  float far = 3.990489005900599e-08f;
  far = far * x - 2.496932893336634e-06f;
  far = far * x + 5.405871706898324e-05f;
  far = far * x - 0.0006388962501659989f;
  far = far * x + 0.00489716324955225f;
  far = far * x - 0.02670992538332939f;
  far = far * x + 0.11046823859214783f;
  far = far * x + 0.631505012512207f;
  far = far * x + 1.1303812265396118f;
  far = far * x - 0.00034889878588728607f;
  const float y = x < 0.921875f ? x * near : 1.0f - float_exp(-far);
  return a != a ? a : std::copysign(y, a);
}

#ifdef OMNIX_ISA
}
#endif
}  // namespace omnix
