// Which of the compiled instruction sets runs here.
#include "block_functions.h"
#include "gemm.h"

namespace omnix {

#define OMNIX_SET(name)                                                \
  namespace name {                                                     \
  extern const Isa table;                                              \
  extern const NamedBlockFunction block_functions[];                   \
  extern const size_t block_function_count;                            \
  }
OMNIX_SET(portable)
#if defined(__x86_64__) && !defined(OMNIX_PORTABLE_ONLY)
OMNIX_SET(avx2)
OMNIX_SET(avx512)
#endif

namespace {

struct Set {
  const Isa* table;
  BlockFunctions functions;
};
#define OMNIX_CHOOSE(name) \
  Set { &name::table, { name::block_functions, name::block_function_count } }

const Set& chosen() {
  static const Set set = [] {
#if defined(__x86_64__) && !defined(OMNIX_PORTABLE_ONLY)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")) return OMNIX_CHOOSE(avx512);
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return OMNIX_CHOOSE(avx2);
#endif
    return OMNIX_CHOOSE(portable);
  }();
  return set;
}

}  // namespace

const Isa& isa() { return *chosen().table; }
BlockFunctions block_functions() { return chosen().functions; }

}  // namespace omnix
