// The threads that kernels share: one for each processor that the process may use, kept at its place while the process lives.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>

namespace omnix {

/** Threads that work at once, the caller's included; at least 1. */
int64_t thread_count();

/** What bounds the work that a thread begins: at most so many threads, 0 for all, and a word that is set where the work must end. */
struct Bounds {
  int64_t threads = 0;
  const std::atomic<int32_t>* stop = nullptr;
  /** Whether it is a run, whose thread may keep to a processor, and whether it does. */
  bool is_run = false, leads = false;
};

/** They hold while it lives. */
class WithBounds {
 public:
  explicit WithBounds(Bounds bounds);
  ~WithBounds();
  WithBounds(const WithBounds&) = delete;

 private:
  Bounds before_;
};

/** @throws Refusal E3011 where the work of this thread must end */
void check_stop();

/**
 * Run `task(0)` to `task(count - 1)`, in any order, the caller among those that work; it returns when all are done. While another run is
 * at it, or inside of a task, the caller works alone. The first exception of a task is thrown when the others are done.
 * @throws Refusal E3011 where the work must end, with tasks left undone
 */
void parallel(int64_t count, const std::function<void(int64_t)>& task);

}  // namespace omnix
