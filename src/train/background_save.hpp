// Checkpoints that are written while the training goes on: start() copies the state and returns,
// a thread writes the copy, and a later step makes it a checkpoint; what is not published when the
// object ends is none. All members but the destructor are collective.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "checkpoint/save.hpp"
#include "comm/communicator.hpp"
#include "config/run_config.hpp"
#include "train/trainer.hpp"

namespace isoflop::train {

class BackgroundSave {
 public:
  /// Takes the memory for the copy, 12 bytes an owned parameter. All references must outlive it.
  /// Collective.
  BackgroundSave(const std::filesystem::path& run_directory, const config::RunConfig& config,
                 Trainer& trainer, comm::Communicator& communicator);
  BackgroundSave(const BackgroundSave&) = delete;
  BackgroundSave& operator=(const BackgroundSave&) = delete;

  /// No save is under way: finish() or poll() has published the one before.
  void start();
  /// Publishes the save under way once every rank has written; true when it did so now.
  bool poll();
  /// Waits for the save under way and publishes it; true when there was one.
  bool finish();

 private:
  const std::filesystem::path& run_directory_;
  const config::RunConfig& config_;
  Trainer& trainer_;
  comm::Communicator& communicator_;
  std::vector<float> copy_;                     // parameters, first and second moments
  std::unique_ptr<checkpoint::Saving> saving_;  // of copy_
};

}  // namespace isoflop::train
