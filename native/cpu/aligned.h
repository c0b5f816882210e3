// Memory that begins at a line of the caches, so that its vectors lie in one line each.
#pragma once
#include <cstdint>
#include <memory>
#include <new>

namespace omnix {

constexpr std::align_val_t cache_line{64};

template <class T>
struct FreeAligned {
  void operator()(T* p) const { ::operator delete[](p, cache_line); }
};
template <class T>
using Aligned = std::unique_ptr<T[], FreeAligned<T>>;

/** What it holds is anything. */
template <class T>
Aligned<T> aligned(int64_t count) {
  return Aligned<T>(static_cast<T*>(::operator new[](static_cast<size_t>(count) * sizeof(T) + 1, cache_line)));
}

}  // namespace omnix
