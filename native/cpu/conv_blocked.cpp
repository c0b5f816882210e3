// conv of float32 with channels in blocks. Sums of some outputs side by side and of one or two blocks of channels stay in registers through
// all taps and channels that fit a cache; nothing is packed but the weights, once, and an image whose windows leave it.
#include "blocked.h"

#include <algorithm>
#include <optional>

#include "conv.h"

namespace omnix {
namespace {

/** So many outputs of a block of channels are made before what follows runs on them. */
constexpr int64_t outputs_at_once = 112;
/** Bytes of the weights that are multiplied with one band after the other. */
constexpr int64_t weight_bytes = 96 * 1024;

/** Numbers that a square of outputs is made of, and how many squares are made at once: what is between stays in a cache. */
constexpr int64_t numbers_of_square = 36, squares_at_once = 256;

/** Two spatial axes. */
struct Frame {
  int64_t high, wide;
};

/** An image as the loops read it: [blocks][high][wide][width], of which windows begin so many elements before it. */
struct Image {
  const float* data;
  Frame size, pads;
  int64_t width, block_step;
};

/** Windows over an image, and the outputs that they give. */
struct Windows {
  Frame taps, strides, dilations, output;
};

/** Outputs side by side of one row that read the same taps. */
struct Stretch {
  int64_t from, count;
  size_t first_tap, tap_count;
};

/** The taps that the outputs of a row read, which rows away from the borders share. For one thread. */
class Taps {
 public:
  /** The weights of a tap are `step` long. */
  Taps(const Windows& windows, const Image& image, int64_t step) : windows_(windows), image_(image), step_(step) {
    const int64_t stride = windows.strides.wide;
    for (int64_t at = 0; at < windows.output.wide;) {
      Across part{at, windows.output.wide, {}};
      for (int64_t b = 0; b < windows.taps.wide; b++) {
        const int64_t shift = b * windows.dilations.wide - image.pads.wide;
        const int64_t low = ceil_div(-shift, stride), high = ceil_div(image.size.wide - shift, stride);
        if (at < low) part.end = std::min(part.end, low);
        else if (at < high) part.end = std::min(part.end, high), part.taps.push_back(b);
      }
      at = part.end;
      across_.push_back(std::move(part));
    }
  }

  /** The stretches of a row from `first` to before `end`, with where the row begins from that of the image. */
  template <class Visit>
  void of_row(int64_t row, int64_t first, int64_t end, Visit&& visit) {
    const int64_t start = row * windows_.strides.high - image_.pads.high, apart = windows_.dilations.high;
    const int64_t low = std::clamp<int64_t>(ceil_div(-start, apart), 0, windows_.taps.high), high = std::clamp<int64_t>(ceil_div(image_.size.high - start, apart), low, windows_.taps.high);
    if (low != low_ || high != high_) find(low, high);
    const int64_t from = (start * image_.size.wide - image_.pads.wide) * image_.width;
    for (const Stretch& s : stretches_) {
      const int64_t begin = std::max(first, s.from), count = std::min(end, s.from + s.count) - begin;
      if (count > 0) visit(from, begin, count, taps_.data() + s.first_tap, static_cast<int64_t>(s.tap_count));
    }
  }

 private:
  struct Across {
    int64_t from, end;
    Dims taps;
  };
  void find(int64_t low, int64_t high) {
    low_ = low, high_ = high;
    taps_.clear(), stretches_.clear();
    for (const Across& part : across_) {
      const size_t first = taps_.size();
      for (int64_t a = low; a < high; a++)
        for (int64_t b : part.taps)
          taps_.push_back({(a * windows_.dilations.high * image_.size.wide + b * windows_.dilations.wide) * image_.width, (a * windows_.taps.wide + b) * step_});
      stretches_.push_back({part.from, part.end - part.from, first, taps_.size() - first});
    }
  }

