// Groups of steps that run together, some rows at a time: what lies between them stays in a cache.
#include <algorithm>
#include <optional>

#include "gemm.h"
#include "parts.h"
#include "plan.h"
#include "walk.h"

namespace omnix {
namespace {

/** What lies between the steps of a part takes about so many bytes. */
constexpr int64_t part_bytes = 64 * 1024;
/** Rows of a product that are worth packing its other side for. */
constexpr int64_t product_rows = 48;

bool is_inside(const Plan& plan, const View& v) {
  const Buffer& b = plan.buffers[v.buffer];
  return b.role == Role::Temporary && b.offset < 0;
}

/** Elements of a row. */
int64_t row_of(const View& v, size_t axes) {
  int64_t n = 1;
  for (size_t axis = axes; axis < v.shape.size(); axis++) n *= v.shape[axis];
  return n;
}

/** The temporaries between the steps, and where a part has them. */
struct Between {
  /** Bytes from the start of a part's memory, by buffer. */
  std::vector<int64_t> offsets;
  int64_t bytes = 0;

  Between(const Plan& plan, size_t at, int64_t rows) : offsets(plan.buffers.size(), -1) {
    const Step& first = plan.steps[at];
    for (size_t k = at; k < at + first.rows; k++)
      for (const View& y : plan.steps[k].outputs) {
        if (!is_inside(plan, y)) continue;
        offsets[y.buffer] = bytes;
        bytes += (row_of(y, first.row_axes) * rows * static_cast<int64_t>(bytes_of(y.type)) + 63) / 64 * 64;
      }
  }
};

/** A part: one position of all leading axes but the last, and a range of that. */
struct Range {
  Dims index;
  int64_t from, rows;
};

View view_of(const Step& step, const View& v, const Range& range, size_t axes, bool inside) {
  View part = v;
  const size_t moving = moving_axes(step, v, axes);
  for (size_t axis = 0; axis < moving; axis++) {
    const bool last = axis + 1 == axes;
    if (!inside) part.offset += (last ? range.from : range.index[axis]) * v.strides[axis];
    part.shape[axis] = last ? range.rows : 1;
  }
  return part;
}

int64_t rows_at_once(const Plan& plan, size_t at, const Dims& lead) {
  const Step& first = plan.steps[at];
  const int64_t length = lead.back(), each = std::max<int64_t>(1, Between(plan, at, 1).bytes);
  int64_t rows = std::clamp<int64_t>(part_bytes / each, 1, length);
  const auto has_product = std::any_of(plan.steps.begin() + static_cast<std::ptrdiff_t>(at), plan.steps.begin() + static_cast<std::ptrdiff_t>(at + first.rows),
                                       [](const Step& s) { return std::holds_alternative<MatMul>(s.kernel); });
  if (has_product) rows = std::max(rows, std::min(product_rows, length));
  // All threads have work.
  const int64_t outer = product(lead) / std::max<int64_t>(1, length);
  const int64_t wanted = (2 * thread_count() + outer - 1) / std::max<int64_t>(1, outer);
  return std::max<int64_t>(1, std::min(rows, (length + wanted - 1) / wanted));
}

}  // namespace

size_t moving_axes(const Step& step, const View& v, size_t axes) {
  // All rows of a product read the whole of its other side.
  const bool is_other_side = std::holds_alternative<MatMul>(step.kernel) && &v == &*step.inputs[1];
  return is_other_side ? std::min(axes, v.shape.size() - 2) : axes;
}

void run_rows(const Plan& plan, size_t at, const std::vector<std::byte*>& memory) {
  const Step& first = plan.steps[at];
  const Dims lead(first.outputs[0].shape.begin(), first.outputs[0].shape.begin() + static_cast<std::ptrdiff_t>(first.row_axes));
  if (product(lead) == 0) return;
  const int64_t rows = rows_at_once(plan, at, lead), chunks = (lead.back() + rows - 1) / rows;
  const Between between(plan, at, rows);
  parallel(product(lead) / lead.back() * chunks, [&](int64_t k) {
    Range range{Dims(lead.size() - 1), k % chunks * rows, 0};
    range.rows = std::min(rows, lead.back() - range.from);
    for (int64_t rest = k / chunks, axis = static_cast<int64_t>(lead.size()) - 2; axis >= 0; rest /= lead[static_cast<size_t>(axis)], axis--)
      range.index[static_cast<size_t>(axis)] = rest % lead[static_cast<size_t>(axis)];
    auto* own = reinterpret_cast<std::byte*>(scratch(Scratch::Part, (between.bytes + 3) / 4));
    for (size_t s = at; s < at + first.rows; s++) {
      const Step& step = plan.steps[s];
      std::vector<View> views;
      views.reserve(step.inputs.size() + step.outputs.size());
      const auto operand = [&](const View& v) {
        const bool inside = is_inside(plan, v);
        views.push_back(view_of(step, v, range, first.row_axes, inside));
        return Operand{&views.back(), inside ? own + between.offsets[v.buffer] : memory[v.buffer]};
      };
      Operands in, out;
      for (const auto& v : step.inputs) in.push_back(v ? operand(*v) : Operand{nullptr, nullptr});
      for (const View& v : step.outputs) out.push_back(operand(v));
      run_step(step, in, out, nullptr);
    }
  });
}

void verify_rows(const Plan& plan, size_t at) {
  const Step& first = plan.steps[at];
  const size_t axes = first.row_axes;
  const auto require = [](bool holds) {
    if (!holds) throw Refusal("E3008", "native check: steps do not share rows");
  };
  require(axes >= 1 && first.rows <= plan.steps.size() - at);
  const Dims& lead = first.outputs[0].shape;
  std::vector<std::optional<int64_t>> made(plan.buffers.size());
  const auto moves = [&](const View& v) {
    require(v.shape.size() >= axes);
    for (size_t axis = 0; axis < axes; axis++) require(v.shape[axis] == lead[axis]);
  };
  for (size_t k = at; k < at + first.rows; k++) {
    const Step& s = plan.steps[k];
    require(!s.joins && (k == at || s.rows == 0));
    const bool is_product = std::holds_alternative<MatMul>(s.kernel);
    require(is_product || std::holds_alternative<Map>(s.kernel) || std::holds_alternative<Copy>(s.kernel) || std::holds_alternative<Reduce>(s.kernel));
    require(!is_product || axes < s.outputs[0].shape.size());
    for (const auto& v : s.inputs) {
      if (!v) continue;
      const size_t moving = moving_axes(s, *v, axes);
      if (moving == axes) moves(*v);
      // Nothing is read of what has no elements.
      if (!is_inside(plan, *v) || product(v->shape) == 0) continue;
      require(made[v->buffer].has_value() && moving == axes && v->offset == 0);
      int64_t reach = 0;
      for (size_t axis = 0; axis < v->shape.size(); axis++) {
        require(v->strides[axis] >= 0);
        if (axis >= axes) reach += std::max<int64_t>(0, v->shape[axis] - 1) * v->strides[axis];
      }
      require(reach < std::max<int64_t>(1, *made[v->buffer]));
      // Rows follow each other without a gap.
      require(v->shape[axes - 1] <= 1 || v->strides[axes - 1] == *made[v->buffer]);
    }
    for (const View& y : s.outputs) {
      moves(y);
      if (!is_inside(plan, y)) continue;
      require(y.offset == 0 && !made[y.buffer]);
      const Dims whole = row_major(y.shape);
      for (size_t axis = 0; axis < whole.size(); axis++) require(y.shape[axis] == 1 || y.strides[axis] == whole[axis] || product(y.shape) == 0);
      made[y.buffer] = row_of(y, axes);
    }
  }
}

}  // namespace omnix
