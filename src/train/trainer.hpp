// The state of a run in memory, and one step of it. Composes model, data, optimizer and reductions;
// no maths of its own.
//
// Collective: every rank of the communicator makes a Trainer of the same configuration and calls
// the same functions in the same order. Results have the same bits on any number of ranks.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "config/run_config.hpp"
#include "data/token_source.hpp"
#include "model/parameters.hpp"
#include "parallel/layout/virtual_ranks.hpp"
#include "parallel/pipeline/schedule.hpp"
#include "profile/profile.hpp"
#include "train/spike_guard.hpp"

namespace isoflop::train {

struct StepResult {
  std::int64_t step;  // 1 for the first
  double loss;        // nats/token, mean over the global batch, before the update
  double learning_rate;
  double gradient_norm;        // of the mean gradient, before clipping
  std::optional<Spike> spike;  // then a guard that acts did not update the weights
};

/// What a checkpoint holds beside scalars: an fp32 slice of the flat buffer that this rank owns.
struct OwnedState {
  parallel::Extent elements;
  float* parameters = nullptr;
  float* first_moment = nullptr;
  float* second_moment = nullptr;
};

class Trainer {
 public:
  explicit Trainer(const config::GuardConfig& guard) : guard_(guard) {}
  virtual ~Trainer() = default;

  /// Steps done so far.
  std::int64_t step_count() const { return step_; }

  /// The next step. Throws CheckFailed when the loss or the gradient is not finite, naming step and
  /// tensor, unless a guard that acts takes it for a spike; the weights are then those before the
  /// step.
  virtual StepResult step() = 0;

  /// Mean loss (nats/token) over the whole validation split; nothing, on all ranks, once `stop` was
  /// true on one of them, which each asks before every few batches. Throws CheckFailed when the
  /// loss is not finite, naming the last step and the tensor.
  virtual std::optional<double> evaluate(const std::function<bool()>& stop) = 0;
  double evaluate() {
    return *evaluate([] { return false; });
  }

  /// Seconds that the forward pass over one micro-batch takes through this rank's layers, for
  /// predictions; changes nothing.
  virtual double time_forward() = 0;

  /// Mean processor seconds of this rank's passes over a micro-batch since the last call, by stage
  /// that it holds (PassClock::take_means); empty without a pipeline.
  virtual std::vector<parallel::PassTimes> take_pass_seconds() = 0;

  virtual const model::ParameterTable& table() const = 0;
  /// By elements of the whole model, also where a rank has pieces of its tensors.
  virtual std::vector<OwnedState> owned_state() = 0;

  /// The same elements over all ranks, dealt in long slices: what checkpoints write. Read-only, and
  /// gone with the next call or step. Collective.
  virtual std::vector<OwnedState> saved_state() = 0;

  /// After owned_state() was overwritten with the state of step `step`: makes it current.
  /// Collective.
  virtual void restore(std::int64_t step) = 0;

  /// What judges the steps; checkpoints keep its state.
  SpikeGuard& guard() { return guard_; }
  const SpikeGuard& guard() const { return guard_; }

  profile::Profile& profile() { return profile_; }
  const profile::Profile& profile() const { return profile_; }

 protected:
  profile::Profile profile_;
  std::int64_t step_ = 0;
  SpikeGuard guard_;
};

/// A trainer at step 0, weights initialised from the seed. `config` is resolved; all references
/// must outlive the trainer. One at a time on a world, whose while_waiting() is the trainer's: once
/// another is made or ends there, a trainer may only end.
std::unique_ptr<Trainer> make_trainer(const config::RunConfig& config,
                                      const data::TokenSource& source,
                                      comm::Communicator& communicator);

}  // namespace isoflop::train
