#include "train/sharding.hpp"

#include <algorithm>

namespace isoflop::train {

parallel::Extent owned_elements(const config::RunConfig& config, const model::ParameterTable& table,
                                const parallel::Sharding& sharding, std::size_t rank) {
  if (config.parallel.zero == 0) return {0, table.buffer_size()};
  const parallel::Extent shard = sharding.of(rank);
  return {std::min(shard.begin, table.buffer_size()), std::min(shard.end, table.buffer_size())};
}

std::vector<optim::Segment> decay_segments(const model::ParameterTable& table,
                                           const parallel::Extent& owned) {
  std::vector<optim::Segment> segments;
  const auto& parameters = table.parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const std::size_t next =
        i + 1 < parameters.size() ? parameters[i + 1].offset : table.buffer_size();
    const std::size_t begin = std::max(parameters[i].offset, owned.begin);
    const std::size_t end = std::min(next, owned.end);
    if (begin >= end) continue;
    const bool decayed = parameters[i].is_decayed();
    if (!segments.empty() && segments.back().decayed == decayed) {
      segments.back().end = end;
    } else {
      segments.push_back({begin, end, decayed});
    }
  }
  return segments;
}

}  // namespace isoflop::train
