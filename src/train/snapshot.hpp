// A run's state on disk: what goes into its checkpoints and who may start from one.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "checkpoint/save.hpp"
#include "comm/communicator.hpp"
#include "config/run_config.hpp"
#include "train/trainer.hpp"

namespace isoflop::train {

/// Begins to save `values`, the trainer's state or a copy of it, as RUN_DIR/checkpoint/step-<n>.
/// Collective.
std::unique_ptr<checkpoint::Saving> begin_snapshot(const std::filesystem::path& run_directory,
                                                   const config::RunConfig& config,
                                                   const Trainer& trainer,
                                                   const std::vector<OwnedState>& values,
                                                   comm::Communicator& communicator);

/// Saves the trainer's state as RUN_DIR/checkpoint/step-<n>. Collective.
void save_snapshot(const std::filesystem::path& run_directory, const config::RunConfig& config,
                   Trainer& trainer, comm::Communicator& communicator);

/// Whether a multiple of `every` tokens (0: none) is reached in step `step`, from 1.
bool crosses(const config::RunConfig& config, std::int64_t every, std::int64_t step);

/// Whether checkpoint.every_tokens asks for a checkpoint after this step; after step 0 it always
/// does. Unlike checkpoints of stopped runs these are the same however often a run was stopped.
bool is_regular(const config::RunConfig& config, std::int64_t step);

/// The regular checkpoint that a spike in step `step` (from 1) goes back to.
std::int64_t rollback_target(const config::RunConfig& config, std::int64_t step);

/// Removes regular checkpoints beyond config.checkpoint.keep; those at config.checkpoint.at_tokens
/// stay, and with guard.on_spike = "rollback" the one to roll back to. The root alone calls it.
/// Throws what the file system says.
void prune_snapshots(const std::filesystem::path& run_directory, const config::RunConfig& config);

/// The newest complete checkpoint of a run directory, as the root sees it: on a network file system
/// ranks may disagree. Collective.
std::optional<std::filesystem::path> latest_snapshot(const std::filesystem::path& run_directory,
                                                     comm::Communicator& communicator);

/// Continues this very run from its own checkpoint. Collective. InputError when it is another
/// run's.
void resume_snapshot(const std::filesystem::path& checkpoint, const config::RunConfig& config,
                     Trainer& trainer, comm::Communicator& communicator);

struct Resumption {
  bool goes_on = false;              // there was a checkpoint
  std::vector<std::string> damaged;  // what was wrong with newer ones
};

/// Continues this very run from its newest checkpoint that is not damaged, if it has any; newer
/// ones are set aside. Collective. InputError when all are damaged.
Resumption resume_newest(const std::filesystem::path& run_directory,
                         const config::RunConfig& config, Trainer& trainer,
                         comm::Communicator& communicator);

/// Starts this run from a checkpoint of a run with the same trunk, taken while neither schedule had
/// begun to decay: the result has the bits of a run from the beginning. Collective. InputError when
/// that does not hold.
void branch_snapshot(const std::filesystem::path& checkpoint, const config::RunConfig& config,
                     Trainer& trainer, comm::Communicator& communicator);

/// What branch_snapshot() refuses, as far as it shows without reading the tensors.
void check_branch(const std::filesystem::path& checkpoint, const config::RunConfig& config);

}  // namespace isoflop::train
