// How a model's layers are cut across tensor-parallel ranks (Shoeybi et al. 2019; Narayanan et al.
// 2021), and its rows of tokens (Korthikanti et al. 2022): pure arithmetic.
//
//   rank r of t has     of
//   H / t, K / t        query heads, key and value heads, one run of neighbours
//   F / t               inner features of the feed-forward (gates and values alike)
//   ceil(V / t)         tokens of the vocabulary, the last rank perhaps fewer
//   T / t               learned positions
//   M / t               rows of the residual stream of M tokens, and all of the norms
#pragma once

#include <cstddef>
#include <string>

#include "model/config.hpp"
#include "parallel/layout/virtual_ranks.hpp"

namespace isoflop::model {

/// One of `ranks` tensor-parallel ranks; by default the model is not cut.
struct Split {
  std::size_t ranks = 1;
  std::size_t rank = 0;

  bool operator==(const Split&) const = default;

  /// This rank's run of `total`, of which every rank but the last has equally many.
  parallel::Extent share(std::size_t total) const;
};

/// What a rank has of each layer; with one rank the whole.
struct HeldSizes {
  std::size_t heads;
  std::size_t kv_heads;
  std::size_t head_width;
  std::size_t feed_forward;
  std::size_t up_width;
  parallel::Extent vocabulary;
  parallel::Extent positions;

  std::size_t qkv_width() const { return (heads + 2 * kv_heads) * head_width; }
  std::size_t attended_width() const { return heads * head_width; }
  kernels::AttentionShape attention_shape(std::size_t batch, std::size_t context) const {
    return {batch, context, heads, kv_heads, head_width};
  }
};

HeldSizes held_sizes(const ModelConfig& config, const Split& split);

/// Empty if the model can be cut across `ranks` ranks, else what is wrong: "seen 4, which does not
/// divide model.kv_heads 2".
std::string problem_of_split(const ModelConfig& config, std::size_t ranks);

}  // namespace isoflop::model
