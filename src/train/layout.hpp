// What a rank does of a run: its place in the mesh, its virtual ranks, its stages. Pure arithmetic.
#pragma once

#include <cstddef>
#include <vector>

#include "comm/communicator.hpp"
#include "config/run_config.hpp"
#include "model/activations.hpp"
#include "model/split.hpp"
#include "model/stage.hpp"
#include "parallel/layout/dealing.hpp"
#include "parallel/layout/mesh.hpp"
#include "parallel/layout/virtual_ranks.hpp"
#include "parallel/pipeline/schedule.hpp"
#include "train/ordered_sum.hpp"

namespace isoflop::train {

struct Layout {
  parallel::Mesh mesh;
  std::size_t rank;
  parallel::Coordinates at;
  model::Split split;         // of the model, across the tensor-parallel ranks
  parallel::Dealing dealing;  // of virtual ranks to replicas
  std::size_t micro_batches_a_virtual_rank;
  parallel::PipelineShape shape;                // of one step of this replica
  std::vector<parallel::Operation> operations;  // of this rank
  std::vector<parallel::Extent> layers;         // [chunk] of this rank, parts of the table
  std::vector<model::Stage> stages;             // [chunk] the same
  // Buffers that the gradient of the output head needs on the rank that has it: one a virtual rank
  // whose sum is not complete or not yet added to the rest. 0 where it goes straight to its place.
  std::size_t head_buffers;

  /// Where in the global batch this replica's micro-batch lies, by its number in the step.
  std::size_t micro_batch(std::size_t index) const;

  /// Virtual ranks of this replica.
  std::size_t turns() const { return shape.micro_batches / micro_batches_a_virtual_rank; }
};

/// Rank `rank` of `ranks`, which check_ranks() has accepted. `config` is resolved.
Layout layout_of(const config::RunConfig& config, std::size_t ranks, std::size_t rank);
/// This rank's.
inline Layout layout_of(const config::RunConfig& config, const comm::Communicator& world) {
  return layout_of(config, static_cast<std::size_t>(world.size()),
                   static_cast<std::size_t>(world.rank()));
}

// Which ranks hold what is summed over all of them, in order. Of tensor-parallel ranks, which have
// the same losses, the first counts.

/// Sums of the losses of a global batch's micro-batches, by rank of the world.
std::vector<HeldRun> held_losses(const Layout& layout);
/// Those of `micro_batches` validation micro-batches.
std::vector<HeldRun> held_validation_losses(const Layout& layout, std::size_t micro_batches);
/// Sums of squares of the gradient by block of kernels::kSumBlock elements of the flat buffer, by
/// rank of the pipeline.
std::vector<HeldRun> held_square_sums(const config::RunConfig& config, const Layout& layout,
                                      const model::ParameterTable& table);

/// What chunk `chunk` of the rank must be able to keep.
model::Room room_of(const config::RunConfig& config, const Layout& layout, std::size_t chunk);

}  // namespace isoflop::train
