// conv: of float32 as products or as filters, each in a file of its own. All others, in double precision, tap by tap.
#include "blocked.h"
#include "conv.h"

namespace omnix {
namespace {

template <class X, class W, class Y>
void conv(const Conv& kernel, const Operand& x, const Operand& w, const Operand* bias, const Operand& y, double zero = 0) {
  const View &xv = *x.view, &wv = *w.view, &yv = *y.view;
  const Window window = window_of(kernel, xv, wv, yv);
  const int64_t per_group = wv.shape[1], outputs_per_group = std::max<int64_t>(1, wv.shape[0] / kernel.group);
  const Dims steps = tail(xv.strides);
  std::vector<double> plane(static_cast<size_t>(product(window.output)));
  for (int64_t n = 0; n < yv.shape[0]; n++)
    for (int64_t m = 0; m < yv.shape[1]; m++) {
      std::fill(plane.begin(), plane.end(), bias ? bias->as<Y>()[bias->view->offset + m * bias->view->strides[0]] : 0.0);
      const int64_t first_channel = m / outputs_per_group * per_group;
      window.for_each_tap([&](const Dims& tap, const std::vector<Span>& spans) {
        for (int64_t c = 0; c < per_group; c++) {
          int64_t weight_at = wv.offset + m * wv.strides[0] + c * wv.strides[1];
          for (size_t d = 0; d < tap.size(); d++) weight_at += tap[d] * wv.strides[d + 2];
          const double weight = w.as<W>()[weight_at];
          const int64_t base = xv.offset + n * xv.strides[0] + (first_channel + c) * xv.strides[1];
          for_each_row(window.extent(spans), {window.outputs(spans), window.inputs(spans, base, steps)},
                       [&](const int64_t* at, int64_t length, const int64_t* step) {
                         double* to = plane.data() + at[0];
                         const X* from = x.as<X>() + at[1];
                         for (int64_t i = 0; i < length; i++) to[i * step[0]] += weight * (static_cast<double>(from[i * step[1]]) - zero);
                       });
        }
      });
      write_plane<Y>(plane, y, n, m);
    }
}

/** A convolution of integers that no products serve. */
void conv_plain_integers(const Conv& kernel, const Operand& x, const Operand& w, const Operand* zero, const Operand& y) {
  const int32_t moved = zero_of(*x.view, zero);
  if (x.view->type == Element::Int8) conv<int8_t, int8_t, int32_t>(kernel, x, w, nullptr, y, moved - 128);
  else conv<uint8_t, int8_t, int32_t>(kernel, x, w, nullptr, y, moved);
}

}  // namespace

int32_t zero_of(const View& x, const Operand* zero) {
  const int flip = x.type == Element::Int8 ? 128 : 0;
  return zero ? zero->as<uint8_t>()[zero->view->offset] ^ flip : flip;
}

ConvWay way_of(const Conv& kernel, const View& x, const View& w, const View& y) {
  if (is_blocked(w, y)) return ConvWay::Blocked;
  if (y.type == Element::Int32 && !kernel.integers.empty() && y.shape.size() >= 3 && product(y.shape) > 0)
    return Spread(Geometry(kernel, x, w, y)).pays() && even_step(y, 2).value_or(0) != 0 ? ConvWay::Integers : ConvWay::Plain;
  if (y.type != Element::Float32 || y.shape.size() < 3 || product(y.shape) == 0) return ConvWay::Plain;
  if (w.shape[1] == 1) return Spread(Geometry(kernel, x, w, y)).pays() ? ConvWay::Filter : ConvWay::Plain;
  return packs(w) && even_step(y, 2).value_or(0) != 0 ? ConvWay::Product : ConvWay::Plain;
}

void run_conv(const Conv& kernel, const Operand& x, const Operand& w, const Operand* bias, const Operand* zero, const Operand& y, const Following* following) {
  switch (way_of(kernel, *x.view, *w.view, *y.view)) {
    case ConvWay::Blocked: return conv_blocked(kernel, x, w, bias, y, following);
    case ConvWay::Filter: return conv_as_filter(kernel, x, w, bias, y, following);
    case ConvWay::Product: return conv_as_product(kernel, x, w, bias, y, following);
    case ConvWay::Integers: return conv_integers(kernel, x, w, zero, y, following);
    case ConvWay::Plain: break;
  }
  if (product(y.view->shape) == 0) return;
  if (y.view->type == Element::Int32) conv_plain_integers(kernel, x, w, zero, y);
  else if (y.view->type == Element::Float32) conv<float, float, float>(kernel, x, w, bias, y);
  else conv<double, double, double>(kernel, x, w, bias, y);
}

}  // namespace omnix