  const Windows windows_;
  const Image& image_;
  int64_t step_;
  std::vector<Across> across_;
  int64_t low_ = -1, high_ = -1;
  std::vector<BlockedTap> taps_;
  std::vector<Stretch> stretches_;
};

class Convolution {
 public:
  Convolution(const Conv& kernel, const Operand& x, const Operand& w, const Operand* bias, const Operand& y, const Following* following)
      : kernel_(kernel), x_(x), y_(y), following_(following), clamp_(following ? following->clamp() : nullptr), taps_{w.view->shape[2], w.view->shape[3]},
        input_{x.view->shape[2], x.view->shape[3]}, output_{y.view->shape[2], y.view->shape[3]}, channels_(w.view->shape[1]), outputs_(w.view->shape[0]),
        is_plain_(x.view->shape.size() == 4), blocks_(y.view->shape[1]) {
    start_.assign(static_cast<size_t>(blocks_ * channel_block), 0.0f);
    if (bias)
      for (int64_t m = 0; m < outputs_; m++) start_[static_cast<size_t>(m)] = bias->as<float>()[bias->view->offset + m * bias->view->strides[0]];
    // Windows of one element that move by one make one row of the whole image.
    if (!is_plain_ && product({taps_.high, taps_.wide}) == 1 && kernel.strides == Dims{1, 1} && !leaves()) {
      input_ = {1, input_.high * input_.wide};
      output_ = {1, output_.high * output_.wide};
    }
  }

  void run() {
    for (int64_t n = 0; n < y_.view->shape[0]; n++) {
      if (following_ && !clamp_) matrix_.emplace(following_->at({n}, 0));
      if (kernel_.winograd) {
        squares(n);
        continue;
      }
      const Image image = image_of(n);
      if (kernel_.group > 1) filters(n, image);
      else sums(n, image);
    }
  }

 private:
  /** Whether a window reaches beyond the input. */
  bool leaves() const {
    const auto beyond = [&](size_t d, int64_t taps, int64_t input, int64_t output) {
      const int64_t last = (output - 1) * kernel_.strides[d] + (taps - 1) * kernel_.dilations[d] - kernel_.pads[d];
      return kernel_.pads[d] != 0 || last >= input;
    };
    return beyond(0, taps_.high, input_.high, output_.high) || beyond(1, taps_.wide, input_.wide, output_.wide);
  }

  Image image_of(int64_t n) const {
    const float* x = x_.as<float>() + x_.view->offset + n * x_.view->strides[0];
    const Frame pads{kernel_.pads[0], kernel_.pads[1]};
    const Image as_it_is{x, input_, pads, channel_block, input_.high * input_.wide * channel_block};
    if (!is_plain_ && (kernel_.group > 1 || !leaves())) return as_it_is;
    // All that windows read, zeros where there is no input. Far pads and dilations would make more of them than of the image.
    Frame whole{(output_.high - 1) * kernel_.strides[0] + (taps_.high - 1) * kernel_.dilations[0] + 1, (output_.wide - 1) * kernel_.strides[1] + (taps_.wide - 1) * kernel_.dilations[1] + 1};
    const bool pays = static_cast<double>(whole.high) * static_cast<double>(whole.wide) <= 4.0 * static_cast<double>(input_.high * input_.wide) + 4096;
    if (!pays && !is_plain_) return as_it_is;
    Frame before = pads;
    if (!pays) whole = input_, before = {0, 0};
    return copied(x, whole, before);
  }

  /** A copy that is `whole` and has the input from `before` on, zeros around it. */
  Image copied(const float* x, Frame whole, Frame before) const {
    const int64_t width = is_plain_ && channels_ <= 4 ? 4 : channel_block, blocks = ceil_div(channels_, width), step = whole.high * whole.wide * width;
    float* const to = scratch(Scratch::Image, blocks * step);
    in_parts(blocks * whole.high, blocks * step, [&](int64_t from, int64_t count) {
      for (int64_t k = from; k < from + count; k++) fill_row(to + k * whole.wide * width, x, k / whole.high * width, k % whole.high - before.high, before.wide, whole.wide, width);
    });
    return {to, whole, {kernel_.pads[0] - before.high, kernel_.pads[1] - before.wide}, width, step};
  }

  /** A row of a block of channels from `first` on; it begins `before` elements before the input's. */
  void fill_row(float* to, const float* x, int64_t first, int64_t row, int64_t before, int64_t wide, int64_t width) const {
    const int64_t low = std::clamp<int64_t>(before, 0, wide), high = std::clamp<int64_t>(input_.wide + before, low, wide);
    if (row < 0 || row >= input_.high || low == high) {
      std::fill_n(to, wide * width, 0.0f);
      return;
    }
    std::fill_n(to, low * width, 0.0f);
    std::fill_n(to + high * width, (wide - high) * width, 0.0f);
    const Dims& steps = x_.view->strides;
    if (!is_plain_) {
      const float* from = x + first / channel_block * steps[1] + row * steps[2] + (low - before) * channel_block;
      std::copy_n(from, (high - low) * channel_block, to + low * channel_block);
      return;
    }
    const int64_t there = std::min(width, channels_ - first);
    for (int64_t c = 0; c < there; c++) {
      const float* from = x + (first + c) * steps[1] + row * steps[2] + (low - before) * steps[3];
      for (int64_t i = low; i < high; i++, from += steps[3]) to[i * width + c] = *from;
    }
  }

