// The block functions by name: one loop over blocks for each primitive and type. The table is generated, and compiled once.
#pragma once
#include <cstddef>

#include "element.h"

namespace omnix {

using BlockFunction = void (*)(size_t n, void* y, const void* a, const void* b, const void* c);
struct NamedBlockFunction { const char* name; Element result; size_t arity; Element operands[3]; BlockFunction run; };

extern const NamedBlockFunction block_functions[];
extern const size_t block_function_count;

}  // namespace omnix
