// Owners of CUDA's and NCCL's handles, and the check of what their calls return.
#pragma once

#include <cuda_runtime_api.h>
#include <nccl.h>

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace isoflop::comm {

/// Throw Error with the library's text unless `code` is success.
void check_cuda(cudaError_t code, const char* call);
void check_nccl(ncclResult_t code, const char* call);

struct EndCuda {
  void operator()(CUstream_st* stream) const noexcept { cudaStreamDestroy(stream); }
  void operator()(CUevent_st* event) const noexcept { cudaEventDestroy(event); }
  void operator()(std::byte* pinned) const noexcept { cudaFreeHost(pinned); }
};

/// On the current device; a stream waits for no other.
using Stream = std::unique_ptr<CUstream_st, EndCuda>;
Stream new_stream();
using Event = std::unique_ptr<CUevent_st, EndCuda>;
Event new_event();

/// Memory of the host that every GPU of this process reads and writes. It grows; what it was before
/// is freed at the end alone, because CUDA then waits for all that runs on the device.
class PinnedMemory {
 public:
  /// [bytes], whose content is undefined.
  std::byte* room(std::size_t bytes);

 private:
  std::vector<std::unique_ptr<std::byte, EndCuda>> blocks_;  // the last one is in use
  std::size_t size_ = 0;
};

/// A communicator of NCCL.
class NcclComm {
 public:
  /// Takes over `handle`.
  explicit NcclComm(ncclComm_t handle) : handle_(handle) {}
  NcclComm(const NcclComm&) = delete;
  NcclComm& operator=(const NcclComm&) = delete;
  ~NcclComm() {
    if (handle_ != nullptr) ncclCommDestroy(handle_);
  }

  /// Null after abort().
  ncclComm_t get() const { return handle_; }

  /// Ends what runs on this rank's device, complete or not. Never waits for other ranks.
  void abort() noexcept {
    if (handle_ != nullptr) ncclCommAbort(std::exchange(handle_, nullptr));
  }

 private:
  ncclComm_t handle_;
};

}  // namespace isoflop::comm
