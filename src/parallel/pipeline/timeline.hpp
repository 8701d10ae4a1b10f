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

}  // namespace isoflop::parallel
