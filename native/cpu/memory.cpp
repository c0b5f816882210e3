#include "memory.h"

namespace omnix {

void verify_memory(const Plan& plan, int64_t most) {
  int64_t total = plan.arena, size = plan.arena;
  std::string largest = "temporaries";
  for (size_t at = 0; at < plan.buffers.size(); at++) {
    const Buffer& b = plan.buffers[at];
    if (b.role != Role::Input && b.role != Role::Output) continue;
    if (__builtin_add_overflow(total, b.bytes(), &total)) throw Refusal("E3005", "native check: a size overflows");
    if (b.bytes() <= size) continue;
    largest = "buffer " + std::to_string(at);
    size = b.bytes();
  }
  if (total <= most) return;
  const std::string needs = "the run needs " + std::to_string(total) + " bytes, the limit is " + std::to_string(most);
  throw Refusal("E3007", needs + "; " + largest + " takes " + std::to_string(size));
}

}  // namespace omnix
