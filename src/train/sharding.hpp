// Which elements of the flat parameter buffer a rank updates.
#pragma once

#include <type_traits>

#include "config/run_config.hpp"
#include "kernels/api/optimizer.hpp"
#include "model/parameters.hpp"
#include "optim/adamw.hpp"
#include "parallel/layout/virtual_ranks.hpp"

namespace isoflop::train {

/// fp32 runs train the weights themselves; others keep fp32 master weights beside them.
template <class T>
inline constexpr bool keeps_master = !std::is_same_v<T, float>;

inline parallel::Sharding shard_parameters(const model::ParameterTable& table, std::size_t ranks) {
  return {table.buffer_size(), ranks, kernels::kSumBlock};
}

/// ZeRO 0: everything; ZeRO 1: this rank's shard, cut at the buffer's end (empty when it lies past
/// it).
parallel::Extent owned_elements(const config::RunConfig& config, const model::ParameterTable& table,
                                const parallel::Sharding& sharding, std::size_t rank);

/// The owned elements as runs that are decayed or not; padding goes with the tensor before it.
std::vector<optim::Segment> decay_segments(const model::ParameterTable& table,
                                           const parallel::Extent& owned);

}  // namespace isoflop::train
