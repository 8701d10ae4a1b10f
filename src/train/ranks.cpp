#include "train/ranks.hpp"

#include "core/error.hpp"

namespace isoflop::train {

void check_ranks(const config::RunConfig& config, std::int64_t ranks) {
  const auto& parallel = config.parallel;
  const std::int64_t depth = parallel.pipeline;
  require(
      ranks % depth == 0,
      "parallel.pipeline: seen {}, but {} ranks were started, which is no multiple of it; start "
      "mpirun -n {}",
      depth, ranks, (ranks + depth - 1) / depth * depth);
  require(depth == 1 || parallel.zero <= 1,
          "parallel.zero: seen {} with a pipeline of {} ranks; needed 0 or 1 there, or "
          "parallel.pipeline = 1",
          parallel.zero, depth);
  const std::int64_t replicas = ranks / depth;
  require(
      parallel.data == 0 || parallel.data == replicas,
      "parallel.data: seen {}, but {} ranks were started; start mpirun -n {} or leave the key out",
      parallel.data, ranks, parallel.data * depth);
  require(replicas <= parallel.virtual_ranks,
          "parallel.virtual_ranks: {} ranks were started, but the global batch has {} virtual "
          "ranks; start at most {} or raise train.global_batch",
          ranks, parallel.virtual_ranks, parallel.virtual_ranks * depth);
}

}  // namespace isoflop::train
