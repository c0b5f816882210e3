// What never changes is packed for products once: weights, as panels.
#include <algorithm>

#include "blocked.h"
#include "gemm.h"
#include "plan.h"
#include "walk.h"

namespace omnix {
namespace {

/** A view of a constant buffer, or null. */
const View* constant_of(const Plan& plan, const std::optional<View>& v) { return v && plan.buffers[v->buffer].role == Role::Constant ? &*v : nullptr; }
const View* floats_of(const Plan& plan, const std::optional<View>& v) {
  const View* constant = constant_of(plan, v);
  return constant && constant->type == Element::Float32 ? constant : nullptr;
}

Refusal gone() { return Refusal("E3008", "native check: a constant that was packed is read in another way"); }

const std::byte* bytes_of(const Plan& plan, const View& v) {
  if (plan.constants->released[v.buffer]) throw gone();
  return plan.constants->bytes[v.buffer].data();
}
const float* data_of(const Plan& plan, const View& v) { return reinterpret_cast<const float*>(bytes_of(plan, v)); }

/** The same view, packed in the same way, is packed once. */
template <class Made, class Pack>
std::shared_ptr<const Made> once(std::map<std::vector<int64_t>, std::shared_ptr<const Made>>& all, const View& v, std::vector<int64_t> key, Pack&& pack) {
  key.insert(key.end(), {static_cast<int64_t>(v.buffer), v.offset});
  key.insert(key.end(), v.shape.begin(), v.shape.end());
  key.insert(key.end(), v.strides.begin(), v.strides.end());
  auto& found = all[key];
  if (!found) found = pack();
  return found;
}

/** Whether all of a batch are multiplied by the same matrix. */
bool is_one_matrix(const View& b) {
  for (size_t axis = 0; axis + 2 < b.shape.size(); axis++)
    if (b.shape[axis] != 1 && b.strides[axis] != 0) return false;
  return true;
}

/** That matrix, whatever the batch: what is packed of it serves all of them. */
View matrix_alone(const View& b) {
  View m = b;
  m.shape.erase(m.shape.begin(), m.shape.end() - 2);
  m.strides.erase(m.strides.begin(), m.strides.end() - 2);
  return m;
}

/** What is not of the type of the result is read in its coded form alone. */
void code(const Plan& plan, const Step& step, MatMul& kernel) {
  const View* b = constant_of(plan, step.inputs[1]);
  const View* scales = kernel.block > 0 ? floats_of(plan, step.inputs[2]) : nullptr;
  if (!b || !is_one_matrix(*b) || (kernel.block > 0 && !scales)) throw Refusal("E3008", "native check: weights in a coded form are no constants");
  if (product(b->shape) == 0) return;
  const std::vector<int64_t> key = scales ? std::vector<int64_t>{kernel.block, static_cast<int64_t>(scales->buffer)} : std::vector<int64_t>{};
  kernel.coded = once(plan.constants->coded, matrix_alone(*b), key, [&] { return code_matmul(kernel, *b, bytes_of(plan, *b), scales ? data_of(plan, *scales) : nullptr); });
}

/** Sums of integers of 8 bits are of constant weights. */
const View& integers_of(const Plan& plan, const Step& step) {
  const View* w = constant_of(plan, step.inputs[1]);
  if (!w) throw Refusal("E3008", "native check: weights of 8 bits are no constants");
  return *w;
}
bool are_integers(const Step& step) { return step.outputs[0].type == Element::Int32 && step.inputs[0]->type != Element::Int32; }

void pack(const Plan& plan, Step& step, MatMul& kernel) {
  if (are_integers(step)) {
    const View& w = integers_of(plan, step);
    if (!is_one_matrix(w)) throw Refusal("E3008", "native check: weights of 8 bits differ in a batch");
    kernel.integers = once(plan.constants->integers, matrix_alone(w), {}, [&] { return pack_integer_matmul(w, bytes_of(plan, w)); });
    return;
  }
  if (step.inputs[1]->type != step.outputs[0].type) return code(plan, step, kernel);
  const View* b = floats_of(plan, step.inputs[1]);
  if (!b || !is_one_matrix(*b)) return;
  kernel.packed = once(plan.constants->packed, matrix_alone(*b), {}, [&] { return pack_matmul(*b, data_of(plan, *b)); });
}

void pack(const Plan& plan, Step& step, Conv& kernel) {
  if (are_integers(step)) {
    const View& w = integers_of(plan, step);
    for (int64_t group = 0; group < kernel.group; group++)
      kernel.integers.push_back(once(plan.constants->integers, w, {group, kernel.group}, [&] { return pack_integer_conv(kernel, w, bytes_of(plan, w), group); }));
    return;
  }
  const View* w = floats_of(plan, step.inputs[1]);
  if (!w && is_blocked(*step.inputs[1], step.outputs[0])) throw Refusal("E3008", "native check: weights of blocks are no constants");
  if (!w) return;
  if (is_blocked(*w, step.outputs[0])) {
    kernel.blocked = once(plan.constants->blocked, *w, {kernel.winograd}, [&] { return kernel.winograd ? pack_winograd(*w, data_of(plan, *w)) : pack_blocked(*w, data_of(plan, *w)); });
    return;
  }
  kernel.is_direct = goes_direct(kernel, *step.inputs[0], *w, step.outputs[0]);
  for (int64_t group = 0; group < kernel.group; group++) {
    auto packed = once(plan.constants->packed, *w, {group, kernel.group, kernel.is_direct}, [&] { return pack_conv(kernel, *w, data_of(plan, *w), group); });
    if (!packed) return;
    kernel.packed.push_back(std::move(packed));
  }
}

void pack(const Plan&, Step&, Map& kernel) { lay_blocks(kernel); }

template <class Other>
void pack(const Plan&, Step&, Other&) {}

/** Whether a step reads its second operand in a packed form alone. */
bool is_read_packed(const Step& step) {
  const auto* matmul = std::get_if<MatMul>(&step.kernel);
  const auto* conv = std::get_if<Conv>(&step.kernel);
  return (matmul && (matmul->packed || matmul->coded || matmul->integers)) || (conv && conv->blocked);
}

/** How many operands of steps read each constant. */
std::vector<size_t> readers_of(const Plan& plan) {
  std::vector<size_t> readers(plan.buffers.size());
  for (const Step& step : plan.steps)
    for (const auto& v : step.inputs)
      if (constant_of(plan, v)) readers[v->buffer]++;
  return readers;
}

}  // namespace

void prepare_plan(Plan& plan) {
  const Constants& constants = *plan.constants;
  std::vector<size_t> readers = readers_of(plan);
  for (Step& step : plan.steps) {
    std::visit([&](auto& kernel) { pack(plan, step, kernel); }, step.kernel);
    if (!is_read_packed(step) || !constant_of(plan, step.inputs[1])) continue;
    const size_t at = step.inputs[1]->buffer;
    if (--readers[at] > 0) continue;
    // By swapping, since assigning nothing would keep the memory; at once, so that both forms of all weights are never there together. The first binding packs what all others read.
    std::vector<std::byte>().swap(constants.bytes[at]);
    constants.released[at] = true;
  }
  for (size_t at = 0; at < readers.size(); at++)
    if (readers[at] > 0 && constants.released[at]) throw gone();
}

}  // namespace omnix