  Windows windows() const { return {taps_, {kernel_.strides[0], kernel_.strides[1]}, {kernel_.dilations[0], kernel_.dilations[1]}, output_}; }

  /** What is the same for all outputs of a block in an image. */
  BlockedRun run_of(const Image& image, int64_t n, int64_t block) const {
    BlockedRun r{};
    r.step = kernel_.strides[1] * image.width;
    r.width = image.width, r.block_step = image.block_step;
    r.w_step = taps_.high * taps_.wide * channels_ * channel_block;
    r.w = kernel_.blocked->data.get() + block * r.w_step;
    r.y_step = output_.high * output_.wide * channel_block;
    r.y = y_.as<float>() + y_.view->offset + n * y_.view->strides[0] + block * r.y_step;
    r.start = start_.data() + block * channel_block;
    r.clamp = clamp_;
    return r;
  }

  /** Rows, or a part of the only one. */
  struct Band {
    int64_t row, rows, column, columns;
  };
  Band band_of(int64_t k, int64_t bands) const {
    const auto part = [&](int64_t length) { return std::pair{length * k / bands, length * (k + 1) / bands - length * k / bands}; };
    if (output_.high == 1) {
      const auto [from, count] = part(output_.wide);
      return {0, 1, from, count};
    }
    const auto [from, count] = part(output_.high);
    return {from, count, 0, output_.wide};
  }
  int64_t bands_of(int64_t at_once) const {
    const int64_t all = output_.high * output_.wide;
    return output_.high == 1 ? std::max<int64_t>(1, all / at_once) : std::clamp<int64_t>(all / at_once, 1, output_.high);
  }
  void follow(const Band& b, int64_t block, int64_t blocks) const {
    if (matrix_) matrix_->run(block, blocks, (b.row * output_.wide + b.column) * channel_block, b.rows * b.columns * channel_block);
  }

  void sums(int64_t n, const Image& image) const {
    const int64_t at_once = isa().blocks_at_once, groups = ceil_div(blocks_, at_once), bands = bands_of(outputs_at_once), taps = taps_.high * taps_.wide;
    const int64_t depth = std::max<int64_t>(image.width, weight_bytes / (taps * at_once * channel_block * static_cast<int64_t>(sizeof(float))) / image.width * image.width);
    // The larger of the two is read once.
    const bool by_weights = outputs_ * taps > image.size.high * image.size.wide;
    const auto one = [&](int64_t k, Taps& taps_of) {
      const int64_t group = by_weights ? k / bands : k % groups, block = group * at_once, here = std::min(at_once, blocks_ - block);
      const Band band = band_of(by_weights ? k % bands : k / groups, bands);
      for (int64_t c = 0; c < channels_; c += depth) {
        BlockedRun r = run_of(image, n, block);
        float* const y = r.y;
        r.w += c * channel_block;
        r.channels = std::min(depth, channels_ - c);
        if (c > 0) r.start = nullptr;
        if (c + depth < channels_) r.clamp = nullptr;
        for (int64_t row = band.row; row < band.row + band.rows; row++)
          taps_of.of_row(row, band.column, band.column + band.columns, [&](int64_t from, int64_t column, int64_t count, const BlockedTap* here_taps, int64_t tap_count) {
            r.x = image.data + from + c / image.width * image.block_step + column * r.step;
            r.y = y + (row * output_.wide + column) * channel_block;
            r.taps = here_taps, r.tap_count = tap_count;
            isa().blocked_sums(r, count, here);
          });
      }
      follow(band, block, here);
    };
    in_parts(groups * bands, groups * bands * (is_worth_threads(outputs_, output_.high * output_.wide, channels_ * taps) ? least_part : 0), [&](int64_t from, int64_t count) {
      Taps taps_of(windows(), image, channels_ * channel_block);
      for (int64_t k = from; k < from + count; k++) one(k, taps_of);
    });
  }

