// Words to a plan. The words come from src/exec/cpu.ts as doubles that hold integers; nothing is allocated on the word of a
// count that the remaining words could not fill.
#include <cmath>
#include <string_view>
#include <unordered_map>

#include "plan.h"
#include "wire.h"

namespace omnix {
namespace {

constexpr double largest = 9007199254740991.0;

class Words {
 public:
  Words(const double* words, size_t count, const std::vector<std::string>& names) : words_(words), count_(count) {
    for (const NamedBlockFunction& f : block_functions()) known_.emplace(f.name, &f);
    for (const std::string& name : names) {
      const auto found = known_.find(name);
      if (found == known_.end()) throw Refusal("E3008", "the addon has no function " + name + ": run npm run build:native");
      functions_.push_back(found->second);
    }
  }

  int64_t integer() {
    if (at_ >= count_) throw malformed("the words end inside the plan");
    const double word = words_[at_++];
    if (!(std::fabs(word) <= largest) || word != std::trunc(word)) throw malformed("a word is not an integer");
    return static_cast<int64_t>(word);
  }
  int64_t within(int64_t low, int64_t high) {
    const int64_t n = integer();
    if (n < low || n > high) throw malformed("a word is out of range");
    return n;
  }
  /** How many things follow, each of at least one word. */
  size_t count() { return static_cast<size_t>(within(0, static_cast<int64_t>(count_ - at_))); }
  size_t index(size_t limit) { return static_cast<size_t>(within(0, static_cast<int64_t>(limit) - 1)); }
  bool flag() { return within(0, 1) == 1; }
  uint64_t bits() {
    const auto low = static_cast<uint64_t>(within(0, 0xffffffff));
    return low | static_cast<uint64_t>(within(0, 0xffffffff)) << 32;
  }
  Dims dims(size_t n) {
    Dims result(n);
    for (int64_t& d : result) d = integer();
    return result;
  }
  Dims list() { return dims(count()); }
  Element element() {
    const auto e = static_cast<Element>(within(0, 28));
    if (bytes_of(e) == 0) throw Refusal("E3008", "an element type is not supported by the native kernels");
    return e;
  }
  const NamedBlockFunction* function() { return functions_[index(functions_.size())]; }
  void end() const {
    if (at_ != count_) throw malformed("words follow the end of the plan");
  }
  static Refusal malformed(const std::string& what) { return Refusal("E9001", "native plan: " + what); }

 private:
  const double* words_;
  size_t count_;
  size_t at_ = 0;
  std::unordered_map<std::string_view, const NamedBlockFunction*> known_;
  std::vector<const NamedBlockFunction*> functions_;
};

/** So many things, as the next word says, each read by `read`. */
template <class Read>
auto many(Words& w, Read read) {
  std::vector<decltype(read(w))> all;
  const size_t n = w.count();
  all.reserve(n);
  for (size_t k = 0; k < n; k++) all.push_back(read(w));
  return all;
}

View view(Words& w) {
  View v;
  v.buffer = static_cast<size_t>(w.within(0, INT32_MAX));
  v.type = w.element();
  v.offset = w.integer();
  const size_t rank = w.count();
  v.shape = w.dims(rank);
  v.strides = w.dims(rank);
  return v;
}

std::optional<View> optional_view(Words& w) {
  if (w.flag()) return view(w);
  return std::nullopt;
}

Instruction instruction(Words& w) {
  Instruction i;
  i.type = w.element();
  switch (w.within(0, 2)) {
    case 0:
      i.input = static_cast<size_t>(w.within(0, INT32_MAX));
      break;
    case 1:
      i.constant = w.bits();
      break;
    default:
      i.call = w.function();
      for (int64_t a : w.list()) i.args.push_back(static_cast<size_t>(a));
  }
  return i;
}

Map map(Words& w) {
  Map m;
  m.instructions = many(w, instruction);
  for (int64_t o : w.list()) m.outputs.push_back(static_cast<size_t>(o));
  return m;
}

Conv conv(Words& w) {
  Conv c;
  c.group = w.within(1, INT32_MAX);
  c.strides = w.list();
  c.dilations = w.list();
  c.pads = w.list();
  c.winograd = w.flag();
  return c;
}

Pool pool(Words& w) {
  Pool p;
  p.by = static_cast<PoolBy>(w.within(0, 2));
  p.count_pads = w.flag();
  p.p = w.within(0, INT32_MAX);
  p.kernel = w.list();
  p.strides = w.list();
  p.dilations = w.list();
  p.pads = w.list();
  return p;
}

ArgReduce argreduce(Words& w) {
  const auto by = static_cast<By>(w.within(2, 3));
  const int64_t axis = w.integer();
  return {by, axis, w.flag()};
}

TopK topk(Words& w) {
  const int64_t axis = w.integer();
  return {axis, w.flag()};
}

Scatter scatter(Words& w) {
  Scatter s;
  s.by = static_cast<ScatterBy>(w.within(0, 4));
  if (w.flag()) s.axis = w.integer();
  return s;
}

/** The order of the cases is that of `kinds` in src/exec/cpu-wire.ts. */
Kernel kernel(Words& w) {
  switch (w.within(0, 11)) {
    case 0: return map(w);
    case 1: return Reduce{static_cast<By>(w.within(0, 3))};
    case 2: return argreduce(w);
    case 3: return MatMul{w.within(0, INT32_MAX)};
    case 4: return conv(w);
    case 5: return pool(w);
    case 6: return Copy{};
    case 7: return Fill{w.bits()};
    case 8: return Values{w.list()};
    case 9: return Gather{w.integer()};
    case 10: return topk(w);
    default: return scatter(w);
  }
}

Step step(Words& w) {
  Step s;
  s.kernel = kernel(w);
  s.inputs = many(w, optional_view);
  s.outputs = many(w, view);
  s.joins = w.flag();
  s.rows = static_cast<size_t>(w.within(0, INT32_MAX));
  s.row_axes = static_cast<size_t>(w.within(0, INT32_MAX));
  return s;
}

Buffer buffer(Words& w) {
  Buffer b;
  b.type = w.element();
  b.size = w.within(0, static_cast<int64_t>(largest) / 8);
  b.role = static_cast<Role>(w.within(0, 3));
  b.offset = w.within(-1, static_cast<int64_t>(largest));
  return b;
}

}  // namespace

Plan parse_plan(const double* words, size_t count, const std::vector<std::string>& names) {
  Words w(words, count, names);
  if (w.integer() != wire_version) throw Refusal("E3008", "the native addon is of another version: run npm run build:native");
  Plan plan;
  plan.arena = w.within(0, static_cast<int64_t>(largest));
  plan.buffers = many(w, buffer);
  plan.inputs = many(w, view);
  plan.outputs = many(w, view);
  plan.steps = many(w, step);
  w.end();
  return plan;
}

}  // namespace omnix
