#include "train/sharding.hpp"

#include <algorithm>

#include "kernels/api/optimizer.hpp"

namespace isoflop::train {
namespace {

// The elements as runs that are decayed or not; padding goes with the tensor before it.
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

parallel::Adder adder_of(const config::RunConfig& config) {
  if (config.train.reproducible) return parallel::Adder::tree;
  return config.parallel.zero == 0 ? parallel::Adder::gather_library
                                   : parallel::Adder::scatter_library;
}

}  // namespace

parallel::GradientPlan plan_gradients(const config::RunConfig& config,
                                      const model::ParameterTable& table,
                                      const parallel::Extent& parts, std::size_t ranks,
                                      std::size_t rank) {
  const auto first = table.parts().begin();
  const auto virtual_ranks = static_cast<std::size_t>(config.parallel.virtual_ranks);
  const auto micro_batches =
      static_cast<std::size_t>(config.train.global_batch / config.train.micro_batch);
  return {.sharding = {{first + static_cast<std::ptrdiff_t>(parts.begin),
                        first + static_cast<std::ptrdiff_t>(parts.end)},
                       ranks,
                       kernels::kSumBlock,
                       {parts.begin == 0 ? std::size_t{1} : 0,
                        std::min(parts.end, table.last_part()) - parts.begin}},
          .dealing = dealing_of(config, ranks),
          .rank = rank,
          .keeps_parts = micro_batches > virtual_ranks,
          .adder = adder_of(config)};
}

parallel::Dealing dealing_of(const config::RunConfig& config, std::size_t replicas) {
  return {static_cast<std::size_t>(config.parallel.virtual_ranks), replicas,
          config.parallel.zero >= 2};
}

parallel::Keep kept_weights(const config::RunConfig& config) {
  if (config.parallel.zero == 0) return parallel::Keep::replicas;
  return config.parallel.zero == 3 ? parallel::Keep::shards : parallel::Keep::gathered;
}

std::vector<Owned> owned_parts(const config::RunConfig& config, const model::ParameterTable& table,
                               const parallel::PartSharding& sharding, std::size_t rank) {
  const bool all = config.parallel.zero == 0;
  std::vector<Owned> parts;
  for (std::size_t part = 0; part < sharding.parts(); ++part) {
    const parallel::Extent elements = all ? sharding.part(part) : sharding.owned(part, rank);
    parts.push_back({elements, all ? sharding.padded_begin(part) : sharding.local_begin(part),
                     all ? sharding.padded(part) : sharding.shard(part),
                     decay_segments(table, elements)});
  }
  return parts;
}

}  // namespace isoflop::train
