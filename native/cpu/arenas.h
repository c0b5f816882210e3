// Memory that the runs of a plan use one after the other.
#pragma once
#include <cstddef>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

namespace omnix {

class Arenas {
  static constexpr std::align_val_t alignment{64};
  struct Free {
    void operator()(std::byte* p) const { ::operator delete[](p, alignment); }
  };
  using Memory = std::unique_ptr<std::byte[], Free>;

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
      if (!memory_) memory_.reset(static_cast<std::byte*>(::operator new[](static_cast<size_t>(bytes) + 1, alignment)));
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
