// Writes a checkpoint: state.h5 (docs/files.md), every rank its own elements, into a folder beside,
// which is then renamed and marked complete. Memory needed beside the state: one table row a MiB.
#pragma once

#include <filesystem>

#include "checkpoint/state.hpp"
#include "comm/communicator.hpp"

namespace isoflop::checkpoint {

/// Collective. `scalars` are those of the root. A checkpoint that is there is replaced once the new
/// one is whole. When any rank fails, all throw the same (InputError for a full disk), nothing is
/// left of the new checkpoint and the earlier ones are untouched.
void save(const std::filesystem::path& directory, comm::Communicator& communicator,
          const State& state, const hdf5::Attributes& scalars);

}  // namespace isoflop::checkpoint
