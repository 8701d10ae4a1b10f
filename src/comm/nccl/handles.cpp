#include "comm/nccl/handles.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "core/error.hpp"

namespace isoflop::comm {

void check_cuda(cudaError_t code, const char* call) {
  if (code != cudaSuccess) throw Error(fmt::format("{}: {}", call, cudaGetErrorString(code)));
}

void check_nccl(ncclResult_t code, const char* call) {
  if (code == ncclSuccess) return;
  throw Error(
      fmt::format("{}: {} ({})", call, ncclGetErrorString(code), ncclGetLastError(nullptr)));
}

Stream new_stream() {
  cudaStream_t handle = nullptr;
  check_cuda(cudaStreamCreateWithFlags(&handle, cudaStreamNonBlocking),
             "cudaStreamCreateWithFlags");
  return Stream(handle);
}

Event new_event() {
  cudaEvent_t handle = nullptr;
  check_cuda(cudaEventCreateWithFlags(&handle, cudaEventDisableTiming), "cudaEventCreateWithFlags");
  return Event(handle);
}

std::byte* PinnedMemory::room(std::size_t bytes) {
  constexpr std::size_t kLeast = 4096;
  if (blocks_.empty() || bytes > size_) {
    const std::size_t size = std::bit_ceil(std::max(bytes, kLeast));
    void* block = nullptr;
    check_cuda(cudaHostAlloc(&block, size, cudaHostAllocPortable), "cudaHostAlloc");
    blocks_.emplace_back(static_cast<std::byte*>(block));
    size_ = size;
  }
  return blocks_.back().get();
}

}  // namespace isoflop::comm
