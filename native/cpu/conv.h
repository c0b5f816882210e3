// What the ways to convolve share.
#pragma once
#include <algorithm>

#include "following.h"
#include "gemm.h"
#include "parts.h"
#include "window.h"

namespace omnix {

inline int64_t ceil_div(int64_t a, int64_t b) { return -floor_div(-a, b); }

inline Window window_of(const Conv& kernel, const View& x, const View& w, const View& y) {
  return {tail(w.shape), kernel.strides, kernel.dilations, kernel.pads, tail(x.shape), tail(y.shape)};
}

/** What is the same for all windows of some images. Several images are one more axis before the others, along which windows have one element. */
struct Geometry {
  int64_t channels, taps, outputs;
  /** By axis. */
  Dims input, output, steps, strides;
  /** For each tap its place in the input relative to that of the window, by axis. */
  std::vector<Dims> shifts;

  /** `channels` are those that a window reads. */
  Geometry(const Window& window, const View& x, int64_t channels, int64_t images = 1)
      : channels(channels), taps(product(window.taps)), input(window.input), output(window.output), steps(tail(x.strides)), strides(window.strides) {
    Dims at(window.taps.size(), 0);
    for (int64_t t = 0; t < taps; t++) {
      Dims shift;
      for (size_t d = 0; d < at.size(); d++) shift.push_back(at[d] * window.dilations[d] - window.pads[d]);
      shifts.push_back(std::move(shift));
      for (size_t d = at.size(); d-- > 0 && ++at[d] == window.taps[d];) at[d] = 0;
    }
    if (images > 1) {
      input.insert(input.begin(), images);
      output.insert(output.begin(), images);
      steps.insert(steps.begin(), x.strides[0]);
      strides.insert(strides.begin(), 1);
      for (Dims& shift : shifts) shift.insert(shift.begin(), 0);
    }
    outputs = product(output);
  }
  Geometry(const Conv& kernel, const View& x, const View& w, const View& y, int64_t images = 1) : Geometry(window_of(kernel, x, w, y), x, w.shape[1], images) {}
  size_t last() const { return output.size() - 1; }

  /** Where a row of outputs reads its input for a tap, but for the last axis; -1 where that is outside. */
  int64_t row_start(const Dims& row, int64_t tap) const {
    int64_t start = 0;
    for (size_t d = 0; d < last(); d++) {
      const int64_t at = row[d] * strides[d] + shifts[static_cast<size_t>(tap)][d];
      if (at < 0 || at >= input[d]) return -1;
      start += at * steps[d];
    }
    return start;
  }
  Dims row_of(int64_t output_at) const {
    Dims row(output.size(), 0);
    int64_t rest = output_at / output[last()];
    for (size_t d = last(); d-- > 0; rest /= output[d]) row[d] = rest % output[d];
    return row;
  }
};

/**
 * An image whose outputs' windows lie side by side: padded, and where windows move by more than one element, taken apart by the remainder
 * of their places, so that each tap reads all its columns in a row. Columns run over the outputs and the borders between their rows;
 * those of borders are dropped.
 */
class Spread {
 public:
  explicit Spread(const Geometry& g) : g_(g) {
    const size_t rank = g.output.size();
    Dims most(rank, 0);
    phases_.resize(rank);
    for (const Dims& shift : g.shifts)
      for (size_t d = 0; d < rank; d++) {
        const int64_t at = shift[d] - g.shifts[0][d];
        most[d] = std::max(most[d], at / g.strides[d]);
        if (std::find(phases_[d].begin(), phases_[d].end(), at % g.strides[d]) == phases_[d].end()) phases_[d].push_back(at % g.strides[d]);
      }
    double size = 1;
    for (size_t d = 0; d < rank; d++) {
      extent_.push_back(g.output[d] + most[d]);
      size *= static_cast<double>(extent_[d]) * static_cast<double>(phases_[d].size());
    }
    // Dilations far apart leave more borders than image.
    pays_ = size <= 4.0 * static_cast<double>(std::max(product(g.input), g.outputs)) + 4096;
    if (!pays_) return;
    pitch_ = row_major(extent_);
    for (const auto& phases : phases_) images_ *= static_cast<int64_t>(phases.size());
    for (int64_t image = 0; image < images_; image++) find_rows(image);
  }
  /** Whether it is worth its memory. */
  bool pays() const { return pays_; }

  int64_t image_size() const { return product(extent_); }
  int64_t channel_size() const { return images_ * image_size(); }
  int64_t size(int64_t channels) const { return channels * channel_size(); }
  /** Strides of the outputs as columns. */
  const Dims& pitch() const { return pitch_; }
  /** From the first output to the last. */
  int64_t columns() const {
    int64_t last = 0;
    for (size_t d = 0; d < extent_.size(); d++) last += (g_.output[d] - 1) * pitch_[d];
    return last + 1;
  }

