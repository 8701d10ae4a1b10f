// A stage: a run of neighbouring layers that one rank of a pipeline holds. The whole model is one
// too.
//
// The layers in a row are the embedding, the blocks, and the head with the final norm: layers + 2
// of them. A stage's tensors are one range of the flat buffer, in whole blocks of
// kernels::kSumBlock elements, so that sums of squares per block know no stages.
#pragma once

#include <vector>

#include "model/config.hpp"
#include "model/parameters.hpp"
#include "parallel/layout/virtual_ranks.hpp"

namespace isoflop::model {

struct Stage {
  parallel::Extent blocks;
  bool embedding = true;
  bool head = true;

  bool operator==(const Stage&) const = default;
};

Stage whole_model(const ModelConfig& config);

/// The stage of layers [begin, end) of the row above, at least one.
Stage stage_of(const ModelConfig& config, const parallel::Extent& layers);

/// Elements of the flat buffer that hold the stage's tensors. A tied head's weights are the token
/// embedding: they belong to the stage with the embedding.
parallel::Extent elements_of(const ParameterTable& table, const Stage& stage);

/// Training FLOP a token of each layer in the row (model/cost.hpp): what stages are cut by.
std::vector<double> layer_costs(const ModelConfig& config);

}  // namespace isoflop::model
