#include "train/ranks.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/hash.hpp"
#include "model/split.hpp"

namespace isoflop::train {
namespace {

// Empty if tensor parallelism combines with the rest, else why not.
std::string trouble_of_tensor(const config::RunConfig& config, std::int64_t ranks) {
  const auto& parallel = config.parallel;
  if (parallel.tensor == 1) return "";
  if (parallel.zero > 1)
    return fmt::format("parallel.zero: seen {} with parallel.tensor = {}, which do not combine",
                       parallel.zero, parallel.tensor);
  if (ranks % (parallel.tensor * parallel.pipeline) == 0) return "";
  if (parallel.pipeline == 1)
    return fmt::format("parallel.tensor: seen {}, which does not divide {} ranks", parallel.tensor,
                       ranks);
  return fmt::format(
      "parallel.tensor: seen {} with pipelines of {} ranks, which together do not divide {} ranks",
      parallel.tensor, parallel.pipeline, ranks);
}

// Empty if `ranks` can train `config`, else why not.
std::string trouble(const config::RunConfig& config, std::int64_t ranks) {
  const auto& parallel = config.parallel;
  const std::int64_t depth = parallel.pipeline;
  if (std::string problem = trouble_of_tensor(config, ranks); !problem.empty()) return problem;
  if (ranks % depth != 0)
    return fmt::format("parallel.pipeline: seen {}, which does not divide {} ranks", depth, ranks);
  const std::int64_t replicas = ranks / (depth * parallel.tensor);
  if (parallel.data != 0 && parallel.data != replicas)
    return fmt::format("parallel.data: seen {}, but {} ranks were started, which makes {}",
                       parallel.data, ranks, replicas);
  if (replicas > parallel.virtual_ranks)
    return fmt::format(
        "parallel.virtual_ranks: {} ranks were started, which makes {} replicas, but the global "
        "batch has {} virtual ranks",
        ranks, replicas, parallel.virtual_ranks);
  if (depth > 1 && parallel.zero >= 2 && parallel.virtual_ranks % replicas != 0)
    return fmt::format(
        "parallel.zero: seen {} with {} replicas of a pipeline, which do not divide {} virtual "
        "ranks",
        parallel.zero, replicas, parallel.virtual_ranks);
  return "";
}

bool works(config::RunConfig config, std::int64_t ranks, std::int64_t depth) {
  const auto stages = static_cast<std::int64_t>(config.model.layers) + 2;
  config.parallel.pipeline = depth;
  return ranks >= 1 && depth >= 1 && depth * config.parallel.chunks <= stages &&
         (config.parallel.chunks == 1 || depth > 1) && trouble(config, ranks).empty();
}

// The nearest value below and above `wanted` that works, as far as there are any up to `most`.
template <class Works>
std::vector<std::int64_t> nearest(std::int64_t wanted, std::int64_t most, Works&& works) {
  std::vector<std::int64_t> found;
  for (std::int64_t below = std::min(wanted - 1, most); below >= 1 && found.empty(); --below)
    if (works(below)) found.push_back(below);
  for (std::int64_t above = wanted + 1; above <= most; ++above) {
    if (!works(above)) continue;
    found.push_back(above);
    break;
  }
  return found;
}

// What to change, and to what, so that it works.
std::vector<std::string> remedies(const config::RunConfig& config, std::int64_t ranks) {
  const std::int64_t depth = config.parallel.pipeline;
  std::vector<std::string> ways;
  const auto depths =
      nearest(depth, ranks, [&](std::int64_t other) { return works(config, ranks, other); });
  if (!depths.empty())
    ways.push_back(fmt::format("use parallel.pipeline = {}", fmt::join(depths, " or ")));
  config::RunConfig other = config;
  other.parallel.zero = 1;
  if (config.parallel.zero >= 2 && works(other, ranks, depth))
    ways.push_back("use parallel.zero = 1");
  other = config;
  other.parallel.tensor = 1;
  if (config.parallel.tensor > 1 && works(other, ranks, depth))
    ways.push_back("use parallel.tensor = 1");
  const auto numbers =
      nearest(ranks, 2 * ranks, [&](std::int64_t number) { return works(config, number, depth); });
  if (!numbers.empty())
    ways.push_back(fmt::format("start mpirun -n {}", fmt::join(numbers, " or ")));
  return ways;
}

}  // namespace

void check_ranks(const config::RunConfig& config, std::int64_t ranks) {
  const std::string split =
      model::problem_of_split(config.model, static_cast<std::size_t>(config.parallel.tensor));
  require(split.empty(), "{}: {}", config.place("parallel.tensor"), split);
  const std::string problem = trouble(config, ranks);
  if (problem.empty()) return;
  const std::size_t key = problem.find(':');  // where it stands is told too
  const std::vector<std::string> ways = remedies(config, ranks);
  throw InputError(fmt::format("{}{}{}{}", config.place(problem.substr(0, key)),
                               problem.substr(key), ways.empty() ? "" : "; ",
                               fmt::join(ways, ", or ")));
}

void check_agreement(const config::RunConfig& config, const std::string& start,
                     comm::Communicator& communicator) {
  config::RunConfig shared = config;
  shared.data.corpus.clear();
  shared.train.threads = 1;
  const std::uint64_t mine = hash64(config::run_id(config) + config::to_toml(shared) + start);
  std::vector<std::uint64_t> all(static_cast<std::size_t>(communicator.size()));
  communicator.all_gather<std::uint64_t>(std::span(&mine, 1), all);
  const auto other = std::ranges::find_if(all, [&](std::uint64_t hash) { return hash != all[0]; });
  require(
      other == all.end(),
      "rank {} has another configuration, corpus or --from than rank 0; needed the same arguments, "
      "run.toml and text on all ranks",
      other - all.begin());
}

}  // namespace isoflop::train
