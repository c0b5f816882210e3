// Memory that the runs of a plan use one after the other.
#pragma once
#include <cstddef>
#include <mutex>
#include <vector>

#include "aligned.h"

namespace omnix {

class Arenas {
  using Memory = Aligned<std::byte>;

 public:
  /** Memory for one run; what it held before is anything. */
  class Lent {
   public:
    Lent(Arenas& from, int64_t bytes) : from_(from) {
      {
        const std::lock_guard<std::mutex> hold(from.lock_);
        if (!from.idle_.empty()) {
          memory_ = std::move(from.idle_.back());
          from.idle_.pop_back();
        }
      }
      if (!memory_) memory_ = aligned<std::byte>(bytes);
    }
    ~Lent() {
      const std::lock_guard<std::mutex> hold(from_.lock_);
      // Runs side by side are rare: one is kept.
      if (from_.idle_.empty()) from_.idle_.push_back(std::move(memory_));
    }
    Lent(const Lent&) = delete;
    std::byte* get() const { return memory_.get(); }

   private:
    Arenas& from_;
    Memory memory_;
  };

 private:
  std::mutex lock_;
  std::vector<Memory> idle_;
};

}  // namespace omnix