  /** Squares of 4 x 4 outputs: 36 products of numbers made of the inputs and the weights, instead of 144. Some rows of squares at a time. */
  void squares(int64_t n) const {
    const int64_t high = ceil_div(output_.high, 4), wide = ceil_div(output_.wide, 4), at_once = std::clamp<int64_t>(squares_at_once / wide, 1, high);
    const Image image = copied(x_.as<float>() + x_.view->offset + n * x_.view->strides[0], {4 * high + 2, 4 * wide + 2}, {kernel_.pads[0], kernel_.pads[1]});
    const int64_t inputs = ceil_div(channels_, image.width), groups = ceil_div(blocks_, isa().blocks_at_once);
    float* const numbers = scratch(Scratch::AllRows, numbers_of_square * inputs * at_once * wide * channel_block);
    float* const made = scratch(Scratch::Weights, numbers_of_square * blocks_ * at_once * wide * channel_block);
    const std::vector<float> nothing(static_cast<size_t>(2 * channel_block), 0.0f);
    const BlockedTap tap{0, 0};
    for (int64_t first = 0; first < high; first += at_once) {
      const int64_t rows = std::min(at_once, high - first), count = rows * wide, block_size = count * channel_block;
      in_parts(inputs * rows, numbers_of_square * inputs * block_size, [&](int64_t from, int64_t n_here) {
        for (int64_t k = from; k < from + n_here; k++)
          for (int64_t column = 0; column < wide; column++) {
            const float* x = image.data + k / rows * image.block_step + ((first + k % rows) * 4 * image.size.wide + column * 4) * channel_block;
            isa().winograd_in(x, image.size.wide * channel_block, numbers + k / rows * block_size + (k % rows * wide + column) * channel_block, inputs * block_size);
          }
      });
      in_parts(numbers_of_square * groups, numbers_of_square * block_size * channels_, [&](int64_t from, int64_t n_here) {
        for (int64_t k = from; k < from + n_here; k++) {
          const int64_t number = k / groups, block = k % groups * isa().blocks_at_once;
          BlockedRun r{};
          r.x = numbers + number * inputs * block_size, r.step = channel_block;
          r.taps = &tap, r.tap_count = 1;
          r.channels = channels_, r.width = channel_block, r.block_step = block_size;
          r.w_step = channels_ * channel_block, r.w = kernel_.blocked->data.get() + (number * blocks_ + block) * r.w_step;
          r.y_step = block_size, r.y = made + (number * blocks_ + block) * block_size;
          r.start = nothing.data();
          isa().blocked_sums(r, count, std::min(isa().blocks_at_once, blocks_ - block));
        }
      });
      in_parts(blocks_ * rows, numbers_of_square * blocks_ * block_size, [&](int64_t from, int64_t n_here) {
        for (int64_t k = from; k < from + n_here; k++) {
          const int64_t block = k / rows, row = (first + k % rows) * 4, rows_here = std::min<int64_t>(4, output_.high - row);
          float* const y = run_of(image, n, block).y + row * output_.wide * channel_block;
          for (int64_t column = 0; column < wide; column++)
            isa().winograd_out(made + block * block_size + (k % rows * wide + column) * channel_block, blocks_ * block_size, start_.data() + block * channel_block, clamp_,
                               y + column * 4 * channel_block, output_.wide * channel_block, rows_here, std::min<int64_t>(4, output_.wide - column * 4));
          follow({row, rows_here, 0, output_.wide}, block, 1);
        }
      });
    }
  }

  void filters(int64_t n, const Image& image) const {
    const int64_t bands = bands_of(4 * outputs_at_once);
    in_parts(blocks_ * bands, blocks_ * output_.high * output_.wide * channel_block * taps_.high * taps_.wide, [&](int64_t from, int64_t count) {
      Taps taps_of(windows(), image, channel_block);
      for (int64_t k = from; k < from + count; k++) {
        const int64_t block = k / bands;
        const Band band = band_of(k % bands, bands);
        BlockedRun r = run_of(image, n, block);
        float* const y = r.y;
        for (int64_t row = band.row; row < band.row + band.rows; row++)
          taps_of.of_row(row, band.column, band.column + band.columns, [&](int64_t at, int64_t column, int64_t many, const BlockedTap* here, int64_t tap_count) {
            r.x = image.data + at + block * image.block_step + column * r.step;
            r.y = y + (row * output_.wide + column) * channel_block;
            r.taps = here, r.tap_count = tap_count;
            isa().blocked_filter(r, many);
          });
        follow(band, block, 1);
      }
    });
  }

