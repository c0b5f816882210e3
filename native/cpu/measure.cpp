// What the machine reaches at best, as the limit that kernels are held against.
#include <algorithm>
#include <chrono>
#include <cstring>

#include "gemm.h"
#include "plan.h"
#include "pool.h"

namespace omnix {
namespace {

using Clock = std::chrono::steady_clock;

/** The best of some tries, in so many a second: what else the machine does makes it slower, never faster. */
template <class Work>
double best_rate(Work&& work) {
  double best = 0;
  for (int round = 0; round < 5; round++) {
    const auto started = Clock::now();
    const double done = work();
    best = std::max(best, done / std::chrono::duration<double>(Clock::now() - started).count());
  }
  return best;
}

/** More than caches hold. */
constexpr size_t memory_bytes = 256u << 20;

}  // namespace

Limits measure(int64_t threads) {
  const WithBounds bounds({threads, nullptr, true});
  const int64_t count = thread_count();
  std::vector<float> sinks(static_cast<size_t>(count) * 64);
  std::vector<double> done(static_cast<size_t>(count));
  const auto total = [&] {
    double sum = 0;
    for (double n : done) sum += n;
    return sum;
  };
  Limits limits;
  limits.flops = best_rate([&] {
    parallel(count, [&](int64_t k) { done[static_cast<size_t>(k)] = isa().exercise(200000, &sinks[static_cast<size_t>(k) * 64]); });
    return total();
  });
  const std::vector<uint64_t> memory(memory_bytes / sizeof(uint64_t), 1);
  const size_t each = memory.size() / static_cast<size_t>(count);
  limits.bytes = best_rate([&] {
    parallel(count, [&](int64_t k) {
      uint64_t sum = 0;
      const uint64_t* from = memory.data() + static_cast<size_t>(k) * each;
      for (size_t i = 0; i < each; i++) sum ^= from[i];
      std::memcpy(&sinks[static_cast<size_t>(k) * 64], &sum, sizeof(sum));
      done[static_cast<size_t>(k)] = static_cast<double>(each * sizeof(uint64_t));
    });
    return total();
  });
  return limits;
}

}  // namespace omnix
