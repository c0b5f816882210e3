#include "pool.h"

#include "plan.h"

#include <algorithm>
#include <atomic>
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

void pin(std::thread& thread, int cpu) {
#ifdef __linux__
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  // A thread that may not be pinned still works.
  pthread_setaffinity_np(thread.native_handle(), sizeof(set), &set);
#else
  (void)thread, (void)cpu;
#endif
}

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

class Pool {
 public:
  Pool() {
    const std::vector<int> cpus = allowed_processors();
    size_ = std::max<int64_t>(1, cpus.empty() ? std::thread::hardware_concurrency() : static_cast<int64_t>(cpus.size()));
    for (int64_t k = 1; k < size_; k++) {
      std::thread worker([this] { serve(); });
      if (!cpus.empty()) pin(worker, cpus[static_cast<size_t>(k)]);
      // They live as long as the process and hold nothing that must be given back.
      worker.detach();
    }
  }
  int64_t size() const { return size_; }

  void run(Job& job, int64_t threads) {
    {
      const std::lock_guard<std::mutex> hold(lock_);
      job_ = &job;
      round_++;
      wanted_ = std::min(threads, job.count) - 1;
    }
    wake_.notify_all();
    job.work();
    std::unique_lock<std::mutex> hold(lock_);
    // Workers that have not come by now find nothing to do.
    job_ = nullptr;
    idle_.wait(hold, [this] { return working_ == 0; });
  }

  std::mutex busy;

 private:
  void serve() {
    std::unique_lock<std::mutex> hold(lock_);
    for (uint64_t seen = 0;;) {
      wake_.wait(hold, [&] { return job_ != nullptr && round_ != seen && wanted_ > 0; });
      seen = round_;
      wanted_--;
      working_++;
      Job& job = *job_;
      hold.unlock();
      job.work();
      hold.lock();
      if (--working_ == 0) idle_.notify_one();
    }
  }

  int64_t size_;
  std::mutex lock_;
  std::condition_variable wake_, idle_;
  Job* job_ = nullptr;
  uint64_t round_ = 0;
  int64_t wanted_ = 0, working_ = 0;
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
WithBounds::~WithBounds() { bounds = before_; }

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
    pool().run(job, thread_count());
    inside = false;
  } else {
    job.work();
  }
  if (job.error) std::rethrow_exception(job.error);
  check_stop();
}

}  // namespace omnix
