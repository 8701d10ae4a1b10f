#include "train/background_save.hpp"

#include <algorithm>

#include "train/snapshot.hpp"

namespace isoflop::train {
namespace {

constexpr std::size_t kKinds = 3;

std::size_t count_of(const std::vector<OwnedState>& states) {
  std::size_t count = 0;
  for (const OwnedState& state : states) count += state.elements.size();
  return count;
}

/// Copies to `to` and points there; returns what lies behind the copy.
float* move_copy(float*& values, std::size_t count, float* to) {
  std::copy_n(values, count, to);
  values = to;
  return to + count;
}

}  // namespace

BackgroundSave::BackgroundSave(const std::filesystem::path& run_directory,
                               const config::RunConfig& config, Trainer& trainer,
                               comm::Communicator& communicator)
    : run_directory_(run_directory),
      config_(config),
      trainer_(trainer),
      communicator_(communicator),
      copy_(kKinds * count_of(trainer.saved_state())) {}

void BackgroundSave::start() {
  std::vector<OwnedState> copied = trainer_.saved_state();
  float* to = copy_.data();
  for (OwnedState& state : copied)
    for (float** values : {&state.parameters, &state.first_moment, &state.second_moment})
      to = move_copy(*values, state.elements.size(), to);
  saving_ = begin_snapshot(run_directory_, config_, trainer_, copied, communicator_);
}

bool BackgroundSave::poll() {
  if (!saving_) return false;
  if (communicator_.maximum(saving_->written() ? 0 : 1) != 0) return false;
  return finish();
}

bool BackgroundSave::finish() {
  if (!saving_) return false;
  const std::unique_ptr<checkpoint::Saving> saving = std::move(saving_);
  saving->publish();
  return true;
}

}  // namespace isoflop::train
