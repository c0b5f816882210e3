// What a plan takes of memory.
#pragma once
#include "plan.h"

namespace omnix {

/** @throws Refusal E3007 where temporaries, inputs and outputs take more bytes together, E3005 where their sum overflows */
void verify_memory(const Plan& plan, int64_t most);

}  // namespace omnix
