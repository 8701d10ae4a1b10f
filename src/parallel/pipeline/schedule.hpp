// Pipeline schedules as plain data: which pass of which micro-batch a rank runs, in what order.
//
// A model is cut into ranks x chunks stages; rank r holds the stages r, r + ranks, r + 2 ranks, ...
// Messages are implied: a forward pass needs the activations of the same micro-batch from the stage
// before, a backward pass the gradient from the stage after. Sending never waits, receiving does.
//
//   gpipe        all forward passes, then all backward passes (Huang et al. 2019; there the last
//                micro-batch comes back first)
//   1f1b         forward and backward passes in turn, so that few activations wait (Narayanan et
//                al. 2019, PipeDream-Flush)
//   interleaved  1f1b over `chunks` stages a rank (Narayanan et al. 2021, section 2.2)
//   zero-bubble  1f1b whose weight gradients are put off to where a rank would be idle (Qi et al.
//                2023, ZB-H1)
//
// Within a stage every schedule adds gradients in the order of micro-batches, so that all of them
// give the same bits.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace isoflop::parallel {

enum class ScheduleKind { gpipe, one_forward_one_backward, interleaved, zero_bubble };

/// Their names on the command line and in run.toml, in the order of the enumerators.
inline constexpr std::array kScheduleNames = {"gpipe", "1f1b", "interleaved", "zero-bubble"};

inline const char* name_of(ScheduleKind kind) {
  return kScheduleNames[static_cast<std::size_t>(kind)];
}

/// Stages a rank of a pipeline where nobody says how many: one is no interleaving.
inline std::size_t default_chunks(ScheduleKind kind) {
  return kind == ScheduleKind::interleaved ? 2 : 1;
}

/// backward is backward_input and backward_weight in one; zero-bubble runs them apart.
enum class Pass { forward, backward, backward_input, backward_weight };

struct Operation {
  Pass pass;
  std::size_t chunk;  // of the rank: stage chunk * ranks + rank
  std::size_t micro_batch;

  bool operator==(const Operation&) const = default;
};

struct PipelineShape {
  ScheduleKind kind = ScheduleKind::one_forward_one_backward;
  std::size_t ranks = 1;          // pp
  std::size_t micro_batches = 1;  // m
  std::size_t chunks = 1;         // v, stages a rank; 1 unless interleaved

  std::size_t stages() const { return ranks * chunks; }
  std::size_t stage(std::size_t rank, std::size_t chunk) const { return chunk * ranks + rank; }
  std::size_t passes() const { return micro_batches * chunks; }  // forward passes a rank
};

/// Empty if the shape can be scheduled, else what is wrong.
std::string problem(const PipelineShape& shape);

struct Schedule {
  PipelineShape shape;
  std::vector<std::vector<Operation>> operations;  // [rank], in the order they run
};

Schedule make_schedule(const PipelineShape& shape);

/// One rank's part of it.
std::vector<Operation> operations_of(const PipelineShape& shape, std::size_t rank);

/// The most activations that `rank` holds at a time, in micro-batches of one stage: from the
/// forward pass to the end of the pass that uses them last.
std::size_t most_in_flight(const PipelineShape& shape, std::size_t rank);

/// The same of one chunk, counted in a rank's list.
std::size_t most_in_flight(const std::vector<Operation>& operations, std::size_t chunk);

/// Of those, the most whose weight gradients are put off: their input gradients are done.
std::size_t most_waiting_for_weights(const std::vector<Operation>& operations, std::size_t chunk);

/// Time of the passes of one micro-batch through all stages of a rank, in any one unit.
struct PassTimes {
  double forward = 1.0;
  double backward_input = 1.0;
  double backward_weight = 1.0;

  double total() const { return forward + backward_input + backward_weight; }
};

/// Idle share of the time of equal ranks, messages taking none. Nothing where it has no formula:
/// with several chunks or zero-bubble for fewer micro-batches than ranks, and with zero-bubble
/// where weight gradients take longer than those of inputs.
std::optional<double> bubble_formula(const PipelineShape& shape, const PassTimes& times);

}  // namespace isoflop::parallel
