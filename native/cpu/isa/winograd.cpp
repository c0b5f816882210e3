// Winograd's F(4 x 4, 3 x 3): squares of 6 x 6 inputs and 4 x 4 outputs, for all channels of a block at once. Source: Lavin and Gray, Fast
// Algorithms for Convolutional Neural Networks, 2015.
#include "vectors.h"

namespace omnix {
namespace OMNIX_ISA {
namespace {

constexpr int side = 6, outputs = 4;

/** Of the points 0, 1, -1, 2, -2 and infinity. */
OMNIX_INLINE void forth(const Vector (&a)[side], Vector (&r)[side]) {
  const Vector even = a[4] - 4.0f * a[2], odd = a[3] - 4.0f * a[1], near = a[4] - a[2], twice = 2.0f * (a[3] - a[1]);
  r[0] = 4.0f * a[0] - 5.0f * a[2] + a[4];
  r[1] = even + odd;
  r[2] = even - odd;
  r[3] = near + twice;
  r[4] = near - twice;
  r[5] = 4.0f * a[1] - 5.0f * a[3] + a[5];
}
OMNIX_INLINE void back(const Vector (&m)[side], Vector (&r)[outputs]) {
  const Vector sum = m[1] + m[2], difference = m[1] - m[2], far_sum = m[3] + m[4], far_difference = m[3] - m[4];
  r[0] = m[0] + sum + far_sum;
  r[1] = difference + 2.0f * far_difference;
  r[2] = sum + 4.0f * far_sum;
  r[3] = difference + 8.0f * far_difference + m[5];
}

}  // namespace

void winograd_in(const float* x, int64_t row_step, float* to, int64_t to_step) {
  for (int64_t at = 0; at < channel_block; at += lanes) {
    Vector half[side][side];
    for (int j = 0; j < side; j++) {
      Vector column[side], made[side];
      for (int i = 0; i < side; i++) column[i] = load(x + i * row_step + j * channel_block + at);
      forth(column, made);
      for (int i = 0; i < side; i++) half[i][j] = made[i];
    }
    for (int i = 0; i < side; i++) {
      Vector made[side];
      forth(half[i], made);
      for (int j = 0; j < side; j++) store(to + (i * side + j) * to_step + at, made[j]);
    }
  }
}

void winograd_out(const float* from, int64_t from_step, const float* start, const Clamp* clamp, float* y, int64_t row_step, int64_t rows, int64_t columns) {
  for (int64_t at = 0; at < channel_block; at += lanes) {
    Vector half[outputs][side];
    for (int j = 0; j < side; j++) {
      Vector column[side], made[outputs];
      for (int i = 0; i < side; i++) column[i] = load(from + (i * side + j) * from_step + at);
      back(column, made);
      for (int i = 0; i < outputs; i++) half[i][j] = made[i];
    }
    const Vector bias = load(start + at);
    for (int i = 0; i < rows; i++) {
      Vector made[outputs];
      back(half[i], made);
      for (int j = 0; j < columns; j++) {
        Vector v = made[j] + bias;
        if (clamp) {
          const Vector low = Vector{} + clamp->low, high = Vector{} + clamp->high;
          v = v < low ? low : v;
          v = v > high ? high : v;
        }
        store(y + i * row_step + j * channel_block + at, v);
      }
    }
  }
}

}  // namespace OMNIX_ISA
}  // namespace omnix
