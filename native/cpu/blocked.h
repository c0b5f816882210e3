// Channels in blocks that lie side by side: [N, C / 16, spatial, 16]. A block is a vector, so that whatever is done to a channel is done to all
// of a block at once, and outputs of a convolution need no order but that of the image.
#pragma once
#include <cstdint>
#include <memory>

#include "aligned.h"
#include "plan.h"

namespace omnix {

struct Clamp;
class Following;

constexpr int64_t channel_block = 16;
/** Taps of a window along an axis; src/exec/blocks.ts has the same. */
constexpr int64_t longest_window = 64;

/** Whether a convolution of these writes blocks. */
inline bool is_blocked(const View& w, const View& y) { return y.shape.size() == w.shape.size() + 1; }

/** By blocks of outputs, then taps, then channels: 16 outputs side by side, zeros for those that are not there. */
struct BlockedWeights {
  Aligned<float> data;
};
std::shared_ptr<const BlockedWeights> pack_blocked(const View& w, const float* data);
/** Of 3 x 3 taps: by the 36 numbers of a square, then blocks of outputs, then channels. */
std::shared_ptr<const BlockedWeights> pack_winograd(const View& w, const float* data);

/** x is in blocks or plain, y is in blocks. Groups are of one channel each, or there is one. */
void conv_blocked(const Conv& kernel, const Operand& x, const Operand& w, const Operand* bias, const Operand& y, const Following* following);

/** Maxima of images that are blocks of channels; false where they are not. */
bool pool_blocked(const Pool& kernel, const Operand& x, const Operand& y);

/** Where a tap reads, and where its weights begin. */
struct BlockedTap {
  int64_t x, w;
};

/** Outputs side by side that read the same taps, of some blocks of outputs. */
struct BlockedRun {
  /** What the first output reads for a tap at 0, of the first channel. Outputs read `step` apart. */
  const float* x;
  int64_t step;
  const BlockedTap* taps;
  int64_t tap_count;
  /** Channels of x, `width` of them side by side, then a block apart. */
  int64_t channels, width, block_step;
  /** Of the first block of outputs; the next is `w_step` apart. */
  const float* w;
  int64_t w_step;
  float* y;
  int64_t y_step;
  /** What sums begin with, 16 for each block of outputs; null where they go on from what is in y. */
  const float* start;
  /** Ends that results are kept between; null where there are none. */
  const Clamp* clamp;
};

}  // namespace omnix
