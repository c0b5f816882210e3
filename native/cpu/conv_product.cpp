// conv of float32 as products: rows are the weights of an output channel, columns the windows before each output.
#include <algorithm>
#include <cstring>

#include "conv.h"
#include "parts.h"

namespace omnix {
namespace {

/** The windows before each output of a group, as columns: channel after channel, tap after tap. */
class WindowPanels final : public Panels {
 public:
  WindowPanels(const Geometry& g, const float* x, int64_t channel_step) : g_(g), x_(x), channel_step_(channel_step) {}

  void pack(float* to, int64_t first, int64_t lines, int64_t width, int64_t from, int64_t count) const override {
    const int64_t there = std::min(lines, g_.outputs - first), padded = ceil_div(lines, width) * width;
    const std::vector<Run> runs = runs_of(first, there, width);
    for (int64_t q = 0; q < count; q++) {
      const float* x = x_ + (from + q) / g_.taps * channel_step_;
      const auto put = [&](int64_t at) { return to + at / width * width * count + q * width + at % width; };
      for (const Run& run : runs) fill(put(run.at), run, run.reads[static_cast<size_t>((from + q) % g_.taps)], x);
      for (int64_t at = there; at < padded; at++) *put(at) = 0;
    }
  }

 private:
  /** Where some outputs read for a tap: those from `low` to before `high` inside of the input. */
  struct Read {
    int64_t start, low, high;
  };
  /** Outputs side by side in one row and one panel. */
  struct Run {
    int64_t at, count;
    /** By tap. */
    std::vector<Read> reads;
  };

  std::vector<Run> runs_of(int64_t first, int64_t lines, int64_t width) const {
    std::vector<Run> runs;
    const int64_t across = g_.output[g_.last()];
    for (int64_t at = 0; at < lines;) {
      const int64_t column = (first + at) % across;
      const int64_t count = std::min({lines - at, across - column, width - at % width});
      Run run{at, count, {}};
      const Dims row = g_.row_of(first + at);
      for (int64_t tap = 0; tap < g_.taps; tap++) run.reads.push_back(read_of(row, column, count, tap));
      runs.push_back(std::move(run));
      at += count;
    }
    return runs;
  }
  Read read_of(const Dims& row, int64_t column, int64_t count, int64_t tap) const {
    const size_t last = g_.last();
    const int64_t start = g_.row_start(row, tap), stride = g_.strides[last];
    if (start < 0) return {0, count, count};
    const int64_t place = column * stride + g_.shifts[static_cast<size_t>(tap)][last];
    const int64_t low = std::clamp<int64_t>(ceil_div(-place, stride), 0, count);
    return {start + place * g_.steps[last], low, std::clamp<int64_t>(ceil_div(g_.input[last] - place, stride), low, count)};
  }

  void fill(float* to, const Run& run, const Read& read, const float* x) const {
    const int64_t step = g_.strides[g_.last()] * g_.steps[g_.last()];
    if (step == 1 && read.low == 0 && read.high == run.count) {
      std::memcpy(to, x + read.start, static_cast<size_t>(run.count) * sizeof(float));
      return;
    }
    for (int64_t i = 0; i < run.count; i++) to[i] = i >= read.low && i < read.high ? x[read.start + i * step] : 0.0f;
  }

  const Geometry& g_;
  const float* x_;
  int64_t channel_step_;
};

/** The weights of a group as rows, taps of a channel side by side; they may lie in any order, such as turned ones of a transposed convolution. */
class WeightPanels final : public Panels {
 public:
  WeightPanels(const Conv& kernel, const View& w, const float* data, int64_t group)
      : lines_(w.shape[0] / kernel.group), line_step_(w.strides[0]), data_(data + w.offset + group * lines_ * line_step_) {
    const Dims row(w.shape.begin() + 1, w.shape.end()), steps(w.strides.begin() + 1, w.strides.end());
    for_each_row(row, {{0, steps}}, [&](const int64_t* at, int64_t n, const int64_t* step) {
      for (int64_t i = 0; i < n; i++) places_.push_back(at[0] + i * step[0]);
    });
  }
  void pack(float* to, int64_t first, int64_t lines, int64_t width, int64_t from, int64_t count) const override {
    for (int64_t line = first; line < first + lines; line += width)
      for (int64_t q = from; q < from + count; q++)
        for (int64_t i = 0; i < width; i++) *to++ = line + i < lines_ ? data_[(line + i) * line_step_ + places_[static_cast<size_t>(q)]] : 0.0f;
  }

