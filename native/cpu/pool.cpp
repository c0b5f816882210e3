#include "pool.h"

#include "plan.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#ifdef __linux__
#include <pthread.h>
#include <sched.h>
#endif

namespace omnix {
namespace {

/** Processors that this process may use, by their numbers; empty where the system does not say. */
std::vector<int> allowed_processors() {
  std::vector<int> list;
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0)
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
      if (CPU_ISSET(cpu, &set)) list.push_back(cpu);
#endif
  return list;
}

#ifdef __linux__
void pin(pthread_t thread, int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  // A thread that may not be pinned still works.
  pthread_setaffinity_np(thread, sizeof(set), &set);
}
#else
template <class Handle>
void pin(Handle, int) {}
#endif

bool is_set(const std::atomic<int32_t>* word) { return word && word->load(std::memory_order_relaxed) != 0; }

struct Job {
  const std::function<void(int64_t)>* task;
  int64_t count;
  const std::atomic<int32_t>* stop;
  std::atomic<int64_t> next{0};
  std::mutex lock;
  std::exception_ptr error;

  void work() {
    for (int64_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) {
      if (is_set(stop)) return;
      try {
        (*task)(i);
      } catch (...) {
        const std::lock_guard<std::mutex> hold(lock);
        if (!error) error = std::current_exception();
      }
    }
  }
};

/** Tell the processor that this thread waits for another. */
inline void rest() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/** Wait a while for what comes soon, which costs less than to sleep and be woken. False where it did not come. */
template <class Ready>
bool soon(std::chrono::microseconds most, Ready&& ready) {
  const auto end = std::chrono::steady_clock::now() + most;
  do
    for (int k = 0; k < 64; k++) {
      if (ready()) return true;
      rest();
    }
  while (std::chrono::steady_clock::now() < end);
  return false;
}

class Pool {
 public:
  Pool() : processors_(allowed_processors()) {
    size_ = std::max<int64_t>(1, processors_.empty() ? std::thread::hardware_concurrency() : static_cast<int64_t>(processors_.size()));
    for (int64_t k = 1; k < size_; k++) {
      std::thread worker([this] { serve(); });
      if (!processors_.empty()) pin(worker.native_handle(), processors_[static_cast<size_t>(k)]);
      // They live as long as the process and hold nothing that must be given back.
      worker.detach();
    }
  }
  int64_t size() const { return size_; }
  const std::vector<int>& processors() const { return processors_; }

  void run(Job& job, int64_t threads) {
    wanted_ = std::min(threads, job.count) - 1;
    job_ = &job;
    round_++;
    if (sleepers_ > 0) {
      const std::lock_guard<std::mutex> hold(lock_);
      wake_.notify_all();
    }
    job.work();
    // Workers that have not come by now find nothing to do.
    job_ = nullptr;
    const auto done = [this] { return working_ == 0; };
    if (soon(std::chrono::microseconds(100), done)) return;
    std::unique_lock<std::mutex> hold(lock_);
    waits_ = true;
    idle_.wait(hold, done);
    waits_ = false;
  }

  std::mutex busy;
  /** Whether the thread of a run keeps to the first processor. */
  std::atomic<bool> is_led{false};

 private:
  void serve() {
    for (uint64_t seen = 0;;) {
      const auto called = [&] { return round_ != seen; };
      if (!soon(std::chrono::microseconds(200), called)) {
        std::unique_lock<std::mutex> hold(lock_);
        sleepers_++;
        wake_.wait(hold, called);
        sleepers_--;
      }
      seen = round_;
      // Counted before the job is looked at: whoever ends a job waits for those that have it.
      working_++;
      if (Job* job = job_; job && wanted_.fetch_sub(1) > 0) job->work();
      if (--working_ == 0 && waits_) {
        const std::lock_guard<std::mutex> hold(lock_);
        idle_.notify_one();
      }
    }
  }

  const std::vector<int> processors_;
  int64_t size_;
  std::mutex lock_;
  std::condition_variable wake_, idle_;
  std::atomic<Job*> job_{nullptr};
  std::atomic<uint64_t> round_{0};
  std::atomic<int64_t> wanted_{0}, working_{0}, sleepers_{0};
  std::atomic<bool> waits_{false};
};

/** Never destroyed: its threads outlive everything. */
Pool& pool() {
  static Pool* shared = new Pool;
  return *shared;
}

thread_local Bounds bounds;

}  // namespace

int64_t thread_count() { return bounds.threads > 0 ? std::min(bounds.threads, pool().size()) : pool().size(); }

WithBounds::WithBounds(Bounds now) : before_(bounds) { bounds = now; }
WithBounds::~WithBounds() {
#ifdef __linux__
  if (bounds.leads) {
    cpu_set_t set;
    CPU_ZERO(&set);
    for (int cpu : pool().processors()) CPU_SET(cpu, &set);
    pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
    pool().is_led = false;
  }
#endif
  bounds = before_;
}

namespace {

/**
 * The thread of a run keeps to the first processor, as the others keep to theirs: the system would leave it for long on one that another
 * works on. Where runs are side by side, one does.
 */
void lead() {
#ifdef __linux__
  if (!bounds.is_run || bounds.leads || pool().processors().empty() || pool().is_led.exchange(true)) return;
  bounds.leads = true;
  pin(pthread_self(), pool().processors().front());
#endif
}

}  // namespace

void check_stop() {
  if (is_set(bounds.stop)) throw Refusal("E3011", "the run was stopped");
}

void parallel(int64_t count, const std::function<void(int64_t)>& task) {
  static thread_local bool inside = false;
  Job job;
  job.task = &task;
  job.count = count;
  job.stop = bounds.stop;
  std::unique_lock<std::mutex> alone(pool().busy, std::defer_lock);
  if (count > 1 && !inside && thread_count() > 1 && alone.try_lock()) {
    inside = true;
    lead();
    pool().run(job, thread_count());
    inside = false;
  } else {
    job.work();
  }
  if (job.error) std::rethrow_exception(job.error);
  check_stop();
}

}  // namespace omnix
