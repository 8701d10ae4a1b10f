#include "train/layout.hpp"

#include <algorithm>

#include "core/integers.hpp"
#include "kernels/api/optimizer.hpp"
#include "parallel/pipeline/stages.hpp"
#include "parallel/pipeline/timeline.hpp"
#include "train/sharding.hpp"

namespace isoflop::train {
namespace {

std::size_t size_of(std::int64_t value) { return static_cast<std::size_t>(value); }

// The layers of all stages of the model, in order.
std::vector<parallel::Extent> cut(const model::ModelConfig& model, std::size_t stages) {
  return parallel::even_cuts(model::layer_costs(model), stages);
}

std::size_t head_buffers(const Layout& layout, const model::ModelConfig& model) {
  const model::Stage& last = layout.stages.back();
  const std::size_t each = layout.micro_batches_a_virtual_rank;
  if (!last.head) return 0;
  if (model.tied && !last.embedding) return head_gradients_in_flight(layout.shape, each);
  if (!model.tied && layout.shape.kind != parallel::ScheduleKind::zero_bubble) return 0;
  const std::size_t waiting = most_waiting_for_weights(layout.operations, layout.stages.size() - 1);
  const std::size_t delay = waiting > 0 ? waiting - 1 : 0;  // micro-batches
  return 1 + ceil_div(delay, each);
}

// The rank of the world whose losses of a replica's micro-batches count.
std::size_t head_of(const parallel::Mesh& mesh, std::size_t replica) {
  return mesh.rank_of({.data = replica, .pipeline = mesh.pipeline - 1});
}

}  // namespace

Layout layout_of(const config::RunConfig& config, std::size_t ranks, std::size_t rank) {
  const auto& parallel = config.parallel;
  const std::size_t depth = size_of(parallel.pipeline);
  Layout layout{};
  const std::size_t tensor = size_of(parallel.tensor);
  layout.mesh = {.tensor = tensor, .data = ranks / (depth * tensor), .pipeline = depth};
  layout.rank = rank;
  layout.at = layout.mesh.coordinates_of(rank);
  layout.split = {tensor, layout.at.tensor};
  layout.dealing = dealing_of(config, layout.mesh.data);
  layout.micro_batches_a_virtual_rank =
      size_of(config.train.global_batch / config.train.micro_batch / parallel.virtual_ranks);
  layout.shape = {
      .kind = parallel.schedule,
      .ranks = depth,
      .micro_batches = layout.dealing.count(layout.at.data) * layout.micro_batches_a_virtual_rank,
      .chunks = size_of(parallel.chunks)};
  layout.operations = parallel::operations_of(layout.shape, layout.at.pipeline);
  const std::vector<parallel::Extent> all = cut(config.model, layout.shape.stages());
  for (std::size_t chunk = 0; chunk < layout.shape.chunks; ++chunk) {
    layout.layers.push_back(all[layout.shape.stage(layout.at.pipeline, chunk)]);
    layout.stages.push_back(model::stage_of(config.model, layout.layers.back()));
  }
  layout.head_buffers = head_buffers(layout, config.model);
  return layout;
}

std::vector<HeldRun> held_losses(const Layout& layout) {
  std::vector<HeldRun> row;
  for (std::size_t v = 0; v < layout.dealing.virtual_ranks; ++v)
    row.push_back(
        {head_of(layout.mesh, layout.dealing.owner(v)), layout.micro_batches_a_virtual_rank});
  return row;
}

std::vector<HeldRun> held_validation_losses(const Layout& layout, std::size_t micro_batches) {
  std::vector<HeldRun> row;
  for (std::size_t replica = 0; replica < layout.mesh.data; ++replica)
    row.push_back({head_of(layout.mesh, replica),
                   parallel::share(micro_batches, layout.mesh.data, replica).size()});
  return row;
}

std::vector<HeldRun> held_square_sums(const config::RunConfig& config, const Layout& layout,
                                      const model::ParameterTable& table) {
  std::vector<HeldRun> row;
  std::size_t stage = 0;
  for (const parallel::Extent& layers : cut(config.model, layout.shape.stages())) {
    const std::size_t elements =
        table.parts()[layers.end - 1].end - table.parts()[layers.begin].begin;
    row.push_back({stage++ % layout.shape.ranks, ceil_div(elements, kernels::kSumBlock)});
  }
  return row;
}

model::Room room_of(const config::RunConfig& config, const Layout& layout, std::size_t chunk) {
  return {.batch = size_of(config.train.micro_batch),
          .in_flight = most_in_flight(layout.operations, chunk),
          .put_off = most_waiting_for_weights(layout.operations, chunk),
          .recompute = config.parallel.recompute};
}

std::size_t Layout::micro_batch(std::size_t index) const {
  const std::size_t each = micro_batches_a_virtual_rank;
  return *dealing.virtual_rank(at.data, index / each) * each + index % each;
}

}  // namespace isoflop::train
