// A stream says where a kernel runs, and owns the scratch memory that kernels use.
//
// One stream serves one host thread. Kernels on the CPU have finished when they return.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>

#include "core/integers.hpp"

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace isoflop::device {

enum class Device { cpu, cuda };

/// Every allocation of an arena or a workspace starts on a cache line and on a tile row.
inline constexpr std::size_t kAlignment = 64;  // bytes

struct FreeAligned {
  void operator()(std::byte* memory) const { std::free(memory); }
};
using AlignedBytes = std::unique_ptr<std::byte[], FreeAligned>;

/// Uninitialised memory aligned to kAlignment, in huge pages as far as it fills them and the system
/// has them: the kernels walk over megabytes with long strides, and the first touch of a page costs
/// more than filling it. Throws std::bad_alloc.
inline AlignedBytes allocate_aligned(std::size_t bytes) {
  constexpr std::size_t huge_page = std::size_t{2} << 20;
  const std::size_t rounded = round_up(std::max<std::size_t>(bytes, 1), kAlignment);
  const std::size_t alignment = rounded < huge_page ? kAlignment : huge_page;
  void* memory = nullptr;  // std::aligned_alloc may want a multiple of the alignment
  if (::posix_memalign(&memory, alignment, rounded) != 0) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  // whole pages alone, so that no more becomes resident than was asked for; advice may be refused
  if (alignment == huge_page) madvise(memory, rounded / huge_page * huge_page, MADV_HUGEPAGE);
#endif
  return AlignedBytes(static_cast<std::byte*>(memory));
}

class Stream {
 public:
  explicit Stream(Device device = Device::cpu) : device_(device) {}

  Device device() const { return device_; }

  /// At least `bytes` of scratch, aligned, contents undefined, valid until the next call. It only
  /// ever grows, so a step loop that repeats the same shapes allocates in its first step alone (or
  /// before it, by asking for the largest).
  std::span<std::byte> workspace(std::size_t bytes) {
    if (bytes > size_) {
      memory_ = allocate_aligned(bytes);
      size_ = bytes;
    }
    return {memory_.get(), bytes};
  }

  std::size_t workspace_bytes() const { return size_; }

 private:
  Device device_;
  AlignedBytes memory_;
  std::size_t size_ = 0;
};

}  // namespace isoflop::device
