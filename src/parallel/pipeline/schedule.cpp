#include "parallel/pipeline/schedule.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "parallel/layout/virtual_ranks.hpp"

namespace isoflop::parallel {
namespace {

// Interleaved runs groups of micro-batches through one chunk after the other. A group of at least
// `ranks` fills the pipeline: a smaller one would wait for its own first micro-batch to come round.
std::size_t groups(const PipelineShape& shape) {
  return std::max<std::size_t>(1, shape.micro_batches / shape.ranks);
}

// (chunk, micro-batch) of a rank's passes in order; backward passes take the chunks from the last
// to the first.
std::vector<Operation> pass_order(const PipelineShape& shape, Pass pass) {
  std::vector<Operation> order;
  order.reserve(shape.passes());
  for (std::size_t group = 0; group < groups(shape); ++group) {
    const Extent members = share(shape.micro_batches, groups(shape), group);
    for (std::size_t i = 0; i < shape.chunks; ++i) {
      const std::size_t chunk = pass == Pass::forward ? i : shape.chunks - 1 - i;
      for (std::size_t m = members.begin; m < members.end; ++m) order.push_back({pass, chunk, m});
    }
  }
  return order;
}

// Forward passes before the first backward pass can begin, less the one that comes with it. With
// chunks, the first group must have come to the last chunk, and two passes a hop keep the hops of
// both directions filled.
std::size_t warm_up_passes(const PipelineShape& shape, std::size_t rank) {
  const std::size_t hops = shape.ranks - 1 - rank;
  const std::size_t largest_group = share(shape.micro_batches, groups(shape), 0).size();
  switch (shape.kind) {
    case ScheduleKind::gpipe:
      return shape.passes();
    case ScheduleKind::interleaved:
      if (shape.chunks == 1) break;
      return std::min(2 * hops + (shape.chunks - 1) * largest_group, shape.passes());
    case ScheduleKind::one_forward_one_backward:
    case ScheduleKind::zero_bubble:
      break;
  }
  return std::min(hops, shape.passes());
}

// A late rank waits longest at the end for its neighbours, so it keeps that many weight gradients.
std::size_t weight_delay(const PipelineShape& shape, std::size_t rank) {
  return shape.kind == ScheduleKind::zero_bubble ? rank : 0;
}

}  // namespace

std::string problem(const PipelineShape& shape) {
  if (shape.ranks == 0 || shape.micro_batches == 0 || shape.chunks == 0)
    return fmt::format("seen {} ranks, {} micro-batches, {} chunks; needed at least 1 of each",
                       shape.ranks, shape.micro_batches, shape.chunks);
  if (shape.kind != ScheduleKind::interleaved && shape.chunks != 1)
    return fmt::format("seen {} chunks with schedule {}; needed 1, or schedule interleaved",
                       shape.chunks, name_of(shape.kind));
  return {};
}

std::vector<Operation> operations_of(const PipelineShape& shape, std::size_t rank) {
  const bool split = shape.kind == ScheduleKind::zero_bubble;
  const std::vector<Operation> forwards = pass_order(shape, Pass::forward);
  const std::vector<Operation> backwards =
      pass_order(shape, split ? Pass::backward_input : Pass::backward);
  const std::vector<Operation> weights = pass_order(shape, Pass::backward_weight);
  const std::size_t total = shape.passes();
  const std::size_t warm_up = warm_up_passes(shape, rank);
  const std::size_t delay = weight_delay(shape, rank);
  std::vector<Operation> operations;
  operations.reserve((split ? 3 : 2) * total);
  for (std::size_t i = 0; i < warm_up; ++i) operations.push_back(forwards[i]);
  for (std::size_t i = 0; i < total; ++i) {
    if (warm_up + i < total) operations.push_back(forwards[warm_up + i]);
    operations.push_back(backwards[i]);
    if (split && i >= delay) operations.push_back(weights[i - delay]);
  }
  if (split)
    for (std::size_t i = total - std::min(delay, total); i < total; ++i)
      operations.push_back(weights[i]);
  return operations;
}

Schedule make_schedule(const PipelineShape& shape) {
  Schedule schedule{shape, {}};
  for (std::size_t rank = 0; rank < shape.ranks; ++rank)
    schedule.operations.push_back(operations_of(shape, rank));
  return schedule;
}

std::size_t most_in_flight(const PipelineShape& shape, std::size_t rank) {
  return std::min(warm_up_passes(shape, rank) + 1 + weight_delay(shape, rank), shape.passes());
}

std::size_t most_in_flight(const std::vector<Operation>& operations, std::size_t chunk) {
  std::size_t now = 0, most = 0;
  for (const Operation& operation : operations) {
    if (operation.chunk != chunk) continue;
    if (operation.pass == Pass::forward) most = std::max(most, ++now);
    if (operation.pass == Pass::backward || operation.pass == Pass::backward_weight) --now;
  }
  return most;
}

std::size_t most_waiting_for_weights(const std::vector<Operation>& operations, std::size_t chunk) {
  std::size_t now = 0, most = 0;
  for (const Operation& operation : operations) {
    if (operation.chunk != chunk) continue;
    if (operation.pass == Pass::backward_input) most = std::max(most, ++now);
    if (operation.pass == Pass::backward_weight) --now;
  }
  return most;
}

std::optional<double> bubble_formula(const PipelineShape& shape, const PassTimes& times) {
  const bool split = shape.kind == ScheduleKind::zero_bubble;
  if ((split || shape.chunks > 1) && shape.micro_batches < shape.ranks) return std::nullopt;
  if (split && times.backward_weight > times.backward_input) return std::nullopt;
  double each = times.total() / static_cast<double>(shape.chunks);  // idle time a hop
  if (split) each = times.forward + times.backward_input - times.backward_weight;
  const double idle = static_cast<double>(shape.ranks - 1) * each;
  return idle / (static_cast<double>(shape.micro_batches) * times.total() + idle);
}

}  // namespace isoflop::parallel
