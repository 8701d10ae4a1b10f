// Reads checkpoints. Every value is checked against its checksum before it is used.
#pragma once

#include <filesystem>

#include "checkpoint/state.hpp"
#include "comm/communicator.hpp"

namespace isoflop::checkpoint {

/// Fills the slices of `state` (padding stays as it is) and returns the scalars. Collective; each
/// rank reads what its own slices need, whoever wrote it, with 1 MiB of memory beside. When any
/// rank fails, all throw the same, and the slices' content is undefined. Damaged (naming file and
/// tensor) when verify() would find damage too; InputError for an incomplete checkpoint and for one
/// of another model (naming the tensor, both shapes).
hdf5::Attributes load(const std::filesystem::path& directory, comm::Communicator& communicator,
                      const State& state);

/// What a checkpoint holds, without its values: scalars, and tensors as they lay in the buffer that
/// was saved. Errors as load().
struct Contents {
  hdf5::Attributes scalars;
  std::vector<TensorEntry> tensors;
  std::vector<std::string> kinds;
};
Contents read_contents(const std::filesystem::path& directory);

/// Reads and checks everything: any flipped bit of state.h5 or its mark is an error. Errors as
/// load().
void verify(const std::filesystem::path& directory);

}  // namespace isoflop::checkpoint
