// Starts and ends the compute runtime of the process: the only place that starts Kokkos.
#pragma once

namespace isoflop::device {

/// Alive while kernels run; one object a process, made before any Stream is used.
class Runtime {
 public:
  /// `threads` compute threads in this process.
  explicit Runtime(int threads);
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;
};

}  // namespace isoflop::device
