// The forward and backward passes of a step on one rank, whatever part of the model it holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "parallel/layout/virtual_ranks.hpp"
#include "parallel/pipeline/schedule.hpp"

namespace isoflop::train {

/// Collective over the ranks that work together: they call the same functions in the same order.
class Passes {
 public:
  virtual ~Passes() = default;

  /// Adds the gradients of this rank's micro-batches of global batch `batch` (from 0) to its parts
  /// and completes the parts. A rank with the head writes the sums of its losses (nats) to losses
  /// [virtual rank x micro-batch].
  virtual void train(std::int64_t batch, std::span<double> losses) = 0;

  /// Forward passes over this rank's validation micro-batches; a rank with the head writes the sums
  /// of their losses to losses [validation micro-batch]. False as soon as `stop`, which all ranks
  /// ask equally often, says so.
  virtual bool evaluate(std::span<double> losses, const std::function<bool()>& stop) = 0;

  /// Runs the forward passes of this rank's micro-batches of global batch `batch` once more: the
  /// place of the first activation that is no number (model::Transformer::first_non_finite).
  virtual std::size_t first_non_finite(std::int64_t batch) = 0;
  /// The same of its validation micro-batches.
  virtual std::size_t first_non_finite_of_validation() = 0;
  virtual std::string name_of_output(std::size_t place) const = 0;

  /// The parts' weights have changed.
  virtual void weights_changed() = 0;

  /// Seconds of the forward pass of one micro-batch through this rank's layers.
  virtual double time_forward() = 0;

  /// Processor seconds of this rank's passes over a micro-batch (PassClock::take_means), by chunk;
  /// empty without a pipeline.
  virtual std::vector<parallel::PassTimes> take_pass_seconds() { return {}; }
};

}  // namespace isoflop::train
