// map: a scalar program at every position, one block that fits the first-level cache at a time.
#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <string_view>

#include "aligned.h"
#include "codec.h"
#include "following.h"
#include "parts.h"
#include "place.h"
#include "plan.h"
#include "walk.h"

namespace omnix {
namespace {

constexpr size_t cache_bytes = 24 * 1024;

template <class T>
void move(T* to, int64_t to_step, const T* from, int64_t from_step, int64_t n) {
  if (to_step == 1 && from_step == 1) std::memmove(to, from, static_cast<size_t>(n) * sizeof(T));
  else
    for (int64_t i = 0; i < n; i++) to[i * to_step] = from[i * from_step];
}

/** `n` elements between memory and a block of the compute type; `Load` says which way. */
template <bool Load>
void transfer(std::byte* block, int64_t at, const Operand& x, int64_t offset, int64_t step, int64_t n) {
  const auto whole = [&](auto* null) {
    using T = std::remove_pointer_t<decltype(null)>;
    T* inside = reinterpret_cast<T*>(block) + at;
    T* memory = x.as<T>() + offset;
    if constexpr (Load) move(inside, 1, static_cast<const T*>(memory), step, n);
    else move(memory, step, static_cast<const T*>(inside), 1, n);
  };
  const auto coded = [&](auto codec) {
    auto* inside = reinterpret_cast<typename decltype(codec)::Computed*>(block) + at;
    auto* memory = x.as<typename decltype(codec)::Stored>() + offset;
    for (int64_t i = 0; i < n; i++) {
      if constexpr (Load) inside[i] = codec.decode(memory[i * step]);
      else memory[i * step] = codec.encode(inside[i]);
    }
  };
  if (!with_codec(x.view->type, coded)) with_type(x.view->type, whole);
}

/** Memory for results, as `lay_blocks` has divided it. */
class Blocks {
 public:
  /** Blocks hold at most so many elements. */
  Blocks(const Map& map, int64_t most) : begins_(map.blocks) {
    const size_t width = std::max<size_t>(map.block_bytes, 1);
    length = std::clamp<int64_t>(std::min(static_cast<int64_t>(cache_bytes / width), round_up(most, int64_t{64})) & ~int64_t{63}, 64, 1024);
    memory_ = reinterpret_cast<std::byte*>(scratch(Scratch::Blocks, (static_cast<int64_t>(width) * length + 3) / 4));
  }
  /** Constants as blocks: `wanted` says how many elements of each. */
  template <class Wanted>
  void fill_constants(const Map& map, Wanted&& wanted) const {
    for (size_t at = 0; at < begins_.size(); at++) {
      const Instruction& i = map.instructions[at];
      if (!i.input && !i.call) fill((*this)[at], i.type, &i.constant, wanted(at));
    }
  }
  std::byte* operator[](size_t at) const { return memory_ + begins_[at] * static_cast<size_t>(length); }
  static void fill(std::byte* block, Element type, const void* value, int64_t n) {
    with_width(type, [&](auto* null) {
      using T = std::remove_pointer_t<decltype(null)>;
      T one;
      std::memcpy(&one, value, sizeof(T));
      std::fill_n(reinterpret_cast<T*>(block), n, one);
    });
  }
  int64_t length;

 private:
  const std::vector<size_t>& begins_;
  std::byte* memory_;
};

/** A call of a map, and the instructions whose results it reads. */
struct Call {
  BlockFunction run;
  size_t at, count;
  std::array<size_t, most_operands> args;
};

std::vector<Call> calls_of(const Map& map) {
  std::vector<Call> all;
  all.reserve(map.instructions.size());
  for (size_t at = 0; at < map.instructions.size(); at++) {
    const Instruction& i = map.instructions[at];
    if (!i.call) continue;
    all.push_back({i.call->run, at, i.args.size(), {}});
    std::copy(i.args.begin(), i.args.end(), all.back().args.begin());
  }
  return all;
}

/** `results` is where each instruction puts or finds its block. */
void compute(const std::vector<Call>& calls, const std::vector<std::byte*>& results, int64_t n) {
  for (const Call& s : calls) {
    const void* args[most_operands] = {};
    for (size_t k = 0; k < s.count; k++) args[k] = results[s.args[k]];
    s.run(static_cast<size_t>(n), results[s.at], args);
  }
}

std::vector<std::byte*> all_of(const Map& map, const Blocks& blocks) {
  std::vector<std::byte*> all;
  for (size_t at = 0; at < map.instructions.size(); at++) all.push_back(blocks[at]);
  return all;
}

/** Rows of at least this length are computed where they lie; shorter ones are brought together first. */
constexpr int64_t long_row = 128;

/** Elements in memory are what is computed with. */
bool is_plain(const View& v) { return compute_type(v.type) == v.type; }

/** Long rows, a block at a time: what lies side by side is read and written in its place. */
class LongRows {
 public:
  /** Inputs that do not move along a row repeat so many elements; none where there are no periods. */
  LongRows(const Map& map, const Operands& inputs, const Operands& outputs, int64_t length, Dims periods) : map_(map), inputs_(inputs), outputs_(outputs), periods_(std::move(periods)), blocks_(map, length), results_(all_of(map, blocks_)), calls_(calls_of(map)), is_whole_(map.instructions.size(), true) {
    // A result is written in its place where nothing that is read could lie there and be read later.
    in_place_ = map.outputs.size() == 1 && map.outputs[0] + 1 == map.instructions.size() && map.instructions.back().call && is_plain(*outputs[0].view);
  }

