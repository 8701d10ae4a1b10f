#include "model/stage.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "model/cost.hpp"

namespace isoflop::model {

Stage whole_model(const ModelConfig& config) { return {{0, config.layers}, true, true}; }

Stage stage_of(const ModelConfig& config, const parallel::Extent& layers) {
  ISOFLOP_EXPECT(layers.begin < layers.end && layers.end <= config.layers + 2);
  const auto block = [&](std::size_t layer) {
    return std::min(layer == 0 ? 0 : layer - 1, config.layers);
  };
  return {
      {block(layers.begin), block(layers.end)}, layers.begin == 0, layers.end == config.layers + 2};
}

parallel::Extent elements_of(const ParameterTable& table, const Stage& stage) {
  const auto start = [&](std::size_t block) {
    return table.parts()[ParameterTable::part_of_block(block)].begin;
  };
  return {stage.embedding ? 0 : start(stage.blocks.begin),
          stage.head ? table.buffer_size() : start(stage.blocks.end)};
}

std::vector<double> layer_costs(const ModelConfig& config) {
  const double head = head_flops_per_token(config);
  const double block = (flops_per_token_exact(config) - head) / static_cast<double>(config.layers);
  std::vector<double> costs(config.layers + 2, block);
  costs.front() = 0.0;
  costs.back() = head;
  return costs;
}

}  // namespace isoflop::model
