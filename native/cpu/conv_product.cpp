// conv of float32 as products: rows are the weights of an output channel, columns the windows before each output.
#include <algorithm>
#include <cstring>

#include "conv.h"
#include "parts.h"

namespace omnix {
namespace {

/** The windows before each output of one image and group, as columns: channel after channel, tap after tap. */
class WindowPanels final : public Panels {
 public:
  WindowPanels(const Geometry& g, const float* x, int64_t channel_step) : g_(g), x_(x), channel_step_(channel_step) {}

  void pack(float* to, int64_t first, int64_t lines, int64_t width, int64_t from, int64_t count) const override {
    const std::vector<Run> runs = runs_of(first, std::min(lines, g_.outputs - first));
    const int64_t padded = ceil_div(lines, width) * width;
    for (int64_t q = 0; q < count; q++) {
      const int64_t channel = (from + q) / g_.taps, tap = (from + q) % g_.taps;
      const auto put = [&](int64_t at) { return to + at / width * width * count + q * width + at % width; };
      for (const Run& run : runs) fill(run, x_ + channel * channel_step_, tap, width, put);
      for (int64_t at = std::min(lines, g_.outputs - first); at < padded; at++) *put(at) = 0;
    }
  }

 private:
  /** Outputs side by side in one row. */
  struct Run {
    int64_t at, count, column;
    Dims row;
  };
  std::vector<Run> runs_of(int64_t first, int64_t lines) const {
    std::vector<Run> runs;
    const int64_t across = g_.output[g_.last()];
    for (int64_t at = 0; at < lines;) {
      const int64_t column = (first + at) % across;
      const int64_t count = std::min(lines - at, across - column);
      runs.push_back({at, count, column, g_.row_of(first + at)});
      at += count;
    }
    return runs;
  }

