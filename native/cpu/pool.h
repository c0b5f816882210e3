// The threads that kernels share: one for each processor that the process may use, kept at its place while the process lives.
#pragma once
#include <cstdint>
#include <functional>

namespace omnix {

/** Threads that work at once, the caller's included; at least 1. */
int64_t thread_count();

/** While it lives, work that this thread begins takes at most so many threads; 0 for all. */
class ThreadLimit {
 public:
  explicit ThreadLimit(int64_t most);
  ~ThreadLimit();
  ThreadLimit(const ThreadLimit&) = delete;

 private:
  int64_t before_;
};

/**
 * Run `task(0)` to `task(count - 1)`, in any order, the caller among those that work; it returns when all are done. While another run is
 * at it, or inside of a task, the caller works alone. The first exception of a task is thrown when the others are done.
 */
void parallel(int64_t count, const std::function<void(int64_t)>& task);

}  // namespace omnix