  void row(const int64_t* offsets, int64_t length, const int64_t* steps) {
    if (!is_chosen_) choose(steps);
    for (size_t at = 0; at < map_.instructions.size(); at++)
      if (const auto k = map_.instructions[at].input; k && steps[*k] == 0) {
        const View& v = *inputs_[*k].view;
        if (!is_whole_[at] && is_plain(v)) results_[at] = inputs_[*k].data + offsets[*k] * static_cast<int64_t>(bytes_of(v.type));
        else repeat(at, *k, offsets[*k], is_whole_[at] ? std::min(length, blocks_.length) : 1);
      }
    for (int64_t done = 0; done < length; done += blocks_.length) block(offsets, steps, done, std::min(blocks_.length, length - done));
  }

 private:
  /** Functions that read one element of what does not move along the rows; what others do not read as a whole is not filled as one. */
  void choose(const int64_t* steps) {
    is_chosen_ = true;
    const auto is_still = [&](size_t at) {
      const Instruction& i = map_.instructions[at];
      return i.input ? steps[*i.input] == 0 && periods_[*i.input] == 1 : !i.call;
    };
    std::vector<bool> is_read(map_.instructions.size(), false);
    for (size_t o : map_.outputs) is_read[o] = true;
    for (Call& s : calls_) {
      const BlockFunction form = map_.instructions[s.at].call->even;
      const bool even = form && std::all_of(s.args.begin() + 1, s.args.begin() + static_cast<std::ptrdiff_t>(s.count), is_still);
      if (even) s.run = form;
      for (size_t k = 0; k < s.count; k++)
        if (!even || k == 0) is_read[s.args[k]] = true;
    }
    is_whole_ = std::move(is_read);
    blocks_.fill_constants(map_, [&](size_t at) { return is_whole_[at] ? blocks_.length : 1; });
  }

  void repeat(size_t at, size_t input, int64_t offset, int64_t n) {
    if (const int64_t period = periods_[input]; period > 1) {
      const auto bytes = static_cast<size_t>(period) * bytes_of(map_.instructions[at].type);
      transfer<true>(blocks_[at], 0, inputs_[input], offset, 1, std::min(period, n));
      for (int64_t done = period; done < n; done += period) std::memcpy(blocks_[at] + static_cast<size_t>(done / period) * bytes, blocks_[at], bytes);
      return;
    }
    transfer<true>(blocks_[at], 0, inputs_[input], offset, 0, 1);
    uint64_t value = 0;
    std::memcpy(&value, blocks_[at], bytes_of(map_.instructions[at].type));
    Blocks::fill(blocks_[at], map_.instructions[at].type, &value, n);
  }

  void block(const int64_t* offsets, const int64_t* steps, int64_t done, int64_t n) {
    for (size_t at = 0; at < map_.instructions.size(); at++) {
      const auto k = map_.instructions[at].input;
      if (!k || steps[*k] == 0) continue;
      const int64_t from = offsets[*k] + done * steps[*k];
      const Operand& x = inputs_[*k];
      if (steps[*k] == 1 && is_plain(*x.view)) results_[at] = x.data + from * static_cast<int64_t>(bytes_of(x.view->type));
      else transfer<true>(blocks_[at], 0, x, from, steps[*k], n);
    }
    const size_t first = inputs_.size();
    const bool direct = in_place_ && steps[first] == 1;
    if (direct) results_.back() = outputs_[0].data + (offsets[first] + done) * static_cast<int64_t>(bytes_of(outputs_[0].view->type));
    compute(calls_, results_, n);
    if (direct) return;
    for (size_t k = 0; k < outputs_.size(); k++)
      transfer<false>(results_[map_.outputs[k]], 0, outputs_[k], offsets[first + k] + done * steps[first + k], steps[first + k], n);
  }