  template <class Put>
  void fill(const Run& run, const float* x, int64_t tap, int64_t width, Put&& put) const {
    const size_t last = g_.last();
    const int64_t stride = g_.strides[last], step = g_.steps[last];
    const int64_t start = g_.row_start(run.row, tap);
    const int64_t place = run.column * stride + g_.shifts[static_cast<size_t>(tap)][last];
    const int64_t low = start < 0 ? run.count : std::clamp<int64_t>(ceil_div(-place, stride), 0, run.count);
    const int64_t high = start < 0 ? run.count : std::clamp<int64_t>(ceil_div(g_.input[last] - place, stride), low, run.count);
    const float* from = x + start + place * step;
    for (int64_t i = 0; i < run.count;) {
      const int64_t end = std::min(run.count, i + width - (run.at + i) % width);
      float* to = put(run.at + i);
      if (i >= low && end <= high && stride * step == 1) {
        std::memcpy(to, from + i, static_cast<size_t>(end - i) * sizeof(float));
      } else {
        for (int64_t k = i; k < end; k++) to[k - i] = k >= low && k < high ? from[k * stride * step] : 0.0f;
      }
      i = end;
    }
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

/** One image and group of a convolution: where it begins and what is the same for all of them. */
struct Task {
  const Conv& kernel;
  const Geometry& geometry;
  const Operand &x, &w, &y;
  const Operand* bias;
  const Following* following;
  int64_t image, group;

  int64_t outputs() const { return w.view->shape[0] / kernel.group; }
  const float* input() const {
    return x.as<float>() + x.view->offset + image * x.view->strides[0] + group * geometry.channels * x.view->strides[1];
  }
  /** The product but for its right side. */
  Product product(const WeightPanels& weights) const {
    Product p;
    p.rows = outputs(), p.depth = geometry.channels * geometry.taps;
    p.a = &weights;
    if (!kernel.packed.empty()) p.packed_a = kernel.packed[static_cast<size_t>(group)].get();
    p.y = y.as<float>() + y.view->offset + image * y.view->strides[0] + group * outputs() * y.view->strides[1];
    p.row_step = y.view->strides[1];
    if (bias) p.bias = bias->as<float>() + bias->view->offset + group * outputs() * bias->view->strides[0], p.bias_step = bias->view->strides[0];
    return p;
  }
  WeightPanels weights() const { return {kernel, *w.view, w.as<float>(), group}; }
};

/** The map that follows, where there is one, runs on each part that is done. */
void multiply_followed(const Task& t, Product& p) {
  if (!t.following) return multiply(p);
  const Following::Matrix matrix = t.following->at({t.image}, t.group * p.rows);
  const Following::OfProduct context{matrix, p.places, p.column_step};
  const Finish finish{Following::OfProduct::run, &context};
  p.finish = &finish;
  multiply(p);
}

/** Whether the input is the columns: windows of one element that move by one, over all of it. */
std::optional<MatrixPanels> input_as_columns(const Task& t) {
  const Geometry& g = t.geometry;
  const auto step = even_step(*t.x.view, 2);
  const bool moves_by_one = std::all_of(g.strides.begin(), g.strides.end(), [](int64_t s) { return s == 1; });
  const bool has_no_border = std::all_of(g.shifts[0].begin(), g.shifts[0].end(), [](int64_t s) { return s == 0; });
  if (g.taps != 1 || !step || !moves_by_one || !has_no_border || g.input != g.output) return std::nullopt;
  return MatrixPanels(t.input(), g.outputs, *step, t.x.view->strides[1]);
}

/** Columns that are packed. */
void multiply_columns(const Task& t) {
  const WindowPanels windows(t.geometry, t.input(), t.x.view->strides[1]);
  const auto input = input_as_columns(t);
  const WeightPanels weights = t.weights();
  Product p = t.product(weights);
  p.columns = t.geometry.outputs, p.b = input ? static_cast<const Panels*>(&*input) : &windows, p.column_step = *even_step(*t.y.view, 2);
  multiply_followed(t, p);
}

/** Larger windows read an image that is spread so that each tap sees its columns side by side. */
void multiply_strips(const Task& t, const Spread& spread) {
  float* image = scratch(Scratch::Image, spread.size(t.geometry.channels) + isa().tile_columns);
  spread.fill(image, t.input(), t.geometry.channels, t.x.view->strides[1]);
  const std::vector<int64_t> starts = spread.starts(t.geometry.channels), places = spread.places(tail(t.y.view->strides));
  const Strips strips{image, starts.data()};
  const WeightPanels weights = t.weights();
  Product p = t.product(weights);
  p.columns = spread.columns(), p.strips = &strips, p.places = places.data(), p.column_step = *even_step(*t.y.view, 2);
  multiply_followed(t, p);
}

}  // namespace

void conv_as_product(const Conv& kernel, const Operand& x, const Operand& w, const Operand* bias, const Operand& y, const Following* following) {
  const Geometry geometry(kernel, *x.view, *w.view, *y.view);
  const Spread spread(geometry);
  const auto one = [&](int64_t k) {
    const Task task{kernel, geometry, x, w, y, bias, following, k / kernel.group, k % kernel.group};
    if (geometry.taps > 1 && spread.pays()) multiply_strips(task, spread);
    else multiply_columns(task);
  };
  const int64_t count = y.view->shape[0] * kernel.group;
  if (count >= 2 * thread_count()) parallel(count, one);
  else
    for (int64_t k = 0; k < count; k++) one(k);
}

bool packs(const View& w) { return w.shape[1] != 1 && w.shape.size() >= 3; }

std::shared_ptr<const Packed> pack_conv(const Conv& kernel, const View& w, const float* data, int64_t group) {
  if (!packs(w)) return nullptr;
  const WeightPanels weights(kernel, w, data, group);
  return std::make_shared<const Packed>(weights, w.shape[0] / kernel.group, product(tail(w.shape)) * w.shape[1], isa().tile_rows);
}

}  // namespace omnix
