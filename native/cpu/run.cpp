// One run of a verified plan: memory for the temporaries, then each kernel in order.
#include <chrono>
#include <new>

#include "plan.h"
#include "pool.h"

namespace omnix {
namespace {

constexpr std::align_val_t alignment{64};

struct FreeAligned {
  void operator()(std::byte* p) const { ::operator delete[](p, alignment); }
};
using Arena = std::unique_ptr<std::byte[], FreeAligned>;

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

void run_step(const Step& step, const Operands& in, const std::vector<bool>& given, const Operands& out) {
  std::visit(Overloaded{
                 [&](const Map& k) { run_map(k, in, out); },
                 [&](const Reduce& k) { run_reduce(k, in[0], out[0]); },
                 [&](const ArgReduce& k) { run_argreduce(k, in[0], out[0]); },
                 [&](const MatMul& k) { run_matmul(k, in[0], in[1], out[0]); },
                 [&](const Conv& k) { run_conv(k, in[0], in[1], given.size() > 2 && given[2] ? &in[2] : nullptr, out[0]); },
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

}  // namespace

void run_plan(const Plan& plan, const std::vector<std::byte*>& inputs, const std::vector<std::byte*>& outputs, const Watch& watch) {
  const WithBounds bounds({plan.threads, watch.stop});
  const Arena arena(static_cast<std::byte*>(::operator new[](static_cast<size_t>(plan.arena) + 1, alignment)));
  std::vector<std::byte*> memory(plan.buffers.size());
  for (size_t at = 0; at < memory.size(); at++) {
    const Buffer& b = plan.buffers[at];
    if (b.role == Role::Temporary && b.offset >= 0) memory[at] = arena.get() + b.offset;
    // Kernels only read constants: the check refuses a step that writes to one.
    if (b.role == Role::Constant) memory[at] = const_cast<std::byte*>(plan.constants->bytes[at].data());
  }
  for (size_t k = 0; k < inputs.size(); k++) memory[plan.inputs[k].buffer] = inputs[k];
  for (size_t k = 0; k < outputs.size(); k++) memory[plan.outputs[k].buffer] = outputs[k];
  for (size_t at = 0; at < plan.steps.size(); at++) {
    const Step& step = plan.steps[at];
    Operands in, out;
    std::vector<bool> given;
    for (const auto& v : step.inputs) {
      given.push_back(v.has_value());
      in.push_back(v ? Operand{&*v, memory[v->buffer]} : Operand{nullptr, nullptr});
    }
    for (const View& v : step.outputs) out.push_back({&v, memory[v.buffer]});
    const auto started = std::chrono::steady_clock::now();
    try {
      check_stop();
      run_step(step, in, given, out);
    } catch (Refusal& refusal) {
      refusal.step = static_cast<int64_t>(at);
      throw;
    }
    if (watch.times) watch.times[at] = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - started).count();
  }
}

}  // namespace omnix
