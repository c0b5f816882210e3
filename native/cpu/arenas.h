// Memory that the runs of an executable, with whatever sizes, use one after the other.
#pragma once
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>

#include "aligned.h"

namespace omnix {

class Arenas {
  struct Memory {
    Aligned<std::byte> data;
    int64_t bytes = 0;
  };

 public:
  /** Memory for one run; what it held before is anything. */
  class Lent {
   public:
    Lent(Arenas& from, int64_t bytes) : from_(from) {
      {
        const std::lock_guard<std::mutex> hold(from.lock_);
        if (from.idle_.bytes >= bytes) std::swap(memory_, from.idle_);
      }
      if (memory_.data) return;
      memory_.data = aligned<std::byte>(bytes);
      memory_.bytes = bytes;
    }
    ~Lent() {
      const std::lock_guard<std::mutex> hold(from_.lock_);
      // Runs side by side are rare: one is kept, which is the largest.
      if (memory_.bytes > from_.idle_.bytes) std::swap(memory_, from_.idle_);
    }
    Lent(const Lent&) = delete;
    std::byte* get() const { return memory_.data.get(); }

   private:
    Arenas& from_;
    Memory memory_;
  };

 private:
  std::mutex lock_;
  Memory idle_;
};

}  // namespace omnix