  /** Where each step of the depth begins: channel after channel, tap after tap. */
  std::vector<int64_t> starts(int64_t channels) const {
    std::vector<int64_t> starts;
    for (int64_t c = 0; c < channels; c++)
      for (const Dims& shift : g_.shifts) {
        int64_t image = 0, at = 0;
        for (size_t d = 0; d < extent_.size(); d++) {
          const int64_t from = shift[d] - g_.shifts[0][d];
          image = image * static_cast<int64_t>(phases_[d].size()) + phase_number(d, from % g_.strides[d]);
          at += from / g_.strides[d] * pitch_[d];
        }
        starts.push_back(c * channel_size() + image * image_size() + at);
      }
    return starts;
  }

  /** Where each column goes in a channel of outputs with these strides; -1 for borders. */
  std::vector<int64_t> places(const Dims& strides) const {
    std::vector<int64_t> places(static_cast<size_t>(columns()), -1);
    for_each_row(g_.output, {{0, pitch_}, {0, strides}}, [&](const int64_t* at, int64_t n, const int64_t* step) {
      for (int64_t i = 0; i < n; i++) places[static_cast<size_t>(at[0] + i * step[0])] = at[1] + i * step[1];
    });
    return places;
  }

  /**
   * Images of so many channels: `line(to, channel, start, n, step)` gives n elements of a channel. The memory after the images is not
   * written: whoever reads it does not use it.
   */
  template <class T, class Line>
  void fill(T* to, int64_t channels, T border, Line&& line) const {
    in_parts(channels * images_, size(channels), [&](int64_t from, int64_t n) {
      for (int64_t k = from; k < from + n; k++)
        fill_image(to + k * image_size(), k % images_, border, [&](T* at, int64_t start, int64_t count, int64_t step) { line(at, k / images_, start, count, step); });
    });
  }
  void fill(float* to, const float* x, int64_t channels, int64_t channel_step, float border = 0) const {
    fill(to, channels, border, [&](float* at, int64_t channel, int64_t start, int64_t n, int64_t step) {
      const float* from = x + channel * channel_step + start;
      isa().take(at, from, n, step);
    });
  }

 private:
  int64_t phase_number(size_t d, int64_t phase) const { return std::find(phases_[d].begin(), phases_[d].end(), phase) - phases_[d].begin(); }

  /** Which rows of an image are in the input, and which part of them. */
  void find_rows(int64_t image) {
    const size_t rank = extent_.size(), last = rank - 1;
    // The place in the input of the first element along each axis.
    Dims first(rank);
    for (size_t d = rank; d-- > 0;) {
      const auto count = static_cast<int64_t>(phases_[d].size());
      first[d] = g_.shifts[0][d] + phases_[d][static_cast<size_t>(image % count)];
      image /= count;
    }
    const int64_t stride = g_.strides[last];
    const int64_t low = std::clamp<int64_t>(ceil_div(-first[last], stride), 0, extent_[last]);
    const int64_t high = std::clamp<int64_t>(ceil_div(g_.input[last] - first[last], stride), low, extent_[last]);
    spans_.emplace_back(low, high);
    Dims rows(extent_.begin(), extent_.end() - 1), at(last, 0);
    for (int64_t row = 0; row < product(rows); row++) {
      int64_t start = (first[last] + low * stride) * g_.steps[last];
      bool inside = high > low;
      for (size_t d = 0; d < last; d++) {
        const int64_t place = first[d] + at[d] * g_.strides[d];
        inside = inside && place >= 0 && place < g_.input[d];
        start += place * g_.steps[d];
      }
      inside_.push_back(inside);
      starts_.push_back(start);
      for (size_t d = last; d-- > 0 && ++at[d] == rows[d];) at[d] = 0;
    }
  }

  template <class T, class Line>
  void fill_image(T* to, int64_t image, T border, Line&& line) const {
    const auto [low, high] = spans_[static_cast<size_t>(image)];
    const int64_t length = extent_.back(), rows = image_size() / length, step = g_.steps.back() * g_.strides.back();
    const auto from = static_cast<size_t>(image * rows), end = from + static_cast<size_t>(rows);
    for (size_t row = from; row < end;) {
      size_t next = row + 1;
      if (!inside_[row]) {
        std::fill(to, to + length, border);
      } else if (low == 0 && high == length) {
        // Rows without a border that lie side by side are one.
        while (next < end && inside_[next] && starts_[next] == starts_[next - 1] + length * step) next++;
        line(to, starts_[row], static_cast<int64_t>(next - row) * length, step);
      } else {
        for (int64_t i = 0; i < low; i++) to[i] = border;
        line(to + low, starts_[row], high - low, step);
        for (int64_t i = high; i < length; i++) to[i] = border;
      }
      to += static_cast<int64_t>(next - row) * length;
      row = next;
    }
  }

