#include "train/ranks.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "config/conflict.hpp"
#include "core/error.hpp"
#include "core/hash.hpp"
#include "model/split.hpp"

namespace isoflop::train {
namespace {

using config::ParallelConfig;
using config::RunConfig;

std::int64_t most_stages(const RunConfig& config) {
  return static_cast<std::int64_t>(config.model.layers) + 2;
}

std::int64_t most_tensor_ranks(const RunConfig& config) {
  return static_cast<std::int64_t>(config.model.kv_heads);
}

// Empty if tensor parallelism combines with the rest, else why not.
std::string trouble_of_tensor(const RunConfig& config, std::int64_t ranks) {
  const ParallelConfig& parallel = config.parallel;
  if (parallel.tensor == 1) return "";
  const std::string split =
      model::problem_of_split(config.model, static_cast<std::size_t>(parallel.tensor));
  if (!split.empty()) return "parallel.tensor: " + split;
  if (parallel.zero > 1)
    return fmt::format(
        "parallel.zero: seen {} with parallel.tensor = {}, which do not combine: ranks would wait "
        "for shards and for tensor-parallel ranks in one pass, perhaps in a ring",
        parallel.zero, parallel.tensor);
  if (ranks % (parallel.tensor * parallel.pipeline) == 0) return "";
  if (parallel.pipeline == 1)
    return fmt::format("parallel.tensor: seen {}, which does not divide {} ranks", parallel.tensor,
                       ranks);
  return fmt::format(
      "parallel.tensor: seen {} with pipelines of {} ranks, which together do not divide {} ranks",
      parallel.tensor, parallel.pipeline, ranks);
}

// Empty if the pipeline has layers and ranks enough, else why not.
std::string trouble_of_pipeline(const RunConfig& config, std::int64_t ranks) {
  const ParallelConfig& parallel = config.parallel;
  if (parallel.pipeline * parallel.chunks > most_stages(config))
    return fmt::format(
        "parallel.pipeline: seen {} ranks of {} stage(s), but the model has {} blocks, an "
        "embedding and a head to deal to them",
        parallel.pipeline, parallel.chunks, config.model.layers);
  if (ranks % parallel.pipeline != 0)
    return fmt::format("parallel.pipeline: seen {}, which does not divide {} ranks",
                       parallel.pipeline, ranks);
  return "";
}

// Empty if `ranks` can train `config`, else "key: why not".
std::string trouble(const RunConfig& config, std::int64_t ranks) {
  const ParallelConfig& parallel = config.parallel;
  if (const auto conflict = config::find_conflict(parallel, config.train))
    return fmt::format("parallel.{}: {}", conflict->key, conflict->text);
  if (std::string problem = trouble_of_tensor(config, ranks); !problem.empty()) return problem;
  if (std::string problem = trouble_of_pipeline(config, ranks); !problem.empty()) return problem;
  const std::int64_t replicas = ranks / (parallel.pipeline * parallel.tensor);
  if (parallel.data != 0 && parallel.data != replicas)
    return fmt::format("parallel.data: seen {}, but {} ranks were started, which makes {}",
                       parallel.data, ranks, replicas);
  if (replicas > parallel.virtual_ranks)
    return fmt::format(
        "parallel.virtual_ranks: {} ranks were started, which makes {} replicas, but the global "
        "batch has {} virtual ranks",
        ranks, replicas, parallel.virtual_ranks);
  if (parallel.pipeline > 1 && parallel.zero >= 2 && parallel.virtual_ranks % replicas != 0)
    return fmt::format(
        "parallel.zero: seen {} with {} replicas of a pipeline, which do not divide {} virtual "
        "ranks",
        parallel.zero, replicas, parallel.virtual_ranks);
  return "";
}

struct Key {
  const char* name;  // of [parallel]
  std::int64_t ParallelConfig::* value;
};
constexpr Key kPipeline{"pipeline", &ParallelConfig::pipeline};
constexpr Key kTensor{"tensor", &ParallelConfig::tensor};
constexpr Key kZero{"zero", &ParallelConfig::zero};
constexpr Key kChunks{"chunks", &ParallelConfig::chunks};
constexpr Key kData{"data", &ParallelConfig::data};
constexpr Key kVirtualRanks{"virtual_ranks", &ParallelConfig::virtual_ranks};

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

// The largest smaller micro-batch with which there are enough of them for a virtual rank each, or
// nothing.
std::string smaller_micro_batch(const RunConfig& config, std::int64_t ranks) {
  RunConfig other = config;
  std::int64_t& size = other.train.micro_batch;
  std::int64_t& virtual_ranks = other.parallel.virtual_ranks;
  for (size = config.train.micro_batch - 1; size >= 1; --size) {
    if (config.train.global_batch % size != 0) continue;
    const std::int64_t batches = config.train.global_batch / size;
    for (virtual_ranks = 1; virtual_ranks <= batches; virtual_ranks *= 2)
      if (trouble(other, ranks).empty())
        return fmt::format(
            "use train.micro_batch = {} with parallel.virtual_ranks = {} (another run)", size,
            virtual_ranks);
  }
  return "";
}

// Stages a rank in a pipeline of another depth: without a pipeline they are one because nobody said
// otherwise.
std::int64_t chunks_at(const ParallelConfig& asked, std::int64_t depth) {
  if (asked.pipeline > 1 || depth == 1) return asked.chunks;
  return static_cast<std::int64_t>(parallel::default_chunks(asked.schedule));
}

// One thing to change, and to what, so that it works.
std::vector<std::string> single_changes(const RunConfig& config, std::int64_t ranks,
                                        const std::string& micro_batch) {
  constexpr std::int64_t kMostZero = 3;
  const std::int64_t batches = config.train.global_batch / config.train.micro_batch;
  const std::pair<Key, std::int64_t> most[] = {
      {kPipeline, ranks}, {kZero, kMostZero},
      {kTensor, ranks},   {kChunks, config.parallel.chunks},
      {kData, ranks},     {kVirtualRanks, batches}};
  std::vector<std::string> ways;
  RunConfig other = config;
  for (const auto& [key, limit] : most) {
    const std::int64_t wanted = config.parallel.*key.value;
    const auto values = nearest(wanted, limit, [&](std::int64_t value) {
      other.parallel.*key.value = value;
      if (key.value == kPipeline.value) other.parallel.chunks = chunks_at(config.parallel, value);
      return trouble(other, ranks).empty();
    });
    other.parallel = config.parallel;
    if (!values.empty())
      ways.push_back(fmt::format("use parallel.{} = {}{}", key.name, fmt::join(values, " or "),
                                 key.value == kVirtualRanks.value ? " (another run)" : ""));
  }
  if (!micro_batch.empty()) ways.push_back(micro_batch);
  const auto numbers = nearest(
      ranks, 2 * ranks, [&](std::int64_t number) { return trouble(config, number).empty(); });
  if (!numbers.empty())
    ways.push_back(fmt::format("start mpirun -n {}", fmt::join(numbers, " or ")));
  return ways;
}

// How far apart two layouts are: factors of two, and keys that have no such.
double distance(const ParallelConfig& a, const ParallelConfig& b) {
  const auto factors = [](std::int64_t x, std::int64_t y) {
    return std::abs(std::log2(static_cast<double>(x) / static_cast<double>(y)));
  };
  return factors(a.pipeline, b.pipeline) + factors(a.tensor, b.tensor) +
         factors(a.chunks, b.chunks) + (a.zero == b.zero ? 0.0 : 1.0);
}

// The nearest layout of all `ranks`, or nothing.
std::optional<ParallelConfig> nearest_layout(const RunConfig& config, std::int64_t ranks) {
  const ParallelConfig& wanted = config.parallel;
  std::optional<ParallelConfig> best;
  RunConfig other = config;
  ParallelConfig& tried = other.parallel;
  for (tried.tensor = 1; tried.tensor <= std::min(ranks, most_tensor_ranks(config));
       ++tried.tensor) {
    if (ranks % tried.tensor != 0) continue;
    const std::int64_t deepest = std::min(ranks / tried.tensor, most_stages(config));
    for (tried.pipeline = 1; tried.pipeline <= deepest; ++tried.pipeline) {
      for (const std::int64_t chunks : {chunks_at(wanted, tried.pipeline), std::int64_t{1}}) {
        for (const std::int64_t zero : {wanted.zero, std::min(wanted.zero, std::int64_t{1})}) {
          tried.chunks = chunks;
          tried.zero = zero;
          tried.data = wanted.data == 0 ? 0 : ranks / (tried.tensor * tried.pipeline);
          if (best && distance(tried, wanted) >= distance(*best, wanted)) continue;
          if (trouble(other, ranks).empty()) best = tried;
        }
      }
    }
  }
  return best;
}

// Several things to change; one rank trains everything, so there are always some.
std::string changes(const RunConfig& config, std::int64_t ranks) {
  const std::int64_t most =  // that any layout takes
      config.parallel.virtual_ranks * most_stages(config) * most_tensor_ranks(config);
  std::int64_t number = std::min(ranks, most);
  std::optional<ParallelConfig> layout;
  while (!(layout = nearest_layout(config, number))) --number;
  std::vector<std::string> settings;
  ParallelConfig unsaid = config.parallel;
  unsaid.chunks = chunks_at(config.parallel, layout->pipeline);
  for (const Key& key : {kPipeline, kTensor, kZero, kChunks, kData})
    if ((*layout).*key.value != unsaid.*key.value)
      settings.push_back(fmt::format("parallel.{} = {}", key.name, (*layout).*key.value));
  return fmt::format("{}use {}",
                     number == ranks ? "" : fmt::format("start mpirun -n {} and ", number),
                     fmt::join(settings, " with "));
}

}  // namespace

void check_ranks(const RunConfig& config, std::int64_t ranks) {
  const std::string problem = trouble(config, ranks);
  if (problem.empty()) return;
  const std::size_t key = problem.find(':');  // where it stands is told too
  const bool lacks_batches = problem.starts_with("parallel.virtual_ranks");
  std::vector<std::string> ways =
      single_changes(config, ranks, lacks_batches ? smaller_micro_batch(config, ranks) : "");
  if (ways.empty()) ways.push_back(changes(config, ranks));
  throw InputError(fmt::format("{}{}; {}", config.place(problem.substr(0, key)),
                               problem.substr(key), fmt::join(ways, ", or ")));
}

void check_agreement(const RunConfig& config, const std::string& start,
                     comm::Communicator& communicator) {
  RunConfig shared = config;
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
