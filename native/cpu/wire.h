// The version of the words of a plan; src/exec/cpu-wire.ts has the same.
#pragma once
#include <cstdint>

namespace omnix {

constexpr int64_t wire_version = 8;

}  // namespace omnix
