// Tells steps whose loss or gradient norm lies far above those of the steps before: spikes.
//
//   z = (value - mean) / deviation      over the last guard.window steps that were no spikes
//
// A step is a spike when z > guard.z_score for its loss or its norm; nothing is judged before the
// window is full. Deviations count as a millionth of the mean at least: values that are equal but
// for rounding are no measure of what is far. A loss or a norm that is no number is a spike of any
// window while all weights are numbers. Pure arithmetic in a fixed order on values that all ranks
// have: every rank of every layout decides alike. The guard's state goes into checkpoints, so that
// a run that was stopped decides as one that was not.
//
// With guard.on_spike = "nothing" spikes are told all the same, which costs a microsecond a step.
// The run trains on them, so they enter the window like any other step: one rise to stay is told
// for the first steps that have it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/state.hpp"
#include "config/run_config.hpp"

namespace isoflop::train {

struct Spike {
  std::string quantity;  // "loss" or "gradient norm"
  double value;
  double z_score;          // infinite where the value is no number
  std::string tensor;      // then the first one with such a value; else empty
  std::uint64_t sequence;  // the first of the global batch, in the order of training
};

class SpikeGuard {
 public:
  explicit SpikeGuard(const config::GuardConfig& config) : config_(config) {}

  /// Whether a spike changes what the run does.
  bool acts() const { return config_.on_spike != config::OnSpike::nothing; }

  /// Judges a step: a spike without its place, or none; values that the run trains on enter the
  /// window. Throws CheckFailed, naming the step, for one spike too many that it acts on: bad data
  /// makes no such rows of them.
  std::optional<Spike> judge(std::int64_t step, double loss, double norm);

  /// Batches of data that were passed over so far: step s (from 0) trains on batch s + skipped.
  std::int64_t skipped_batches() const { return skipped_batches_; }

  /// This is the guard of the checkpoint `target`, to which the run has gone back from `step` (both
  /// from 1): data up to that of `step` is not seen again.
  void rolled_back(const SpikeGuard& at_spike, std::int64_t step, std::int64_t target);

  /// A checkpoint to roll back to has been saved: what follows is a new row of spikes.
  void passed_checkpoint();

  /// What a checkpoint keeps of the guard.
  hdf5::Attributes state() const;
  /// Throws InputError, naming `where`, when `scalars` lack it and the guard acts. One that does
  /// not may have another window than that of the checkpoint.
  void restore(const hdf5::Attributes& scalars, const std::string& where);

 private:
  std::optional<Spike> worst(double loss, double norm) const;
  void add(std::vector<double>& window, double value) const;
  std::vector<double> newest(const std::vector<double>& values) const;

  config::GuardConfig config_;
  std::vector<double> losses_, norms_;  // oldest first
  std::int64_t in_a_row_ = 0;           // spikes
  std::int64_t skipped_batches_ = 0;
};

}  // namespace isoflop::train
