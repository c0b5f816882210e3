// The block functions by name: one loop over blocks for each primitive and type. The table is generated, and compiled for each
// instruction set.
#pragma once
#include <cstddef>

#include "element.h"

namespace omnix {

constexpr size_t most_operands = 6;
using BlockFunction = void (*)(size_t n, void* y, const void* const* x);
/** `even` is for operands that are the same at every position, but for the first: only their first element is read. Null where there is no such form. */
struct NamedBlockFunction { const char* name; Element result; size_t arity; Element operands[most_operands]; BlockFunction run, even; };

struct BlockFunctions {
  const NamedBlockFunction* first;
  size_t count;
  const NamedBlockFunction* begin() const { return first; }
  const NamedBlockFunction* end() const { return first + count; }
};
/** Those for this processor. */
BlockFunctions block_functions();

}  // namespace omnix
