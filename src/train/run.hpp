// One run from configuration to finished mark: directory, record, checkpoints, progress,
// resumption, signals.
#pragma once

#include <filesystem>
#include <string>

#include "comm/communicator.hpp"
#include "config/run_config.hpp"

namespace isoflop::train {

struct RunOptions {
  config::RunConfig config;    // as read, not resolved
  std::filesystem::path file;  // where it was read, for messages
  std::filesystem::path out;   // run directory; empty: runs/<id>
  std::filesystem::path
      branch_from;    // a checkpoint of the same trunk to start from; empty: from nothing
  std::string label;  // for people, recorded
};

enum class RunEnd { finished, was_finished, stopped };

/// Trains the run, or goes on with it. Collective over `communicator`. Throws InputError for what
/// cannot be trained and CheckFailed when the run diverges (then the directory has its `failed`
/// mark).
RunEnd run(const RunOptions& options, comm::Communicator& communicator);

}  // namespace isoflop::train
