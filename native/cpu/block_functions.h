// The block functions by name: one loop over blocks for each primitive and type. The table is generated, and compiled for each
// instruction set.
#pragma once
#include <cstddef>

#include "element.h"

namespace omnix {

using BlockFunction = void (*)(size_t n, void* y, const void* a, const void* b, const void* c);
struct NamedBlockFunction { const char* name; Element result; size_t arity; Element operands[3]; BlockFunction run; };

struct BlockFunctions {
  const NamedBlockFunction* first;
  size_t count;
  const NamedBlockFunction* begin() const { return first; }
  const NamedBlockFunction* end() const { return first + count; }
};
/** Those for this processor. */
BlockFunctions block_functions();

}  // namespace omnix
