// One run of a verified plan: memory for the temporaries, then each kernel in order.
#include <chrono>

#include "conv.h"
#include "plan.h"
#include "pool.h"

namespace omnix {
namespace {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

/** The operands of a step over the memory of a run. */
struct Bound {
  Operands in, out;
  Bound(const Step& step, const std::vector<std::byte*>& memory) {
    in.reserve(step.inputs.size()), out.reserve(step.outputs.size());
    for (const auto& v : step.inputs) in.push_back(v ? Operand{&*v, memory[v->buffer]} : Operand{nullptr, nullptr});
    for (const View& v : step.outputs) out.push_back({&v, memory[v.buffer]});
  }
};

/** Whether two views step in the same way along every axis that has more than one position. */
bool moves_as(const View& a, const View& b) {
  if (a.shape != b.shape) return false;
  for (size_t axis = 0; axis < a.shape.size(); axis++)
    if (a.shape[axis] != 1 && a.strides[axis] != b.strides[axis]) return false;
  return true;
}

/** Steps that joined the one before ran with it. */
bool run_joined(const Step& step, const Step& next, const std::vector<std::byte*>& memory) {
  if (!next.joins || !takes_following(step)) return false;
  const Bound own(step, memory), after(next, memory);
  const auto& map = std::get<Map>(next.kernel);
  // Only the map reads what the step makes, so that it can be left out.
  const View &made = step.outputs[0], &y = next.outputs[0];
  if (std::holds_alternative<Conv>(step.kernel) && made.type == Element::Float32 && moves_as(made, y))
    if (const auto clamp = clamp_of(map)) {
      const Following ends(map, *clamp);
      run_step(step, own.in, after.out, &ends);
      return true;
    }
  const size_t column_axis = std::holds_alternative<Conv>(step.kernel) ? 2 : step.outputs[0].shape.size() - 1;
  const size_t row_axis = std::holds_alternative<Conv>(step.kernel) ? 1 : first_row_axis(*step.inputs[0], *step.inputs[1], step.outputs[0]);
  const Following following(map, after.in, after.out, row_axis, column_axis);
  if (!following.is_even()) return false;
  run_step(step, own.in, own.out, &following);
  return true;
}

}  // namespace

void run_step(const Step& step, const Operands& in, const Operands& out, const Following* following) {
  const auto given = [&](size_t at) { return in.size() > at && in[at].view ? &in[at] : nullptr; };
  std::visit(Overloaded{
                 [&](const Map& k) { run_map(k, in, out); },
                 [&](const Reduce& k) { run_reduce(k, in[0], out[0]); },
                 [&](const ArgReduce& k) { run_argreduce(k, in[0], out[0]); },
                 [&](const MatMul& k) { run_matmul(k, in[0], in[1], given(2), out[0], following); },
                 [&](const Conv& k) { run_conv(k, in[0], in[1], given(2), given(3), out[0], following); },
                 [&](const Pool& k) { run_pool(k, in[0], out[0], out.size() > 1 ? &out[1] : nullptr); },
                 [&](const Copy&) { run_copy(in[0], out[0]); },
                 [&](const Fill& k) { run_fill(k, out[0]); },
                 [&](const Values& k) { run_values(k, out[0]); },
                 [&](const Gather& k) { run_gather(k, in[0], in[1], out[0]); },
                 [&](const TopK& k) { run_topk(k, in[0], out[0], out[1]); },
                 [&](const Scatter& k) { run_scatter(k, in[0], in[1], out[0]); },
             },
             step.kernel);
}

bool takes_following(const Step& step) {
  const View& y = step.outputs[0];
  // With no depth there is a single part, and it is not visited by rows.
  if (const auto* matmul = std::get_if<MatMul>(&step.kernel)) return (y.type == Element::Float32 || matmul->integers) && product(y.shape) > 0;
  const auto* conv = std::get_if<Conv>(&step.kernel);
  return conv && way_of(*conv, *step.inputs[0], *step.inputs[1], y) != ConvWay::Plain;
}

void run_plan(const Plan& plan, std::byte* arena, const std::vector<std::byte*>& inputs, const std::vector<std::byte*>& outputs, const Watch& watch) {
  const WithBounds bounds({plan.threads, watch.stop, true});
  std::vector<std::byte*> memory(plan.buffers.size());
  for (size_t at = 0; at < memory.size(); at++) {
    const Buffer& b = plan.buffers[at];
    if (b.role == Role::Temporary && b.offset >= 0) memory[at] = arena + b.offset;
    // Kernels only read constants: the check refuses a step that writes to one.
    if (b.role == Role::Constant) memory[at] = const_cast<std::byte*>(plan.constants->bytes[at].data());
  }
  for (size_t k = 0; k < inputs.size(); k++) memory[plan.inputs[k].buffer] = inputs[k];
  for (size_t k = 0; k < outputs.size(); k++) memory[plan.outputs[k].buffer] = outputs[k];
  for (size_t at = 0; at < plan.steps.size(); at++) {
    const Step& step = plan.steps[at];
    const auto started = std::chrono::steady_clock::now();
    bool joined = false;
    try {
      check_stop();
      joined = step.rows == 0 && at + 1 < plan.steps.size() && run_joined(step, plan.steps[at + 1], memory);
      if (step.rows > 0) {
        run_rows(plan, at, memory);
      } else if (!joined) {
        const Bound own(step, memory);
        run_step(step, own.in, own.out, nullptr);
      }
    } catch (Refusal& refusal) {
      refusal.step = static_cast<int64_t>(at);
      throw;
    }
    if (watch.times) watch.times[at] = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - started).count();
    if (joined) at++;
    if (step.rows > 0) at += step.rows - 1;
  }
}

}  // namespace omnix