 private:
  int64_t lines_, line_step_;
  const float* data_;
  /** Of each step of the depth, from the beginning of a row. */
  std::vector<int64_t> places_;
};

/** One group of a convolution of some images: where it begins and what is the same for all of them. */
struct Task {
  const Conv& kernel;
  const Geometry& geometry;
  const Operand &x, &w, &y;
  const Operand* bias;
  const Following* following;
  /** The weights where they were packed for all tasks; null otherwise. */
  const Packed* packed;
  int64_t image, images, group;

  int64_t outputs() const { return w.view->shape[0] / kernel.group; }
  const float* input() const {
    return x.as<float>() + x.view->offset + image * x.view->strides[0] + group * geometry.channels * x.view->strides[1];
  }
  /** Strides of the outputs by the axes of the geometry. */
  Dims output_steps() const {
    Dims steps = tail(y.view->strides);
    if (images > 1) steps.insert(steps.begin(), y.view->strides[0]);
    return steps;
  }
  /** The product but for its right side. */
  Product product(const WeightPanels& weights) const {
    Product p;
    p.rows = outputs(), p.depth = geometry.channels * geometry.taps;
    p.a = &weights;
    p.packed_a = packed;
    p.y = y.as<float>() + y.view->offset + image * y.view->strides[0] + group * outputs() * y.view->strides[1];
    p.row_step = y.view->strides[1], p.column_step = *even_step(*y.view, 2);
    if (bias) p.bias = bias->as<float>() + bias->view->offset + group * outputs() * bias->view->strides[0], p.bias_step = bias->view->strides[0];
    return p;
  }
  WeightPanels weights() const { return {kernel, *w.view, w.as<float>(), group}; }
};

/** The map that follows, where there is one, runs on each part that is done, or on each image of several. */
void multiply_followed(const Task& t, Product& p) {
  if (t.following) p.clamp = t.following->clamp();
  if (!t.following || p.clamp) return multiply(p);
  if (t.images > 1) {
    multiply(p);
    for (int64_t i = 0; i < t.images; i++) t.following->at({t.image + i}, t.group * p.rows).run(0, p.rows, 0, t.geometry.outputs / t.images);
    return;
  }
  const Following::Matrix matrix = t.following->at({t.image}, t.group * p.rows);
  const Following::OfProduct context{matrix, p.places, p.column_step};
  const Finish finish{Following::OfProduct::run, &context};
  p.finish = &finish;
  multiply(p);
}

std::optional<MatrixPanels> input_as_columns(const Task& t) {
  if (t.images > 1 || !input_is_columns(t.geometry, *t.x.view)) return std::nullopt;
  return MatrixPanels(t.input(), t.geometry.outputs, *even_step(*t.x.view, 2), t.x.view->strides[1]);
}

/** Columns that are packed. */
void multiply_columns(const Task& t) {
  const WindowPanels windows(t.geometry, t.input(), t.x.view->strides[1]);
  const auto input = input_as_columns(t);
  const WeightPanels weights = t.weights();
  Product p = t.product(weights);
  p.columns = t.geometry.outputs, p.b = input ? static_cast<const Panels*>(&*input) : &windows;
  Dims places;
  if (t.images > 1) {
    for_each_row(t.geometry.output, {{0, t.output_steps()}}, [&](const int64_t* at, int64_t n, const int64_t* step) {
      for (int64_t i = 0; i < n; i++) places.push_back(at[0] + i * step[0]);
    });
    p.places = places.data();
  }
  multiply_followed(t, p);
}

/** Larger windows read an image that is spread so that each tap sees its columns side by side. */
void multiply_strips(const Task& t, const Spread& spread) {
  float* image = scratch(Scratch::Image, spread.size(t.geometry.channels) + isa().tile_columns);
  spread.fill(image, t.input(), t.geometry.channels, t.x.view->strides[1]);
  const std::vector<int64_t> starts = spread.starts(t.geometry.channels), places = spread.places(t.output_steps());
  const Strips strips{image, starts.data()};
  const WeightPanels weights = t.weights();
  Product p = t.product(weights);
  p.columns = spread.columns(), p.strips = &strips, p.places = places.data();
  multiply_followed(t, p);
}

/** The windows of so many images. */
struct Windows {
  const int64_t images;
  const Geometry geometry;
  const Spread spread;
  Windows(const Conv& kernel, const View& x, const View& w, const View& y, int64_t images)
      : images(images), geometry(kernel, x, w, y, images), spread(geometry) {}
};

/** The weights of each group as they were packed when the plan was made, or now where several tasks read them. */
class GroupWeights {
 public:
  GroupWeights(const Conv& kernel, const Operand& w, bool is_shared) : kernel_(kernel) {
    if (!kernel.packed.empty() || !is_shared) return;
    const int64_t lines = w.view->shape[0] / kernel.group, depth = product(tail(w.view->shape)) * w.view->shape[1];
    const int64_t size = Packed::size(lines, depth, isa().tile_rows);
    float* memory = scratch(Scratch::Weights, size * kernel.group);
    own_.reserve(static_cast<size_t>(kernel.group));
    for (int64_t g = 0; g < kernel.group; g++) own_.emplace_back(WeightPanels(kernel, *w.view, w.as<float>(), g), lines, depth, isa().tile_rows, memory + g * size);
  }
  const Packed* of(int64_t group) const {
    const auto at = static_cast<size_t>(group);
    return !kernel_.packed.empty() ? kernel_.packed[at].get() : own_.empty() ? nullptr : &own_[at];
  }