  const Conv& kernel_;
  const Operand &x_, &y_;
  const Following* following_;
  const Clamp* clamp_;
  Frame taps_, input_, output_;
  /** Channels that a window reads, and those that are made. */
  int64_t channels_, outputs_;
  bool is_plain_;
  int64_t blocks_;
  std::vector<float> start_;
  std::optional<Following::Matrix> matrix_;
};

}  // namespace

void conv_blocked(const Conv& kernel, const Operand& x, const Operand& w, const Operand* bias, const Operand& y, const Following* following) {
  if (product(y.view->shape) > 0) Convolution(kernel, x, w, bias, y, following).run();
}

bool pool_blocked(const Pool& kernel, const Operand& x, const Operand& y) {
  const View &xv = *x.view, &yv = *y.view;
  const auto lies = [](const View& v) {
    return v.shape.size() == 4 && v.shape[1] == channel_block && v.strides[1] == 1 && v.strides[3] == channel_block && v.strides[2] == v.shape[3] * channel_block;
  };
  if (kernel.by != PoolBy::Max || !lies(xv) || !lies(yv)) return false;
  const Windows windows{{kernel.kernel[0], kernel.kernel[1]}, {kernel.strides[0], kernel.strides[1]}, {kernel.dilations[0], kernel.dilations[1]}, {yv.shape[2], yv.shape[3]}};
  in_parts(yv.shape[0], product(yv.shape) * windows.taps.high * windows.taps.wide, [&](int64_t begin, int64_t count) {
    const Image image{nullptr, {xv.shape[2], xv.shape[3]}, {kernel.pads[0], kernel.pads[1]}, channel_block, 0};
    Taps taps(windows, image, 0);
    BlockedRun r{};
    r.step = windows.strides.wide * channel_block;
    for (int64_t k = begin; k < begin + count; k++)
      for (int64_t row = 0; row < yv.shape[2]; row++)
        taps.of_row(row, 0, yv.shape[3], [&](int64_t from, int64_t column, int64_t many, const BlockedTap* here, int64_t tap_count) {
          r.x = x.as<float>() + xv.offset + k * xv.strides[0] + from + column * r.step;
          r.y = y.as<float>() + yv.offset + k * yv.strides[0] + (row * yv.shape[3] + column) * channel_block;
          r.taps = here, r.tap_count = tap_count;
          isa().blocked_largest(r, many);
        });
  });
  return true;
}

std::shared_ptr<const BlockedWeights> pack_blocked(const View& w, const float* data) {
  const int64_t outputs = w.shape[0], channels = w.shape[1], taps = w.shape[2] * w.shape[3], blocks = ceil_div(outputs, channel_block);
  auto made = std::make_shared<BlockedWeights>();
  made->data = aligned<float>(blocks * taps * channels * channel_block);
  float* to = made->data.get();
  for (int64_t block = 0; block < blocks; block++)
    for (int64_t tap = 0; tap < taps; tap++)
      for (int64_t c = 0; c < channels; c++)
        for (int64_t i = 0; i < channel_block; i++) {
          const int64_t m = block * channel_block + i;
          *to++ = m < outputs ? data[w.offset + m * w.strides[0] + c * w.strides[1] + tap / w.shape[3] * w.strides[2] + tap % w.shape[3] * w.strides[3]] : 0.0f;
        }
  return made;
}

std::shared_ptr<const BlockedWeights> pack_winograd(const View& w, const float* data) {
  static constexpr double numbers[6][3] = {{1.0 / 4, 0, 0}, {-1.0 / 6, -1.0 / 6, -1.0 / 6}, {-1.0 / 6, 1.0 / 6, -1.0 / 6}, {1.0 / 24, 1.0 / 12, 1.0 / 6}, {1.0 / 24, -1.0 / 12, 1.0 / 6}, {0, 0, 1}};
  const int64_t outputs = w.shape[0], channels = w.shape[1], blocks = ceil_div(outputs, channel_block), size = blocks * channels * channel_block;
  auto made = std::make_shared<BlockedWeights>();
  made->data = aligned<float>(numbers_of_square * size);
  std::fill_n(made->data.get(), numbers_of_square * size, 0.0f);
  for (int64_t m = 0; m < outputs; m++)
    for (int64_t c = 0; c < channels; c++) {
      const float* taps = data + w.offset + m * w.strides[0] + c * w.strides[1];
      float* const to = made->data.get() + (m / channel_block * channels + c) * channel_block + m % channel_block;
      for (int64_t i = 0; i < 6; i++)
        for (int64_t j = 0; j < 6; j++) {
          double sum = 0;
          for (int64_t a = 0; a < 3; a++)
            for (int64_t b = 0; b < 3; b++) sum += numbers[i][a] * numbers[j][b] * static_cast<double>(taps[a * w.strides[2] + b * w.strides[3]]);
          to[(i * 6 + j) * size] = static_cast<float>(sum);
        }
    }
  return made;
}

}  // namespace omnix
