// One block of memory, laid out before it is allocated.
//
// A user writes his layout once, as a function that takes pieces; it runs first over an empty
// arena, which only counts, and then over one of that size. So the size is a formula that cannot
// drift from the use.
#pragma once

#include <cstddef>

#include "core/integers.hpp"
#include "device/stream.hpp"

namespace isoflop::device {

class Arena {
 public:
  /// Counts only: take() returns null.
  Arena() = default;

  /// Room for `bytes`. Throws std::bad_alloc.
  explicit Arena(std::size_t bytes) : own_(allocate_aligned(bytes)), memory_(own_.get()) {}

  /// Room of the caller's, aligned to kAlignment, which must outlive the arena.
  explicit Arena(std::byte* memory) : memory_(memory) {}

  /// Uninitialised room for `count` elements, aligned to kAlignment; lives as long as the memory.
  template <class T>
  T* take(std::size_t count) {
    const std::size_t offset = used_;
    used_ += round_up(count * sizeof(T), kAlignment);
    return memory_ == nullptr ? nullptr : reinterpret_cast<T*>(memory_ + offset);
  }

  /// Bytes taken so far.
  std::size_t used() const { return used_; }

 private:
  AlignedBytes own_;
  std::byte* memory_ = nullptr;
  std::size_t used_ = 0;
};

}  // namespace isoflop::device