  const Geometry& g_;
  /** By spatial axis: the remainders that taps read, and the length. */
  std::vector<Dims> phases_;
  Dims extent_, pitch_;
  /** Of each image: which elements of its rows are in the input; of each row whether it is, and where these begin. */
  std::vector<std::pair<int64_t, int64_t>> spans_;
  std::vector<bool> inside_;
  Dims starts_;
  int64_t images_ = 1;
  bool pays_ = false;
};

/** Channels for themselves: what comes of a channel lies beside shifted copies of its spread image. */
class ShiftedChannels {
 public:
  ShiftedChannels(const Geometry& geometry, const View& y) : geometry_(geometry), spread_(geometry), y_steps_(tail(y.strides)) {
    if (!spread_.pays()) return;
    // Loops go on to the end of their blocks.
    columns_ = ceil_div(spread_.columns(), isa().filter_block) * isa().filter_block;
    starts_ = spread_.starts(1);
    Dims firsts = geometry.output;
    firsts.back() = 1;
    for_each_row(firsts, {{0, spread_.pitch()}, {0, y_steps_}}, [&](const int64_t* at, int64_t n, const int64_t* step) {
      for (int64_t i = 0; i < n; i++) rows_.emplace_back(at[0] + i * step[0], at[1] + i * step[1]);
    });
  }
  bool pay() const { return spread_.pays(); }

  /** Memory of this thread for one channel after the other. */
  class Work {
   public:
    explicit Work(const ShiftedChannels& all)
        : all_(all), image_(scratch(Scratch::Image, all.spread_.size(1) + all.columns_)), made_(scratch(Scratch::Columns, all.columns_)) {
      for (int64_t start : all.starts_) lines_.push_back(image_ + start);
    }
    /** `make(to, n, lines, taps)` makes n columns of what the taps of the windows read; those of a channel go to y. */
    template <class Make>
    void run(const float* x, float* y, float border, Make&& make) const {
      all_.spread_.fill(image_, x, 1, 0, border);
      make(made_, all_.columns_, lines_.data(), static_cast<int64_t>(lines_.size()));
      const int64_t across = all_.geometry_.output.back(), step = all_.y_steps_.back();
      for (const auto& [from, at] : all_.rows_)
        if (step == 1) isa().take(y + at, made_ + from, across, 1);
        else
          for (int64_t i = 0; i < across; i++) y[at + i * step] = made_[from + i];
    }

   private:
    const ShiftedChannels& all_;
    float *image_, *made_;
    std::vector<const float*> lines_;
  };

 private:
  const Geometry& geometry_;
  const Spread spread_;
  const Dims y_steps_;
  int64_t columns_ = 0;
  std::vector<int64_t> starts_;
  /** Where each row of outputs lies among the columns and in y. */
  std::vector<std::pair<int64_t, int64_t>> rows_;
};

enum class ConvWay : uint8_t { Plain, Filter, Product, Integers, Blocked };
/** By which way a convolution goes. */
ConvWay way_of(const Conv& kernel, const View& x, const View& w, const View& y);
/** Whether the weights are rows of products. */
bool packs(const View& w);

/** So many images are one product. */
int64_t images_at_once(const View& y);
/** Whether the input is the columns: windows of one element that move by one, over all of it. */
bool input_is_columns(const Geometry& geometry, const View& x);

/** Each channel for itself. */
void conv_as_filter(const Conv& kernel, const Operand& x, const Operand& w, const Operand* bias, const Operand& y, const Following* following);
/** Of integers of 8 bits: products of the weights with words of four channels. */
void conv_integers(const Conv& kernel, const Operand& x, const Operand& w, const Operand* zero, const Operand& y, const Following* following);
/** The zero point of integers of 8 bits, which are read without a sign: those with one are moved up by half the range. */
int32_t zero_of(const View& x, const Operand* zero);
/** As products of the windows, where they lie, with the weights. */
void conv_direct(const Conv& kernel, const Operand& x, const Operand& w, const Operand* bias, const Operand& y, const Following* following);
/** As products of the weights with the windows. */
void conv_as_product(const Conv& kernel, const Operand& x, const Operand& w, const Operand* bias, const Operand& y, const Following* following);

}  // namespace omnix
