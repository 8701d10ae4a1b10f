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

bool goes_forward(const Operation& operation) { return operation.pass == Pass::forward; }
bool goes_backward(const Operation& operation) {
  return operation.pass == Pass::backward || operation.pass == Pass::backward_input;
}

struct Arrival {
  std::size_t stage;  // that needs it
  std::size_t micro_batch;

  bool operator==(const Arrival&) const = default;
};

// What `rank` sends to a neighbour, or needs from one, in order: activations one way, gradients the
// other.
std::vector<Arrival> messages(const Schedule& schedule, std::size_t rank, bool forward, bool sent) {
  const PipelineShape& shape = schedule.shape;
  std::vector<Arrival> found;
  for (const Operation& operation : schedule.operations[rank]) {
    if (!(forward ? goes_forward(operation) : goes_backward(operation))) continue;
    const std::size_t stage = shape.stage(rank, operation.chunk);
    const bool at_start = stage == 0, at_end = stage + 1 == shape.stages();
    const bool none = sent == forward ? at_end : at_start;
    if (none) continue;
    const std::size_t user = !sent ? stage : forward ? stage + 1 : stage - 1;
    found.push_back({user, operation.micro_batch});
  }
  return found;
}

std::string problem_of_messages(const Schedule& schedule) {
  const std::size_t ranks = schedule.shape.ranks;
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    const std::size_t next = (rank + 1) % ranks;
    if (messages(schedule, rank, true, true) != messages(schedule, next, true, false))
      return fmt::format("rank {}: uses activations in another order than rank {} sends them", next,
                         rank);
    if (messages(schedule, next, false, true) != messages(schedule, rank, false, false))
      return fmt::format("rank {}: uses gradients in another order than rank {} sends them", rank,
                         next);
  }
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
  return problem_of_messages(schedule);
}

}  // namespace isoflop::parallel
