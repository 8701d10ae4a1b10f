// The checkpoints of a run that trains: how its state gets to the disk, which of them stay, and the
// way back to one. All members but is_due() and seconds() are collective.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "comm/communicator.hpp"
#include "config/run_config.hpp"
#include "train/background_save.hpp"
#include "train/progress.hpp"
#include "train/trainer.hpp"

namespace isoflop::train {

class Checkpointing {
 public:
  /// Takes the memory for checkpoints that are written beside the training, if `config` wants
  /// those. `is_saved`: the state is that of a checkpoint in `run_directory`. All references must
  /// outlive the object.
  Checkpointing(const std::filesystem::path& run_directory, const config::RunConfig& config,
                Trainer& trainer, Progress& progress, comm::Communicator& communicator,
                bool is_saved);

  /// Whether `config` asks for one after this step.
  bool is_due(std::int64_t step) const;

  /// The state is a checkpoint when this returns; the ones before stay until prune(). Writes
  /// nothing where it is one already.
  void save();
  /// The same beside the training, unless `config` wants to wait; the save before is completed
  /// first.
  void save_beside();
  /// Completes the save under way once every rank has written.
  void poll();
  /// Waits for the save under way.
  void finish();
  /// Removes what `config` does not want to keep; what cannot be removed is said.
  void prune();

  /// From a spike in step `step` back to the regular checkpoint before it, which is returned; later
  /// ones go.
  std::int64_t roll_back(std::int64_t step);

  /// How long the training has stood still for all this.
  double seconds() const;

 private:
  static constexpr std::int64_t kNone = -1;

  void published();

  const std::filesystem::path& run_directory_;
  const config::RunConfig& config_;
  Trainer& trainer_;
  Progress& progress_;
  comm::Communicator& communicator_;
  std::unique_ptr<BackgroundSave> background_;  // empty: training waits for every checkpoint
  std::int64_t beside_step_ = kNone;            // of the last state that was written beside
  std::int64_t saved_step_;                     // whose state is a checkpoint
};

}  // namespace isoflop::train
