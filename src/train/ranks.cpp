#include "train/ranks.hpp"

#include <fmt/format.h>

#include "core/error.hpp"
#include "model/split.hpp"

namespace isoflop::train {

namespace {

void check_tensor(const config::RunConfig& config, std::int64_t ranks) {
  const auto& parallel = config.parallel;
  if (parallel.tensor == 1) return;
  const std::string problem =
      model::problem_of_split(config.model, static_cast<std::size_t>(parallel.tensor));
  const std::string place = config.place("parallel.tensor");
  require(problem.empty(), "{}: {}", place, problem);
  require(parallel.zero <= 1,
          "{}: seen {} with parallel.tensor = {}; needed 0 or 1 there, or parallel.tensor = 1",
          config.place("parallel.zero"), parallel.zero, parallel.tensor);
  const std::int64_t each = parallel.tensor * parallel.pipeline;
  require(
      ranks % each == 0,
      "{}: seen {}{}, but {} ranks were started, which is no multiple of {}; start mpirun -n {}",
      place, parallel.tensor,
      parallel.pipeline > 1 ? fmt::format(" with pipelines of {} ranks", parallel.pipeline) : "",
      ranks, each, (ranks + each - 1) / each * each);
}

}  // namespace

void check_ranks(const config::RunConfig& config, std::int64_t ranks) {
  check_tensor(config, ranks);
  const auto& parallel = config.parallel;
  const std::int64_t depth = parallel.pipeline;
  require(ranks % depth == 0,
          "{}: seen {}, but {} ranks were started, which is no multiple of it; start mpirun -n {}",
          config.place("parallel.pipeline"), depth, ranks, (ranks + depth - 1) / depth * depth);
  require(depth == 1 || parallel.zero <= 1,
          "{}: seen {} with a pipeline of {} ranks; needed 0 or 1 there, or parallel.pipeline = 1",
          config.place("parallel.zero"), parallel.zero, depth);
  const std::int64_t each = depth * parallel.tensor;  // ranks a replica
  const std::int64_t replicas = ranks / each;
  require(parallel.data == 0 || parallel.data == replicas,
          "{}: seen {}, but {} ranks were started; start mpirun -n {} or leave the key out",
          config.place("parallel.data"), parallel.data, ranks, parallel.data * each);
  require(replicas <= parallel.virtual_ranks,
          "{}: {} ranks were started, but the global batch has {} virtual ranks; start at most {} "
          "or raise train.global_batch",
          config.place("parallel.virtual_ranks"), ranks, parallel.virtual_ranks,
          parallel.virtual_ranks * each);
}

}  // namespace isoflop::train
