// The inner loops of convolutions of channels in blocks.
#include <algorithm>
#include <utility>

#include "vectors.h"

namespace omnix {
namespace OMNIX_ISA {

namespace {

constexpr int vectors_of_block = static_cast<int>(channel_block / lanes);
/** Sums of so many outputs and blocks fit the registers beside the weights of a channel. */
constexpr int most_outputs = lanes >= 16 ? 14 : lanes >= 8 ? 6 : 2;
/** Where each channel is for itself. */
constexpr int most_filtered = lanes >= 16 ? 8 : lanes >= 8 ? 6 : 2;

/** Sums of a tile, from where they begin to where they end. */
template <int Outputs, int Blocks>
struct Sums {
  Vector at[Outputs][Blocks * vectors_of_block];

  OMNIX_INLINE void begin(const BlockedRun& r, const float* y) {
#pragma GCC unroll 16
    for (int p = 0; p < Outputs; p++)
#pragma GCC unroll 8
      for (int v = 0; v < Blocks * vectors_of_block; v++)
        at[p][v] = r.start ? load(r.start + v * lanes) : load(y + v / vectors_of_block * r.y_step + p * channel_block + v % vectors_of_block * lanes);
  }
  OMNIX_INLINE void end(const BlockedRun& r, float* y) {
    if (r.clamp) {
      const Vector low = Vector{} + r.clamp->low, high = Vector{} + r.clamp->high;
#pragma GCC unroll 16
      for (int p = 0; p < Outputs; p++)
#pragma GCC unroll 8
        for (int v = 0; v < Blocks * vectors_of_block; v++) {
          at[p][v] = at[p][v] < low ? low : at[p][v];
          at[p][v] = at[p][v] > high ? high : at[p][v];
        }
    }
#pragma GCC unroll 16
    for (int p = 0; p < Outputs; p++)
#pragma GCC unroll 8
      for (int v = 0; v < Blocks * vectors_of_block; v++) store(y + v / vectors_of_block * r.y_step + p * channel_block + v % vectors_of_block * lanes, at[p][v]);
  }
};

/** `Step` is how far apart outputs read, where that is known. */
template <int Outputs, int Blocks, int Step>
void tile(const BlockedRun& r, int64_t first) {
  const int64_t step = Step > 0 ? Step : r.step;
  Sums<Outputs, Blocks> sums;
  sums.begin(r, r.y + first * channel_block);
  const float *block = r.x + first * step, *block_w = r.w;
  for (int64_t left = r.channels; left > 0; left -= r.width, block += r.block_step, block_w += r.width * channel_block) {
    const int64_t channels = left < r.width ? left : r.width;
    for (int64_t t = 0; t < r.tap_count; t++) {
      const float *x = block + r.taps[t].x, *w = block_w + r.taps[t].w;
      for (int64_t c = 0; c < channels; c++, x++, w += channel_block) {
        Vector weights[Blocks * vectors_of_block];
#pragma GCC unroll 8
        for (int v = 0; v < Blocks * vectors_of_block; v++) weights[v] = load(w + v / vectors_of_block * r.w_step + v % vectors_of_block * lanes);
#pragma GCC unroll 16
        for (int p = 0; p < Outputs; p++)
#pragma GCC unroll 8
          for (int v = 0; v < Blocks * vectors_of_block; v++) sums.at[p][v] += x[p * step] * weights[v];
      }
    }
  }
  sums.end(r, r.y + first * channel_block);
}

/** Each output is the sum of what its taps read, channel by channel. */
template <int Outputs, int Blocks, int Step>
void filtered(const BlockedRun& r, int64_t first) {
  static_assert(Blocks == 1);
  const int64_t step = Step > 0 ? Step : r.step;
  Sums<Outputs, 1> sums;
  sums.begin(r, r.y + first * channel_block);
  const float* from = r.x + first * step;
  for (int64_t t = 0; t < r.tap_count; t++) {
    const float *x = from + r.taps[t].x, *w = r.w + r.taps[t].w;
#pragma GCC unroll 4
    for (int v = 0; v < vectors_of_block; v++) {
      const Vector weight = load(w + v * lanes);
#pragma GCC unroll 8
      for (int p = 0; p < Outputs; p++) sums.at[p][v] += load(x + p * step + v * lanes) * weight;
    }
  }
  sums.end(r, r.y + first * channel_block);
}

/** The largest of what the taps of an output read, or NaN where one is. */
void largest(const BlockedRun& r, int64_t output) {
  for (int64_t at = 0; at < channel_block; at += lanes) {
    Vector most = Vector{} - __builtin_inff();
    for (int64_t t = 0; t < r.tap_count; t++) {
      const Vector x = load(r.x + r.taps[t].x + output * r.step + at);
      most = ((x > most) | (x != x)) ? x : most;
    }
    store(r.y + output * channel_block + at, most);
  }
}

using Tile = void (*)(const BlockedRun&, int64_t);

/** All outputs in tiles of about one size; `all` has those of each size, from 1 on. */
void in_tiles_of(const Tile* all, int64_t most, const BlockedRun& r, int64_t outputs) {
  const int64_t parts = (outputs + most - 1) / most;
  for (int64_t k = 0, from = 0; k < parts; k++) {
    const int64_t end = (k + 1) * outputs / parts;
    all[end - from - 1](r, from);
    from = end;
  }
}

template <int Blocks, int Step, int... N>
constexpr Tile tiles[sizeof...(N)] = {&tile<N + 1, Blocks, Step>...};
template <int Blocks, int Step, int... N>
void with_blocks(const BlockedRun& r, int64_t outputs, std::integer_sequence<int, N...>) {
  in_tiles_of(tiles<Blocks, Step, N...>, most_outputs, r, outputs);
}
template <int Step, int... N>
constexpr Tile filters[sizeof...(N)] = {&filtered<N + 1, 1, Step>...};
template <int Step, int... N>
void with_filters(const BlockedRun& r, int64_t outputs, std::integer_sequence<int, N...>) {
  in_tiles_of(filters<Step, N...>, most_filtered, r, outputs);
}

constexpr auto outputs_of_tile = std::make_integer_sequence<int, most_outputs>{};
constexpr auto filtered_at_once = std::make_integer_sequence<int, most_filtered>{};

template <int Blocks>
void with_step(const BlockedRun& r, int64_t outputs) {
  if (r.step == channel_block) with_blocks<Blocks, channel_block>(r, outputs, outputs_of_tile);
  else if (r.step == 2 * channel_block) with_blocks<Blocks, 2 * channel_block>(r, outputs, outputs_of_tile);
  else with_blocks<Blocks, 0>(r, outputs, outputs_of_tile);
}

}  // namespace

void blocked_sums(const BlockedRun& r, int64_t outputs, int64_t blocks) {
  if constexpr (blocks_at_once > 1)
    if (blocks > 1) return with_step<blocks_at_once>(r, outputs);
  (void)blocks;
  with_step<1>(r, outputs);
}

void blocked_largest(const BlockedRun& r, int64_t outputs) {
  for (int64_t at = 0; at < outputs; at++) largest(r, at);
}

void blocked_filter(const BlockedRun& r, int64_t outputs) {
  if (r.step == channel_block) with_filters<channel_block>(r, outputs, filtered_at_once);
  else if (r.step == 2 * channel_block) with_filters<2 * channel_block>(r, outputs, filtered_at_once);
  else with_filters<0>(r, outputs, filtered_at_once);
}

}  // namespace OMNIX_ISA
}  // namespace omnix
