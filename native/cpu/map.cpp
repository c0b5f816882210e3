// map: a scalar program at every position, one block that fits the first-level cache at a time.
#include <algorithm>
#include <cstring>

#include "codec.h"
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

/** Memory for the results of every instruction. */
class Blocks {
 public:
  explicit Blocks(const Map& map) {
    size_t width = 0;
    for (const Instruction& i : map.instructions) width += bytes_of(i.type);
    length = std::clamp<int64_t>(static_cast<int64_t>(cache_bytes / std::max<size_t>(width, 1)) & ~int64_t{15}, 64, 1024);
    memory_.resize((width + 8) * static_cast<size_t>(length) / 8 + 8 * map.instructions.size());
    size_t at = 0;
    for (const Instruction& i : map.instructions) {
      blocks_.push_back(reinterpret_cast<std::byte*>(memory_.data()) + at);
      at += (bytes_of(i.type) * static_cast<size_t>(length) + 63) & ~size_t{63};
      if (!i.input && !i.call) fill(blocks_.back(), i);
    }
  }
  std::byte* operator[](size_t at) const { return blocks_[at]; }
  int64_t length;

 private:
  void fill(std::byte* block, const Instruction& i) const {
    const size_t size = bytes_of(i.type);
    for (int64_t k = 0; k < length; k++) std::memcpy(block + static_cast<size_t>(k) * size, &i.constant, size);
  }
  std::vector<uint64_t> memory_;
  std::vector<std::byte*> blocks_;
};

void compute(const Map& map, const Blocks& blocks, int64_t n) {
  for (size_t at = 0; at < map.instructions.size(); at++) {
    const Instruction& i = map.instructions[at];
    if (!i.call) continue;
    const auto arg = [&](size_t k) { return k < i.args.size() ? blocks[i.args[k]] : nullptr; };
    i.call->run(static_cast<size_t>(n), blocks[at], arg(0), arg(1), arg(2));
  }
}

/** Where a stretch of a block goes: its length, then the offset and step of each output. */
struct Piece {
  int64_t n;
  std::vector<std::pair<int64_t, int64_t>> targets;
};

}  // namespace

void run_map(const Map& map, const Operands& inputs, const Operands& outputs) {
  const Blocks blocks(map);
  std::vector<Strided> views;
  for (const Operand& x : inputs) views.push_back(strided(*x.view));
  for (const Operand& y : outputs) views.push_back(strided(*y.view));
  std::vector<Piece> pending;
  int64_t filled = 0;
  const auto flush = [&] {
    compute(map, blocks, filled);
    int64_t at = 0;
    for (const Piece& piece : pending) {
      for (size_t k = 0; k < outputs.size(); k++)
        transfer<false>(blocks[map.outputs[k]], at, outputs[k], piece.targets[k].first, piece.targets[k].second, piece.n);
      at += piece.n;
    }
    pending.clear();
    filled = 0;
  };
  for_each_row(outputs[0].view->shape, views, [&](const int64_t* offsets, int64_t length, const int64_t* steps) {
    for (int64_t done = 0; done < length;) {
      const int64_t n = std::min(length - done, blocks.length - filled);
      for (size_t at = 0; at < map.instructions.size(); at++)
        if (const auto k = map.instructions[at].input) transfer<true>(blocks[at], filled, inputs[*k], offsets[*k] + done * steps[*k], steps[*k], n);
      Piece piece{n, {}};
      for (size_t k = inputs.size(); k < views.size(); k++) piece.targets.emplace_back(offsets[k] + done * steps[k], steps[k]);
      pending.push_back(std::move(piece));
      filled += n;
      done += n;
      if (filled == blocks.length) flush();
    }
  });
  if (filled > 0) flush();
}

}  // namespace omnix
