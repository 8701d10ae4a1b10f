#include "parallel/pipeline/verify.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "parallel/pipeline/timeline.hpp"

namespace isoflop::parallel {
namespace {

const char* name_of(Pass pass) {
  switch (pass) {
    case Pass::forward:
      return "forward";
    case Pass::backward:
      return "backward";
    case Pass::backward_input:
      return "backward-input";
    case Pass::backward_weight:
      break;
  }
  return "backward-weight";
}

// How far one micro-batch has come through one stage.
enum class Progress { nothing, forward, input_gradient, done };

struct Step {
  Progress from;
  Progress to;
};

Step step_of(Pass pass) {
  switch (pass) {
    case Pass::forward:
      return {Progress::nothing, Progress::forward};
    case Pass::backward:
      return {Progress::forward, Progress::done};
    case Pass::backward_input:
      return {Progress::forward, Progress::input_gradient};
    case Pass::backward_weight:
      break;
  }
  return {Progress::input_gradient, Progress::done};
}

// Walks through one rank's list.
std::string problem_of_rank(const PipelineShape& shape, const std::vector<Operation>& operations,
                            std::size_t rank) {
  std::vector<Progress> progress(shape.passes(), Progress::nothing);
  std::vector<std::size_t> next_gradient(shape.chunks, 0);
  std::size_t in_flight = 0;
  for (const Operation& operation : operations) {
    if (operation.chunk >= shape.chunks || operation.micro_batch >= shape.micro_batches)
      return fmt::format("rank {}: {} does not exist", rank, describe(operation));
    Progress& at = progress[operation.chunk * shape.micro_batches + operation.micro_batch];
    const Step step = step_of(operation.pass);
    if (at != step.from)
      return fmt::format("rank {}: {} runs twice or before what it needs", rank,
                         describe(operation));
    at = step.to;
    if (operation.pass == Pass::forward) ++in_flight;
    if (in_flight > most_in_flight(shape, rank))
      return fmt::format("rank {}: {} activations in flight, needed at most {}", rank, in_flight,
                         most_in_flight(shape, rank));
    if (at != Progress::done) continue;
    --in_flight;
    if (operation.micro_batch != next_gradient[operation.chunk]++)
      return fmt::format("rank {}: {} adds its gradient out of order", rank, describe(operation));
  }
  if (std::ranges::find_if(progress, [](Progress p) { return p != Progress::done; }) !=
      progress.end())
    return fmt::format("rank {}: a pass is missing", rank);
  return {};
}

}  // namespace

std::string describe(const Operation& operation) {
  return fmt::format("{} of micro-batch {}, chunk {}", name_of(operation.pass),
                     operation.micro_batch, operation.chunk);
}

std::string problem(const Schedule& schedule) {
  const PipelineShape& shape = schedule.shape;
  if (std::string trouble = problem(shape); !trouble.empty()) return trouble;
  if (schedule.operations.size() != shape.ranks)
    return fmt::format("seen operations of {} ranks, needed {}", schedule.operations.size(),
                       shape.ranks);
  for (std::size_t rank = 0; rank < shape.ranks; ++rank) {
    std::string trouble = problem_of_rank(shape, schedule.operations[rank], rank);
    if (!trouble.empty()) return trouble;
  }
  const Timeline timeline = simulate(schedule, equal_stages(shape, {}, 0.0));
  for (std::size_t rank = 0; rank < shape.ranks; ++rank) {
    const std::size_t done = timeline.ranks[rank].size();
    if (done < schedule.operations[rank].size())
      return fmt::format("rank {} waits for ever before {}", rank,
                         describe(schedule.operations[rank][done]));
  }
  return {};
}

}  // namespace isoflop::parallel
