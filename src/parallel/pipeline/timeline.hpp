// When each pass of a schedule would run, given what passes and messages take.
#pragma once

#include <vector>

#include "parallel/pipeline/schedule.hpp"

namespace isoflop::parallel {

/// Seconds, or any other unit.
struct StageTimes {
  std::vector<PassTimes> stages;  // [stage], of one micro-batch
  double message = 0.0;           // from one rank to another
};

/// Every stage takes an equal share of what a rank takes.
StageTimes equal_stages(const PipelineShape& shape, const PassTimes& rank, double message);

struct Span {
  Operation operation;
  double begin;
  double end;
};

struct Timeline {
  std::vector<std::vector<Span>> ranks;  // [rank], in order; shorter than the schedule on a rank
                                         // that waits for ever
  double makespan() const;

  /// Idle share of one rank's time, or of all ranks'.
  double idle(std::size_t rank) const;
  double bubble() const;
};

/// Sending never waits; a pass begins when the rank is free and its message is there.
Timeline simulate(const Schedule& schedule, const StageTimes& times);

/// Idle share where all stages and passes take the same time, and messages none.
double bubble_of_equal_stages(const PipelineShape& shape);

/// With a tied embedding, the last stage sends the head's gradient to the first once a virtual rank
/// of `micro_batches` micro-batches, and the first adds it when it is done with them. How many such
/// gradients the last stage must be able to hold so that it never waits for the first.
std::size_t head_gradients_in_flight(const PipelineShape& shape, std::size_t micro_batches);

}  // namespace isoflop::parallel
