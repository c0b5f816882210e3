// Which of the compiled instruction sets runs here.
#include <cstdlib>
#include <optional>
#include <string_view>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "block_functions.h"
#include "integers.h"

namespace omnix {

#define OMNIX_SET(name)                                                \
  namespace name {                                                     \
  extern const Isa table;                                              \
  extern const NamedBlockFunction block_functions[];                   \
  extern const size_t block_function_count;                            \
  extern const IntegerLoops integers;                                  \
  }
OMNIX_SET(portable)
#if defined(__x86_64__) && !defined(OMNIX_PORTABLE_ONLY)
OMNIX_SET(avx2)
OMNIX_SET(avx512)
// Sets of products of integers alone.
#ifdef OMNIX_AVX512VNNI
namespace avx512vnni { extern const IntegerLoops integers; }
#endif
#ifdef OMNIX_AVXVNNI
namespace avxvnni { extern const IntegerLoops integers; }
#endif
#endif

namespace {

struct Set {
  const Isa* table;
  BlockFunctions functions;
  const IntegerLoops* integers;
};
#define OMNIX_CHOOSE(name) \
  Set { &name::table, { name::block_functions, name::block_function_count }, &name::integers }

#if defined(__x86_64__) && !defined(OMNIX_PORTABLE_ONLY)
/** Not every compiler has a name for it. */
[[maybe_unused]] bool has_avx_vnni() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
}

std::optional<Set> widest(std::string_view asked) {
  const auto may = [&](std::string_view name) { return asked.empty() || asked == name; };
  const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
  if (wide && (may("avx512") || asked == "avx512vnni")) {
    Set set = OMNIX_CHOOSE(avx512);
#ifdef OMNIX_AVX512VNNI
    if (asked != "avx512" && __builtin_cpu_supports("avx512vnni")) set.integers = &avx512vnni::integers;
#endif
    return set;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && (may("avx2") || asked == "avxvnni")) {
    Set set = OMNIX_CHOOSE(avx2);
#ifdef OMNIX_AVXVNNI
    if (asked != "avx2" && has_avx_vnni()) set.integers = &avxvnni::integers;
#endif
    return set;
  }
  return std::nullopt;
}
#else
std::optional<Set> widest(std::string_view) { return std::nullopt; }
#endif

/** OMNIX_INSTRUCTIONS names the set that tests ask for; one that is not there is the portable one. */
const Set& chosen() {
  static const Set set = [] {
    const char* asked = std::getenv("OMNIX_INSTRUCTIONS");
    return widest(asked ? asked : "").value_or(OMNIX_CHOOSE(portable));
  }();
  return set;
}

}  // namespace

const Isa& isa() { return *chosen().table; }
const IntegerLoops& integer_loops() { return *chosen().integers; }
BlockFunctions block_functions() { return chosen().functions; }

}  // namespace omnix
