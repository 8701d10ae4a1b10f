#include "parallel/pipeline/timeline.hpp"

#include <algorithm>
#include <limits>

namespace isoflop::parallel {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

double duration(const PassTimes& times, Pass pass) {
  switch (pass) {
    case Pass::forward:
      return times.forward;
    case Pass::backward:
      return times.backward_input + times.backward_weight;
    case Pass::backward_input:
      return times.backward_input;
    case Pass::backward_weight:
      break;
  }
  return times.backward_weight;
}

// The last stage may run this many micro-batches ahead of the first stage's gradients.
struct Lead {
  std::size_t every = 0;  // micro-batches; 0: any lead will do
  std::size_t buffers = 0;
};

// Plays a schedule: when each stage's result leaves it, and which rank has come how far.
class Player {
 public:
  Player(const Schedule& schedule, const StageTimes& times, const Lead& lead)
      : shape_(schedule.shape),
        times_(times),
        lead_(lead),
        forward_(shape_.stages() * shape_.micro_batches, kNever),
        backward_(forward_),
        complete_(shape_.micro_batches, kNever) {}

  double ready(std::size_t stage, const Operation& operation) const {
    return std::max(message(stage, operation), room(stage, operation));
  }

  Span run(std::size_t stage, const Operation& operation, double begin) {
    const double end = begin + duration(times_.stages[stage], operation.pass);
    const bool all = operation.pass == Pass::backward || operation.pass == Pass::backward_weight;
    if (operation.pass == Pass::forward) forward_[index(stage, operation)] = end;
    if (operation.pass == Pass::backward || operation.pass == Pass::backward_input)
      backward_[index(stage, operation)] = end;
    if (all && stage == 0) complete_[operation.micro_batch] = end;
    return {operation, begin, end};
  }

 private:
  double message(std::size_t stage, const Operation& operation) const {
    switch (operation.pass) {
      case Pass::forward:
        return stage == 0 ? 0.0 : forward_[index(stage - 1, operation)] + hop();
      case Pass::backward:
      case Pass::backward_input:
        if (stage + 1 == shape_.stages()) return forward_[index(stage, operation)];
        return backward_[index(stage + 1, operation)] + hop();
      case Pass::backward_weight:
        break;
    }
    return backward_[index(stage, operation)];
  }

  // When a buffer of the head's gradient is free again.
  double room(std::size_t stage, const Operation& operation) const {
    const bool opens =
        lead_.every > 0 && stage + 1 == shape_.stages() &&
        (operation.pass == Pass::backward || operation.pass == Pass::backward_input) &&
        operation.micro_batch % lead_.every == 0;
    if (!opens || operation.micro_batch < lead_.buffers * lead_.every) return 0.0;
    return complete_[operation.micro_batch - (lead_.buffers - 1) * lead_.every - 1];
  }

  std::size_t index(std::size_t stage, const Operation& operation) const {
    return stage * shape_.micro_batches + operation.micro_batch;
  }
  double hop() const { return shape_.ranks > 1 ? times_.message : 0.0; }

  const PipelineShape& shape_;
  const StageTimes& times_;
  Lead lead_;
  std::vector<double> forward_;   // [stage, micro-batch] end of the pass
  std::vector<double> backward_;  // of the input gradient
  std::vector<double> complete_;  // [micro-batch] end of all gradients of the first stage
};

Timeline play(const Schedule& schedule, const StageTimes& times, const Lead& lead) {
  const PipelineShape& shape = schedule.shape;
  Player player(schedule, times, lead);
  Timeline timeline{std::vector<std::vector<Span>>(shape.ranks)};
  for (bool moved = true; moved;) {
    moved = false;
    for (std::size_t rank = 0; rank < shape.ranks; ++rank) {
      auto& spans = timeline.ranks[rank];
      while (spans.size() < schedule.operations[rank].size()) {
        const Operation& next = schedule.operations[rank][spans.size()];
        const std::size_t stage = shape.stage(rank, next.chunk);
        const double ready = player.ready(stage, next);
        if (ready == kNever) break;
        const double free = spans.empty() ? 0.0 : spans.back().end;
        spans.push_back(player.run(stage, next, std::max(ready, free)));
        moved = true;
      }
    }
  }
  return timeline;
}

bool is_complete(const Schedule& schedule, const Timeline& timeline) {
  for (std::size_t rank = 0; rank < timeline.ranks.size(); ++rank)
    if (timeline.ranks[rank].size() < schedule.operations[rank].size()) return false;
  return true;
}

}  // namespace

StageTimes equal_stages(const PipelineShape& shape, const PassTimes& rank, double message) {
  const auto chunks = static_cast<double>(shape.chunks);
  return {
      std::vector<PassTimes>(shape.stages(), {rank.forward / chunks, rank.backward_input / chunks,
                                              rank.backward_weight / chunks}),
      message};
}

double Timeline::makespan() const {
  double last = 0.0;
  for (const auto& spans : ranks)
    if (!spans.empty()) last = std::max(last, spans.back().end);
  return last;
}

double Timeline::idle(std::size_t rank) const {
  double busy = 0.0;
  for (const Span& span : ranks[rank]) busy += span.end - span.begin;
  return 1.0 - busy / makespan();
}

double Timeline::bubble() const {
  double total = 0.0;
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) total += idle(rank);
  return total / static_cast<double>(ranks.size());
}

Timeline simulate(const Schedule& schedule, const StageTimes& times) {
  return play(schedule, times, {});
}

double bubble_of_equal_stages(const PipelineShape& shape) {
  return simulate(make_schedule(shape), equal_stages(shape, {}, 0.0)).bubble();
}

std::size_t head_gradients_in_flight(const PipelineShape& shape, std::size_t micro_batches) {
  const Schedule schedule = make_schedule(shape);
  const StageTimes times = equal_stages(shape, {}, 0.0);
  const double unhindered = simulate(schedule, times).makespan();
  std::size_t buffers = 1;
  for (;; ++buffers) {
    const Timeline timeline = play(schedule, times, {micro_batches, buffers});
    if (is_complete(schedule, timeline) && timeline.makespan() <= unhindered * (1.0 + 1e-9)) break;
  }
  return buffers;
}

}  // namespace isoflop::parallel
