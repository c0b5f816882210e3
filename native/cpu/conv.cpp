// conv of float32: products with windows as columns, in gemm.h, and filters where each channel is for itself. All others, in double
// precision, tap by tap.
#include <cstring>

#include "gemm.h"
#include "pool.h"
#include "window.h"

namespace omnix {
namespace {

template <class T>
void conv(const Conv& kernel, const Operand& x, const Operand& w, const Operand* bias, const Operand& y) {
  const View &xv = *x.view, &wv = *w.view, &yv = *y.view;
  const Window window{tail(wv.shape), kernel.strides, kernel.dilations, kernel.pads, tail(xv.shape), tail(yv.shape)};
  const int64_t per_group = wv.shape[1], outputs_per_group = std::max<int64_t>(1, wv.shape[0] / kernel.group);
  const Dims steps = tail(xv.strides);
  std::vector<double> plane(static_cast<size_t>(product(window.output)));
  for (int64_t n = 0; n < yv.shape[0]; n++)
    for (int64_t m = 0; m < yv.shape[1]; m++) {
      std::fill(plane.begin(), plane.end(), bias ? bias->as<T>()[bias->view->offset + m * bias->view->strides[0]] : 0.0);
      const int64_t first_channel = m / outputs_per_group * per_group;
      window.for_each_tap([&](const Dims& tap, const std::vector<Span>& spans) {
        for (int64_t c = 0; c < per_group; c++) {
          int64_t weight_at = wv.offset + m * wv.strides[0] + c * wv.strides[1];
          for (size_t d = 0; d < tap.size(); d++) weight_at += tap[d] * wv.strides[d + 2];
          const double weight = w.as<T>()[weight_at];
          const int64_t base = xv.offset + n * xv.strides[0] + (first_channel + c) * xv.strides[1];
          for_each_row(window.extent(spans), {window.outputs(spans), window.inputs(spans, base, steps)},
                       [&](const int64_t* at, int64_t length, const int64_t* step) {
                         double* to = plane.data() + at[0];
                         const T* from = x.as<T>() + at[1];
                         for (int64_t i = 0; i < length; i++) to[i * step[0]] += weight * static_cast<double>(from[i * step[1]]);
                       });
        }
      });
      write_plane<T>(plane, y, n, m);
    }
}


/** What is the same for all windows of a convolution. */
struct Geometry {
  int64_t channels, taps, outputs;
  /** By spatial axis. */
  Dims input, output, steps, strides;
  /** For each tap its place in the input relative to that of the window, by spatial axis. */
  std::vector<Dims> shifts;

