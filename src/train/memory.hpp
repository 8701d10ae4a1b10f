// What a rank will hold, by formula; printed before a run and compared with the measurement after
// it.
#pragma once

#include <cstddef>
#include <filesystem>

#include "config/run_config.hpp"

namespace isoflop::train {

struct MemoryPlan {
  std::size_t weights = 0;      // bytes, in the precision of the run
  std::size_t optimizer = 0;    // fp32 master weights (bf16 runs) and both moments
  std::size_t gradients = 0;    // fp32, log2 buffers
  std::size_t activations = 0;  // of the micro-batches in flight, kernel workspace, a tied head's
                                // own gradient and copy
  std::size_t checkpoint = 0;   // copy of the fp32 state, where checkpoints are written beside;
                                // rows of matrices whose columns are cut
  std::size_t copies = 0;       // what MPI's reductions (train.reproducible = false) may take
                                // beside while they are under way, at most; not in total()

  std::size_t total() const { return weights + optimizer + gradients + activations + checkpoint; }
};

/// For rank `rank` of `ranks`.
MemoryPlan plan_memory(const config::RunConfig& config, std::size_t ranks, std::size_t rank);

/// The plan, and what the process holds beside it: the program, its libraries, MPI, the corpus;
/// bytes. That is measured once, in this process, which must not have begun a run, but for what a
/// run itself touches: most of that is HDF5, of which rank 0 needs more, which keeps the record.
std::size_t process_bytes(const config::RunConfig& config, std::size_t ranks, std::size_t rank);

/// The same of the rank that needs most. Tensor-parallel ranks are taken to need what their first
/// one does, which is about right.
std::size_t most_process_bytes(const config::RunConfig& config, std::size_t ranks);

/// Resident memory of this process, bytes: now, and the most it ever was. Throws Error if the
/// system does not tell.
std::size_t resident_bytes();
std::size_t peak_resident_bytes();

/// Memory that could still be used on this machine without swapping and within the limit of this
/// process's control group, bytes.
std::size_t available_bytes();

/// What the control groups from `group` (a directory of a cgroup file system, version 2) up to
/// `root` leave below their limits, bytes; the largest number there is when none has a limit. What
/// their files could give back at once counts as left.
std::size_t control_group_room(const std::filesystem::path& group,
                               const std::filesystem::path& root);

}  // namespace isoflop::train