  const Map& map_;
  const Operands &inputs_, &outputs_;
  const Dims periods_;
  const Blocks blocks_;
  std::vector<std::byte*> results_;
  std::vector<Call> calls_;
  /** Whether all elements of a block are read, and not the first alone. */
  std::vector<bool> is_whole_;
  bool in_place_, is_chosen_ = false;
};

/** Short rows are brought together until a block is full. */
class ShortRows {
 public:
  ShortRows(const Map& map, const Operands& inputs, const Operands& outputs, int64_t positions) : map_(map), inputs_(inputs), outputs_(outputs), blocks_(map, positions), results_(all_of(map, blocks_)), calls_(calls_of(map)) {
    blocks_.fill_constants(map, [&](size_t) { return blocks_.length; });
  }

  void row(const int64_t* offsets, int64_t length, const int64_t* steps) {
    for (int64_t done = 0; done < length;) {
      const int64_t n = std::min(length - done, blocks_.length - filled_);
      for (size_t at = 0; at < map_.instructions.size(); at++)
        if (const auto k = map_.instructions[at].input)
          transfer<true>(blocks_[at], filled_, inputs_[*k], offsets[*k] + done * steps[*k], steps[*k], n);
      pieces_.push_back(n);
      for (size_t k = inputs_.size(); k < inputs_.size() + outputs_.size(); k++) pieces_.insert(pieces_.end(), {offsets[k] + done * steps[k], steps[k]});
      filled_ += n;
      done += n;
      if (filled_ == blocks_.length) flush();
    }
  }

  void flush() {
    if (filled_ == 0) return;
    compute(calls_, results_, filled_);
    int64_t at = 0;
    for (size_t p = 0; p < pieces_.size(); p += 1 + 2 * outputs_.size()) {
      for (size_t k = 0; k < outputs_.size(); k++)
        transfer<false>(blocks_[map_.outputs[k]], at, outputs_[k], pieces_[p + 1 + 2 * k], pieces_[p + 2 + 2 * k], pieces_[p]);
      at += pieces_[p];
    }
    pieces_.clear();
    filled_ = 0;
  }