 private:
  const Conv& kernel_;
  std::vector<Packed> own_;
};

/** Outputs below which a product is too narrow for its weights to be read anew, and how many are made at once instead. */
constexpr int64_t narrow = 64, wide = 128;

}  // namespace

int64_t images_at_once(const View& y) {
  const int64_t outputs = product(tail(y.shape));
  return outputs < narrow ? std::min(y.shape[0], ceil_div(wide, outputs)) : 1;
}

bool input_is_columns(const Geometry& g, const View& x) {
  const bool moves_by_one = std::all_of(g.strides.begin(), g.strides.end(), [](int64_t s) { return s == 1; });
  const bool has_no_border = std::all_of(g.shifts[0].begin(), g.shifts[0].end(), [](int64_t s) { return s == 0; });
  return g.taps == 1 && even_step(x, 2) && moves_by_one && has_no_border && g.input == g.output;
}

void conv_as_product(const Conv& kernel, const Operand& x, const Operand& w, const Operand* bias, const Operand& y, const Following* following) {
  if (kernel.is_direct) return conv_direct(kernel, x, w, bias, y, following);
  const int64_t all = y.view->shape[0], at_once = images_at_once(*y.view), count = ceil_div(all, at_once) * kernel.group;
  const GroupWeights weights(kernel, w, all > at_once);
  // The last images may be fewer.
  const Windows each(kernel, *x.view, *w.view, *y.view, at_once), last(kernel, *x.view, *w.view, *y.view, all - (count / kernel.group - 1) * at_once);
  const auto one = [&](int64_t k) {
    const int64_t image = k / kernel.group * at_once, group = k % kernel.group;
    const auto& [images, geometry, spread] = image + at_once < all ? each : last;
    const Task task{kernel, geometry, x, w, y, bias, following, weights.of(group), image, images, group};
    // Where images are small, most of what is spread are their borders.
    if (geometry.taps > 1 && spread.pays() && 2 * spread.columns() <= 3 * geometry.outputs) multiply_strips(task, spread);
    else multiply_columns(task);
  };
  if (count >= 2 * thread_count()) parallel(count, one);
  else
    for (int64_t k = 0; k < count; k++) one(k);
}

bool packs(const View& w) { return w.shape[1] != 1 && w.shape.size() >= 3; }

std::shared_ptr<const Packed> pack_conv(const Conv& kernel, const View& w, const float* data, int64_t group) {
  if (!packs(w)) return nullptr;
  const WeightPanels weights(kernel, w, data, group);
  const int64_t width = kernel.is_direct ? isa().tile_columns : isa().tile_rows;
  return std::make_shared<const Packed>(weights, w.shape[0] / kernel.group, product(tail(w.shape)) * w.shape[1], width);
}

}  // namespace omnix
