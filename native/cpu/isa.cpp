// Which of the compiled instruction sets runs here.
#include "gemm.h"

namespace omnix {

namespace portable { extern const Isa table; }
#if defined(__x86_64__)
namespace avx2 { extern const Isa table; }
namespace avx512 { extern const Isa table; }
#endif

const Isa& isa() {
  static const Isa& chosen = []() -> const Isa& {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")) return avx512::table;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return avx2::table;
#endif
    return portable::table;
  }();
  return chosen;
}

}  // namespace omnix
