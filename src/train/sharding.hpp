// Which elements of the flat parameter buffer a rank updates, by ZeRO stage.
#pragma once

#include <type_traits>
#include <vector>

#include "config/run_config.hpp"
#include "model/parameters.hpp"
#include "optim/adamw.hpp"
#include "parallel/zero/gradient_sum.hpp"
#include "parallel/zero/weights.hpp"

namespace isoflop::train {

/// fp32 runs train the weights themselves; others keep fp32 master weights beside them.
template <class T>
inline constexpr bool keeps_master = !std::is_same_v<T, float>;

/// How `config` deals gradients and weights of parts [begin, end) of the table to `ranks`, for rank
/// `rank`. `config` is resolved.
parallel::GradientPlan plan_gradients(const config::RunConfig& config,
                                      const model::ParameterTable& table,
                                      const parallel::Extent& parts, std::size_t ranks,
                                      std::size_t rank);
/// How virtual ranks are dealt to replicas.
parallel::Dealing dealing_of(const config::RunConfig& config, std::size_t replicas);
parallel::Keep kept_weights(const config::RunConfig& config);

/// What a rank updates of a part.
struct Owned {
  parallel::Extent elements;             // of the flat buffer
  std::size_t begin;                     // in the rank's own memory
  std::size_t room;                      // there, with padding
  std::vector<optim::Segment> segments;  // of the elements
};

/// By part. ZeRO 0: everything; else this rank's shards, cut at the parts' ends.
std::vector<Owned> owned_parts(const config::RunConfig& config, const model::ParameterTable& table,
                               const parallel::PartSharding& sharding, std::size_t rank);

/// Elements of the rank's own memory.
inline std::size_t owned_room(const std::vector<Owned>& owned) {
  return owned.back().begin + owned.back().room;
}

}  // namespace isoflop::train