  Geometry(const Conv& kernel, const View& x, const View& w, const View& y)
      : channels(w.shape[1]), input(tail(x.shape)), output(tail(y.shape)), steps(tail(x.strides)), strides(kernel.strides) {
    const Dims size = tail(w.shape);
    taps = product(size);
    outputs = product(output);
    Dims at(size.size(), 0);
    for (int64_t t = 0; t < taps; t++) {
      Dims shift;
      for (size_t d = 0; d < size.size(); d++) shift.push_back(at[d] * kernel.dilations[d] - kernel.pads[d]);
      shifts.push_back(std::move(shift));
      for (size_t d = size.size(); d-- > 0 && ++at[d] == size[d];) at[d] = 0;
    }
  }
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

int64_t ceil_div(int64_t a, int64_t b) { return -floor_div(-a, b); }

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

/** Steps of the outputs of a channel as one axis; 0 where they do not lie evenly. */
int64_t even_step(const View& y) {
  for (size_t axis = 2; axis + 1 < y.shape.size(); axis++)
    if (y.strides[axis] != y.strides[axis + 1] * y.shape[axis + 1]) return 0;
  return y.strides.back();
}

bool is_filter(const View& w) { return w.shape[1] == 1; }

/** The weights of a group as rows, taps of a channel side by side. */
MatrixPanels weights_of(const Conv& kernel, const View& w, const float* data, int64_t group) {
  const int64_t outputs = w.shape[0] / kernel.group;
  return {data + w.offset + group * outputs * w.strides[0], outputs, w.strides[0], w.strides.back()};
}
bool are_rows(const View& w) {
  for (size_t axis = 1; axis + 1 < w.shape.size(); axis++)
    if (w.strides[axis] != w.strides[axis + 1] * w.shape[axis + 1]) return false;
  return true;
}

void conv_as_product(const Conv& kernel, const Operand& x, const Operand& w, const Operand* bias, const Operand& y) {
  const View &xv = *x.view, &wv = *w.view, &yv = *y.view;
  const Geometry geometry(kernel, xv, wv, yv);
  const int64_t outputs = wv.shape[0] / kernel.group;
  const auto one = [&](int64_t k) {
    const int64_t n = k / kernel.group, group = k % kernel.group;
    const float* from = x.as<float>() + xv.offset + n * xv.strides[0] + group * geometry.channels * xv.strides[1];
    const WindowPanels windows(geometry, from, xv.strides[1]);
    const MatrixPanels weights = weights_of(kernel, wv, w.as<float>(), group);
    Product p;
    p.rows = outputs, p.columns = geometry.outputs, p.depth = geometry.channels * geometry.taps;
    p.a = &weights, p.b = &windows;
    if (!kernel.packed.empty()) p.packed_a = kernel.packed[static_cast<size_t>(group)].get();
    p.y = y.as<float>() + yv.offset + n * yv.strides[0] + group * outputs * yv.strides[1];
    p.row_step = yv.strides[1], p.column_step = even_step(yv);
    if (bias) p.bias = bias->as<float>() + bias->view->offset + group * outputs * bias->view->strides[0], p.bias_step = bias->view->strides[0];
    multiply(p);
  };
  const int64_t count = yv.shape[0] * kernel.group;
  if (count >= 2 * thread_count()) parallel(count, one);
  else
    for (int64_t k = 0; k < count; k++) one(k);
}

/** One channel: rows of outputs, each the sum of shifted rows of the input. */
void filter_channel(const Geometry& g, const float* x, const std::vector<float>& weights, float bias, float* y, const Dims& y_steps) {
  const size_t last = g.last();
  const int64_t across = g.output[last], stride = g.strides[last];
  // Outputs between these see all taps of a row.
  int64_t low = 0, high = across;
  for (const Dims& shift : g.shifts) {
    low = std::max(low, ceil_div(-shift[last], stride));
    high = std::min(high, ceil_div(g.input[last] - shift[last], stride));
  }
  low = std::min(low, across), high = std::max(high, low);
  std::vector<const float*> lines;
  std::vector<int64_t> starts;
  std::vector<float> used;
  for (int64_t at = 0; at < g.outputs; at += across) {
    const Dims row = g.row_of(at);
    float* to = y;
    for (size_t d = 0; d < last; d++) to += row[d] * y_steps[d];
    lines.clear(), starts.clear(), used.clear();
    for (int64_t t = 0; t < g.taps; t++) {
      const int64_t start = g.row_start(row, t);
      if (start < 0) continue;
      const int64_t shift = g.shifts[static_cast<size_t>(t)][last];
      starts.push_back(shift);
      lines.push_back(x + start + (low * stride + shift));
      used.push_back(weights[static_cast<size_t>(t)]);
    }
    const auto edge = [&](int64_t column) {
      float sum = bias;
      for (size_t t = 0; t < used.size(); t++) {
        const int64_t place = column * stride + starts[t];
        if (place >= 0 && place < g.input[last]) sum += used[t] * lines[t][(column - low) * stride];
      }
      to[column] = sum;
    };
    for (int64_t column = 0; column < low; column++) edge(column);
    isa().filter(to + low, high - low, bias, lines.data(), used.data(), static_cast<int64_t>(used.size()), stride);
    for (int64_t column = high; column < across; column++) edge(column);
  }
}

void conv_as_filter(const Conv& kernel, const Operand& x, const Operand& w, const Operand* bias, const Operand& y) {
  const View &xv = *x.view, &wv = *w.view, &yv = *y.view;
  const Geometry geometry(kernel, xv, wv, yv);
  const int64_t channels = yv.shape[1], each = channels / kernel.group;
  parallel(yv.shape[0] * channels, [&](int64_t k) {
    const int64_t n = k / channels, m = k % channels;
    std::vector<float> weights;
    const Dims size = tail(wv.shape);
    for_each_row(size, {{wv.offset + m * wv.strides[0], tail(wv.strides)}}, [&](const int64_t* at, int64_t count, const int64_t* step) {
      for (int64_t i = 0; i < count; i++) weights.push_back(w.as<float>()[at[0] + i * step[0]]);
    });
    filter_channel(geometry, x.as<float>() + xv.offset + n * xv.strides[0] + m / each * xv.strides[1], weights,
                   bias ? bias->as<float>()[bias->view->offset + m * bias->view->strides[0]] : 0.0f,
                   y.as<float>() + yv.offset + n * yv.strides[0] + m * yv.strides[1], tail(yv.strides));
  });
}

}  // namespace

std::shared_ptr<const Packed> pack_conv(const Conv& kernel, const View& w, const float* data, int64_t group) {
  if (is_filter(w) || !are_rows(w) || w.shape.size() < 3) return nullptr;
  const MatrixPanels weights = weights_of(kernel, w, data, group);
  return std::make_shared<const Packed>(weights, w.shape[0] / kernel.group, product(tail(w.shape)) * w.shape[1], isa().tile_rows);
}

void run_conv(const Conv& kernel, const Operand& x, const Operand& w, const Operand* bias, const Operand& y) {
  const View &xv = *x.view, &wv = *w.view, &yv = *y.view;
  if (product(yv.shape) == 0) return;
  const bool has_space = yv.shape.size() > 2;
  if (yv.type != Element::Float32) conv<double>(kernel, x, w, bias, y);
  else if (has_space && is_filter(wv) && xv.strides.back() == 1 && yv.strides.back() == 1) conv_as_filter(kernel, x, w, bias, y);
  else if (has_space && are_rows(wv) && even_step(yv) != 0) conv_as_product(kernel, x, w, bias, y);
  else conv<float>(kernel, x, w, bias, y);
}

}  // namespace omnix
