// The proof that comes before a run: every view lies inside its buffer, types and shapes match kernels, counts cannot overflow.
// After it the kernels check nothing but indices that are data.
#include <algorithm>

#include "blocked.h"
#include "plan.h"
#include "walk.h"

namespace omnix {
namespace {

constexpr int64_t small = INT32_MAX;

Refusal outside(const std::string& what) { return Refusal("E3005", "native check: " + what); }
Refusal mismatch(const std::string& what) { return Refusal("E3008", "native check: " + what); }
void require(bool holds, const char* what) {
  if (!holds) throw mismatch(what);
}

int64_t multiply(int64_t a, int64_t b) {
  int64_t result;
  if (__builtin_mul_overflow(a, b, &result)) throw outside("a size overflows");
  return result;
}
int64_t add(int64_t a, int64_t b) {
  int64_t result;
  if (__builtin_add_overflow(a, b, &result)) throw outside("a size overflows");
  return result;
}

void check_buffer(const Buffer& b, size_t at, const Plan& plan) {
  const auto bytes = static_cast<int64_t>(bytes_of(b.type));
  if (b.role == Role::Constant) {
    const auto& constants = *plan.constants;
    const bool given = at < constants.bytes.size() && (constants.released[at] || static_cast<int64_t>(constants.bytes[at].size()) >= b.bytes());
    if (!given) throw outside("constant " + std::to_string(at) + " has fewer bytes than its buffer");
  }
  if (b.role == Role::Temporary && b.size > 0 && b.offset >= 0)
    if (b.offset % bytes != 0 || add(b.offset, b.bytes()) > plan.arena) throw outside("temporary " + std::to_string(at) + " leaves the arena");
}

void check_view(const View& v, const Plan& plan) {
  if (v.buffer >= plan.buffers.size()) throw outside("a view names no buffer");
  const Buffer& b = plan.buffers[v.buffer];
  require(v.type == b.type, "a view has another element type than its buffer");
  int64_t low = v.offset, high = v.offset, count = 1;
  for (int64_t d : v.shape)
    if (d < 0) throw outside("a size is negative");
  if (std::find(v.shape.begin(), v.shape.end(), 0) != v.shape.end()) return;
  for (size_t axis = 0; axis < v.shape.size(); axis++) {
    const int64_t reach = multiply(v.shape[axis] - 1, v.strides[axis]);
    (reach < 0 ? low : high) = add(reach < 0 ? low : high, reach);
    count = multiply(count, v.shape[axis]);
  }
  if (low < 0 || high >= b.size)
    throw outside("a view reaches elements " + std::to_string(low) + " to " + std::to_string(high) + " of a buffer of " + std::to_string(b.size));
}

/** Temporaries without a place are made anew for each part of a group, and nothing else sees them. */
void check_places(const Step& s, const Plan& plan) {
  const auto placed = [&](const View& v) {
    const Buffer& b = plan.buffers[v.buffer];
    require(b.role != Role::Temporary || b.offset >= 0 || product(v.shape) == 0, "a temporary has no place in the arena");
  };
  for (const auto& v : s.inputs)
    if (v) placed(*v);
  for (const View& v : s.outputs) placed(v);
}

const View& operand(const Step& s, size_t at) {
  require(at < s.inputs.size() && s.inputs[at].has_value(), "a kernel lacks an input");
  return *s.inputs[at];
}
void require_arity(const Step& s, size_t least, size_t most, size_t outputs = 1) {
  require(s.inputs.size() >= least && s.inputs.size() <= most && s.outputs.size() >= 1 && s.outputs.size() <= outputs, "wrong number of operands");
}
void require_small(const Dims& values, int64_t low) {
  for (int64_t v : values) require(v >= low && v <= small, "a parameter of a window is out of range");
}

void check(const Map& m, const Step& s) {
  require(!s.outputs.empty() && s.outputs.size() == m.outputs.size(), "a map has another number of outputs than its program");
  const Dims& shape = s.outputs[0].shape;
  for (size_t k = 0; k < s.inputs.size(); k++) require(operand(s, k).shape == shape, "a map's input has another shape");
  for (size_t at = 0; at < m.instructions.size(); at++) {
    const Instruction& i = m.instructions[at];
    require(compute_type(i.type) == i.type, "a program computes in a type without arithmetic");
    if (i.input) require(compute_type(operand(s, *i.input).type) == i.type, "a program reads another type");
    if (!i.call) continue;
    require(i.call->result == i.type && i.args.size() == i.call->arity, "a program's function has another type");
    for (size_t k = 0; k < i.args.size(); k++)
      require(i.args[k] < at && m.instructions[i.args[k]].type == i.call->operands[k], "a program's argument has another type");
  }
  for (size_t k = 0; k < m.outputs.size(); k++) {
    require(m.outputs[k] < m.instructions.size() && s.outputs[k].shape == shape, "a map's output has another shape");
    require(compute_type(s.outputs[k].type) == m.instructions[m.outputs[k]].type, "a map's output has another type");
  }
}

void check(const Reduce&, const Step& s) {
  require_arity(s, 1, 1);
  const View& x = operand(s, 0);
  const View& y = s.outputs[0];
  require(x.type == y.type && with_type(x.type, [](auto*) {}) && x.shape.size() == y.shape.size(), "reduce does not take these operands");
  for (size_t axis = 0; axis < x.shape.size(); axis++)
    require(y.shape[axis] == 1 || y.shape[axis] == x.shape[axis], "reduce: shapes do not match");
}

void check(const ArgReduce& r, const Step& s) {
  require_arity(s, 1, 1);
  const View& x = operand(s, 0);
  const View& y = s.outputs[0];
  require(y.type == Element::Int64 && with_type(x.type, [](auto*) {}), "argreduce does not take these types");
  require(x.shape.size() == y.shape.size() && r.axis >= 0 && r.axis < static_cast<int64_t>(x.shape.size()), "argreduce: shapes do not match");
  for (size_t axis = 0; axis < x.shape.size(); axis++)
    require(y.shape[axis] == (static_cast<int64_t>(axis) == r.axis ? 1 : x.shape[axis]), "argreduce: shapes do not match");
}

/** Whole numbers with a scale for each block of them, without gaps. */
void check_scales(const MatMul& m, const View& b, const View& scales) {
  const size_t rank = b.shape.size();
  const int64_t depth = b.shape[rank - 2], columns = b.shape[rank - 1];
  require(b.type == Element::Int8 && scales.type == Element::Float32, "matmul does not take these types");
  require(depth > 0 && columns > 0 && (m.block % 8 == 0 || m.block >= depth), "matmul: blocks do not fit");
  const Dims expected{(depth - 1) / m.block + 1, columns};
  require(scales.shape == expected && scales.offset == 0 && (scales.strides == row_major(expected) || product(expected) == 1), "matmul: the scales do not match");
}

/** Of a product with constants: floats, or halves in their place. */
bool are_weights(const View& b, const View& y) {
  return b.type == y.type || (y.type == Element::Float32 && (b.type == Element::Float16 || b.type == Element::Bfloat16));
}

/** Integers of 8 bits whose products are summed in int32; the zero point of the first, where there is one, is a single number. */
bool are_integers(const Step& s, size_t zero, const char* what) {
  const View &a = operand(s, 0), &b = operand(s, 1), &y = s.outputs[0];
  const bool is_byte = a.type == Element::Int8 || a.type == Element::Uint8;
  if (y.type != Element::Int32 || !is_byte || b.type != Element::Int8) return false;
  if (s.inputs.size() > zero && s.inputs[zero]) require(s.inputs[zero]->type == a.type && product(s.inputs[zero]->shape) == 1, what);
  return true;
}

void check(const MatMul& m, const Step& s) {
  require_arity(s, 2, 3);
  const bool integers = m.block == 0 && are_integers(s, 2, "matmul: the zero point does not match");
  require(integers || s.inputs.size() == (m.block > 0 ? 3 : 2), "wrong number of operands");
  const View &a = operand(s, 0), &b = operand(s, 1), &y = s.outputs[0];
  const size_t rank = y.shape.size();
  require(rank >= 2 && a.shape.size() == rank && b.shape.size() == rank, "matmul: ranks do not match");
  require(integers || (a.type == y.type && with_type(y.type, [](auto*) {})), "matmul does not take these types");
  if (m.block == 0) require(integers || are_weights(b, y), "matmul does not take these types");
  else check_scales(m, b, operand(s, 2));
  require(m.block == 0 || y.type == Element::Float32, "matmul does not take these types");
  require(std::equal(y.shape.begin(), y.shape.end() - 2, a.shape.begin()) && std::equal(y.shape.begin(), y.shape.end() - 2, b.shape.begin()),
          "matmul: leading axes differ");
  require(a.shape[rank - 2] == y.shape[rank - 2] && b.shape[rank - 1] == y.shape[rank - 1] && a.shape[rank - 1] == b.shape[rank - 2],
          "matmul: shapes do not match");
}

/** Blocks of channels that lie side by side, in each image of the batch. */
bool lies_in_blocks(const View& v) {
  if (v.shape.size() != 5) return false;
  int64_t step = 1;
  for (size_t axis = 5; axis-- > 1; step = multiply(step, v.shape[axis]))
    if (v.shape[axis] != 1 && v.strides[axis] != step) return false;
  return v.shape[4] == channel_block;
}

/** With outputs in blocks: the weights are constants, which packing sees to. */
void check_blocked(const Conv& c, const Step& s) {
  require_arity(s, 2, 3);
  const View &x = operand(s, 0), &w = operand(s, 1), &y = s.outputs[0];
  const auto blocks = [](int64_t channels) { return channels / channel_block + (channels % channel_block != 0); };
  const bool plain = x.shape.size() == 4;
  require(w.shape.size() == 4 && (plain || lies_in_blocks(x)) && lies_in_blocks(y), "conv: blocks of channels do not lie side by side");
  for (const View* v : {&x, &w, &y}) require(v->type == Element::Float32, "conv does not take these types"), require_small(v->shape, 0);
  const bool single = c.group > 1 && !plain && w.shape[1] == 1 && w.shape[0] == c.group;
  require(c.group == 1 || single, "conv: groups of blocks do not match");
  const int64_t channels = multiply(w.shape[1], c.group);
  require(x.shape[0] == y.shape[0] && y.shape[1] == blocks(w.shape[0]) && x.shape[1] == (plain ? channels : blocks(channels)), "conv: shapes do not match");
  require(c.strides.size() == 2 && c.dilations.size() == 2 && c.pads.size() >= 2, "conv: shapes do not match");
  require_small(c.strides, 1);
  require_small(c.dilations, 1);
  require_small(c.pads, -small);
  for (size_t axis : {2, 3}) require(w.shape[axis] > 0 && w.shape[axis] <= longest_window, "conv: windows of blocks are too short or too long");
  const Dims ones{1, 1};
  require(!c.winograd || (c.group == 1 && w.shape[1] >= channel_block && w.shape[2] == 3 && w.shape[3] == 3 && c.strides == ones && c.dilations == ones), "conv: not of the form that was asked for");
  if (s.inputs.size() < 3 || !s.inputs[2]) return;
  require(s.inputs[2]->type == y.type && s.inputs[2]->shape == Dims{w.shape[0]}, "conv: the bias does not match");
}

void check(const Conv& c, const Step& s) {
  if (s.inputs.size() > 1 && s.inputs[1] && s.outputs.size() == 1 && is_blocked(*s.inputs[1], s.outputs[0])) return check_blocked(c, s);
  require_arity(s, 2, 4);
  require(!c.winograd, "conv: not of the form that was asked for");
  const View &x = operand(s, 0), &w = operand(s, 1), &y = s.outputs[0];
  const size_t rank = y.shape.size();
  const bool integers = are_integers(s, 3, "conv: the zero point does not match");
  require(integers || s.inputs.size() < 4, "wrong number of operands");
  require(rank >= 2 && x.shape.size() == rank && w.shape.size() == rank, "conv: ranks do not match");
  require(integers || (is_float(y.type) && x.type == y.type && w.type == y.type), "conv does not take these types");
  const bool channels = x.shape[0] == y.shape[0] && w.shape[0] == y.shape[1] && y.shape[1] % c.group == 0 && x.shape[1] == multiply(w.shape[1], c.group);
  require(channels && c.strides.size() == rank - 2 && c.dilations.size() == rank - 2 && c.pads.size() >= rank - 2, "conv: shapes do not match");
  require_small(c.strides, 1);
  require_small(c.dilations, 1);
  require_small(c.pads, -small);
  for (const View* v : {&x, &w, &y}) require_small(v->shape, 0);
  if (s.inputs.size() < 3 || !s.inputs[2]) return;
  const View& bias = *s.inputs[2];
  require(!integers, "conv: integers take no bias");
  require(bias.type == y.type && bias.shape == Dims{y.shape[1]}, "conv: the bias does not match");
}

void check(const Pool& p, const Step& s) {
  require_arity(s, 1, 1, 2);
  const View &x = operand(s, 0), &y = s.outputs[0];
  const size_t rank = y.shape.size();
  const bool bytes = p.by == PoolBy::Max && (y.type == Element::Int8 || y.type == Element::Uint8);
  require(x.type == y.type && (is_float(y.type) || bytes), "pool does not take these types");
  require(rank >= 2 && x.shape.size() == rank && x.shape[0] == y.shape[0] && x.shape[1] == y.shape[1], "pool: shapes do not match");
  const bool lengths = p.kernel.size() == rank - 2 && p.strides.size() == rank - 2 && p.dilations.size() == rank - 2 && p.pads.size() == 2 * (rank - 2);
  require(lengths, "pool: parameters do not match the rank");
  require_small(p.kernel, 0);
  require_small(p.strides, 1);
  require_small(p.dilations, 1);
  require_small(p.pads, -small);
  for (const View* v : {&x, &y}) require_small(v->shape, 0);
  int64_t taps = 1;
  for (int64_t k : p.kernel) taps = multiply(taps, k);
  if (s.outputs.size() == 2) require(s.outputs[1].type == Element::Int64 && s.outputs[1].shape == y.shape, "pool: the places do not match");
}

void check(const Copy&, const Step& s) {
  require_arity(s, 1, 1);
  const bool same = bytes_of(operand(s, 0).type) == bytes_of(s.outputs[0].type) && operand(s, 0).shape == s.outputs[0].shape;
  require(same, "copy: views do not match");
}
void check(const Fill&, const Step& s) { require_arity(s, 0, 0); }
void check(const Values& v, const Step& s) {
  require_arity(s, 0, 0);
  require(with_type(s.outputs[0].type, [](auto*) {}) && static_cast<int64_t>(v.values.size()) == product(s.outputs[0].shape),
          "values do not fill their view");
}

void check(const Gather& g, const Step& s) {
  require_arity(s, 2, 2);
  const View &x = operand(s, 0), &indices = operand(s, 1), &y = s.outputs[0];
  require(x.type == y.type && (indices.type == Element::Int64 || indices.type == Element::Int32), "gather does not take these types");
  require(g.axis >= 0 && g.axis < static_cast<int64_t>(x.shape.size()), "gather: no such axis");
  Dims expected(x.shape.begin(), x.shape.begin() + g.axis);
  expected.insert(expected.end(), indices.shape.begin(), indices.shape.end());
  expected.insert(expected.end(), x.shape.begin() + g.axis + 1, x.shape.end());
  require(expected == y.shape, "gather: shapes do not match");
}

void check(const TopK& t, const Step& s) {
  require_arity(s, 1, 1, 2);
  require(s.outputs.size() == 2, "wrong number of operands");
  const View &x = operand(s, 0), &values = s.outputs[0], &places = s.outputs[1];
  require(x.type == values.type && places.type == Element::Int64, "topk does not take these types");
  require(x.shape.size() == values.shape.size() && values.shape == places.shape, "topk: shapes do not match");
  require(t.axis >= 0 && t.axis < static_cast<int64_t>(x.shape.size()), "topk: no such axis");
  for (size_t axis = 0; axis < x.shape.size(); axis++)
    if (static_cast<int64_t>(axis) != t.axis) require(values.shape[axis] == x.shape[axis], "topk: shapes do not match");
  const auto on = static_cast<size_t>(t.axis);
  if (values.shape[on] > x.shape[on])
    throw outside(std::to_string(values.shape[on]) + " elements are wanted of an axis of " + std::to_string(x.shape[on]));
}

void check(const Scatter& k, const Step& s) {
  require_arity(s, 2, 2);
  const View &indices = operand(s, 0), &updates = operand(s, 1), &y = s.outputs[0];
  require(indices.type == Element::Int64 || indices.type == Element::Int32, "scatter does not take these indices");
  require(updates.type == y.type && (k.by == ScatterBy::None || with_type(y.type, [](auto*) {})), "scatter does not take these types");
  if (k.axis) {
    require(*k.axis >= 0 && *k.axis < static_cast<int64_t>(y.shape.size()), "scatter: no such axis");
    require(indices.shape == updates.shape && updates.shape.size() == y.shape.size(), "scatter: shapes do not match");
    for (size_t axis = 0; axis < y.shape.size(); axis++)
      require(static_cast<int64_t>(axis) == *k.axis || updates.shape[axis] <= y.shape[axis], "scatter: shapes do not match");
    return;
  }
  require(!indices.shape.empty(), "scatter: indices are places along their last axis");
  const size_t rank = indices.shape.size() - 1;
  const int64_t depth = indices.shape[rank];
  require(depth >= 0 && depth <= static_cast<int64_t>(y.shape.size()), "scatter: places have more axes than what they are in");
  Dims expected(indices.shape.begin(), indices.shape.begin() + static_cast<std::ptrdiff_t>(rank));
  expected.insert(expected.end(), y.shape.begin() + depth, y.shape.end());
  require(expected == updates.shape, "scatter: shapes do not match");
}

bool same(const View& a, const View& b) {
  return a.buffer == b.buffer && a.offset == b.offset && a.shape == b.shape && a.strides == b.strides;
}

/** Whether memory of two temporaries overlaps. */
bool overlap(const Buffer& a, const Buffer& b) {
  return a.role == Role::Temporary && b.role == Role::Temporary && a.offset < b.offset + b.bytes() && b.offset < a.offset + a.bytes();
}

/** What a step that joins reads of the step before, it reads at the position that it writes. */
void check_joining(const Step& s, const Step* before, const Plan& plan) {
  require(before && !before->joins && before->outputs.size() == 1 && std::holds_alternative<Map>(s.kernel), "a step joins what it cannot");
  require(std::holds_alternative<MatMul>(before->kernel) || std::holds_alternative<Conv>(before->kernel), "a step joins what it cannot");
  const View& made = before->outputs[0];
  require(s.outputs[0].shape == made.shape, "a step that joins has another shape");
  for (const auto& v : s.inputs) require(!v || v->buffer != made.buffer || same(*v, made), "a step that joins reads other places");
  for (const View& y : s.outputs) {
    require(y.buffer != made.buffer, "a step that joins writes what it reads");
    for (const auto& v : before->inputs) require(!v || (v->buffer != y.buffer && !overlap(plan.buffers[v->buffer], plan.buffers[y.buffer])), "a step that joins writes what the step before reads");
  }
}

}  // namespace

void verify_plan(const Plan& plan) {
  for (size_t at = 0; at < plan.buffers.size(); at++) check_buffer(plan.buffers[at], at, plan);
  const auto port = [&](const View& v, Role role) {
    check_view(v, plan);
    require(plan.buffers[v.buffer].role == role, "a port names a buffer of another role");
  };
  for (const View& v : plan.inputs) port(v, Role::Input);
  for (const View& v : plan.outputs) port(v, Role::Output);
  size_t grouped = 0;
  for (size_t at = 0; at < plan.steps.size(); at++) {
    const Step& s = plan.steps[at];
    try {
      for (const auto& v : s.inputs)
        if (v) check_view(*v, plan);
      for (const View& v : s.outputs) {
        check_view(v, plan);
        const Role role = plan.buffers[v.buffer].role;
        require(role == Role::Temporary || role == Role::Output, "a kernel writes to an input or a constant");
      }
      std::visit([&](const auto& kernel) { check(kernel, s); }, s.kernel);
      if (s.rows > 0) {
        verify_rows(plan, at);
        grouped = at + s.rows;
      }
      if (at >= grouped) check_places(s, plan);
      if (s.joins) check_joining(s, at > 0 ? &plan.steps[at - 1] : nullptr, plan);
    } catch (Refusal& refusal) {
      refusal.step = static_cast<int64_t>(at);
      throw;
    }
  }
}

}  // namespace omnix
