#include "train/ranks.hpp"

#include "core/error.hpp"

namespace isoflop::train {

void check_ranks(const config::RunConfig& config, std::int64_t ranks) {
  require(
      config.parallel.data == 0 || config.parallel.data == ranks,
      "parallel.data: seen {}, but {} ranks were started; start mpirun -n {} or leave the key out",
      config.parallel.data, ranks, config.parallel.data);
  require(ranks <= config.parallel.virtual_ranks,
          "parallel.virtual_ranks: {} ranks were started, but the global batch has {} virtual "
          "ranks; start fewer ranks or "
          "raise train.global_batch",
          ranks, config.parallel.virtual_ranks);
}

}  // namespace isoflop::train
