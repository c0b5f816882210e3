// What never changes is packed for products once: weights, as panels.
#include <algorithm>

#include "gemm.h"
#include "plan.h"

namespace omnix {
namespace {

/** A view of a constant buffer of float32, or null. */
const View* constant_of(const Plan& plan, const std::optional<View>& v) {
  return v && v->type == Element::Float32 && plan.buffers[v->buffer].role == Role::Constant ? &*v : nullptr;
}

const float* data_of(const Plan& plan, const View& v) { return reinterpret_cast<const float*>(plan.constants->bytes[v.buffer].data()); }

/** The same view, packed in the same way, is packed once. */
template <class Pack>
std::shared_ptr<const Packed> once(const Plan& plan, const View& v, std::vector<int64_t> key, Pack&& pack) {
  key.insert(key.end(), {static_cast<int64_t>(v.buffer), v.offset});
  key.insert(key.end(), v.shape.begin(), v.shape.end());
  key.insert(key.end(), v.strides.begin(), v.strides.end());
  auto& found = plan.constants->packed[key];
  if (!found) found = pack();
  return found;
}

void pack(const Plan& plan, Step& step, MatMul& kernel) {
  const View* b = constant_of(plan, step.inputs[1]);
  if (!b) return;
  for (size_t axis = 0; axis + 2 < b->shape.size(); axis++)
    if (b->shape[axis] != 1 && b->strides[axis] != 0) return;
  kernel.packed = once(plan, *b, {}, [&] { return pack_matmul(*b, data_of(plan, *b)); });
}

void pack(const Plan& plan, Step& step, Conv& kernel) {
  const View* w = constant_of(plan, step.inputs[1]);
  if (!w) return;
  for (int64_t group = 0; group < kernel.group; group++) {
    auto packed = once(plan, *w, {group, kernel.group}, [&] { return pack_conv(kernel, *w, data_of(plan, *w), group); });
    if (!packed) return;
    kernel.packed.push_back(std::move(packed));
  }
}

template <class Other>
void pack(const Plan&, Step&, Other&) {}

}  // namespace

void pack_constants(Plan& plan) {
  for (Step& step : plan.steps) std::visit([&](auto& kernel) { pack(plan, step, kernel); }, step.kernel);
}

}  // namespace omnix