 private:
  const Map& map_;
  const Operands &inputs_, &outputs_;
  const Blocks blocks_;
  const std::vector<std::byte*> results_;
  const std::vector<Call> calls_;
  /** For each stretch of a block its length, then the offset and step of each output. */
  std::vector<int64_t> pieces_;
  int64_t filled_ = 0;
};

/**
 * Short rows one after the other as one, where every view goes on from row to row or is an input that reads the same row again: gives how
 * many elements each input repeats, 1 for those that do not.
 */
Dims join_repeated(Dims& shape, std::vector<Strided>& views, size_t inputs) {
  Dims periods(inputs, 1);
  const size_t rank = shape.size();
  // Blocks of elements hold whole rows.
  if (rank < 2 || shape[rank - 1] >= long_row || 64 % shape[rank - 1] != 0 || shape[rank - 1] * shape[rank - 2] < long_row) return periods;
  const int64_t length = shape[rank - 1];
  const auto goes_on = [&](const Strided& v) { return v.strides[rank - 2] == v.strides[rank - 1] * length; };
  const auto repeats = [&](const Strided& v) { return v.strides[rank - 2] == 0 && v.strides[rank - 1] == 1; };
  for (size_t k = 0; k < views.size(); k++)
    if (!goes_on(views[k]) && !(k < inputs && repeats(views[k]))) return periods;
  for (size_t k = 0; k < views.size(); k++) {
    const bool again = !goes_on(views[k]);
    if (again) periods[k] = length;
    views[k].strides[rank - 2] = again ? 0 : views[k].strides[rank - 1];
    views[k].strides.pop_back();
  }
  shape[rank - 2] *= length;
  shape.pop_back();
  return periods;
}

void map_part(const Map& map, const Operands& inputs, const Operands& outputs) {
  std::vector<Strided> views;
  for (const Operand& x : inputs) views.push_back(strided(*x.view));
  for (const Operand& y : outputs) views.push_back(strided(*y.view));
  Dims shape = outputs[0].view->shape;
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return;
  merge_axes(shape, views);
  const Dims periods = join_repeated(shape, views, inputs.size());
  if (!shape.empty() && shape.back() >= long_row) {
    LongRows rows(map, inputs, outputs, shape.back(), periods);
    for_each_row(shape, views, [&](const int64_t* offsets, int64_t length, const int64_t* steps) { rows.row(offsets, length, steps); });
  } else {
    ShortRows rows(map, inputs, outputs, product(shape));
    for_each_row(shape, views, [&](const int64_t* offsets, int64_t length, const int64_t* steps) { rows.row(offsets, length, steps); });
    rows.flush();
  }
}

}  // namespace

void lay_blocks(Map& map) {
  const size_t count = map.instructions.size();
  map.blocks.assign(count, 0);
  std::vector<size_t> last(count);
  for (size_t at = 0; at < count; at++)
    for (size_t a : map.instructions[at].args) last[a] = at;
  for (size_t o : map.outputs) last[o] = count;
  std::array<std::vector<size_t>, 9> free;
  map.block_bytes = 0;
  for (size_t at = 0; at < count; at++) {
    const Instruction& i = map.instructions[at];
    const size_t bytes = bytes_of(i.type);
    if (i.call && !free[bytes].empty()) {
      map.blocks[at] = free[bytes].back();
      free[bytes].pop_back();
    } else {
      map.blocks[at] = map.block_bytes;
      map.block_bytes += bytes;
    }
    // A block is free after the call, not for its result: loops whose memory may be the same are no vectors.
    for (size_t a : i.args)
      if (map.instructions[a].call && last[a] == at) {
        free[bytes_of(map.instructions[a].type)].push_back(map.blocks[a]);
        last[a] = count;
      }
  }
}

std::optional<Clamp> clamp_of(const Map& map) {
  const float infinity = std::numeric_limits<float>::infinity();
  Clamp ends{-infinity, infinity};
  if (map.outputs.size() != 1) return std::nullopt;
  // From the result back to the only input, through calls with a constant each: what comes later bounds what came before.
  std::vector<std::pair<bool, float>> steps;
  size_t at = map.outputs[0];
  while (map.instructions[at].call) {
    const Instruction& i = map.instructions[at];
    const std::string_view name = i.call->name;
    if (name != "max_float32" && name != "min_float32") return std::nullopt;
    const auto is_constant = [&](size_t k) { return !map.instructions[i.args[k]].input && !map.instructions[i.args[k]].call; };
    if (is_constant(0) == is_constant(1)) return std::nullopt;
    float end;
    std::memcpy(&end, &map.instructions[i.args[is_constant(0) ? 0 : 1]].constant, sizeof(end));
    if (end != end) return std::nullopt;
    steps.emplace_back(name == "max_float32", end);
    at = i.args[is_constant(0) ? 1 : 0];
  }
  const auto inputs = std::count_if(map.instructions.begin(), map.instructions.end(), [](const Instruction& i) { return i.input.has_value(); });
  if (steps.empty() || inputs != 1 || !map.instructions[at].input || map.instructions[at].type != Element::Float32) return std::nullopt;
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) {
    const auto [is_max, end] = *step;
    ends.low = is_max ? std::max(ends.low, end) : std::min(ends.low, end);
    ends.high = is_max ? std::max(ends.high, end) : std::min(ends.high, end);
  }
  return ends;
}

void run_map(const Map& map, const Operands& inputs, const Operands& outputs) {
  const Dims& shape = outputs[0].view->shape;
  const size_t axis = axis_to_divide(shape, [](size_t) { return true; });
  if (axis == shape.size()) return map_part(map, inputs, outputs);
  // Functions take longer than moves.
  const auto calls = static_cast<int64_t>(std::count_if(map.instructions.begin(), map.instructions.end(), [](const Instruction& i) { return i.call; }));
  in_parts(shape[axis], product(shape) * (1 + calls / 4), [&](int64_t from, int64_t n) {
    if (n == shape[axis]) return map_part(map, inputs, outputs);
    std::vector<View> views;
    views.reserve(inputs.size() + outputs.size());
    Operands in, out;
    for (const Operand& x : inputs) in.push_back({&views.emplace_back(slice(*x.view, axis, from, n)), x.data});
    for (const Operand& y : outputs) out.push_back({&views.emplace_back(slice(*y.view, axis, from, n)), y.data});
    map_part(map, in, out);
  });
}

}  // namespace omnix
