// Checks of a schedule, whoever made it.
#pragma once

#include <string>

#include "parallel/pipeline/schedule.hpp"

namespace isoflop::parallel {

/// Empty if the schedule is sound, else the first fault, with rank and pass:
///   every pass of every micro-batch and chunk runs exactly once;
///   forward, then input gradient, then weight gradient;
///   within a stage gradients are added in the order of micro-batches (the same bits for all);
///   no rank waits for ever, where sending never waits and receiving does;
///   a rank uses messages in the order in which they are sent;
///   activations in flight stay within most_in_flight().
std::string problem(const Schedule& schedule);

/// "forward of micro-batch 3, chunk 1"
std::string describe(const Operation& operation);

}  // namespace isoflop::parallel
