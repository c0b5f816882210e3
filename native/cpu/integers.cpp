#include "integers.h"

#include <algorithm>

#include "parts.h"

namespace omnix {

void multiply(const IntegerProduct& p) {
  const int64_t threads = is_worth_threads(p.rows, p.columns, 4 * p.quads) ? thread_count() : 1;
  if (threads == 1) return integer_loops().multiply(p, {0, p.rows, 0, p.columns});
  const int64_t across = isa().tile_columns, down = integer_loops().tile_rows;
  if (p.columns / across >= p.rows / down)
    in_tiles(p.columns, across, threads, [&](int64_t from, int64_t count) { integer_loops().multiply(p, {0, p.rows, from, count}); });
  else
    in_tiles(p.rows, down, threads, [&](int64_t from, int64_t count) { integer_loops().multiply(p, {from, count, 0, p.columns}); });
}

}  // namespace omnix
