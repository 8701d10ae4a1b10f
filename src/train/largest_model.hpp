// The largest model whose training fits into the memory of some devices.
//
// Counted as plan_memory() counts a run that takes as little as this trainer can: bf16 weights with
// fp32 master copies and Adam's moments, one sequence at a time, activations recomputed, and all of
// it in shards over the devices as replicas (ZeRO 3). A run needs its own program and libraries
// beside that.
#pragma once

#include <cstddef>

#include "model/family.hpp"

namespace isoflop::train {

struct LargestModel {
  double params = 0;      // as the family counts them
  std::size_t bytes = 0;  // that each device needs
};

/// Of the shapes of `family` (context and vocabulary set) the one with the most parameters that
/// fits into `bytes` on each of `devices`. Kernels' workspace is that of the device::Runtime there
/// is. Throws InputError when no shape does, and for no device.
LargestModel largest_model(const model::Family& family, std::size_t bytes, std::size_t devices);

}  // namespace isoflop::train
