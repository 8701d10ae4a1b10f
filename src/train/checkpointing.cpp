#include "train/checkpointing.hpp"

#include <algorithm>

#include "checkpoint/directory.hpp"
#include "train/snapshot.hpp"

namespace isoflop::train {

using profile::Region;
using profile::Scope;

Checkpointing::Checkpointing(const std::filesystem::path& run_directory,
                             const config::RunConfig& config, Trainer& trainer, Progress& progress,
                             comm::Communicator& communicator, bool is_saved)
    : run_directory_(run_directory),
      config_(config),
      trainer_(trainer),
      progress_(progress),
      communicator_(communicator),
      saved_step_(is_saved ? trainer.step_count() : kNone) {
  if (config::writes_beside(config.checkpoint))
    background_ = std::make_unique<BackgroundSave>(run_directory, config, trainer, communicator);
}

bool Checkpointing::is_due(std::int64_t step) const {
  const auto& at = config_.checkpoint.at_tokens;
  return is_regular(config_, step) ||
         std::ranges::find(at, step * config_.tokens_per_step()) != at.end();
}

void Checkpointing::save() {
  finish();
  const std::int64_t step = trainer_.step_count();
  if (saved_step_ == step) return;
  const Scope scope(trainer_.profile(), Region::checkpoint);
  save_snapshot(run_directory_, config_, trainer_, communicator_);
  saved_step_ = step;
}

void Checkpointing::save_beside() {
  const Scope scope(trainer_.profile(), Region::checkpoint);
  if (background_) {
    finish();
    background_->start();
    beside_step_ = trainer_.step_count();
  } else {
    save();
    prune();
  }
}

void Checkpointing::poll() {
  const Scope scope(trainer_.profile(), Region::checkpoint);
  if (background_ && background_->poll()) published();
}

void Checkpointing::finish() {
  const Scope scope(trainer_.profile(), Region::checkpoint);
  if (background_ && background_->finish()) published();
}

void Checkpointing::published() {
  saved_step_ = beside_step_;
  prune();
}

void Checkpointing::prune() {
  if (!communicator_.is_root()) return;
  const Scope scope(trainer_.profile(), Region::checkpoint);
  progress_.or_warn("an old checkpoint cannot be removed",  // the state is safe
                    [&] { prune_snapshots(run_directory_, config_); });
}

std::int64_t Checkpointing::roll_back(std::int64_t step) {
  finish();
  const std::int64_t target = rollback_target(config_, step);
  const SpikeGuard at_spike = trainer_.guard();
  resume_snapshot(checkpoint::step_directory(run_directory_, target), config_, trainer_,
                  communicator_);
  trainer_.guard().rolled_back(at_spike, step, target);
  saved_step_ = kNone;  // the guard knows more than the checkpoint
  if (communicator_.is_root())
    checkpoint::prune(run_directory_, 0, [&](std::int64_t saved) { return saved <= target; });
  return target;
}

double Checkpointing::seconds() const { return trainer_.profile()[Region::checkpoint].seconds; }

}  // namespace isoflop::train
